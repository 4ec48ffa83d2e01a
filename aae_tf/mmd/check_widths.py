"""The check of a kernel's widths, term by term."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

_POSITIVE = (
    "amplitude",
    "length_scale",
    "inverse_length_scale",
    "scale_mixture_rate",
    "df",
    "period",
    "scale_diag",
)
# Zero takes a coordinate out of the kernel.
_NOT_NEGATIVE = ("inverse_scale_diag",)


def check_widths(kernel: Any, argument: str = "kernel") -> None:
    """Raises if a width, a height or a shape of `kernel` is known and not positive.

    TensorFlow Probability checks none of them unless asked (`validate_args`): with a length scale
    of zero a kernel is NaN, and with a negative one it may look like one, or grow with distance.
    Sums, products and kernels of transformed features are searched for the kernels they are made
    of. Values that a `tf.function` is yet to compute are not known, and pass.

    Args:
        kernel: kernel of `tfp.math.psd_kernels`.
        argument: how the message names it.

    Raises:
        ValueError: naming the parameter, and the term that it belongs to.

    Example:

    >>> matern = tfp.math.psd_kernels.MaternOneHalf
    >>> check_widths(matern(length_scale=1.0) + matern(length_scale=-2.0))
    Traceback (most recent call last):
    ValueError: Expected `kernel` to have a positive length_scale. Received: \
kernel.kernels[1].length_scale=-2.0.
    """
    for name, part in _parts(argument, kernel):
        for parameter in (*_POSITIVE, *_NOT_NEGATIVE):
            known = _known(getattr(part, parameter, None))
            if known is None:
                continue
            is_valid = known > 0.0 if parameter in _POSITIVE else known >= 0.0
            if not np.all(is_valid):
                domain = "positive" if parameter in _POSITIVE else "non-negative"
                raise ValueError(
                    f"Expected `{argument}` to have a {domain} {parameter}. "
                    f"Received: {name}.{parameter}={known}."
                )


def _known(value: Any) -> np.ndarray | None:
    if isinstance(value, tf.Tensor):
        return tf.get_static_value(value)
    # A variable, or what is computed from one: a graph would read it once more.
    readable = value is not None and tf.executing_eagerly()
    return tf.convert_to_tensor(value).numpy() if readable else None


def _parts(name: str, kernel: Any) -> Iterator[tuple[str, Any]]:
    """Walks through a kernel and those that it is made of, with the path to each."""
    yield name, kernel
    inner = {f"{name}.{each}": getattr(kernel, each, None) for each in ("kernel", "base_kernel")}
    inner |= {
        f"{name}.kernels[{index}]": part
        for index, part in enumerate(getattr(kernel, "kernels", None) or ())
    }
    for path, part in inner.items():
        if isinstance(part, tfp.math.psd_kernels.PositiveSemidefiniteKernel):
            yield from _parts(path, part)
