"""The semi-supervised model: what labels do, and what those that are unknown do not."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from aae_tf import SemiSupervisedAAE, losses, networks, priors
from aae_tf.divergences import MMD, Adversarial
from tests.models.small import (
    INPUTS,
    LABELS,
    NUM_CLASSES,
    build,
    dense,
    forward,
    gradient_step,
    measure,
    softmax,
)

pytestmark = pytest.mark.usefixtures("eager_steps")

ROWS = LABELS >= 0
# Absent for one step, present from the second on.
LATE = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.0, 1.0])


def _model(**kwargs):
    arguments = {
        "style_prior": priors.gaussian(2),
        "num_classes": NUM_CLASSES,
        "style_divergence": MMD(weight=0.0),
        "class_divergence": None,
    }
    return build(SemiSupervisedAAE, 2 + NUM_CLASSES, **{**arguments, **kwargs})


def _compiled(rate=0.5, **kwargs):
    """Compiles with nothing in the loss but what is given a weight."""
    model = _model(**kwargs)
    model.compile(keras.optimizers.SGD(rate), reconstruction_weight=0.0)
    return model


def _logits(model):
    return dense(model.class_head, forward(model.encoder, INPUTS))


def test_cross_entropy_and_accuracy_are_those_of_the_labelled_rows():
    model = _model()
    logits = _logits(model)
    np.testing.assert_allclose(model.classify(INPUTS), softmax(logits), rtol=1e-5)
    logs = measure(model, LABELS)
    expected = -log_softmax(logits, axis=1)[ROWS, LABELS[ROWS]].mean()
    np.testing.assert_allclose(logs["classification_loss"], expected, rtol=1e-5)
    accuracy = (logits.argmax(axis=1) == LABELS)[ROWS].mean()
    np.testing.assert_allclose(logs["accuracy"], accuracy, rtol=1e-6)
    # Over batches with and without labels, too.
    order = np.argsort(LABELS, kind="stable")
    batched = model.evaluate(
        INPUTS[order], LABELS[order], batch_size=10, verbose=0, return_dict=True
    )
    np.testing.assert_allclose(batched["classification_loss"], expected, rtol=1e-5)


def test_rows_of_unknown_label_have_no_part_in_the_classification():
    model = _compiled()
    features = forward(model.encoder, INPUTS)
    slope = softmax(_logits(model)) - np.eye(NUM_CLASSES)[LABELS]
    slope = features[ROWS].T @ slope[ROWS] / ROWS.sum()
    kernel = model.class_head.get_weights()[0]
    gradient_step(model, LABELS)
    np.testing.assert_allclose(
        model.class_head.get_weights()[0], kernel - 0.5 * slope, rtol=1e-4, atol=1e-6
    )


def test_logs_have_the_keys_of_the_contract():
    def game(width):
        return Adversarial(networks.mlp_discriminator(width, units=(8,)))

    model = _model(
        style_divergence=game(2),
        class_divergence=game(NUM_CLASSES),
        consistency="virtual_adversarial",
        information="mutual_information",
    )
    parts = ("divergence", "discriminator_loss", "discriminator_accuracy")
    keys = {"loss", "reconstruction_loss", "consistency_loss", "information_loss"}
    keys |= {f"{code}_{part}" for code in ("style", "class") for part in parts}
    # Of a class nothing is known without labels.
    assert measure(model).keys() == keys
    assert measure(model, LABELS).keys() == keys | {"classification_loss", "accuracy"}


LATE_TERMS = {
    "classification": lambda: {"classification_weight": LATE},
    "style": lambda: {"classification_weight": 0.0, "style_divergence": MMD(weight=LATE)},
    "class": lambda: {"classification_weight": 0.0, "class_divergence": MMD(weight=LATE)},
    "information": lambda: {
        "classification_weight": 0.0,
        "information": losses.MutualInformation(4.0, LATE),
    },
}


# The alternating schedule takes the terms of codes in one phase and the others in another.
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("term", "schedule"),
    [
        *((term, "joint") for term in LATE_TERMS),
        ("classification", "alternating"),
        ("style", "alternating"),
    ],
)
def test_a_weight_that_is_zero_at_first_changes_nothing_then(term, schedule):
    model = _model(**LATE_TERMS[term]())
    model.compile(keras.optimizers.SGD(0.5), schedule=schedule, reconstruction_weight=0.0)
    before = model.get_weights()
    gradient_step(model, LABELS)
    equal = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    trained = len(model.trainable_variables)
    assert all(equal[:trained])
    gradient_step(model, LABELS)
    assert not all(map(np.array_equal, before[:trained], model.get_weights()[:trained]))


def test_reconstruction_weight_is_a_factor_or_a_schedule():
    model = _model(classification_weight=0.0)
    for weight, factor in ((2.5, 2.5), (LATE, 0.0)):
        model.compile(reconstruction_weight=weight)
        logs = measure(model, LABELS)
        np.testing.assert_allclose(logs["loss"], factor * logs["reconstruction_loss"], rtol=1e-5)


def test_information_is_what_the_formula_says():
    model = _model(information=losses.MutualInformation(2.0, weight=3.0))
    probs = softmax(_logits(model))
    marginal = probs.mean(axis=0)
    entropy = -(probs * np.log(probs)).sum(axis=1).mean()
    expected = entropy + 2.0 * (marginal * np.log(marginal)).sum()
    logs = measure(model)
    np.testing.assert_allclose(logs["information_loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(
        logs["loss"], logs["reconstruction_loss"] + 3.0 * expected, rtol=1e-4
    )


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_consistency_leaves_averages_and_random_states_alone(schedule):
    def trained(consistency):
        model = _model(
            encoder=networks.mlp_encoder(
                (4,), units=(8,), batch_normalization=True, input_noise=0.1, dropout=0.2, seed=1
            ),
            consistency=consistency,
        )
        model.compile(keras.optimizers.SGD(0.1), schedule=schedule)
        logs = gradient_step(model, LABELS, epochs=2)
        return logs, model.get_weights()

    logs, weights = trained(losses.VirtualAdversarial(weight=0.0))
    expected_logs, expected = trained(None)
    assert logs.pop("consistency_loss")[0] > 0.0
    assert logs == expected_logs
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_consistency_compares_under_the_same_noise():
    model = _model(
        encoder=networks.mlp_encoder((4,), units=(8,), input_noise=0.5, dropout=0.2, seed=1),
        consistency=losses.VirtualAdversarial(radius=1e-4),
    )
    model.compile(keras.optimizers.SGD(0.0))
    # A disturbance of nearly nothing changes nearly nothing, whatever the noise.
    assert gradient_step(model, LABELS)["consistency_loss"][0] < 1e-6


@pytest.mark.thorough
def test_class_frequencies_that_contradict_the_prior_are_told_before_training():
    inputs = np.random.default_rng(0).random((120, 4), dtype="float32")
    labels = np.where(np.arange(120) < 100, 0, np.arange(120) % NUM_CLASSES)
    model = _compiled()
    with pytest.warns(UserWarning, match="class frequencies"):
        model.fit(inputs, labels, verbose=0)
    frequencies = np.bincount(labels) / 120
    model = _compiled(class_prior=priors.categorical(NUM_CLASSES, probs=frequencies))
    model.fit(inputs, labels, verbose=0)
