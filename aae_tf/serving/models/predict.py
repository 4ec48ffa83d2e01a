"""Requests that run a signature, of either protocol or of a warm-up file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from aae_tf.export.saved_model import DEFAULT_SIGNATURE
from aae_tf.serving.errors import ServingError, from_op_error, invalid_argument
from aae_tf.serving.models import tensor_proto
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.models.servable import Servable

# Characters of names that an error repeats.
_MAX_NAMES = 1024

Timer = AbstractContextManager[None]


def run_request(
    servable: Servable,
    request: PredictRequest,
    limits: RequestLimits,
    timeout: float | None = None,
    timer: Timer | None = None,
) -> tuple[str, dict[str, np.ndarray]]:
    """Runs a request of the protocol, from a client or from a warm-up file.

    Args:
        servable: The model version to run.
        request: What to run; its model's name and version have led to `servable`.
        limits: What it may ask for.
        timeout: Seconds left for the run. Defaults to no limit.
        timer: Entered for the run alone.

    Returns:
        Name of the signature, and arrays by output name.

    Raises:
        ServingError: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for inputs
            that do not fit it, and as `run_signature`.
    """
    checked = check_request(servable, request, limits)
    name, inputs = read_request(request, checked)
    return name, run_signature(servable, name, inputs, request.output_filter, timeout, timer)


class CheckedRequest(NamedTuple):
    """What a request declares, once it is checked.

    Attributes:
        signature_name: Name of the signature that it runs.
        shapes: Shapes by input name.
        size: Bytes of its inputs and outputs.
    """

    signature_name: str
    shapes: dict[str, list[int]]
    size: int


def check_request(
    servable: Servable, request: PredictRequest, limits: RequestLimits
) -> CheckedRequest:
    """Checks what a request of the protocol declares, before anything of it is made.

    Args:
        servable: The model version that is to run it.
        request: What to run.
        limits: What it may ask for.

    Raises:
        ServingError: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for inputs
            that do not fit it, RESOURCE_EXHAUSTED for too many rows or bytes.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signature_defs.get(name)
    if signature is None:
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    _check_input_names(signature, request.inputs.keys())
    shapes = {}
    for index, (alias, proto) in enumerate(request.inputs.items()):
        shapes[alias] = tensor_proto.declared_shape(alias, proto)
        expected = signature.inputs[alias].dtype
        # The runtime would say the same, but only once the tensor is made.
        if proto.dtype != expected and proto.dtype in types_pb2.DataType.values()[1:]:
            raise invalid_argument(
                f"Expects arg[{index}] to be {_dtype_name(expected)} "
                f"but {_dtype_name(proto.dtype)} is provided"
            )
    return CheckedRequest(name, shapes, limits.check(signature, shapes))


def read_request(
    request: PredictRequest, checked: CheckedRequest
) -> tuple[str, dict[str, np.ndarray]]:
    """Reads a request of the protocol: name of the signature, and arrays by input name.

    Args:
        request: What to read.
        checked: What `check_request` found in it.

    Raises:
        ServingError: INVALID_ARGUMENT for a tensor that cannot be read.
    """
    return checked.signature_name, {
        alias: tensor_proto.to_array(alias, proto, checked.shapes[alias])
        for alias, proto in request.inputs.items()
    }


def _dtype_name(dtype: int) -> str:
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def _check_input_names(signature: SignatureDef, names: Collection[str]) -> None:
    """Checks that a request brings the inputs that `signature` needs, and no others."""
    known = set(signature.inputs)
    given = set(names)
    missing = known - given
    # Counts are compared first: a request of as many inputs as the signature gets the other error.
    if len(given) > len(known) or (len(given) < len(known) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(known)} "
            f"len({_braces(given)}) != len({_braces(known)}). "
            f"Sent extra: {_braces(given - known)}. Missing but required: {_braces(missing)}."
        )
    for name in sorted(missing - set(signature.defaults)):
        raise invalid_argument(f"Signature input alias: {name} not found in request.")


def run_signature(
    servable: Servable,
    signature_name: str,
    inputs: Mapping[str, np.ndarray],
    output_filter: Sequence[str] = (),
    timeout: float | None = None,
    timer: Timer | None = None,
) -> dict[str, np.ndarray]:
    """Runs a signature as the real server does: names are checked here, the rest by the graph.

    Args:
        servable: The model version to run.
        signature_name: One of its signatures.
        inputs: Arrays by name; those with a default in the signature may be left out.
        output_filter: Names of the outputs to compute. Defaults to all.
        timeout: Seconds left for the run. Defaults to no limit.
        timer: Entered for the run alone.

    Returns:
        Arrays by output name.

    Raises:
        ServingError: INVALID_ARGUMENT for an unknown or repeated output,
            DEADLINE_EXCEEDED after `timeout`, and whatever the runtime reports.
    """
    inputs = prepare_inputs(servable, signature_name, inputs, output_filter, timeout)
    try:
        with timer or nullcontext():
            return servable.runner.run(signature_name, inputs, output_filter or None, timeout)
    except tf.errors.OpError as error:
        raise from_op_error(error) from error


def prepare_inputs(
    servable: Servable,
    signature_name: str,
    inputs: Mapping[str, np.ndarray],
    output_filter: Sequence[str],
    timeout: float | None,
) -> Mapping[str, np.ndarray]:
    """Checks the arguments of `run_signature`, and adds the defaults of inputs left out.

    Raises:
        ServingError: INVALID_ARGUMENT for a signature of the loader, an unknown or a repeated
            output; DEADLINE_EXCEEDED if no time is left.
    """
    signature = servable.session.signatures.get(signature_name)
    if signature is None:
        raise invalid_argument(f'Signature "{signature_name}" is the loader\'s, not for requests.')
    for position, name in enumerate(output_filter):
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in "
                f"the set {_braces(signature.outputs)}."
            )
        if name in output_filter[:position]:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
    if timeout is not None and timeout <= 0:
        raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out before the run began")
    if not signature.defaults:
        return inputs
    defaults = {name: tf.make_ndarray(value) for name, value in signature.defaults.items()}
    return {**defaults, **inputs}


def _braces(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names))[:_MAX_NAMES] + "}"
