"""The width of a Parzen window."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from aae_tf.checks import check_positive
from aae_tf.evaluation.check_entries import check_entries
from aae_tf.evaluation.gaussian_windows import (
    Samples,
    log_mean_windows,
    sample_chunks,
)

_COARSE = 1.35
_STEPS = 10
_WIDEST, _NARROWEST = 2.0, 1e-3


def parzen_bandwidth(samples: Samples, x: Any, sigmas: Sequence[float] | None = None) -> float:
    """Finds the width of the Parzen window under which held-out data are most likely.

    By default a coarse grid, from twice to a thousandth of the root-mean-square distance between
    `x` and `samples` per dimension, is refined around its best point to steps of 3%. In d
    dimensions, half a step costs less than 2.5e-4 d nats. The best sigma^2 lies between the
    means over i of min_j and of mean_j |x_i - s_j|^2 / d, so that the grid ends above it.

    Args:
        samples: float [m, ...], m > 0; or a collection of such arrays, or a function without
            arguments that returns an iterable of them: the default grid goes through them
            twice. As many samples as the window will stand on, since the best width falls
            with their number.
        x: float [n, ...], data that neither the model nor the result is about: held out from
            training, and not the test data.
        sigmas: widths to choose from, positive, at least three; None for the default grid.

    Returns:
        The width of the largest mean log-likelihood.

    Raises:
        TypeError: if `x` or a chunk of `samples` is no array of floats, `samples` is neither
            array, iterable nor function, or can be gone through only once where it must be
            twice.
        ValueError: if an array is not finite or empty, the shapes differ, `sigmas` are no three
            different positive numbers, or the best is the first or the last of the grid. With
            the default grid this means that rows of `x` are among `samples`.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> round(parzen_bandwidth(rng.normal(size=(1000, 2)), rng.normal(size=(500, 2))), 1)
    0.3

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 3 (arXiv:1511.05644), which
        names no grid. A usual one, ten steps per decade and coarser, loses up to 10 nats in 784
        dimensions.
    """
    x = check_entries("x", x)
    if sigmas is not None:
        grid = np.unique([check_positive("sigmas", sigma) for sigma in sigmas])
        if len(grid) < 3:
            raise ValueError(
                "Expected `sigmas` to be at least three different widths. "
                f"Received: sigmas={sigmas!r}."
            )
        best = _best(x, samples, grid)
        if best in (0, len(grid) - 1):
            raise ValueError(
                "Expected `sigmas` to reach beyond the best width on both sides. "
                f"Received: sigmas from {grid[0]:g} to {grid[-1]:g}, the best is {grid[best]:g}."
            )
        return float(grid[best])
    if isinstance(samples, Iterator):
        raise TypeError(
            "Expected `samples` to be an array, or a function that returns an iterable, so that "
            f"they can be gone through again. Received: samples of type {type(samples).__name__}."
        )
    widest = _WIDEST * _distance(x, samples)
    count = math.ceil(math.log(_WIDEST / _NARROWEST, _COARSE))
    grid = widest * _COARSE ** np.arange(-count, 1.0)
    best = _best(x, samples, grid) if widest else 0
    if best == 0:
        raise ValueError(
            "Expected `x` to be held out: rows that are not among `samples`. "
            f"Received: the best width is at most {grid[0]:g}."
        )
    grid = grid[best] * _COARSE ** (np.arange(-_STEPS, _STEPS + 1) / _STEPS)
    return float(grid[_best(x, samples, grid)])


def _best(x: np.ndarray, samples: Samples, sigmas: np.ndarray) -> int:
    return int(log_mean_windows(x, samples, sigmas).mean(axis=1).argmax())


def _distance(x: np.ndarray, samples: Samples) -> float:
    """Gives the root-mean-square distance per dimension to the first chunk of samples."""
    chunk = next(sample_chunks(samples, x.shape[1:]), None)
    if chunk is None:
        raise ValueError("Expected `samples` to have at least one row. Received: none.")
    shift = x.mean(axis=0, dtype=np.float64) - chunk.mean(axis=0, dtype=np.float64)
    variances = x.var(axis=0, dtype=np.float64) + chunk.var(axis=0, dtype=np.float64)
    return float(np.sqrt(np.mean(variances + shift**2)))
