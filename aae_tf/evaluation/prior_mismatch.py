"""The distance of codes from their prior, and the noise of its estimate."""

import math
from typing import Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf import mmd
from aae_tf.models import BaseAAE, Batch

_NUM_CODES = 2000
_BATCH_SIZE = 1024


def prior_mismatch(
    codes: np.ndarray, prior: tfp.distributions.Distribution, seed: int
) -> tuple[float, float]:
    """Estimates MMD^2 between codes and prior under `mmd.default_kernel`, without bias.

    Args:
        codes: float32 [n, code_dim], at least two; of more than 2,000, 2,000 chosen at random
            enter the estimate.
        prior: distribution with event_shape [code_dim].
        seed: non-negative integer that fixes the choice, and the prior's samples where its terms
            have no closed form.

    Returns:
        The estimate, and its standard deviation where codes are samples of the prior.
    """
    rows = np.random.default_rng(seed).permutation(len(codes))[:_NUM_CODES]
    kernel = mmd.default_kernel(prior)
    if mmd.has_mean_embedding(prior, kernel):
        value = mmd.squared_mmd(codes[rows], prior, kernel)
    else:
        samples = prior.sample(len(rows), seed=[seed, 0])
        value = mmd.squared_mmd_two_samples(codes[rows], samples, kernel)
    return float(value), mismatch_noise(prior, kernel, len(rows))


def mismatch_noise(
    prior: tfp.distributions.Distribution,
    kernel: tfp.math.psd_kernels.PositiveSemidefiniteKernel,
    count: int,
) -> float:
    """Computes the standard deviation of the unbiased MMD^2 where codes are samples of the prior.

    Args:
        prior: distribution with event_shape [code_dim].
        kernel: kernel on its samples.
        count: number of codes, at least two. Where `aae_tf.mmd` has no closed form, the codes are
            compared with as many samples of the prior.

    Returns:
        Positive number in the unit of MMD^2.

    References:
        Gretton et al. 2012, theorem 12; see `mmd.null_variance`.
    """
    # The variance is 2 null_variance times the sum of the squared weights of the pairs.
    pairs = 1.0 / (count * (count - 1))
    if not mmd.has_mean_embedding(prior, kernel):
        pairs = 2.0 * pairs + 2.0 / count**2
    return math.sqrt(2.0 * mmd.null_variance(prior, kernel) * pairs)


def sample_codes(model: BaseAAE, x: np.ndarray, y: Any, seed: int) -> dict[str, np.ndarray]:
    """Draws one sample of each code for every input, without the noise of training.

    Args:
        model: model with an encoder.
        x: float [n, ...], inputs of its shape.
        y: integers [n], their classes, -1 where unknown; None if there are none.
        seed: non-negative integer that fixes the samples of stochastic posteriors.

    Returns:
        float32 [n, width] by the name of the code.
    """
    labels = np.full(len(x), -1) if y is None else np.asarray(y)
    batches: dict[str, list[Any]] = {name: [] for name in model.codes}
    for start in range(0, len(x), _BATCH_SIZE):
        rows = slice(start, start + _BATCH_SIZE)
        batch = Batch(x[rows], labels[rows].astype(np.int32), None)
        samples = model.sample_codes(batch, [seed, start], training=False)
        for name, code in model.codes.items():
            batches[name].append(np.asarray(samples[code.output], np.float32))
    return {name: np.concatenate(parts) for name, parts in batches.items()}
