"""Checks of what callers pass; every message names the argument."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.check_widths import check_widths

# Of all pairs of samples, and of these or of disjoint pairs.
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
