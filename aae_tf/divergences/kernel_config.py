"""JSON form of kernels: those of TensorFlow Probability, their sums and their products."""

import functools
import operator
from typing import Any, TypeAlias

import numpy as np
import tensorflow_probability as tfp

from aae_tf import priors

Kernel: TypeAlias = tfp.math.psd_kernels.PositiveSemidefiniteKernel

# `+` and `*` build instances of private classes.
_example = tfp.math.psd_kernels.ExponentiatedQuadratic(np.float32(1.0), np.float32(1.0))
_COMPOUNDS = {
    "sum": (type(_example + _example), operator.add),
    "product": (type(_example * _example), operator.mul),
}


def serialize_kernel(kernel: Kernel) -> dict[str, Any]:
    """Describes a kernel by its class and arguments, as JSON.

    Args:
        kernel: public kernel of `tfp.math.psd_kernels` with constant arguments, or sums and
            products of such kernels, nested at will.

    Returns:
        A dict of JSON types.

    Raises:
        ValueError: if a class is not public or an argument cannot be saved.
    """
    for name, (cls, _) in _COMPOUNDS.items():
        if isinstance(kernel, cls):
            return {name: [serialize_kernel(part) for part in kernel.kernels]}
    return priors.serialize(kernel)


def deserialize_kernel(config: dict[str, Any]) -> Kernel:
    """Builds the kernel that `serialize_kernel` described."""
    for name, (_, combine) in _COMPOUNDS.items():
        if name in config:
            return functools.reduce(combine, map(deserialize_kernel, config[name]))
    return priors.deserialize(config)
