"""What is looked at before training or evaluation starts."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from aae_tf import data
from aae_tf.data.check_arrays import check_training_data, has_8_bit_range

_NEEDS = {"some": "some of them known (-1: unknown)", "all": "all of them known"}


class LabelRule(NamedTuple):
    """Which labels a model asks for.

    Attributes:
        needs: "none" are looked at, "any", "some" known ones, or "all".
        num_classes: labels lie in [-1, num_classes); None where none are looked at.
        fitting: whether training starts: only then are known labels of every class needed.
    """

    needs: str
    num_classes: int | None
    fitting: bool

    @property
    def required(self) -> str:
        """What is asked for at present: less where nothing is to be learned from labels."""
        return self.needs if self.fitting or self.needs in ("none", "all") else "any"


def check_fit_data(
    argument: str,
    x: Any,
    y: Any,
    sample_weight: Any,
    shape: Sequence[int | None],
    unit_interval: bool,
    labels: LabelRule,
) -> tuple[Any, Any, Any]:
    """Checks arrays given to `fit` or `evaluate`; of data sets what they say of their labels.

    Args:
        argument: name of the argument that `x` is.
        x: inputs [n, ...].
        y: labels [n] or None.
        sample_weight: weights [n] or None.
        shape: shape of one input.
        unit_interval: whether inputs must lie in [0, 1].
        labels: which labels there must be.

    Returns:
        Inputs as a float32 array, labels and weights. Labels are -1, unknown, where there are
        weights and no labels: Keras would drop the weights without a word.

    Raises:
        TypeError: if inputs are no floats, or labels no integers.
        ValueError: if inputs or weights are not finite, of a wrong shape, or out of their range;
            if labels are missing, out of their range, or leave out a class; if training starts on
            inputs that are all equal.

    Warns:
        UserWarning: where training starts, of unscaled pixels and contradictory labels; see
            `check_training_data`.
    """
    if not isinstance(x, np.ndarray | tf.Tensor | list):
        if isinstance(x, tf.data.Dataset) and labels.required in ("some", "all"):
            data.check_label_spec(x.element_spec, argument)
        return x, y, sample_weight
    x = data.check_array(x, argument, shape)
    if unit_interval and len(x) and not (x.min() >= 0.0 and x.max() <= 1.0):
        raise ValueError(
            f"Expected `{argument}` in [0, 1] with reconstruction_loss='bernoulli'. "
            f"Received: {argument} from {x.min()} to {x.max()}."
            + (f" Scale 8-bit pixels: {argument} / 255." if has_8_bit_range(x) else "")
        )
    y = _check_labels(argument, y, len(x), labels)
    if labels.fitting:
        check_training_data(x, None if labels.needs == "none" else y, argument)
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


def batch_labels(inputs: tf.Tensor, labels: tf.Tensor | None, rule: LabelRule) -> tf.Tensor | None:
    """Gives the labels of a batch, from wherever it comes, as a model's hooks see them.

    Args:
        inputs: the inputs of the batch.
        labels: what came beside them, or None.
        rule: which labels there must be.

    Returns:
        int32 [batch]; None where there are none, or none are looked at.

    Raises:
        TypeError: if labels are no integers.
        ValueError: if they are missing, or have another shape than [batch].
    """
    if rule.needs == "none" or (labels is None and rule.required == "any"):
        return None
    given = (inputs,) if labels is None else (inputs, labels)
    data.check_label_spec(tuple(map(tf.type_spec_from_value, given)), "x")
    return tf.cast(labels, tf.int32)


def name_arguments(method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Names the arguments of a call, however they were given."""
    arguments = inspect.signature(method).bind(*args, **kwargs).arguments
    return {**arguments.pop("kwargs", {}), **arguments}


def _check_labels(argument: str, y: Any, n: int, labels: LabelRule) -> Any:
    if labels.needs == "none" or labels.num_classes is None:
        return y
    name = "y" if argument == "x" else f"y of {argument}"
    if y is None and labels.required == "any":
        return None
    if y is None:
        raise ValueError(
            f"Expected `{name}` to be labels, integers [{n}] in [-1, {labels.num_classes}), "
            f"{_NEEDS[labels.needs]}. Received: {name}=None."
        )
    every_class = labels.fitting and labels.needs != "any"
    return data.check_labels(y, name, labels.num_classes, labels.required, every_class, size=n)
