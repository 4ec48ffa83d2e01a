"""One row for every public class, built with arguments that are not the defaults.

`tests/test_conformance.py` drives every row through what its kind promises, and fails when a
public class has no row.
"""

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import (
    callbacks,
    data,
    detector,
    divergences,
    evaluation,
    export,
    losses,
    mmd,
    models,
    networks,
    offline,
    posteriors,
    priors,
    serving,
)
from tests.models.rows import IMAGES, MODELS, adversarial, integrated, moments, universal
from tests.tables import small

PACKAGES = (
    callbacks,
    data,
    detector,
    divergences,
    evaluation,
    export,
    losses,
    mmd,
    models,
    networks,
    offline,
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
    models.BaseModel,
    models.ClassStyleAAE,
    models.GenerativeModel,
    posteriors.Posterior,
}


class Row(NamedTuple):
    """One public class.

    Attributes:
        kind: "model", "layer" (has a Keras config), "callback", or "other".
        build: makes an instance with arguments that are not the defaults.
        labels: what a model's `fit` gets beside its inputs; None where it looks at none.
        inputs: what its `fit` gets.
    """

    kind: str
    build: Callable[[], Any]
    labels: np.ndarray | None = None
    inputs: Any = IMAGES


_MATERN = tfp.math.psd_kernels.MaternThreeHalves(np.float32(0.5), np.float32(1.5))
_RECORD = tf.train.Example(
    features=tf.train.Features(
        feature={
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[3])),
            "pixels": tf.train.Feature(float_list=tf.train.FloatList(value=[0.0, 1.0])),
        }
    )
).SerializeToString()


@functools.cache
def _exported() -> str:
    folder = Path(tempfile.mkdtemp(), "1")
    MODELS["GMMN mmd"][0]().export(folder, verbose=False)
    return os.fspath(folder)


def _session(kind: type) -> Any:
    return kind(_exported(), tags=["serve"])


ROWS = {
    **{name: Row("model", build, labels) for name, (build, labels) in MODELS.items()},
    "AAE of a table": Row("model", small.build_aae, None, small.COLUMNS),
    "SemiSupervisedAAE of a table": Row(
        "model", small.build_classifier, small.LABELS, small.COLUMNS
    ),
    "Adversarial": Row("layer", adversarial),
    "SlicedWasserstein": Row(
        "layer", lambda: divergences.SlicedWasserstein(7, weight=0.4, name="slices")
    ),
    "Adversarial spectral": Row(
        "layer",
        lambda: divergences.Adversarial(spectral_normalization=True, weight=0.4, name="smooth"),
    ),
    "MMD standardized": Row("layer", moments),
    "MMD biased": Row("layer", lambda: moments(False)),
    "MMD of posteriors": Row("layer", integrated),
    "Deterministic": Row("layer", lambda: posteriors.Deterministic(normalize=True, name="point")),
    "Gaussian": Row(
        "layer",
        lambda: posteriors.Gaussian(max_log_variance=3.0, normalize=True, name="normal"),
    ),
    "Universal": Row("layer", universal),
    "LatentScatter": Row(
        "callback",
        lambda: callbacks.LatentScatter(IMAGES, np.arange(40) % 3, tempfile.mkdtemp(), every=2),
    ),
    "Reconstructions": Row(
        "callback", lambda: callbacks.Reconstructions(IMAGES, tempfile.mkdtemp(), every=2)
    ),
    "LearningCurves": Row(
        "callback", lambda: callbacks.LearningCurves(tempfile.mkdtemp(), every=2)
    ),
    "Projector": Row(
        "other", lambda: callbacks.Projector(IMAGES, np.arange(40) % 3, tempfile.mkdtemp(), every=2)
    ),
    "SampleGrid": Row("callback", lambda: callbacks.SampleGrid(9, 5, tempfile.mkdtemp(), every=2)),
    "SwapEMAWeights": Row("other", lambda: callbacks.SwapEMAWeights(swap_on_epoch=True)),
    "LatentFit": Row(
        "other", lambda: callbacks.LatentFit(IMAGES, every=2, num_bootstrap=99, seed=5)
    ),
    "ClassFrequencies": Row("other", lambda: callbacks.ClassFrequencies(IMAGES, every=2)),
    "BlockProduct": Row(
        "other", lambda: mmd.BlockProduct([_MATERN, _MATERN], [1, 2], name="blocks")
    ),
    "CoordinateProduct": Row("other", lambda: mmd.CoordinateProduct(_MATERN, name="coordinates")),
    "SlicedGaussian": Row("other", lambda: mmd.SlicedGaussian(0.7, name="sliced")),
    "Energy": Row("other", lambda: mmd.Energy(0.7, name="energy")),
    "FourierFeatures": Row(
        "other", lambda: mmd.FourierFeatures(_MATERN, 3, 64, seed=5, name="features")
    ),
    "Balance": Row("other", lambda: models.Balance(0.4, 0.7, 0.2, 9)),
    "BalanceMonitor": Row(
        "callback",
        lambda: callbacks.BalanceMonitor(
            tempfile.mkdtemp(), every=2, lowest=0.4, highest=0.8, patience=2
        ),
    ),
    "Batch": Row("other", lambda: models.Batch(IMAGES, np.zeros(40), np.ones(40))),
    "Code": Row(
        "other", lambda: models.Code(priors.gaussian(2), divergences.MMD(), "style", num_classes=3)
    ),
    "AnomalyDetector": Row(
        "other", lambda: detector.AnomalyDetector(MODELS["VAE kl"][0](), 0.1, 0.2, 0.4, 3, 9)
    ),
    "AsyncClient": Row(
        "other", lambda: serving.AsyncClient("localhost", rest_port=8501, timeout=2.0, batch_size=9)
    ),
    "BatchingParameters": Row("other", lambda: export.BatchingParameters(8, 500, 3, 2, "pool")),
    "CApiSession": Row("other", lambda: _session(export.CApiSession)),
    "Client": Row("other", lambda: serving.Client("localhost", rest_port=8501, timeout=2.0)),
    "Dataset": Row("other", lambda: data.load("digits", validation=99, seed=4)),
    "Column": Row(
        "other",
        lambda: data.Column("x", "count", 1.0, 2.0, 0.1, dispersion=0.5, baseline=0.3),
    ),
    "ColumnLosses": Row("other", lambda: losses.ColumnLosses(small.schema(), {"port": 2.0})),
    "DatasetNotFoundError": Row("other", lambda: data.DatasetNotFoundError("the reason")),
    "DriftMonitor": Row(
        "other", lambda: detector.DriftMonitor(priors.gaussian(2), 0.02, num_features=64, seed=3)
    ),
    "DriftResult": Row("other", lambda: detector.DriftResult(0.1, 0.001, True)),
    "DivergenceTerms": Row("other", lambda: divergences.DivergenceTerms(*np.ones(3))),
    "ExportError": Row("other", lambda: export.ExportError("the reason")),
    "ExtraTerm": Row("other", lambda: models.ExtraTerm(np.ones(()), 2.0, np.full((), 3.0))),
    "Guard": Row("other", lambda: models.Guard(5.0, 0.1, 7)),
    "HeadDistance": Row("other", lambda: losses.HeadDistance(3.0, weight=2.0)),
    "KullbackLeibler": Row("other", lambda: losses.KullbackLeibler(weight=0.5)),
    "MMDTestResult": Row("other", lambda: mmd.MMDTestResult(np.ones(()), np.full((), 0.5))),
    "LoadReport": Row(
        "other", lambda: serving.LoadReport(np.ones(3), {"UNAVAILABLE": 1}, 2.0, rows=4)
    ),
    "StandardizedError": Row("other", lambda: losses.StandardizedError([2.0, 0.5])),
    "Windows": Row("other", lambda: data.windows(IMAGES[:, :, 0, 0], length=5, stride=3)),
    "ModelServer": Row(
        "other",
        lambda: serving.ModelServer(
            tempfile.mkdtemp(),
            host="localhost",
            grpc_port=1,
            rest_port=2,
            max_body_bytes=9,
            request_timeout=3.0,
            file_system_poll_wait_seconds=9.0,
            enable_batching=True,
            enable_per_model_batching_parameters=True,
            allow_version_labels_for_unavailable_models=True,
            enable_model_warmup=False,
            reload_root="/",
        ),
    ),
    "MutualInformation": Row("other", lambda: losses.MutualInformation(2.0, weight=0.3)),
    "RegisterMeanEmbedding": Row(
        "other",
        lambda: mmd.RegisterMeanEmbedding(
            tfp.distributions.Pareto, tfp.math.psd_kernels.MaternFiveHalves
        ),
    ),
    "RecordDecoder": Row("other", lambda: offline.RecordDecoder(_RECORD, (2,), "pixels")),
    "Retries": Row(
        "other", lambda: serving.Retries(1, 0.01, 0.1, generator=np.random.default_rng(3))
    ),
    "SavedModelSession": Row("other", lambda: _session(export.SavedModelSession)),
    "ServerError": Row("other", lambda: serving.ServerError("the reason")),
    "ServingError": Row(
        "other", lambda: serving.ServingError(grpc.StatusCode.NOT_FOUND, "the reason")
    ),
    "TableColumns": Row("layer", lambda: networks.TableColumns(small.schema(), name="answer")),
    "TableFeatures": Row("layer", lambda: networks.TableFeatures(small.schema(), name="ask")),
    "TableSchema": Row("other", small.schema),
    "VirtualAdversarial": Row("other", lambda: losses.VirtualAdversarial(2.0, 3, 0.5, weight=0.7)),
}
