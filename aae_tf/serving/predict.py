"""What a predict request does, whichever protocol brought it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.servable import Servable

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def check_input_names(signature: SignatureDef, names: Collection[str]) -> None:
    """Checks that a request brings the inputs that `signature` needs, and no others.

    Args:
        signature: The signature that is to run.
        names: Names of the inputs in the request.

    Raises:
        ServingError: INVALID_ARGUMENT, naming what is missing or too many.
    """
    known = set(signature.inputs)
    given = set(names)
    missing = known - given
    # Counts first: a request with as many inputs as the signature gets the other message.
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
) -> dict[str, np.ndarray]:
    """Runs a signature as the real server does: names are checked here, the rest by the graph.

    Args:
        servable: The model version to run.
        signature_name: One of its signatures.
        inputs: Arrays by name; those with a default in the signature may be left out.
        output_filter: Names of the outputs to compute. Defaults to all.
        timeout: Seconds left for the run. Defaults to no limit.

    Returns:
        Arrays by output name.

    Raises:
        ServingError: INVALID_ARGUMENT for an unknown or repeated output,
            DEADLINE_EXCEEDED after `timeout`, and whatever the runtime reports.
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
    defaults = {name: tf.make_ndarray(value) for name, value in signature.defaults.items()}
    try:
        return servable.session.run(
            signature_name, {**defaults, **inputs}, output_filter or None, timeout
        )
    except tf.errors.OpError as error:
        raise ServingError(_CODES[error.error_code], error.message) from error


def _braces(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
