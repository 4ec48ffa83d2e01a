"""Rows of `tests/conformance.py` for the models: every variant with every divergence anywhere."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow_probability as tfp

from aae_tf import divergences, losses, models, networks, posteriors, priors
from tests.models import small
from tests.models.small import KNOWN, LABELS, NUM_CLASSES

SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(0).random((40, *SHAPE), dtype="float32")

Build = Callable[[], keras.Model]


def adversarial(width: int = 2) -> divergences.Adversarial:
    """A game of which no argument is the default."""
    return divergences.Adversarial(
        networks.mlp_discriminator(width, units=(7,), seed=4),
        objective="least_squares",
        label_smoothing=0.1,
        input_noise=0.2,
        gradient_penalty=0.3,
        weight=0.4,
        name="game",
    )


def moments(standardized: bool = True) -> divergences.MMD:
    """An MMD of sampled terms; `standardized` forbids labels and all estimators but one."""
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(np.float32(0.5), np.float32(1.5))
    return divergences.MMD(
        kernel + kernel,
        estimator="unbiased" if standardized else "biased",
        prior_terms="sampled",
        standardized=standardized,
        num_features=64 if standardized else None,
        weight=5.0,
        name="moments",
    )


def integrated() -> divergences.MMD:
    """An MMD of posteriors that are integrated: what `moments` has in other ways."""
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(np.float32(0.5), np.float32(1.5))
    return divergences.MMD(
        kernel, estimator="linear", posterior_terms="closed_form", weight=6.0, name="integrated"
    )


def universal() -> posteriors.Universal:
    """A posterior of which no argument is the default."""
    return posteriors.Universal(
        noise_dim=3,
        units=(6, 5),
        activation="tanh",
        num_mean_samples=4,
        normalize=True,
        name="f",
    )


def build(cls: type, code_dim: int = 2, **kwargs: Any) -> Any:
    """Builds a model of tiny networks for `IMAGES`; its decoder takes `code_dim` numbers."""
    if issubclass(cls, models.BaseAAE):
        kwargs["encoder"] = networks.mlp_encoder(SHAPE, units=(8,), dropout=0.1, seed=1)
    return small.build(cls, code_dim, SHAPE, **{"seed": 3, "name": "conformant", **kwargs})


def aae(posterior: Any, divergence: Any, prior: Any = None) -> models.AAE:
    """Builds an AAE, by default of a prior with five components."""
    prior = priors.ring_mixture(5, radius=2.0) if prior is None else prior
    return build(models.AAE, prior=prior, posterior=posterior, divergence=divergence)


def _label_guided(divergence: Any) -> models.LabelGuidedAAE:
    prior = priors.ring_mixture(NUM_CLASSES, radius=2.0)
    return build(
        models.LabelGuidedAAE,
        prior=prior,
        num_classes=NUM_CLASSES,
        posterior="gaussian",
        divergence=divergence,
    )


def _supervised(divergence: Any, within: bool = False) -> models.SupervisedAAE:
    return build(
        models.SupervisedAAE,
        2 + NUM_CLASSES,
        prior=priors.uniform(2, low=-3.0, high=2.0),
        num_classes=NUM_CLASSES,
        posterior=universal(),
        divergence=divergence,
        match_within_classes=within,
    )


def _class_style(cls: type, style: Any, classes: Any) -> models.ClassStyleAAE:
    arguments: dict[str, Any] = {
        "style_prior": priors.gaussian(2, scale=3.0),
        "class_prior": priors.categorical(NUM_CLASSES, probs=[0.3, 0.4, 0.3]),
        "posterior": posteriors.Gaussian(normalize=classes is not None),
        "style_divergence": style,
        "class_divergence": classes,
        "consistency": losses.VirtualAdversarial(0.5, weight=0.7),
        "information": losses.MutualInformation(2.0, weight=0.3),
    }
    width = 2 + NUM_CLASSES
    ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 3, end_learning_rate=1.0)
    if cls is models.SemiSupervisedAAE:
        return build(cls, width, num_classes=NUM_CLASSES, classification_weight=ramp, **arguments)
    if cls is models.EmbeddingAAE:
        # Heads are learned or held; the rows without a divergence of the class hold them.
        held = np.eye(NUM_CLASSES, 2, dtype="float32") if classes is None else None
        arguments |= {
            "heads": held,
            "head_distance": 6.0,
            "head_weight": 0.5,
            "classification_weight": ramp,
        }
        width = 2
    return build(cls, width, num_clusters=NUM_CLASSES, **arguments)


_STYLES: dict[str, Build] = {"adversarial": adversarial, "mmd": moments}
_CLASSES: dict[str, Any] = {
    "adversarial": lambda: adversarial(NUM_CLASSES),
    "mmd": lambda: "mmd",
    "nothing": lambda: None,
}
_COMBINATIONS = [*itertools.product(_STYLES, ("adversarial", "mmd")), ("mmd", "nothing")]


def _baselines() -> dict[str, Build]:
    prior = priors.gaussian(2, scale=3.0)
    ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 3, end_learning_rate=1.0)
    return {
        "VAE kl": lambda: build(
            models.VAE,
            prior=prior,
            posterior=posteriors.Gaussian(4.0, normalize=True),
            kl_weight=ramp,
        ),
        "GAN adversarial": lambda: build(models.GAN, prior=prior, divergence=adversarial(64)),
        "GAN mmd": lambda: build(models.GAN, prior=prior, divergence="mmd"),
        "GMMN mmd": lambda: build(models.GMMN, prior=prior, divergence=moments(False)),
    }


# Builders and the labels that `fit` gets, by name: the class, then what is matched by what.
MODELS: dict[str, tuple[Build, np.ndarray | None]] = {
    "AAE deterministic adversarial": (
        lambda: aae(posteriors.Deterministic(normalize=True), adversarial()),
        None,
    ),
    "AAE gaussian mmd": (lambda: aae(posteriors.Gaussian(4.0, normalize=True), moments()), None),
    "AAE gaussian posterior terms": (lambda: aae(posteriors.Gaussian(4.0), integrated()), None),
    "AAE universal mmd": (
        lambda: aae(universal(), "mmd", priors.uniform(2, low=-3.0, high=2.0)),
        None,
    ),
    "AAE several adversarial": (
        lambda: aae("gaussian", {"near": moments(), "far": "energy", "game": adversarial()}),
        None,
    ),
    "AAE gaussian adversarial": (
        lambda: aae("gaussian", adversarial(), priors.gaussian(2, scale=3.0)),
        None,
    ),
    "LabelGuidedAAE adversarial": (
        lambda: _label_guided(adversarial(2 + NUM_CLASSES + 1)),
        LABELS,
    ),
    "LabelGuidedAAE mmd": (lambda: _label_guided("mmd"), LABELS),
    "LabelGuidedAAE sampled mmd": (lambda: _label_guided(moments(False)), LABELS),
    "SupervisedAAE adversarial": (lambda: _supervised(adversarial()), KNOWN),
    "SupervisedAAE mmd": (lambda: _supervised("mmd"), KNOWN),
    "SupervisedAAE adversarial within classes": (
        lambda: _supervised(adversarial(2 + NUM_CLASSES + 1), within=True),
        KNOWN,
    ),
    "SupervisedAAE mmd within classes": (lambda: _supervised("mmd", within=True), KNOWN),
    **{
        f"{cls.__name__} {style} {classes}": (
            lambda cls=cls, style=style, classes=classes: _class_style(
                cls, _STYLES[style](), _CLASSES[classes]()
            ),
            None if cls is models.ClusteringAAE else LABELS,
        )
        for cls in (models.SemiSupervisedAAE, models.ClusteringAAE, models.EmbeddingAAE)
        for style, classes in _COMBINATIONS
    },
    **{name: (make, None) for name, make in _baselines().items()},
}
