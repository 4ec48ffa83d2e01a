"""The rules for inputs, targets and labels: for arrays, for specifications, and within a graph."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from aae_tf import data
from aae_tf.data.check_arrays import (
    check_input_type,
    check_training_data,
    has_8_bit_range,
)
from aae_tf.data.check_labels import describe_range, label_argument
from aae_tf.data.conversions import name_dtype, to_numpy
from aae_tf.models.table_inputs import TableInputs
from aae_tf.training.terms import Batch

_NEEDS = {"some": "some of them known (-1: unknown)", "all": "all of them known"}
_PARTS = ("targets", "labels")


class LabelRule(NamedTuple):
    """Which labels a model asks for.

    Attributes:
        needs: "none" are looked at, "any", "some" known ones, or "all".
        num_classes: labels lie in [-1, num_classes); None where none are looked at.
        fitting: whether training starts: only then are known labels of every class needed.
        whole: whether all rows are at hand, and not one batch of them.
    """

    needs: str
    num_classes: int | None
    fitting: bool
    whole: bool = True

    @property
    def required(self) -> str:
        """What is asked for at present: less where nothing is to be learned from labels."""
        return self.needs if self.fitting or self.needs in ("none", "all") else "any"

    @property
    def known(self) -> str:
        """How many labels must be known: a batch may be without a known one."""
        return self.required if self.whole or self.required != "some" else "any"

    @property
    def every_class(self) -> bool:
        """Whether each class needs a known label."""
        return self.whole and self.fitting and self.needs != "any"


class InputRules(NamedTuple):
    """What a model asks of its data.

    Attributes:
        model: name of its class, for messages.
        shape: shape of one input.
        labels: which labels there must be.
        reconstructs: whether outputs are compared with targets, which are the inputs unless given.
        unit_interval: whether targets must lie in [0, 1].
        sigmoid: whether outputs lie in [0, 1].
        rescaling: name of a layer of the encoder that rescales its inputs, if there is one.
        any_range: whether the networks standardize inputs and give outputs in their units.
        skips_non_finite: whether a batch that is not finite is skipped, as the guard does, and so
            does not end what is under way.
        check_rows: raises ValueError where a batch has too few rows for a divergence.
        table: turns the columns of a table into features; None where inputs are arrays.
        class_names: names that labels may have; None where they have none.
    """

    model: str
    shape: tuple[int | None, ...]
    labels: LabelRule
    reconstructs: bool = True
    unit_interval: bool = False
    sigmoid: bool = False
    rescaling: str | None = None
    any_range: bool = False
    skips_non_finite: bool = False
    check_rows: Callable[[int], None] | None = None
    table: TableInputs | None = None
    class_names: tuple[str, ...] | None = None


def check_arrays(argument: str, x: Any, y: Any, sample_weight: Any, rules: InputRules) -> tuple:
    """Checks arrays; see `InputCheck.check`."""
    x = data.check_array(x, argument, rules.shape)
    if not len(x):
        raise ValueError(
            f"Expected `{argument}` to have at least one row. Received: {argument}.shape={x.shape}."
        )
    labels_name = label_argument(argument)
    targets, labels = _split_array(y, labels_name, len(x), rules)
    outputs, name = (x, argument) if targets is None else (targets, labels_name)
    if rules.unit_interval and not (outputs.min() >= 0.0 and outputs.max() <= 1.0):
        raise ValueError(
            f"Expected `{name}` in [0, 1] with reconstruction_loss='bernoulli'. "
            f"Received: {name} from {outputs.min()} to {outputs.max()}."
            + (f" Scale 8-bit pixels: {name} / 255." if has_8_bit_range(outputs) else "")
        )
    labels = _check_labels(argument, labels, len(x), rules.labels)
    if rules.labels.fitting:
        known = None if rules.labels.needs == "none" else labels
        check_training_data(
            x,
            known,
            argument,
            targets=targets,
            sigmoid=rules.sigmoid,
            rescaling=rules.rescaling,
            any_range=rules.any_range,
            whole=rules.labels.whole,
        )
    if sample_weight is not None:
        sample_weight = to_numpy(sample_weight).astype(np.float32)
        if sample_weight.shape != x.shape[:1] or not (
            np.isfinite(sample_weight).all() and (sample_weight >= 0.0).all()
        ):
            raise ValueError(
                f"Expected `sample_weight` of `{argument}` to be {len(x)} finite numbers, zero or "
                f"more. Received: sample_weight={sample_weight!r}."
            )
        labels = np.full(len(x), -1) if labels is None and targets is None else labels
    if targets is None:
        return x, labels, sample_weight
    y = targets if labels is None else {"targets": targets, "labels": labels}
    return x, y, sample_weight


def check_batch_spec(argument: str, element_spec: Any, rules: InputRules) -> None:
    """Checks what is known of a batch before there is one: shapes and dtypes.

    Args:
        argument: name of the argument that yields the batches.
        element_spec: a batch, or the `tf.TensorSpec` of one.
        rules: of the model.

    Raises:
        TypeError: if inputs are no floats, or labels no integers.
        ValueError: if labels are missing; if inputs, targets or labels have a wrong shape.
    """
    inputs, y, _ = keras.utils.unpack_x_y_sample_weight(element_spec)
    if not hasattr(inputs, "dtype"):
        raise TypeError(
            f"Expected `{argument}` to yield inputs as one tensor, alone or in a pair with labels. "
            f"Received: {inputs!r}."
        )
    check_input_type(inputs.dtype, _known_shape(inputs), argument, rules.shape)
    targets, labels = _split_tensors(y, label_argument(argument), rules)
    if targets is not None:
        name = label_argument(argument)
        check_input_type(targets.dtype, _known_shape(targets), name, rules.shape)
    if labels is None and (targets is None or rules.labels.required in _NEEDS):
        refuse_missing_labels(argument, repr(element_spec), rules)
    elif labels is not None:
        data.check_label_spec((inputs, labels), argument)


def check_call_spec(inputs: Any, rules: InputRules) -> None:
    """Checks shape and dtype of what a model is called with; raises as `check_batch_spec` does."""
    if hasattr(inputs, "dtype"):
        check_input_type(inputs.dtype, _known_shape(inputs), "x", rules.shape)


def unpack_batch(batch: Any, rules: InputRules) -> Batch:
    """Gives a batch, from wherever it comes, as a model's hooks see it; for use in a graph.

    Args:
        batch: what Keras hands to a step.
        rules: of the model.

    Returns:
        `Batch`, whose labels are None where there are none, or none are looked at.

    Raises:
        TypeError, ValueError: see `check_batch_spec`; while tracing.
        tf.errors.InvalidArgumentError: if a label is out of its range, or -1 where all must be
            known; while running, but for XLA, which leaves assertions out. In eager steps it is a
            ValueError.
    """
    spec = tf.nest.map_structure(
        lambda part: None if part is None else tf.type_spec_from_value(part), batch
    )
    check_batch_spec("x", spec, rules)
    inputs, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    targets, labels = _split_tensors(y, "y", rules)
    assertions = []
    if labels is not None:
        if rules.labels.num_classes is not None:
            assertions = [_check_label_range(labels, rules.labels.num_classes, rules.labels.needs)]
        labels = tf.cast(labels, tf.int32)
    with tf.control_dependencies(assertions):
        inputs = _with_shape(inputs, rules.shape)
    if targets is not None:
        targets = _with_shape(targets, rules.shape)
    if isinstance(sample_weight, Mapping):
        # Keras gives each part of a dict the same weights.
        sample_weight = next(iter(sample_weight.values()))
    if sample_weight is not None:
        sample_weight = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
    return Batch(inputs, labels, sample_weight, targets)


# Labels and targets.


def _split_array(y: Any, name: str, count: int, rules: InputRules) -> tuple[np.ndarray | None, Any]:
    """Splits `y` into targets, checked, and labels, not yet checked."""
    if isinstance(y, Mapping):
        _check_parts(y, name, rules)
        targets, labels = y.get("targets"), y.get("labels")
    elif y is None or rules.labels.required in _NEEDS:
        targets, labels = None, y
    else:
        y = to_numpy(y, name)
        is_target = _is_target(y.shape, y.dtype.kind == "f", rules)
        targets, labels = (y, None) if is_target else (None, y)
    if rules.labels.needs == "none" and labels is not None and to_numpy(labels).dtype.kind in "OUS":
        # Nothing looks at them, and TensorFlow has no tensor for them.
        labels = None
    if targets is None:
        return None, labels
    _check_reconstructs(name, rules)
    targets = data.check_array(targets, name, rules.shape)
    if len(targets) != count:
        raise ValueError(
            f"Expected `{name}` to have {count} targets, one for each input. "
            f"Received: {name}.shape={targets.shape}."
        )
    return targets, labels


def _split_tensors(y: Any, name: str, rules: InputRules) -> tuple[Any, Any]:
    """Splits tensors, or the specifications of tensors, in the same way."""
    if isinstance(y, Mapping):
        _check_parts(y, name, rules)
        targets, labels = y.get("targets"), y.get("labels")
    elif y is None or rules.labels.required in _NEEDS or not hasattr(y, "shape"):
        targets, labels = None, y
    else:
        is_target = _is_target(_known_shape(y), "float" in name_dtype(y.dtype), rules)
        targets, labels = (y, None) if is_target else (None, y)
    if targets is not None:
        _check_reconstructs(name, rules)
    return targets, None if rules.labels.needs == "none" else labels


def _is_target(shape: Sequence[int | None] | None, is_floating: bool, rules: InputRules) -> bool:
    """Tells whether `y` of a model that needs no labels is a target for each input."""
    if shape is None or len(shape) < 2 or not (is_floating or rules.labels.needs == "none"):
        return False
    # One number for each row is a label, unless inputs are.
    return tuple(shape[1:]) != (1,) or rules.shape == (1,)


def _check_parts(y: Mapping[str, Any], name: str, rules: InputRules) -> None:
    if not y or not set(y) <= set(_PARTS):
        raise ValueError(
            f"Expected `{name}` to be labels, targets, or a dict of 'targets' and 'labels'. "
            f"Received: {name} with keys {sorted(y)}."
        )


def _check_reconstructs(name: str, rules: InputRules) -> None:
    if not rules.reconstructs:
        raise ValueError(
            f"Expected `{name}` to be without targets: {rules.model} reconstructs no inputs. "
            f"Received: targets in `{name}`."
        )


def refuse_missing_labels(argument: str, received: str, rules: InputRules) -> None:
    """Refuses a batch without labels where the model needs them; `received` describes it."""
    if rules.labels.required in _NEEDS:
        raise ValueError(
            f"Expected `{argument}` to yield pairs (inputs, labels): {rules.model} needs labels, "
            f"{_NEEDS[rules.labels.required]}. Received: {received}."
        )


def _check_labels(argument: str, y: Any, n: int, labels: LabelRule) -> Any:
    if labels.needs == "none" or labels.num_classes is None:
        return y
    name = label_argument(argument)
    if y is None and labels.required == "any":
        return None
    if y is None:
        raise ValueError(
            f"Expected `{name}` to be labels, integers [{n}] in [-1, {labels.num_classes}), "
            f"{_NEEDS[labels.needs]}. Received: {name}=None."
        )
    return data.check_labels(y, name, labels.num_classes, labels.known, labels.every_class, size=n)


def _check_label_range(labels: tf.Tensor, num_classes: int, needs: str) -> tf.Operation:
    all_known = needs == "all"
    lowest, highest = 0 if all_known else -1, num_classes - 1
    low, high = tf.reduce_min(labels), tf.reduce_max(labels)
    # A batch may have no rows, on one of several replicas.
    valid = (tf.size(labels) == 0) | ((low >= lowest) & (high <= highest))
    message = f"Expected {describe_range('y', num_classes, all_known)}"
    if tf.executing_eagerly() and not valid:
        raise ValueError(f"{message} Received: labels from {low} to {high}.")
    return tf.debugging.Assert(valid, [message, low, high])


# Shapes.


def _known_shape(value: Any) -> tuple[int | None, ...] | None:
    shape = tf.TensorShape(value.shape)
    return None if shape.rank is None else tuple(shape)


def _with_shape(rows: tf.Tensor, shape: Sequence[int | None]) -> tf.Tensor:
    """Returns rows whose shape is known as far as the model's is."""
    return tf.ensure_shape(tf.identity(rows), [None, *shape])
