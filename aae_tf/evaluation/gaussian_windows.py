"""Log-densities under Gaussian windows on samples, which are read chunk by chunk."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf import data

# Rows of `x`, and of the samples, in one matrix product, whose result takes 4 MiB.
_BLOCK_ROWS = 1024
# Largest error of the logarithm of one window by rounding a distance in float32, nats.
_TOLERANCE = 0.1

Samples = Any | Iterable[Any] | Callable[[], Iterable[Any]]


def sample_chunks(samples: Samples, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yields samples chunk by chunk, once.

    Args:
        samples: float [m, ...]; or an iterable of such arrays, or a function that returns one.
        shape: of one sample.

    Yields:
        float32 [k, ...], k > 0.

    Raises:
        TypeError: if a chunk is no array of floats, or `samples` cannot be iterated over.
        ValueError: if a chunk is not finite or has rows of another shape.
    """
    if callable(samples):
        samples = samples()
    if isinstance(samples, np.ndarray | tf.Tensor | list):
        samples = [samples]
    elif not isinstance(samples, Iterable):
        raise TypeError(
            "Expected `samples` to be an array, or to yield arrays. "
            f"Received: samples of type {type(samples).__name__}."
        )
    for chunk in samples:
        chunk = data.check_array(chunk, "samples", shape)
        if len(chunk):
            yield chunk


def log_mean_windows(x: np.ndarray, samples: Samples, sigmas: np.ndarray) -> np.ndarray:
    """Computes log((1/m) sum_j N(x_i; s_j, sigma^2 I)) for each of several sigmas.

    Distances are computed as |x|^2 - 2 x's + |s|^2, once for all sigmas, after the mean of `x` is
    subtracted from both. The sum cancels where x and s are close: the error of an entry is at
    most about sqrt(d) u (|x| + |s|)^2, u the unit roundoff. Products are in single precision where
    this moves the logarithm of a window by less than 0.1 nat, else in double.

    Args:
        x: float32 [n, ...], n > 0.
        samples: see `sample_chunks`; read once, with one chunk in memory at a time.
        sigmas: float64 [k], positive.

    Returns:
        float64 [k, n], nats.

    Raises:
        TypeError, ValueError: as `sample_chunks`; ValueError also if there is no sample.
    """
    points = x.reshape(len(x), -1)
    dimension = points.shape[1]
    centre = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = points - centre
    radius = _largest_norm(points)
    scales = 0.5 / np.square(sigmas)
    representable_scales = np.minimum(scales, np.finfo(np.float32).max)
    totals = np.full([len(sigmas), len(x)], -np.inf)
    count = 0
    for chunk in sample_chunks(samples, x.shape[1:]):
        count += len(chunk)
        for sample_rows in _blocks(chunk.reshape(len(chunk), dimension) - centre):
            error = _unit_roundoff() * dimension**0.5 * (radius + _largest_norm(sample_rows)) ** 2
            dtype = tf.float32 if error * scales.max() < _TOLERANCE else tf.float64
            block = tf.cast(sample_rows, dtype)
            factors = tf.cast(representable_scales, dtype)
            parts = [_window_sums(tf.cast(rows, dtype), block, factors) for rows in _blocks(points)]
            nearest = np.concatenate([part[0] for part in parts]).astype(np.float64)
            sums = np.concatenate([part[1] for part in parts], axis=1).astype(np.float64)
            np.logaddexp(totals, np.log(sums) - np.outer(scales, nearest), out=totals)
    if not count:
        raise ValueError("Expected `samples` to have at least one row. Received: none.")
    norm = 0.5 * dimension * np.log(2.0 * np.pi) + dimension * np.log(sigmas)
    return totals - norm[:, np.newaxis] - np.log(count)


@tf.function(reduce_retracing=True)
def _window_sums(x: tf.Tensor, samples: tf.Tensor, scales: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns the smallest squared distance of each x, and sums of windows over the nearest one."""
    distances = (
        tf.reduce_sum(tf.square(x), axis=1, keepdims=True)
        + tf.reduce_sum(tf.square(samples), axis=1)
        - 2.0 * tf.matmul(x, samples, transpose_b=True)
    )
    distances = tf.maximum(distances, 0.0)
    nearest = tf.reduce_min(distances, axis=1)
    # One sigma at a time: the windows of all together would take too much memory.
    excess = nearest[:, tf.newaxis] - distances
    sums = tf.map_fn(
        lambda scale: tf.reduce_sum(tf.exp(scale * excess), axis=1), scales, parallel_iterations=1
    )
    return nearest, sums


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _BLOCK_ROWS] for start in range(0, len(rows), _BLOCK_ROWS))


def _largest_norm(rows: np.ndarray) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64).max()))


def _unit_roundoff() -> float:
    # TensorFloat-32, the default on the GPUs that have it, rounds each factor to ten bits.
    is_coarse = tf.config.experimental.tensor_float_32_execution_enabled()
    return 2.0**-11 if is_coarse and tf.config.list_logical_devices("GPU") else 2.0**-24
