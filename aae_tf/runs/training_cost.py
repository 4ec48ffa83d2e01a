"""How long a training takes here: its multiplications, by the speed of this machine."""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING

import numpy as np

from aae_tf.runs.parts import DISCRIMINATOR_UNITS
from aae_tf.runs.variants import VARIANTS

if TYPE_CHECKING:
    from aae_tf.data import Dataset
    from aae_tf.runs.recipe import Recipe

_UNITS = {"mlp": (1000, 1000), "conv": (256,)}
_FILTERS, _KERNEL = (32, 64), 4
# A training step reaches about half the speed of a matrix product; a program takes seconds to
# trace and compile.
_EFFICIENCY = 0.5
_COMPILE_SECONDS = 15.0
# Rows, and width, of the product that measures the machine.
_ROWS, _WIDTH = 256, 1024


def count_operations(recipe: Recipe, dataset: Dataset) -> float:
    """Counts the floating-point operations of a training, to a factor of about two.

    Backward passes count twice a forward pass; a step of the discriminator has both for codes and
    prior samples, and the encoder's step passes through it once more.

    Args:
        recipe: recipe of the training.
        dataset: data set with the labels that the recipe keeps.
    """
    from aae_tf.runs.training_data import batch_sizes, training_data

    shape = dataset.x_train.shape[1:]
    network = _network(recipe, shape)
    variant = VARIANTS[recipe.model]
    passes = 3.0 * network * (2 if variant.has_encoder else 1)
    if variant.splits_code and recipe.consistency_weight:
        passes += 3.0 * network * (1 + recipe.consistency_iterations)
    kinds = [recipe.divergence] if recipe.model != "vae" else []
    if variant.splits_code:
        kinds.append(recipe.class_divergence)
    units = recipe.discriminator_units or DISCRIMINATOR_UNITS
    passes += 9.0 * _dense((recipe.code_dim, *units, 1)) * kinds.count("adversarial")
    rows = sum(batch_sizes(recipe, dataset).values())
    steps = training_data(recipe, dataset).steps_per_epoch
    epochs = recipe.epochs + (recipe.starts - 1) * recipe.start_epochs
    fit = recipe.decoder_fit_steps * 10_000 * (network + 1000 * math.prod(shape))
    return 2.0 * (passes * rows * steps * epochs + fit)


def operations_per_second() -> float:
    """Measures the speed of matrix products of NumPy for a fifth of a second."""
    factor = np.ones([_WIDTH, _WIDTH], np.float32)
    rows = np.ones([_ROWS, _WIDTH], np.float32)
    rows @ factor
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 0.2:
        rows @ factor
        count += 1
    return count * 2.0 * _ROWS * _WIDTH * _WIDTH / (time.perf_counter() - started)


def estimate_minutes(operations: float, speed: float) -> float:
    """Estimates the minutes of a training.

    Args:
        operations: see `count_operations`.
        speed: see `operations_per_second`.

    Example:

    >>> round(estimate_minutes(6e12, 1e11), 2)
    2.25
    """
    return (_COMPILE_SECONDS + operations / (_EFFICIENCY * speed)) / 60.0


def _dense(widths: tuple[int, ...]) -> float:
    return float(sum(a * b for a, b in itertools.pairwise(widths)))


def _network(recipe: Recipe, shape: tuple[int, ...]) -> float:
    """Counts the multiplications of an encoder for one row; the decoder mirrors it."""
    units = recipe.units or _UNITS[recipe.network]
    if recipe.network == "mlp":
        return _dense((math.prod(shape), *units))
    height, width, channels = shape
    total, pixels = 0.0, height * width
    for before, after in itertools.pairwise((channels, *_FILTERS)):
        pixels //= 4
        total += pixels * _KERNEL**2 * before * after
    return total + _dense((pixels * _FILTERS[-1], *units))
