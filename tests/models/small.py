"""Small models for the tests of the variants, and NumPy's word on their networks."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import models, networks, priors
from aae_tf.models import Batch

NUM_CLASSES = 3
INPUTS = np.random.default_rng(0).random((40, 4), dtype="float32")
KNOWN = np.arange(40) % NUM_CLASSES
# Every fourth label is unknown.
LABELS = np.arange(40) % (NUM_CLASSES + 1) - 1


class Batches(keras.utils.PyDataset):
    """Batches of whatever arrays it is given.

    Args:
        *arrays: with the same number of rows.
        size: rows of a batch.
    """

    def __init__(self, *arrays: np.ndarray, size: int) -> None:
        super().__init__()
        self.arrays = arrays
        self.size = size

    def __len__(self) -> int:
        return len(self.arrays[0]) // self.size

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        rows = slice(self.size * index, self.size * (index + 1))
        return tuple(array[rows] for array in self.arrays)


def build(cls: type, code_dim: int = 2, shape: tuple[int, ...] = (4,), **kwargs: Any) -> Any:
    """Builds a model of 8 hidden units, with a decoder that takes `code_dim` numbers."""
    arguments = {"decoder": networks.mlp_decoder(shape, code_dim, units=(8,), seed=2), "seed": 0}
    if issubclass(cls, models.BaseAAE):
        arguments["encoder"] = networks.mlp_encoder(shape, units=(8,), seed=1)
    return cls(**{**arguments, **kwargs})


def build_classifier(shape: tuple[int, ...] = (4,)) -> models.SemiSupervisedAAE:
    """Builds a model whose encoder gives a style and classes, without discriminators."""
    return build(
        models.SemiSupervisedAAE,
        2 + NUM_CLASSES,
        shape,
        style_prior=priors.gaussian(2),
        num_classes=NUM_CLASSES,
        style_divergence="mmd",
        class_divergence="mmd",
    )


def forward(network: keras.Model, x: np.ndarray) -> np.ndarray:
    """Runs a fully connected network of this package in NumPy."""
    functions = {"relu": lambda v: np.maximum(v, 0.0), "sigmoid": lambda v: 1 / (1 + np.exp(-v))}
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dense):
            x = dense(layer, x)
        activation = getattr(layer, "activation", None)
        if activation is not None:
            x = functions.get(activation.__name__, lambda v: v)(x)
    return x


def dense(layer: keras.layers.Dense, x: np.ndarray) -> np.ndarray:
    """Applies one layer's kernel and bias."""
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


def softmax(logits: np.ndarray) -> np.ndarray:
    """Gives probabilities, row by row."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def gradient_step(model: keras.Model, labels: Any = None, epochs: int = 1, **kwargs: Any) -> Any:
    """Trains on `INPUTS` as one batch, in order; returns the logs."""
    history = model.fit(
        INPUTS, labels, batch_size=40, epochs=epochs, shuffle=False, verbose=0, **kwargs
    )
    return history.history


def measure(model: keras.Model, labels: Any = None) -> dict[str, float]:
    """Evaluates on `INPUTS` as one batch."""
    if not model.compiled:
        model.compile()
    return model.evaluate(INPUTS, labels, batch_size=40, verbose=0, return_dict=True)


def mmd_squared(x: np.ndarray, y: np.ndarray, length_scale: float = 1.0) -> float:
    """Gives the biased MMD^2 of two samples with a Gaussian kernel."""

    def mean_kernel(a: np.ndarray, b: np.ndarray) -> float:
        squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
        return np.exp(-squared / (2 * length_scale**2)).mean()

    return mean_kernel(x, x) - 2 * mean_kernel(x, y) + mean_kernel(y, y)


def batch(labels: Any = None) -> Batch:
    """Gives `INPUTS` as a model's hooks see them."""
    labels = None if labels is None else tf.constant(labels, tf.int32)
    return Batch(tf.constant(INPUTS), labels, None)
