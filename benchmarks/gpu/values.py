"""The numbers that a lowered function starts from and is given, made alike on both machines.

Weights are drawn on the spot, so that no file carries them. NumPy alone.
"""

import math
from typing import Any

import numpy as np

SEED = 7


def parameter_value(parameter: dict[str, Any], index: int) -> np.ndarray:
    """Makes the first value of one parameter.

    Args:
        parameter: "shape", "dtype" and "value": a number or a list of numbers, or "kernel" for
            Glorot's uniform distribution.
        index: its position among the parameters, which decides its random numbers.

    Returns:
        Array of that shape and type.
    """
    shape, dtype = tuple(parameter["shape"]), np.dtype(parameter["dtype"])
    if parameter["value"] != "kernel":
        return np.broadcast_to(np.asarray(parameter["value"], dtype), shape).copy()
    limit = math.sqrt(6.0 / sum(shape))
    drawn = np.random.default_rng([SEED, index]).uniform(-limit, limit, shape)
    return drawn.astype(dtype)


def images(batch: int, width: int = 784) -> np.ndarray:
    """Draws inputs in [0, 1), float32 [batch, width]; a larger batch begins like a smaller one."""
    return np.random.default_rng(SEED).random((batch, width), dtype=np.float32)


def latents(batch: int, width: int = 8) -> np.ndarray:
    """Draws codes of deviation 5, float32 [batch, width]."""
    return 5.0 * np.random.default_rng(SEED).standard_normal((batch, width), dtype=np.float32)


def seeds(batch: int) -> np.ndarray:
    """Counts the seeds of samples, int64 [batch]."""
    return np.arange(batch, dtype=np.int64)


INPUTS = {"inputs": images, "latents": latents, "seed": seeds}
