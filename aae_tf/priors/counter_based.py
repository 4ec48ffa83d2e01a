"""Random numbers that are pure functions of (seed, index), bit for bit.

An exported `sample` signature guarantees that row i depends on seed[i] alone: by itself, in any
batch, in any order. Stateful random operations cannot guarantee that, and neither can `log` or
`cos`: the vectorized and the scalar path of a kernel differ in the last bit, and which of them
computes a row depends on its place in the batch. This module therefore consists of integer
operations, table look-ups and single IEEE 754 additions and multiplications, whose results are
defined to the bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import special

from aae_tf.checks import check_integer

# SplitMix64 (Steele, Lea, Flood 2014): the step between states, and the rounds of its finalizer
# (right shift, multiplier), as the int64 of the same bits.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_LAST_SHIFT = 31

# p in (0, 1/2) is an odd multiple of 2^-54, so its exponent lies in -54 ... -2. Each octave is cut
# into 2^3 segments of equal width, and each segment has a polynomial of degree 5.
_MIN_EXPONENT, _MAX_EXPONENT = -54, -2
_SEGMENT_BITS = 3
_DEGREE = 5
_LOCAL_BITS = 52 - _SEGMENT_BITS
_EXPONENT_BIAS = 1023


def random_bits(seeds: tf.Tensor, count: int) -> tf.Tensor:
    """Hashes each pair (seed, index) to 64 bits.

    Row i is the output of the generator SplitMix64 whose start state is the finalizer of seeds[i],
    so that consecutive seeds start from unrelated states.

    Args:
        seeds: int64 [n], any values.
        count: int, numbers per seed.

    Returns:
        int64 [n, count], every bit of which is random.
    """
    states = _finalize(seeds, tf.bitwise.right_shift)[:, tf.newaxis] + _steps(count)
    return _finalize(states, tf.bitwise.right_shift)


def uniform(bits: tf.Tensor) -> tf.Tensor:
    """Maps 64 random bits to a uniform number, (k + 1/2) / 2^52 for their upper 52 bits k.

    Args:
        bits: int64, any shape.

    Returns:
        float64, same shape, inside the open interval (0, 1).
    """
    upper = tf.bitwise.right_shift(bits, 12) & (2**52 - 1)
    return (tf.cast(upper, tf.float64) + 0.5) * 2.0**-52


def normal(bits: tf.Tensor) -> tf.Tensor:
    """Maps 64 random bits to a standard normal number through the inverse distribution function.

    The upper 52 bits give p in (0, 1/2), the lowest bit the sign of the result. The bit pattern of
    p says which polynomial applies (exponent and leading mantissa bits) and where in that segment p
    lies (the other mantissa bits). The largest error against SciPy's `ndtri` is 1e-10.

    Args:
        bits: int64, any shape.

    Returns:
        float64, same shape, between -8.3 and 8.3.
    """
    pattern = tf.bitcast(uniform(bits) * 0.5, tf.int64)
    first_segment = (_MIN_EXPONENT + _EXPONENT_BIAS) << _SEGMENT_BITS
    segment = tf.bitwise.right_shift(pattern, _LOCAL_BITS) - first_segment
    local = tf.cast(pattern & (2**_LOCAL_BITS - 1), tf.float64) * 2.0 ** (1 - _LOCAL_BITS) - 1.0
    result, *others = tf.unstack(tf.gather(_lower_tail_polynomials(), segment), axis=-1)
    for coefficient in others:
        result = result * local + coefficient
    return result * tf.cast(2 * (bits & 1) - 1, tf.float64)


def row_seeds(n: int, seed: int) -> np.ndarray:
    """Derives `n` seeds from one, one for each row of `sample_rows`.

    Args:
        n: int, number of rows, at least 0.
        seed: int, in the range of int64.

    Returns:
        NumPy int64 [n]. A larger `n` appends to the seeds of a smaller one.

    Raises:
        TypeError: if an argument is no integer.
        ValueError: if an argument is out of range.

    Example:

    >>> row_seeds(2, seed=0).tolist()
    [-2152535657050944081, 7960286522194355700]
    """
    check_integer("n", n)
    check_integer("seed", seed, minimum=-(2**63), maximum=2**63 - 1)
    start = _finalize(np.array([seed], np.int64), np.right_shift)
    return _finalize(start + _steps(int(n)), np.right_shift)


def fold_rows(seeds: Any, index: int) -> tf.Tensor:
    """Derives seeds of another stream: rows drawn with them are independent of those of `seeds`.

    Samples that `sample_rows` draws with `seeds`, `fold_rows(seeds, 0)` and `fold_rows(seeds, 1)`
    are independent of each other.

    Args:
        seeds: int64 [n], any values.
        index: int, the number of the stream, at least 0.

    Returns:
        int64 [n]; row i depends on seeds[i] and `index` alone.

    Raises:
        TypeError: if `index` is no integer.
        ValueError: if `index` is negative.

    Example:

    >>> fold_rows([7, 8], index=1).numpy().tolist()
    [1663252926424047505, -5200738455813082935]
    """
    check_integer("index", index)
    # `random_bits` hashes the states after the start; this hashes one before it.
    before = _steps(int(index) + 1)[-1]
    start = _finalize(tf.convert_to_tensor(seeds, tf.int64), tf.bitwise.right_shift)
    return _finalize(start - before, tf.bitwise.right_shift)


def _steps(count: int) -> np.ndarray:
    return (np.arange(1, count + 1, dtype=np.uint64) * _STEP).view(np.int64)


def _finalize(z: Any, right_shift: Callable[[Any, int], Any]) -> Any:
    """Applies SplitMix64's finalizer, a bijection that lets every bit depend on every other."""
    for shift, multiplier in _ROUNDS:
        z = (z ^ _logical(right_shift, z, shift)) * multiplier
    return z ^ _logical(right_shift, z, _LAST_SHIFT)


def _logical(right_shift: Callable[[Any, int], Any], z: Any, shift: int) -> Any:
    # int64 shifts copy the sign bit; uint64 has none, but few kernels on a GPU.
    return right_shift(z, shift) & (2 ** (64 - shift) - 1)


@functools.lru_cache(maxsize=1)
def _lower_tail_polynomials() -> np.ndarray:
    """Interpolates `ndtri` at Chebyshev nodes in every segment of (0, 1/2).

    Returns:
        float64 [segments, degree + 1], the leading coefficient first, in powers of the local
        coordinate, which runs from -1 to 1 through a segment.
    """
    per_octave = 2**_SEGMENT_BITS
    exponents = np.arange(_MIN_EXPONENT, _MAX_EXPONENT + 1)
    starts = 1 + np.arange(per_octave) / per_octave
    nodes = np.polynomial.chebyshev.chebpts1(_DEGREE + 1)
    within = starts[:, np.newaxis] + (nodes + 1) / (2 * per_octave)
    p = 2.0 ** exponents[:, np.newaxis, np.newaxis] * within
    values = special.ndtri(p).reshape(-1, _DEGREE + 1)
    chebyshev = np.polynomial.chebyshev.chebfit(nodes, values.T, _DEGREE)
    powers = np.array([np.polynomial.chebyshev.cheb2poly(column) for column in chebyshev.T])
    return np.ascontiguousarray(powers[:, ::-1])
