"""Calls of a server, whatever the protocol: of a model's signatures, its status, its metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from aae_tf.checks import check_integer
from aae_tf.column_arrays import columns_of, to_array

Arrays: TypeAlias = dict[str, np.ndarray]
# An array [batch, ...]; of a table a frame, or a dict of columns [batch].
Inputs: TypeAlias = ArrayLike | Mapping[str, Any]


class Target(NamedTuple):
    """A model, and which of its versions.

    Attributes:
        model: The model's name.
        version: The version's number, or None for the highest that is available.
        label: The version's label, or None.
    """

    model: str
    version: int | None = None
    label: str | None = None


# The input of `score_at` beside the rows.
RATE = "false_alarm_rate"


class PredictCall(NamedTuple):
    """Runs a signature; the answer is arrays by output name.

    Attributes:
        target: The model.
        signature_name: The signature, or "" for the model's default.
        inputs: Arrays by input name.
    """

    target: Target
    signature_name: str
    inputs: Arrays

    @classmethod
    def from_inputs(
        cls, target: Target, signature_name: str, inputs: Mapping[str, ArrayLike]
    ) -> PredictCall:
        """Returns a call with inputs in the dtype that NumPy gives them."""
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        return cls(target, signature_name, arrays)


class StatusCall(NamedTuple):
    """Asks for the state of each version; the answer is states by version number.

    Attributes:
        target: The model.
    """

    target: Target


class MetadataCall(NamedTuple):
    """Asks for the signatures; the answer is as `protocol.describe_signatures` has it.

    Attributes:
        target: The model.
    """

    target: Target


Call: TypeAlias = PredictCall | StatusCall | MetadataCall


def make_target(model: str, version: int | None = None, label: str | None = None) -> Target:
    """Returns a target, checked.

    Args:
        model: The model's name, not empty.
        version: The version's number, at least 0.
        label: The version's label, not empty; exclusive with `version`.

    Raises:
        TypeError: `version` is no integer.
        ValueError: a name is empty, `version` is negative, or both are given.

    Example:

        >>> make_target("encoder", label="stable")
        Target(model='encoder', version=None, label='stable')
    """
    if not model:
        raise ValueError(f"Expected `model` to be a name. Received: model={model!r}.")
    if label is not None and not label:
        raise ValueError(f"Expected `label` to be a name. Received: label={label!r}.")
    if version is not None:
        version = check_integer("version", version)
        if label is not None:
            raise ValueError(
                "Expected either `version` or `label`. "
                f"Received: version={version}, label={label!r}."
            )
    return Target(model, version, label)


class SignatureCall(NamedTuple):
    """Runs a signature of an export, of the model that the client names for it.

    Attributes:
        signature_name: The signature.
        inputs: Arrays [batch, ...] by input name, at least one row.
        read: Makes what the caller gets from the outputs.
        array: Makes one array of the columns of a frame, for a model of no table; None where
            inputs are no frame.
    """

    signature_name: str
    inputs: Arrays
    read: Callable[[Arrays], Any] = dict
    array: Callable[[], np.ndarray] | None = None


def encode(inputs: Inputs, check_values: bool = True) -> SignatureCall:
    """Returns the call for latents; see `Client.encode`."""
    return _call_on_inputs("encode", inputs, check_values, itemgetter("latents"))


def classify(inputs: Inputs, check_values: bool = True) -> SignatureCall:
    """Returns the call for classes; see `Client.classify`."""
    return _call_on_inputs("classify", inputs, check_values, _texts)


def reconstruct(inputs: Inputs, check_values: bool = True) -> SignatureCall:
    """Returns the call for reconstructions; see `Client.reconstruct`."""
    return _call_on_inputs("reconstruct", inputs, check_values, _outputs)


def score(inputs: Inputs, check_values: bool = True) -> SignatureCall:
    """Returns the call for scores of anomaly; see `Client.score`."""
    return _call_on_inputs("score", inputs, check_values, dict)


def score_at(
    inputs: Inputs, false_alarm_rate: ArrayLike, check_values: bool = True
) -> SignatureCall:
    """Returns the call for scores with thresholds of their own; see `Client.score_at`."""
    call = _call_on_inputs("score_at", inputs, check_values, dict)
    rows = len(next(iter(call.inputs.values())))
    rates = np.asarray(false_alarm_rate, np.float32)
    if rates.shape not in ((), (rows,)) or not ((rates > 0.0) & (rates < 1.0)).all():
        raise ValueError(
            "Expected `false_alarm_rate` to be a number in (0, 1), or one for each row. "
            f"Received: false_alarm_rate={false_alarm_rate!r} for {rows} rows."
        )
    return call._replace(inputs={**call.inputs, RATE: np.broadcast_to(rates, [rows])})


def decode(
    latents: ArrayLike,
    class_probabilities: ArrayLike | None = None,
    check_values: bool = True,
) -> SignatureCall:
    """Returns the call for outputs; see `Client.decode`."""
    given = {"latents": latents, "class_probabilities": class_probabilities}
    rows = {
        name: _floats(name, array, check_values)
        for name, array in given.items()
        if array is not None
    }
    return SignatureCall("decode", rows, _outputs)


def sample(seeds: ArrayLike, labels: ArrayLike | None = None) -> SignatureCall:
    """Returns the call for samples; see `Client.sample`."""
    rows = {"seed": _integers("seeds", seeds)}
    if labels is not None:
        labels = np.full(len(rows["seed"]), labels) if np.ndim(labels) == 0 else labels
        rows["label"] = _integers("labels", labels)
    return SignatureCall("sample", rows, _texts)


def _call_on_inputs(
    name: str, inputs: Inputs, check_values: bool, read: Callable[[Arrays], Any]
) -> SignatureCall:
    """Returns the call of a signature on an array, or on the columns of a table as they are."""
    columns, array = columns_of(inputs), cast("ArrayLike", inputs)
    if columns is None:
        return SignatureCall(name, {"inputs": _floats("inputs", array, check_values)}, read)
    arrays = {
        name: to_array(values, f"column {name!r} of `inputs`") for name, values in columns.items()
    }
    if len({len(array) for array in arrays.values()} - {0}) != 1:
        sizes = {name: len(array) for name, array in arrays.items()}
        raise ValueError(
            "Expected `inputs` to have columns of one length, at least one row. "
            f"Received: inputs of lengths {sizes}."
        )
    if isinstance(inputs, Mapping):
        return SignatureCall(name, arrays, read)
    return SignatureCall(name, arrays, read, lambda: _floats("inputs", array, check_values))


def _texts(outputs: Arrays) -> Arrays:
    """Returns outputs with text as str."""

    def decode(array: np.ndarray) -> np.ndarray:
        if array.dtype != object:
            return array
        texts = np.empty(array.shape, object)
        texts.ravel()[:] = [text.decode("utf-8", "replace") for text in array.ravel().tolist()]
        return texts

    return {name: decode(array) for name, array in outputs.items()}


def _outputs(outputs: Arrays) -> Any:
    """Returns the output "outputs", or the columns of a table by name."""
    return outputs["outputs"] if "outputs" in outputs else _texts(outputs)


def _floats(argument: str, value: ArrayLike, check_values: bool) -> np.ndarray:
    dtype = np.asarray(value).dtype
    if check_values and dtype in (np.uint8, np.int8):
        raise TypeError(
            f"Expected `{argument}` to be floats (images: in [0, 1]). Received: {argument} of "
            f"dtype={dtype}. Scale 8-bit pixels: {argument} / 255. Client(check_values=False) "
            "sends the values as they are."
        )
    with np.errstate(over="ignore"):  # What overflows float32 is reported as infinite.
        rows = _rows(argument, value, np.float32)
    if check_values and not (finite := np.isfinite(rows)).all():
        index = tuple(int(i) for i in np.unravel_index(finite.argmin(), finite.shape))
        where = ", ".join(map(str, index))
        raise ValueError(
            f"Expected `{argument}` to have finite values. Received: "
            f"{argument}[{where}]={rows[index]}. Client(check_values=False) sends the values as "
            "they are; exports answer such a row with NaN."
        )
    return rows


def _integers(argument: str, value: ArrayLike) -> np.ndarray:
    kind = np.asarray(value).dtype.kind
    if kind not in "iu" and np.size(value):
        raise TypeError(f"Expected `{argument}` to be integers. Received: {argument}={value!r}.")
    return _rows(argument, value, np.int64)


def _rows(argument: str, value: ArrayLike, dtype: DTypeLike) -> np.ndarray:
    # Servers differ on empty batches: JSON loses their shape, and batching may fail on them.
    rows = np.asarray(value, dtype)
    if rows.ndim == 0 or len(rows) == 0:
        raise ValueError(
            f"Expected `{argument}` to have at least one row. "
            f"Received: {argument} of shape {rows.shape}."
        )
    return rows
