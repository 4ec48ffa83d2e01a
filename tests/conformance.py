"""One row for every public class, built with arguments that are not the defaults.

`tests/test_conformance.py` drives every row through what its kind promises, and fails when a
public class has no row.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import tensorflow_probability as tfp

from aae_tf import (
    AAE,
    callbacks,
    data,
    divergences,
    evaluation,
    export,
    losses,
    mmd,
    models,
    networks,
    posteriors,
    priors,
    serving,
)

IMAGES = np.random.default_rng(0).random((40, 8, 8, 1), dtype="float32")
PACKAGES = (
    callbacks,
    data,
    divergences,
    evaluation,
    export,
    losses,
    mmd,
    models,
    networks,
    posteriors,
    priors,
    serving,
)

# Bases, whose subclasses are the rows; each has tests of its own for what it asks of them.
BASES = {
    callbacks.FigureCallback,
    divergences.Divergence,
    losses.LossTerm,
    mmd.MeanEmbedding,
    models.BaseAAE,
    models.Codec,
    posteriors.Posterior,
}


class Row(NamedTuple):
    """One public class.

    Attributes:
        kind: "model", "layer" (has a Keras config), "callback", or "other".
        build: makes an instance with arguments that are not the defaults.
    """

    kind: str
    build: Callable[[], Any]


def _aae(posterior: Any, divergence: Any, prior: Any = None) -> AAE:
    return AAE(
        encoder=networks.mlp_encoder((8, 8, 1), units=(12,), dropout=0.1, seed=1),
        decoder=networks.mlp_decoder((8, 8, 1), 2, units=(12,), seed=2),
        prior=priors.ring_mixture(5, radius=2.0) if prior is None else prior,
        posterior=posterior,
        divergence=divergence,
        seed=3,
        name="conformant",
    )


def _adversarial() -> divergences.Adversarial:
    return divergences.Adversarial(
        networks.mlp_discriminator(2, units=(7,), seed=4),
        objective="least_squares",
        label_smoothing=0.1,
        input_noise=0.2,
        gradient_penalty=0.3,
        weight=0.4,
        name="game",
    )


def _mmd() -> divergences.MMD:
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(np.float32(0.5), np.float32(1.5))
    return divergences.MMD(
        kernel + kernel,
        estimator="biased",
        prior_terms="sampled",
        standardized=True,
        weight=5.0,
        name="moments",
    )


def _universal() -> posteriors.Universal:
    return posteriors.Universal(
        noise_dim=3, units=(6, 5), activation="tanh", num_mean_samples=4, name="f"
    )


def _session() -> export.SavedModelSession:
    folder = Path(tempfile.mkdtemp(), "1")
    _aae("deterministic", _mmd()).export(folder, verbose=False)
    return export.SavedModelSession(os.fspath(folder), tags=["serve"])


ROWS = {
    "AAE deterministic adversarial": Row("model", lambda: _aae("deterministic", _adversarial())),
    "AAE gaussian mmd": Row("model", lambda: _aae(posteriors.Gaussian(4.0), _mmd())),
    "AAE universal mmd": Row(
        "model", lambda: _aae(_universal(), "mmd", priors.uniform(2, low=-3.0, high=2.0))
    ),
    "AAE gaussian adversarial": Row(
        "model", lambda: _aae("gaussian", _adversarial(), priors.gaussian(2, scale=3.0))
    ),
    "Adversarial": Row("layer", _adversarial),
    "MMD": Row("layer", _mmd),
    "Deterministic": Row("layer", lambda: posteriors.Deterministic(name="point")),
    "Gaussian": Row("layer", lambda: posteriors.Gaussian(max_log_variance=3.0, name="normal")),
    "Universal": Row("layer", _universal),
    "LatentScatter": Row(
        "callback",
        lambda: callbacks.LatentScatter(IMAGES, np.arange(40) % 3, tempfile.mkdtemp(), every=2),
    ),
    "Reconstructions": Row(
        "callback", lambda: callbacks.Reconstructions(IMAGES, tempfile.mkdtemp(), every=2)
    ),
    "SampleGrid": Row("callback", lambda: callbacks.SampleGrid(9, 5, tempfile.mkdtemp(), every=2)),
    "Batch": Row("other", lambda: models.Batch(IMAGES, np.zeros(40), np.ones(40))),
    "Client": Row("other", lambda: serving.Client("localhost", rest_port=8501, timeout=2.0)),
    "Dataset": Row("other", lambda: data.load("digits", validation=99, seed=4)),
    "DatasetNotFoundError": Row("other", lambda: data.DatasetNotFoundError("the reason")),
    "DivergenceTerms": Row("other", lambda: divergences.DivergenceTerms(*np.ones(3))),
    "ExportError": Row("other", lambda: export.ExportError("the reason")),
    "HeadDistance": Row("other", lambda: losses.HeadDistance(3.0, weight=2.0)),
    "KullbackLeibler": Row("other", lambda: losses.KullbackLeibler(weight=0.5)),
    "ModelServer": Row(
        "other",
        lambda: serving.ModelServer(
            tempfile.mkdtemp(),
            host="localhost",
            grpc_port=1,
            rest_port=2,
            max_body_bytes=9,
            request_timeout=3.0,
        ),
    ),
    "MutualInformation": Row("other", lambda: losses.MutualInformation(2.0, weight=0.3)),
    "RegisterMeanEmbedding": Row(
        "other",
        lambda: mmd.RegisterMeanEmbedding(
            tfp.distributions.Pareto, tfp.math.psd_kernels.MaternFiveHalves
        ),
    ),
    "SavedModelSession": Row("other", _session),
    "ServerError": Row("other", lambda: serving.ServerError("the reason")),
    "ServingError": Row(
        "other", lambda: serving.ServingError(grpc.StatusCode.NOT_FOUND, "the reason")
    ),
    "VirtualAdversarial": Row("other", lambda: losses.VirtualAdversarial(2.0, 3, 0.5, weight=0.7)),
}
