"""The distance of codes from their prior, the noise of its estimate, and a sentence about both."""

import math
import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from aae_tf.priors.prior_moments import prior_moments
from aae_tf.training.terms import Batch, TrainableModel

# A fit of fewer updates, or fewer rows, is not looked at: its codes are far from the prior by need.
_MIN_UPDATES = 500
_MIN_ROWS = 200
_MAX_ROWS = 1000
# The standardised MMD of a fixed mismatch grows with the number of codes: 50 for 1,000 of them.
_LARGEST_PER_ROW = 0.05
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


def sample_codes(model: TrainableModel, x: np.ndarray, y: Any, seed: int) -> dict[str, np.ndarray]:
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


def warn_of_mismatch(
    model: TrainableModel, arguments: dict[str, Any], updates: int, stacklevel: int
) -> None:
    """Warns after `fit` where codes miss their prior.

    Args:
        model: a model with an encoder.
        arguments: those of `keras.Model.fit`.
        updates: how many were made; fewer than 500 are not looked at.
        stacklevel: as in `warnings.warn`.
    """
    if updates < _MIN_UPDATES:
        return
    try:
        held_out = held_out_rows(arguments)
        sentence = held_out and describe_mismatch(model, *held_out)
    except Exception:  # The training is done, and must not be lost for a remark on it.
        return
    if sentence:
        warnings.warn(sentence, UserWarning, stacklevel=stacklevel)


def held_out_rows(arguments: dict[str, Any]) -> tuple[np.ndarray, str] | None:
    """Chooses inputs on which codes are compared with their priors after `fit`.

    Args:
        arguments: those of `keras.Model.fit`.

    Returns:
        At most 1,000 inputs [n, ...] and what they are: rows of the validation data (of a data set
        the first), else of the training data if they are an array. None where there are neither,
        or too few.
    """
    x, validation = arguments.get("x"), arguments.get("validation_data")
    split = arguments.get("validation_split") or 0.0
    source = "validation rows"
    if isinstance(validation, tuple | list):
        rows = np.asarray(validation[0])
    elif isinstance(validation, tf.data.Dataset):
        parts: list[np.ndarray] = []
        for batch in validation:
            parts.append(np.asarray(keras.utils.unpack_x_y_sample_weight(batch)[0]))
            if sum(map(len, parts)) >= _MAX_ROWS:
                break
        rows = np.concatenate(parts)
    elif validation is None and isinstance(x, np.ndarray | tf.Tensor):
        # Keras holds out the last rows.
        rows = np.asarray(x)[int(len(x) * (1.0 - split)) if split else 0 :]
        source = source if split else "training rows"
    else:
        return None
    chosen = np.random.default_rng(0).permutation(len(rows))[:_MAX_ROWS]
    return (rows[chosen], source) if len(rows) >= _MIN_ROWS else None


def describe_mismatch(model: TrainableModel, rows: np.ndarray, source: str) -> str | None:
    """Says in one sentence that codes miss their prior, if they do.

    Args:
        model: a model with an encoder.
        rows: float [n, ...], inputs of its shape.
        source: what they are, in the plural.

    Returns:
        The sentence, about the code that misses its prior most; None where all match.
    """
    samples, worst, sentence = sample_codes(model, rows, None, 0), _LARGEST_PER_ROW, None
    for name, code in model.codes.items():
        codes = samples[name]
        if code.divergence is None or not np.isfinite(codes).all():
            continue
        value, noise = prior_mismatch(codes, code.prior, 0)
        if noise <= 0.0 or value / noise <= worst * len(codes):
            continue
        worst = value / noise / len(codes)
        ratios = codes.std(axis=0) / prior_moments(code.prior)[1]
        remedy = (
            "learn at another `discriminator_optimizer` rate"
            if any(each.has_discriminator for each in code.divergences.values())
            else "take larger batches"
        )
        sentence = (
            f"Codes of {len(codes):,} {source} miss the prior: the standardised MMD of `{name}` is "
            f"{value / noise:.0f} (2 is noise), and its deviation {ratios.min():.2g} to "
            f"{ratios.max():.2g} times the prior's; give the divergence a larger `weight`, "
            f"{remedy}, or train for longer (docs/training.md)."
        )
    return sentence
