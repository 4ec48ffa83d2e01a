"""Terms that a model is given as `extra_terms`: what they get, what becomes of what they return."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, models, priors
from aae_tf.divergences import MMD
from aae_tf.losses import LossTerm
from tests.models import rows, small
from tests.models.small import INPUTS, LABELS

pytestmark = pytest.mark.usefixtures("eager_steps")


@keras.saving.register_keras_serializable(package="tests")
class Size(LossTerm):
    """The squared length of each code, times a factor."""

    log_key = "size"

    def __init__(self, factor=1.0, weight=1.0):
        super().__init__(weight)
        self.factor = factor

    def __call__(self, latents):
        return self.factor * tf.reduce_sum(latents**2, axis=1)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Recorder(LossTerm):
    """Returns zero, and keeps what it got."""

    log_key = "recorded"

    def __call__(
        self, latents, inputs, targets, outputs, labels, sample_weight, seed, training, unknown=7
    ):
        self.got = {name: value for name, value in locals().items() if name != "self"}
        return tf.zeros(())


def _aae(*terms, **kwargs):
    return small.build(
        AAE, prior=priors.gaussian(2), divergence=MMD(weight=0.0), extra_terms=terms, **kwargs
    )


@pytest.mark.sampled
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_term_gets_what_it_names(schedule):
    term = Recorder()
    model = _aae(term)
    model.compile(keras.optimizers.SGD(0.0), schedule=schedule)
    weights = np.arange(40) / 40.0
    model.train_on_batch(INPUTS, LABELS, sample_weight=weights)
    got = term.got
    assert got["training"] is True and got["seed"].shape == (2,) and got["unknown"] == 7
    for name, value in {"inputs": INPUTS, "targets": INPUTS, "labels": LABELS}.items():
        np.testing.assert_array_equal(got[name], value)
    np.testing.assert_allclose(got["sample_weight"], weights, rtol=1e-6)
    np.testing.assert_allclose(got["latents"], model.encode(INPUTS), rtol=1e-5)
    np.testing.assert_allclose(got["outputs"], model.reconstruct(INPUTS), rtol=1e-5)
    model.test_on_batch(INPUTS)
    assert got is not term.got and term.got["training"] is False
    assert term.got["labels"] is None and term.got["sample_weight"] is None


@pytest.mark.sampled
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_values_of_examples_are_averaged_weighted_and_lowered(schedule, weighted):
    weights = np.arange(40) % 3 if weighted else None
    model = _aae(Size(2.0, weight=0.5))
    # Steps of one example's loss would be as long as the weights.
    model.compile(keras.optimizers.SGD(1e-4), schedule=schedule)
    kernel = model.posterior.trainable_variables[0]
    sizes = 2.0 * (model.encode(INPUTS) ** 2).sum(axis=1)
    logs = model.evaluate(INPUTS, sample_weight=weights, batch_size=40, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["size"], np.average(sizes, weights=weights), rtol=1e-5)
    np.testing.assert_allclose(
        logs["loss"] - logs["reconstruction_loss"] * (1.0 if weights is None else weights.mean()),
        0.5 * logs["size"],
        rtol=1e-4,
    )
    # The same step without the term: what is left is the term's own gradient.
    without = _aae()
    without.compile(keras.optimizers.SGD(1e-4), schedule=schedule)
    features = model.encoder(INPUTS).numpy()
    for each in (model, without):
        each.fit(INPUTS, sample_weight=weights, batch_size=40, shuffle=False, verbose=0)
    moved = (kernel - without.posterior.trainable_variables[0]).numpy()
    codes = features @ np.array(_aae().posterior.get_weights()[0])
    shares = np.full(40, 1 / 40) if weights is None else weights / weights.sum()
    gradient = features.T @ (2.0 * codes * shares[:, None])
    np.testing.assert_allclose(moved, -1e-4 * gradient, rtol=0.02, atol=1e-7)


@pytest.mark.filterwarnings("ignore:The guard skipped")
def test_terms_are_saved_with_the_model(tmp_path):
    ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 10, end_learning_rate=2.0)
    model = _aae(Size(3.0, weight=ramp))
    config = model.get_config()
    again = AAE.from_config(json.loads(json.dumps(config))).get_config()
    assert json.dumps(again) == json.dumps(config)
    model.compile()
    model.fit(INPUTS, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    (term,) = loaded.loss_terms
    assert (term.factor, term.weight.end_learning_rate) == (3.0, 2.0)
    for a, b in zip(
        model.evaluate(INPUTS, verbose=0), loaded.evaluate(INPUTS, verbose=0), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    # Files of before have no such key.
    del config["extra_terms"]
    assert AAE.from_config(config).loss_terms == ()


CLASSES = {name.split()[0]: name for name in rows.MODELS}


@pytest.mark.sampled
@pytest.mark.parametrize("cls", CLASSES)
def test_every_model_takes_terms(cls):
    build, labels = rows.MODELS[CLASSES[cls]]
    terms = keras.saving.serialize_keras_object([Size(weight=2.0)])
    model = getattr(models, cls).from_config({**build().get_config(), "extra_terms": terms})
    model.compile()
    assert model.train_on_batch(rows.IMAGES, labels, return_dict=True)["size"] > 0.0


def test_example_of_the_document_runs():
    text = Path(__file__).parents[2].joinpath("docs", "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    names = {}
    exec(code, names)
    model = names["model"]
    model.compile()
    logs = model.evaluate(rows.IMAGES, batch_size=40, verbose=0, return_dict=True)
    brightness = (rows.IMAGES - model.reconstruct(rows.IMAGES)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(logs["brightness"], (brightness**2).mean(), rtol=1e-4)


class Unnamed(LossTerm):
    def __call__(self, latents):
        return latents


class Asking(Unnamed):
    log_key = "asking"

    def __call__(self, latent, inputs):
        return latent


class Wide(Unnamed):
    log_key = "wide"


class Reconstruction(Size):
    log_key = "reconstruction_loss"


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        ([lambda latents: 0.0], TypeError, "`extra_terms` to be a sequence of losses.LossTerm"),
        (Size(), TypeError, "`extra_terms` to be a sequence of losses.LossTerm"),
        ([Unnamed()], ValueError, "a `log_key` of its own. Received: log keys .None"),
        ([Size(), Size(2.0)], ValueError, "a `log_key` of its own. Received: log keys .'size', 's"),
    ],
)
def test_bad_terms_are_refused_when_the_model_is_made(terms, error, message):
    with pytest.raises(error, match=message):
        small.build(AAE, prior=priors.gaussian(2), extra_terms=terms)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (Asking(), "Asking.__call__ to ask for some of mean, latents, inputs.*Received: latent."),
        (Wide(), r"Wide to return a scalar, or one value for each.*Received: shape=\(40, 2\)"),
        (Reconstruction(), "log keys of their own. Received: 'reconstruction_loss'"),
    ],
)
def test_terms_that_cannot_be_computed_are_named_before_a_step(term, message):
    model = _aae(term)
    model.compile()
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(INPUTS)


class WithHook(AAE):
    def extra_terms(self, codes, batch, seed, training):
        return {"size": models.ExtraTerm(tf.reduce_mean(codes["latents"]), 0.5)}


def test_hook_of_a_class_and_terms_of_its_model_have_keys_of_their_own():
    arguments = {"prior": priors.gaussian(2), "divergence": "mmd"}
    model = small.build(WithHook, **arguments)
    model.compile()
    assert "size" in model.train_on_batch(INPUTS, return_dict=True)
    model = small.build(WithHook, extra_terms=[Size()], **arguments)
    model.compile()
    with pytest.raises(ValueError, match="`log_key` of Size not to be that of a term of the model"):
        model.train_on_batch(INPUTS)
