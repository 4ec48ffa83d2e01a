"""Types of the arguments of `aae_tf.mmd`, and checks whose messages name the argument."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

Distribution: TypeAlias = tfp.distributions.Distribution
Kernel: TypeAlias = tfp.math.psd_kernels.PositiveSemidefiniteKernel
GaussianKernel: TypeAlias = tfp.math.psd_kernels.ExponentiatedQuadratic


# Those that average over all pairs of samples; the linear one takes disjoint pairs alone.
ESTIMATORS_OF_ALL_PAIRS = ("unbiased", "biased")
ESTIMATORS = (*ESTIMATORS_OF_ALL_PAIRS, "linear")


def check_distribution(distribution: Any) -> None:
    """Raises unless `distribution` is one distribution over vectors of known length."""
    if not isinstance(distribution, tfp.distributions.Distribution):
        raise TypeError(
            "Expected `distribution` to be a tfd.Distribution. "
            f"Received: distribution={distribution!r}."
        )
    event_shape = distribution.event_shape
    is_vector = isinstance(event_shape, tf.TensorShape) and event_shape.rank == 1
    if not is_vector or event_shape[0] is None:
        raise ValueError(
            "Expected `distribution` to have event_shape [d]; `tfd.Sample` and `tfd.Independent` "
            f"make vectors of scalars. Received: distribution.event_shape={event_shape}."
        )
    if distribution.batch_shape != []:
        raise ValueError(
            "Expected `distribution` to have batch_shape []. "
            f"Received: distribution.batch_shape={distribution.batch_shape}."
        )


def check_kernel(kernel: Any) -> None:
    """Raises unless `kernel` is one kernel on vectors."""
    if not isinstance(kernel, tfp.math.psd_kernels.PositiveSemidefiniteKernel):
        raise TypeError(
            "Expected `kernel` to be a kernel of tfp.math.psd_kernels. "
            f"Received: kernel={kernel!r}."
        )
    if kernel.feature_ndims != 1:
        raise ValueError(
            "Expected `kernel` to have feature_ndims 1. "
            f"Received: kernel.feature_ndims={kernel.feature_ndims}."
        )
    if kernel.batch_shape != []:
        raise ValueError(
            "Expected `kernel` to have batch_shape []. "
            f"Received: kernel.batch_shape={kernel.batch_shape}."
        )
    check_widths(kernel)


def check_points(argument: str, points: Any) -> tf.Tensor:
    """Returns `points` as a float tensor [n, d] with d known; values are checked when known."""
    points = tf.convert_to_tensor(points)
    if points.dtype not in (tf.float32, tf.float64):
        raise TypeError(
            f"Expected `{argument}` to be float32 or float64. "
            f"Received: {argument}.dtype={points.dtype.name}."
        )
    if points.shape.rank != 2 or points.shape[1] is None:
        raise ValueError(
            f"Expected `{argument}` to have shape [n, d] with d known. "
            f"Received: {argument}.shape={points.shape}."
        )
    known = tf.get_static_value(points)
    if known is not None and not np.isfinite(known).all():
        raise ValueError(
            f"Expected `{argument}` to be finite. "
            f"Received: {argument} with {np.sum(~np.isfinite(known))} NaN or infinite values."
        )
    return points


def check_dimensions(
    argument: str, points: tf.Tensor, reference: str, shape: tf.TensorShape
) -> None:
    """Raises unless the rows of `points` are as long as the last axis of `shape`."""
    if points.shape[1] != shape[-1]:
        raise ValueError(
            f"Expected `{argument}` to have as many columns as `{reference}` has dimensions. "
            f"Received: {argument}.shape={points.shape}, {reference}={shape}."
        )


def check_same_dtype(argument: str, points: tf.Tensor, reference: str, others: tf.Tensor) -> None:
    """Raises unless `points` have the dtype of `others`, which are called `reference`."""
    if points.dtype != others.dtype:
        raise TypeError(
            f"Expected `{argument}` to have the dtype of `{reference}`. "
            f"Received: {reference}.dtype={others.dtype.name}, "
            f"{argument}.dtype={points.dtype.name}."
        )


def check_count(argument: str, points: tf.Tensor, estimator: str) -> None:
    """Raises if `points` are known to be too few for `estimator`."""
    least = 1 if estimator == "biased" else 2
    if points.shape[0] is not None and points.shape[0] < least:
        raise ValueError(
            f"Expected `{argument}` to have at least {least} rows for the {estimator} estimator. "
            f"Received: {argument}.shape={points.shape}."
        )


def check_rows(argument: str, values: tf.Tensor, points: tf.Tensor) -> None:
    """Raises unless `values` has one entry for each row of `points`."""
    if not values.shape.is_compatible_with(points.shape[:1]):
        raise ValueError(
            f"Expected `{argument}` to have one entry per row. "
            f"Received: {argument}.shape={values.shape}, rows={points.shape[0]}."
        )


def check_weights(argument: str, weights: Any, points: tf.Tensor) -> tf.Tensor:
    """Returns `weights` in the dtype of `points`, one per row; values are checked when known."""
    weights = tf.cast(tf.convert_to_tensor(weights), points.dtype)
    check_rows(argument, weights, points)
    known = tf.get_static_value(weights)
    if known is not None and not (np.isfinite(known).all() and (known >= 0.0).all()):
        raise ValueError(
            f"Expected `{argument}` to be finite and not negative. Received: {argument}={known}."
        )
    return weights


def check_variances(argument: str, variances: Any, means: tf.Tensor) -> tf.Tensor:
    """Returns `variances` as a tensor like `means`, zero or more; values are checked when known."""
    variances = check_points(argument, variances)
    if variances.dtype != means.dtype:
        raise TypeError(
            f"Expected `{argument}` to have the dtype of `means`. Received: "
            f"means.dtype={means.dtype.name}, {argument}.dtype={variances.dtype.name}."
        )
    if not variances.shape.is_compatible_with(means.shape):
        raise ValueError(
            f"Expected `{argument}` to have the shape of `means`. "
            f"Received: means.shape={means.shape}, {argument}.shape={variances.shape}."
        )
    known = tf.get_static_value(variances)
    if known is not None and (known < 0.0).any():
        raise ValueError(
            f"Expected `{argument}` to be zero or more. "
            f"Received: {argument} with {np.sum(known < 0.0)} negative values."
        )
    return variances


_POSITIVE_PARAMETERS = (
    "amplitude",
    "length_scale",
    "inverse_length_scale",
    "scale_mixture_rate",
    "df",
    "period",
    "scale_diag",
)
# A scale of zero takes its coordinate out of the kernel.
_NON_NEGATIVE_PARAMETERS = ("inverse_scale_diag",)


def check_widths(kernel: Any, argument: str = "kernel") -> None:
    """Raises if a width, a height or a shape of `kernel` is known and not positive.

    TensorFlow Probability checks them with `validate_args` only: a kernel with a length scale of
    zero is NaN, and one with a negative length scale may look valid, or grow with distance. The
    terms of a sum, the factors of a product and the base of a kernel on transformed features are
    checked too. A value that is computed when a `tf.function` runs is not known, and passes.

    Args:
        kernel: kernel of `tfp.math.psd_kernels`.
        argument: name of the kernel, for messages.

    Raises:
        ValueError: if a parameter is not positive; the message names it and its kernel.

    Example:

    >>> matern = tfp.math.psd_kernels.MaternOneHalf
    >>> check_widths(matern(length_scale=1.0) + matern(length_scale=-2.0))
    Traceback (most recent call last):
    ValueError: Expected `kernel` to have a positive length_scale. Received: \
kernel.kernels[1].length_scale=-2.0.
    """
    for name, part in _kernels_within(argument, kernel):
        for parameter in (*_POSITIVE_PARAMETERS, *_NON_NEGATIVE_PARAMETERS):
            known = _static_value(getattr(part, parameter, None))
            if known is None:
                continue
            is_positive = parameter in _POSITIVE_PARAMETERS
            if not np.all(known > 0.0 if is_positive else known >= 0.0):
                domain = "positive" if is_positive else "non-negative"
                raise ValueError(
                    f"Expected `{argument}` to have a {domain} {parameter}. "
                    f"Received: {name}.{parameter}={known}."
                )


def _static_value(value: Any) -> np.ndarray | None:
    if isinstance(value, tf.Tensor):
        return tf.get_static_value(value)
    # Variables, and what is computed from them, are read in eager mode alone: in a graph, reading
    # would add an operation.
    is_readable = value is not None and tf.executing_eagerly()
    return tf.convert_to_tensor(value).numpy() if is_readable else None


def _kernels_within(name: str, kernel: Any) -> Iterator[tuple[str, Any]]:
    """Yields the path and the kernel for `kernel` and for every kernel that it is made of."""
    yield name, kernel
    inner = {f"{name}.{each}": getattr(kernel, each, None) for each in ("kernel", "base_kernel")}
    inner |= {
        f"{name}.kernels[{index}]": part
        for index, part in enumerate(getattr(kernel, "kernels", None) or ())
    }
    for path, part in inner.items():
        if isinstance(part, tfp.math.psd_kernels.PositiveSemidefiniteKernel):
            yield from _kernels_within(path, part)
