"""What is wrong with labels, classes and their priors is said before a step is made."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import (
    AAE,
    GAN,
    VAE,
    ClusteringAAE,
    EmbeddingAAE,
    LabelGuidedAAE,
    SemiSupervisedAAE,
    SupervisedAAE,
    priors,
)
from tests.models.small import INPUTS, KNOWN, LABELS, NUM_CLASSES, Batches, build

pytestmark = pytest.mark.usefixtures("eager_steps")

GAUSSIAN = priors.gaussian(2)
RING = priors.ring_mixture(NUM_CLASSES)
STYLE = {"style_prior": GAUSSIAN, "style_divergence": "mmd", "class_divergence": "mmd"}
ARGUMENTS = {
    AAE: (2, {"prior": GAUSSIAN, "divergence": "mmd"}),
    LabelGuidedAAE: (2, {"prior": RING, "num_classes": NUM_CLASSES, "divergence": "mmd"}),
    SupervisedAAE: (5, {"prior": GAUSSIAN, "num_classes": NUM_CLASSES, "divergence": "mmd"}),
    SemiSupervisedAAE: (5, {**STYLE, "num_classes": NUM_CLASSES}),
    ClusteringAAE: (5, {**STYLE, "num_clusters": NUM_CLASSES}),
    EmbeddingAAE: (2, {**STYLE, "num_clusters": NUM_CLASSES}),
    VAE: (2, {"prior": GAUSSIAN}),
    GAN: (2, {"prior": GAUSSIAN, "divergence": "mmd"}),
}
LEARNERS = [LabelGuidedAAE, SupervisedAAE, SemiSupervisedAAE]


def _model(cls, code_dim=None, **kwargs):
    width, arguments = ARGUMENTS[cls]
    return build(cls, code_dim or width, **{**arguments, **kwargs})


@functools.cache
def _untrained(cls):
    """One compiled model of a class, for tests that change nothing in it."""
    model = _model(cls)
    model.compile()
    return model


def _dataset(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(20)


FLOATS = KNOWN.astype("float32")
# Wrong wherever labels are given.
WRONG = [
    (np.where(KNOWN == 1, NUM_CLASSES, KNOWN), ValueError, r"classes from 0 to 2.*\[1\]=3"),
    (KNOWN - 2, ValueError, r"classes from 0 to 2.*\[0\]=-2"),
    (FLOATS, TypeError, "to be an array of integers"),
    (KNOWN[:-1], ValueError, r"to have shape \(40,\)"),
    (np.eye(3, dtype=int)[KNOWN], ValueError, r"to have shape \(40,\)"),
]
# Too little to learn from.
POOR = [
    (LEARNERS, None, r"`y` to be labels, integers \[40\] in \[-1, 3\)"),
    (LEARNERS, KNOWN % 2, "`y` to have a known label of each of the 3 classes.* label of 2"),
    ([LabelGuidedAAE, SemiSupervisedAAE], np.full(40, -1), "at least one known label"),
    ([SupervisedAAE], LABELS, "`y` to hold the label of every row"),
]


@pytest.mark.parametrize("cls", [*LEARNERS, EmbeddingAAE])
def test_wrong_labels_are_named_before_a_step(cls):
    model = _untrained(cls)
    for labels, error, message in WRONG:
        with pytest.raises(error, match=f"`y` (to hold )?{message}"):
            model.fit(INPUTS, labels, verbose=0)
        with pytest.raises(error, match=f"`y of validation_data` (to hold )?{message}"):
            model.fit(INPUTS, KNOWN, validation_data=(INPUTS, labels), verbose=0)
        with pytest.raises(error, match=f"`y` (to hold )?{message}"):
            model.evaluate(INPUTS, labels, verbose=0)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("cls", "labels", "message"), [(cls, *rest) for classes, *rest in POOR for cls in classes]
)
def test_labels_that_teach_nothing_are_refused_before_a_step(cls, labels, message):
    model = _untrained(cls)
    with pytest.raises(ValueError, match=message):
        model.fit(INPUTS, labels, verbose=0)
    assert model.optimizer.iterations == 0


PIPELINES = [
    (LEARNERS, _dataset(INPUTS), ValueError, r"`x` to yield pairs \(inputs, labels\)"),
    (LEARNERS, _dataset(INPUTS, FLOATS), TypeError, "`y` to be an array of integers"),
    (
        LEARNERS,
        _dataset(INPUTS, np.eye(3, dtype=int)[KNOWN]),
        ValueError,
        r"shape \(n,\).* y\.argmax\(axis=1\)",
    ),
    ([EmbeddingAAE], _dataset(INPUTS, FLOATS), TypeError, "`y` to be an array of integers"),
    ([SupervisedAAE], Batches(INPUTS, size=20), ValueError, r"pairs \(inputs, labels\)"),
    (
        [*LEARNERS, EmbeddingAAE],
        Batches(INPUTS, FLOATS, size=20),
        TypeError,
        "`y` to be an array of integers",
    ),
]


@pytest.mark.parametrize(
    ("cls", "pipeline", "error", "message"),
    [(cls, *rest) for classes, *rest in PIPELINES for cls in classes],
)
def test_pipelines_without_usable_labels_are_refused_before_a_step(cls, pipeline, error, message):
    model = _untrained(cls)
    with pytest.raises(error, match=message):
        model.fit(pipeline, verbose=0)
    assert model.optimizer.iterations == 0


@pytest.mark.thorough
def test_what_needs_no_label_is_measured_without():
    for cls in (LabelGuidedAAE, SemiSupervisedAAE, EmbeddingAAE):
        model = _untrained(cls)
        options = {"verbose": 0, "return_dict": True}
        expected = model.evaluate(INPUTS, batch_size=20, **options)
        measured = model.evaluate(_dataset(INPUTS), **options)
        assert measured == pytest.approx(expected, rel=1e-5)
    model = _untrained(SupervisedAAE)
    for x in (INPUTS, _dataset(INPUTS)):
        with pytest.raises(ValueError, match="labels"):
            model.evaluate(x, verbose=0)


@pytest.mark.parametrize(
    ("cls", "arguments", "error", "message"),
    [
        (LabelGuidedAAE, {"prior": GAUSSIAN}, ValueError, "`prior` to be a mixture with one"),
        (LabelGuidedAAE, {"num_classes": 4}, ValueError, "num_classes=4, prior with 3 components"),
        (LabelGuidedAAE, {"prior": "ring"}, TypeError, "`prior` to be a tfp.distributions"),
        (LabelGuidedAAE, {"code_dim": 5}, ValueError, r"model gives it, \[batch, 2\]"),
        (SupervisedAAE, {"code_dim": 2}, ValueError, r"\[batch, 5\].*event_shape=\(2,\) and 3 cl"),
        (SupervisedAAE, {"num_classes": 0}, ValueError, "`num_classes` to be a positive integer"),
        (SemiSupervisedAAE, {"code_dim": 2}, ValueError, r"\[batch, 5\].*style_prior with event"),
        (SemiSupervisedAAE, {"style_prior": 2}, TypeError, "`style_prior` to be a tfp"),
        (SemiSupervisedAAE, {"num_classes": 1}, ValueError, "`num_classes` to be at least 2"),
        (SemiSupervisedAAE, {"num_classes": 2.5}, TypeError, "`num_classes` to be an integer"),
        (SemiSupervisedAAE, {"class_prior": GAUSSIAN}, TypeError, "`class_prior` to be a tfd.One"),
        (
            SemiSupervisedAAE,
            {"class_prior": priors.categorical(4)},
            ValueError,
            "class_prior with 4, num_classes=3",
        ),
        (
            ClusteringAAE,
            {"class_prior": priors.categorical(4)},
            ValueError,
            "class_prior with 4, num_clusters=3",
        ),
        (ClusteringAAE, {"num_clusters": 1}, ValueError, "`num_clusters` to be at least 2"),
        (ClusteringAAE, {"consistency": "vat"}, ValueError, "`consistency` to be one of 'virtual"),
        (ClusteringAAE, {"information": 1.0}, TypeError, "`information` to be a name or a Mutual"),
        (EmbeddingAAE, {"code_dim": 5}, ValueError, r"model gives it, \[batch, 2\]"),
        (EmbeddingAAE, {"class_divergence": "kl"}, ValueError, "`class_divergence` to be one of"),
        (EmbeddingAAE, {"style_divergence": None}, TypeError, "`style_divergence` to be a name"),
        (SemiSupervisedAAE, {"classification_weight": -1.0}, ValueError, "`classification_weight`"),
    ],
)
def test_bad_constructor_arguments_are_named(cls, arguments, error, message):
    with pytest.raises(error, match=message):
        _model(cls, **arguments)


CLASSED = [LabelGuidedAAE, SupervisedAAE, SemiSupervisedAAE, ClusteringAAE, EmbeddingAAE]


@pytest.mark.parametrize("cls", CLASSED)
def test_bad_labels_of_samples_are_named(cls):
    model = _untrained(cls)
    for labels, error, message in (
        (NUM_CLASSES, ValueError, r"`labels` in \[-1, 3\). Received: labels from 3 to 3"),
        ([0, -2], ValueError, r"`labels` in \[-1, 3\). Received: labels from -2 to 0"),
        ([0.0, 1.0], TypeError, "`labels` to be an integer or integers"),
        (["a", "b"], TypeError, "`labels` to be an integer or integers"),
        ([0, 1, 2], ValueError, "one integer, or one for each of 2 samples"),
        ([[0, 1]], ValueError, "one integer, or one for each of 2 samples"),
    ):
        with pytest.raises(error, match=message):
            model.sample(2, labels=labels)


@pytest.mark.parametrize("cls", [AAE, VAE, GAN])
def test_models_without_classes_take_no_labels(cls):
    with pytest.raises(ValueError, match=f"`labels` to be None: {cls.__name__} knows no classes"):
        _untrained(cls).sample(2, labels=[0, 1])


@pytest.mark.parametrize("cls", [AAE, VAE, SupervisedAAE])
def test_models_without_a_classifier_say_so(cls):
    with pytest.raises(NotImplementedError, match=f"{cls.__name__} has no classifier"):
        _untrained(cls).classify(INPUTS)


def test_class_probabilities_go_to_decoders_that_receive_them_and_to_no_other():
    codes, one_hot = np.zeros((2, 2), "float32"), np.eye(3)[:2]
    for cls in (AAE, LabelGuidedAAE, EmbeddingAAE, VAE, GAN):
        with pytest.raises(ValueError, match=f"{cls.__name__} receives latents. Received"):
            _untrained(cls).decode(codes, one_hot)
    for cls in (SupervisedAAE, SemiSupervisedAAE, ClusteringAAE):
        model = _untrained(cls)
        with pytest.raises(ValueError, match="receives latents and class_probabilities"):
            model.decode(codes)
        with pytest.raises(ValueError, match="as many `class_probabilities` as `z`"):
            model.decode(codes, np.eye(3))
        with pytest.raises(ValueError, match=r"`class_probabilities` to have rows of shape \(3,\)"):
            model.decode(codes, np.eye(4)[:2])
