"""The log-likelihood of a generator, as the literature reports it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from aae_tf.checks import check_dimension, check_integer
from aae_tf.evaluation.check_entries import check_entries
from aae_tf.evaluation.parzen_bandwidth import parzen_bandwidth
from aae_tf.evaluation.parzen_log_likelihood import parzen_log_likelihood


def parzen(
    sample: Callable[..., Any],
    x_validation: Any,
    x_test: Any,
    num_samples: int = 10_000,
    seed: int = 0,
    chunk_size: int = 10_000,
) -> dict[str, Any]:
    """Measures the log-likelihood of test data under a Parzen window on samples of a model.

    The window's width is the one under which `x_validation` is most likely, given the very same
    samples. These are never in memory together: each of three passes draws them anew, chunk by
    chunk.

    Args:
        sample: called as `sample(n, seed=seed)`, gives float [n, ...] and the same for the same
            seed, a non-negative int32; the method `sample` of a model.
        x_validation: float [k, ...], data held out from training, to choose the width. One or
            two thousand are enough.
        x_test: float [n, ...], at least two.
        num_samples: number of samples m. The result grows with it: compare results of one m.
        seed: non-negative integer that fixes, with `chunk_size`, the samples.
        chunk_size: samples drawn at a time, which bounds the memory.

    Returns:
        Ready for JSON:

        - `log_likelihood`: mean over `x_test`, nats;
        - `standard_error`: of this mean, over `x_test` alone: training again varies more;
        - `sigma`: the width, in the units of the data;
        - `num_samples`: m.

    Raises:
        TypeError: if an array holds no floats, or `seed` is no integer.
        ValueError: if an array is not finite or has too few rows, `sample` gives another shape,
            or an integer is out of its range.

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
    starts = range(0, num_samples, chunk_size)
    # 31 bits: every generator of random numbers takes such a seed.
    seeds = np.random.SeedSequence(seed).generate_state(len(starts)) >> 1

    def chunks() -> Iterator[Any]:
        for start, chunk_seed in zip(starts, seeds, strict=True):
            yield sample(min(chunk_size, num_samples - start), seed=int(chunk_seed))

    sigma = parzen_bandwidth(chunks, x_validation)
    log_likelihoods = parzen_log_likelihood(x_test, chunks, sigma)
    return {
        "log_likelihood": float(log_likelihoods.mean()),
        "standard_error": float(log_likelihoods.std(ddof=1) / np.sqrt(len(x_test))),
        "sigma": sigma,
        "num_samples": int(num_samples),
    }
