"""The log-likelihood of a generator under a Gaussian Parzen window on its samples."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from aae_tf.checks import check_dimension, check_integer, check_positive
from aae_tf.evaluation.arguments import check_entries
from aae_tf.evaluation.gaussian_windows import Samples, log_mean_windows, sample_chunks

# The coarse grid of widths: its factor, and its ends in units of the distance to the samples.
_COARSE_FACTOR = 1.35
_WIDEST, _NARROWEST = 2.0, 1e-3
# Steps of the fine grid for one of the coarse grid.
_FINE_STEPS = 10
# Relative to the largest entry: samples this close to each other count as the same.
_ROUNDING = 1e-3


def parzen(
    sample: Any,
    x_validation: Any,
    x_test: Any,
    num_samples: int = 10_000,
    seed: int = 0,
    chunk_size: int = 10_000,
) -> dict[str, Any]:
    """Measures the log-likelihood of test data under a Parzen window on samples of a model.

    The width of the window is the one under which `x_validation` is most likely, given the same
    samples. These are never in memory together: each of three passes draws them again, chunk by
    chunk.

    Args:
        sample: the method `sample` of a model, or another function of n and `seed`, a
            non-negative int32, that returns float [n, ...], the same for the same seed; or the
            samples themselves, float [m, ...].
        x_validation: float [k, ...], data held out from training, to choose the width. One or
            two thousand are enough.
        x_test: float [n, ...], at least two.
        num_samples: number of samples m. The result grows with it: compare results of one m. Of
            an array, that of its rows counts.
        seed: non-negative integer that fixes, with `chunk_size`, the samples.
        chunk_size: samples drawn at a time, which bounds the memory.

    Returns:
        Ready for JSON:

        - `log_likelihood`: mean over `x_test`, nats;
        - `standard_error`: of this mean, over `x_test` alone. It does not include how much the
          mean varies from one training to the next, which is more;
        - `sigma`: the width, in the units of the data;
        - `num_samples`: m.

    Raises:
        TypeError: if an array holds no floats, or `seed` is no integer.
        ValueError: if an array is not finite or has too few rows, `sample` gives another shape,
            other samples for the same seed, or the same for every seed, or an integer is out of its
            range.

    Example:

    >>> def sample(n, seed):
    ...     return np.random.default_rng(seed).normal(size=(n, 2))
    >>> numbers = parzen(sample, sample(500, seed=1), sample(500, seed=2))
    >>> bool(abs(numbers["log_likelihood"] + np.log(2 * np.pi) + 1) < 0.15)
    True

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 3 (arXiv:1511.05644): MNIST,
        m = 10,000 and 10,000,000.
    """
    x_test = check_entries("x_test", x_test)
    if len(x_test) < 2:
        raise ValueError(
            f"Expected `x_test` to have at least two rows. Received: x_test.shape={x_test.shape}."
        )
    x_validation = check_entries("x_validation", x_validation)
    if x_validation.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            "Expected `x_validation` to have rows of the shape of `x_test`. Received: "
            f"x_validation.shape={x_validation.shape}, x_test.shape={x_test.shape}."
        )
    check_dimension("num_samples", num_samples)
    check_dimension("chunk_size", chunk_size)
    check_integer("seed", seed)
    if not callable(sample):
        return _measure(check_entries("sample", sample), x_validation, x_test)
    starts = range(0, num_samples, chunk_size)
    # Seeds have 31 bits, which every generator of random numbers takes.
    seeds = np.random.SeedSequence(seed).generate_state(len(starts)) >> 1

    def chunks() -> Iterator[Any]:
        for start, chunk_seed in zip(starts, seeds, strict=True):
            yield sample(min(chunk_size, num_samples - start), seed=int(chunk_seed))

    _check_seeded(sample, seeds)
    return {**_measure(chunks, x_validation, x_test), "num_samples": int(num_samples)}


def _measure(samples: Any, x_validation: np.ndarray, x_test: np.ndarray) -> dict[str, Any]:
    sigma = parzen_bandwidth(samples, x_validation)
    log_likelihoods = parzen_log_likelihood(x_test, samples, sigma)
    return {
        "log_likelihood": float(log_likelihoods.mean()),
        "standard_error": float(log_likelihoods.std(ddof=1) / np.sqrt(len(x_test))),
        "sigma": sigma,
        "num_samples": 0 if callable(samples) else len(samples),
    }


def _check_seeded(sample: Callable[..., Any], seeds: np.ndarray) -> None:
    """Raises if two samples of one seed differ, or those of two chunks do not."""

    def draw(number: int) -> np.ndarray:
        return check_entries("samples", sample(2, seed=int(seeds[number])))

    first, again = draw(0), draw(0)
    # A GPU may add up in another order each time.
    largest = np.abs(first).max()
    if not np.allclose(first, again, rtol=0.0, atol=_ROUNDING * largest):
        raise ValueError(
            "Expected `sample` to give the same for the same `seed`, since samples are drawn in "
            f"several passes. Received: other samples for seed={seeds[0]} the second time."
        )
    # All samples of a collapsed generator are alike, whatever the seed.
    is_collapsed = np.array_equal(first[:1], first[1:])
    if len(seeds) > 1 and not is_collapsed and np.array_equal(first, draw(1)):
        raise ValueError(
            "Expected `sample` to give other samples for another `seed`, since each chunk has its "
            f"own. Received: the same for seed={seeds[0]} and seed={seeds[1]}."
        )


def parzen_log_likelihood(x: Any, samples: Samples, sigma: float) -> np.ndarray:
    """Computes the log-density of each input under Gaussian windows on samples.

        log p(x_i) = log( (1/m) sum_j N(x_i; s_j, sigma^2 I) )

    Memory depends on the size of a chunk and not on the number of samples m. Distances are matrix
    products in single precision, or in double where rounding could move the logarithm of one
    window by 0.1 nat.

    Args:
        x: float [n, ...], inputs, at least one.
        samples: float [m, ...], m > 0, s_j of the shape of one x_i; or an iterable of such
            arrays, or a function without arguments that returns one. Lists are arrays.
        sigma: standard deviation of the window, positive, in the units of `x`; see
            `parzen_bandwidth`.

    Returns:
        float64 [n], nats.

    Raises:
        TypeError: if `x` or a chunk of `samples` is no array of floats, `samples` is neither
            array, iterable nor function, or `sigma` is no number.
        ValueError: if an array is not finite, `samples` have another shape than `x`, there is
            no input or no sample, or `sigma` is not positive.

    Example:

    >>> samples = np.array([[0.0], [2.0]])
    >>> parzen_log_likelihood(np.array([[1.0]]), samples, sigma=1.0).round(4)
    array([-1.4189])
    >>> parzen_log_likelihood(np.array([[1.0]]), lambda: (s[None] for s in samples), 1.0).round(4)
    array([-1.4189])

    References:
        Breuleux, Bengio and Vincent 2011, *Quickly Generating Representative Samples from an
        RBM-Derived Process*, section 4; Makhzani et al. 2016, *Adversarial Autoencoders*,
        section 3 (arXiv:1511.05644). Limits of this estimate: Theis et al. 2016, *A Note on the
        Evaluation of Generative Models*, section 3.2 (arXiv:1511.01844).
    """
    x = check_entries("x", x)
    return log_mean_windows(x, samples, np.array([check_positive("sigma", sigma)]))[0]


def parzen_bandwidth(samples: Samples, x: Any, sigmas: Sequence[float] | None = None) -> float:
    """Finds the width of the Parzen window under which held-out data are most likely.

    By default a coarse grid, from twice to a thousandth of the root-mean-square distance between
    `x` and `samples` per dimension, is refined around its best point to steps of 3%. In d
    dimensions, half a step costs less than 2.5e-4 d nats. The best sigma^2 lies between the
    means over i of min_j and of mean_j |x_i - s_j|^2 / d, so that the grid ends above it.

    Args:
        samples: float [m, ...], m > 0; or a collection of such arrays, or a function without
            arguments that returns an iterable of them, since the default grid reads them twice.
            Give as many samples as the log-likelihood will be computed from: the best width
            falls with their number.
        x: float [n, ...], validation data: neither trained on nor part of the test data.
        sigmas: widths to choose from, positive, at least three; None for the default grid.

    Returns:
        The width of the largest mean log-likelihood.

    Raises:
        TypeError: if `x` or a chunk of `samples` is no array of floats, `samples` is neither
            array, iterable nor function, or is an iterator, which the default grid cannot read
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
        best = _best_index(x, samples, grid)
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
    count = math.ceil(math.log(_WIDEST / _NARROWEST, _COARSE_FACTOR))
    grid = widest * _COARSE_FACTOR ** np.arange(-count, 1.0)
    best = _best_index(x, samples, grid) if widest else 0
    if best == 0:
        raise ValueError(
            "Expected `x` to be held out: rows that are not among `samples`. "
            f"Received: the best width is at most {grid[0]:g}."
        )
    grid = grid[best] * _COARSE_FACTOR ** (np.arange(-_FINE_STEPS, _FINE_STEPS + 1) / _FINE_STEPS)
    return float(grid[_best_index(x, samples, grid)])


def _best_index(x: np.ndarray, samples: Samples, sigmas: np.ndarray) -> int:
    return int(log_mean_windows(x, samples, sigmas).mean(axis=1).argmax())


def _distance(x: np.ndarray, samples: Samples) -> float:
    """Returns the root-mean-square distance per dimension to the first chunk of samples."""
    chunk = next(sample_chunks(samples, x.shape[1:]), None)
    if chunk is None:
        raise ValueError("Expected `samples` to have at least one row. Received: none.")
    shift = x.mean(axis=0, dtype=np.float64) - chunk.mean(axis=0, dtype=np.float64)
    variances = x.var(axis=0, dtype=np.float64) + chunk.var(axis=0, dtype=np.float64)
    return float(np.sqrt(np.mean(variances + shift**2)))
