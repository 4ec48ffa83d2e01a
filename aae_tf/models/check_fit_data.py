"""What is looked at before training or evaluation starts."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf import data


def check_fit_data(
    argument: str,
    x: Any,
    y: Any,
    sample_weight: Any,
    shape: Sequence[int | None],
    unit_interval: bool,
) -> tuple[Any, Any, Any]:
    """Checks arrays given to `fit` or `evaluate`; data sets and generators pass as they are.

    Args:
        argument: name of the argument that `x` is.
        x: inputs [n, ...].
        y: labels [n] or None.
        sample_weight: weights [n] or None.
        shape: shape of one input.
        unit_interval: whether inputs must lie in [0, 1].

    Returns:
        Inputs as a float32 array, labels and weights. Labels are -1, unknown, where there are
        weights and no labels: Keras would drop the weights without a word.

    Raises:
        TypeError: if inputs are no floats.
        ValueError: if inputs or weights are not finite, of a wrong shape, or out of their range.
    """
    if not isinstance(x, np.ndarray | tf.Tensor | list):
        return x, y, sample_weight
    x = data.check_array(x, argument, shape)
    if unit_interval and len(x) and not (x.min() >= 0.0 and x.max() <= 1.0):
        raise ValueError(
            f"Expected `{argument}` in [0, 1] with reconstruction_loss='bernoulli'. "
            f"Received: {argument} from {x.min()} to {x.max()}."
        )
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight, np.float32)
        if sample_weight.shape != x.shape[:1] or not (
            np.isfinite(sample_weight).all() and (sample_weight >= 0.0).all()
        ):
            raise ValueError(
                f"Expected `sample_weight` of `{argument}` to be {len(x)} finite numbers, zero or "
                f"more. Received: sample_weight={sample_weight!r}."
            )
        y = np.full(len(x), -1) if y is None else y
    return x, y, sample_weight


def name_arguments(method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Names the arguments of a call, however they were given."""
    arguments = inspect.signature(method).bind(*args, **kwargs).arguments
    return {**arguments.pop("kwargs", {}), **arguments}
