"""What is looked at when data are handed to a model, whichever way they come in.

Arrays are checked whole before anything starts. Of a pipeline, shape and dtype are checked when the
step is traced, the first batch is checked as an array is, and the range of labels is checked in
every batch.
"""

import contextlib
import inspect
import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import data
from aae_tf.checks import check_dimension
from aae_tf.data.check_arrays import describe_non_finite
from aae_tf.data.check_labels import label_argument
from aae_tf.data.conversions import is_pipeline, is_py_dataset
from aae_tf.models.arguments import number_names
from aae_tf.models.inputs import (
    InputRules,
    check_arrays,
    check_batch_spec,
    check_call_spec,
    refuse_missing_labels,
)

_BATCH_SIZES = ("batch_size", "validation_batch_size")
# A failed assertion of the range of labels, in the message of TensorFlow.
_ASSERTION = re.compile(r"assertion failed: \[(Expected `y.*?)\] \[(-?\d+)\] \[(-?\d+)\]")


class InputCheck:
    """Checks what one call of `fit`, `evaluate` or their like was given.

    Args:
        rules: of the model.
    """

    def __init__(self, rules: InputRules) -> None:
        self._rules = rules
        self._error: Exception | None = None

    def check(self, argument: str, x: Any, y: Any = None, sample_weight: Any = None) -> tuple:
        """Checks inputs, of which arrays come back as float32 and pipelines look at themselves.

        Args:
            argument: name of the argument that `x` is.
            x: inputs [n, ...], or a pipeline.
            y: labels [n], targets [n, ...], a dict of both, or None.
            sample_weight: weights [n] or None.

        Returns:
            Inputs, `y` and weights, for Keras. Labels are -1, unknown, where there are weights and
            no labels: Keras would drop the weights without a word.

        Raises:
            TypeError: if inputs are no floats, or labels no integers.
            ValueError: if there are no inputs; if inputs, targets or weights are not finite, of a
                wrong shape, or out of their range; if labels are missing, out of their range, or
                leave out a class; if training starts on inputs that are all equal.

        Warns:
            UserWarning: where training starts, of unscaled pixels, contradictory labels, and
                values beyond what the decoder gives.
        """
        if x is None:
            raise ValueError(
                f"Expected `{argument}` to be inputs: an array, a frame, or a pipeline of batches. "
                f"Received: {argument}=None."
            )
        if isinstance(x, tf.distribute.DistributedDataset):
            return x, y, sample_weight
        if self._rules.table is not None:
            x = self._rules.table.features(x, argument, training=True)
            y = self._rules.table.targets(y, label_argument(argument))
        if self._rules.class_names is not None:
            y = number_names(y, self._rules.class_names, label_argument(argument))
        if is_pipeline(x):
            return self._check_pipeline(argument, x), y, sample_weight
        return check_arrays(argument, x, y, sample_weight, self._rules)

    def check_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Checks `x`, `y` and `sample_weight` among the arguments of a call."""
        names = ("x", "y", "sample_weight")
        checked = self.check("x", *(arguments.get(name) for name in names))
        return {**arguments, **dict(zip(names, checked, strict=True))}

    def check_validation(self, validation_data: Any) -> Any:
        """Checks `validation_data`: inputs, a tuple of inputs and more, or a pipeline."""
        name = "validation_data"
        if is_pipeline(validation_data):
            return self.check(name, validation_data)[0]
        return self.check(name, *keras.utils.unpack_x_y_sample_weight(validation_data))

    @contextlib.contextmanager
    def readable_errors(self) -> Iterator[None]:
        """Raises what was found while data were read, in place of TensorFlow's error around it."""
        try:
            yield
        except tf.errors.OpError as error:
            if self._error is not None:
                raise self._error from None
            found = _ASSERTION.search(str(error))
            if found is None:
                raise
            message, low, high = found.groups()
            raise ValueError(f"{message} Received: labels from {low} to {high}.") from None

    def _check_pipeline(self, argument: str, pipeline: Any) -> Any:
        if isinstance(pipeline, tf.data.Dataset):
            check_batch_spec(argument, pipeline.element_spec, self._rules)
            return self._look_at_first(argument, pipeline)
        if is_py_dataset(pipeline):
            self._check_batch(argument, pipeline[0])
        if not inspect.isgenerator(pipeline):
            return pipeline
        first = next(pipeline, None)
        if first is None:
            raise ValueError(
                f"Expected `{argument}` to yield batches. Received: {argument}={pipeline!r}, "
                "at its end."
            )
        self._check_batch(argument, first)
        # Keras knows generators by their type.
        return (batch for batch in itertools.chain([first], pipeline))

    def _check_batch(self, argument: str, batch: Any) -> None:
        rules = self._rules._replace(labels=self._rules.labels._replace(whole=False))
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        if y is None:
            refuse_missing_labels(argument, type(batch).__name__, rules)
        if rules.check_rows is not None:
            rules.check_rows(len(x))
        if rules.skips_non_finite:
            x = data.check_array(x, argument, rules.shape, finite=False)
            place = describe_non_finite(x, argument)
            if place is not None:
                warnings.warn(
                    f"The first batch of `{argument}` has values that are not finite: {place}. "
                    "Updates on such batches are skipped.",
                    UserWarning,
                    stacklevel=2,
                )
                return
        check_arrays(argument, x, y, sample_weight, rules)

    def _look_at_first(self, argument: str, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Checks the first batch where it is read: a second iterator would shuffle anew."""
        spec = dataset.element_spec
        if not all(isinstance(leaf, tf.TensorSpec) for leaf in tf.nest.flatten(spec)):
            return dataset

        def check(*leaves: np.ndarray) -> None:
            try:
                self._check_batch(argument, tf.nest.pack_sequence_as(spec, leaves))
            except Exception as error:
                self._error = error
                raise

        @tf.autograph.experimental.do_not_convert
        def look(number: tf.Tensor, batch: Any) -> Any:
            leaves = tf.nest.flatten(batch)
            tf.cond(
                number == 0,
                lambda: tf.group(tf.numpy_function(check, leaves, [])),
                lambda: tf.group(),
            )
            return batch

        return dataset.enumerate().map(look)


def check_call(x: Any, rules: InputRules) -> Any:
    """Checks what a model is called with: rows that are not finite give rows of NaN.

    Args:
        x: inputs [n, ...], or a pipeline.
        rules: of the model, with the shape of what it is called with.

    Returns:
        A float32 array, or the pipeline.

    Raises:
        TypeError: if inputs are no floats.
        ValueError: if they have another shape.
    """
    if rules.table is not None:
        x = rules.table.features(x)
    if not is_pipeline(x):
        return data.check_array(x, "x", rules.shape, finite=False)
    if isinstance(x, tf.data.Dataset):
        check_call_spec(keras.utils.unpack_x_y_sample_weight(x.element_spec)[0], rules)
    return x


def name_arguments(method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Names the arguments of a call, however they were given, and checks those of batch sizes."""
    arguments = inspect.signature(method).bind(*args, **kwargs).arguments
    arguments = {**arguments.pop("kwargs", {}), **arguments}
    for name in _BATCH_SIZES:
        if arguments.get(name) is not None:
            check_dimension(name, arguments[name])
    return arguments
