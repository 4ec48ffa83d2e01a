"""Classify, Regress and MultiInference: signatures that read serialized `tf.train.Example`s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import grpc
import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
    ClassificationResult,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.regression_pb2 import (
    RegressionRequest,
    RegressionResponse,
    RegressionResult,
)

from aae_tf.export.saved_model import DEFAULT_SIGNATURE
from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.models.predict import Timer, run_signature
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.models.servable import Servable

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
_INPUT = "inputs"
# Outputs that each method reads, where the signature has them.
_OUTPUTS = {CLASSIFY: ("classes", "scores"), REGRESS: ("outputs",)}


def classify(
    servable: Servable,
    request: ClassificationRequest,
    limits: RequestLimits,
    timeout: float | None = None,
    timer: Timer | None = None,
) -> ClassificationResponse:
    """Runs a signature that gives classes, their scores, or both, for each example.

    Args:
        servable: The model version to run.
        request: The examples.
        limits: What they may ask for.
        timeout: Seconds left for the run. Defaults to no limit.
        timer: Entered for the run alone.

    Raises:
        ServingError: INVALID_ARGUMENT if the signature is not one of classification, there are no
            examples, or the outputs do not fit; and as `run_signature`.
    """
    outputs = _run(servable, CLASSIFY, request, limits, timeout, timer)
    return ClassificationResponse(
        model_spec=_used(servable, request.model_spec), result=_classifications(outputs)
    )


def regress(
    servable: Servable,
    request: RegressionRequest,
    limits: RequestLimits,
    timeout: float | None = None,
    timer: Timer | None = None,
) -> RegressionResponse:
    """Runs a signature that gives a number for each example; see `classify`."""
    outputs = _run(servable, REGRESS, request, limits, timeout, timer)
    return RegressionResponse(
        model_spec=_used(servable, request.model_spec), result=_regressions(outputs)
    )


def multi_inference(
    servable: Servable,
    request: MultiInferenceRequest,
    limits: RequestLimits,
    timeout: float | None = None,
    timer: Timer | None = None,
) -> MultiInferenceResponse:
    """Runs several signatures of one model on the same examples; see `classify`.

    Each task runs within `timeout`, and all of them within `timer`.

    Raises:
        ServingError: INVALID_ARGUMENT if the tasks name several models, a signature twice, or a
            method that is neither; and as `classify`.
    """
    names = [task.model_spec.signature_name or DEFAULT_SIGNATURE for task in request.tasks]
    if any(task.model_spec.name != request.tasks[0].model_spec.name for task in request.tasks):
        raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access one model.")
    response = MultiInferenceResponse()
    with timer or nullcontext():
        for index, task in enumerate(request.tasks):
            if names[index] in names[:index]:
                raise invalid_argument(f"Duplicate evaluation of signature: {names[index]}")
            result = response.results.add(model_spec=_used(servable, task.model_spec))
            if task.method_name == CLASSIFY:
                part = ClassificationRequest(model_spec=task.model_spec, input=request.input)
                outputs = _run(servable, CLASSIFY, part, limits, timeout)
                result.classification_result.CopyFrom(_classifications(outputs))
            elif task.method_name == REGRESS:
                part = RegressionRequest(model_spec=task.model_spec, input=request.input)
                outputs = _run(servable, REGRESS, part, limits, timeout)
                result.regression_result.CopyFrom(_regressions(outputs))
            else:
                raise ServingError(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"Unsupported signature method_name: {task.method_name}",
                )
    return response


def _run(
    servable: Servable,
    method: str,
    request: Any,
    limits: RequestLimits,
    timeout: float | None,
    timer: Timer | None = None,
) -> dict[str, np.ndarray]:
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signature_defs.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    if signature.method_name != method:
        raise invalid_argument(
            f"Expected the signature's method_name to be {method}. Was: {signature.method_name}"
        )
    fetched = [output for output in _OUTPUTS[method] if output in signature.outputs]
    if list(signature.inputs) != [_INPUT] or not fetched:
        raise invalid_argument(
            f"Expected a signature from '{_INPUT}' to {' or '.join(_OUTPUTS[method])}. "
            f"Received: {', '.join(signature.inputs)} to {', '.join(signature.outputs)}."
        )
    serialized = _serialize(request.input)
    limits.check(signature, {_INPUT: [len(serialized)]})
    outputs = run_signature(servable, name, {_INPUT: serialized}, fetched, timeout, timer)
    for output, array in outputs.items():
        if array.ndim == 0 or len(array) != len(serialized):
            raise invalid_argument(
                f"Expected {output} of batch size {len(serialized)}. Got: {list(array.shape)}"
            )
    return outputs


def _serialize(examples: Input) -> np.ndarray:
    """Returns each example as bytes; those of the context come before its own, as protobuf adds."""
    context = b""
    entries: Sequence[Example] = examples.example_list.examples
    if examples.HasField("example_list_with_context"):
        context = examples.example_list_with_context.context.SerializeToString()
        entries = examples.example_list_with_context.examples
    if not entries:
        raise invalid_argument("Input is empty.")
    array = np.empty(len(entries), object)
    array[:] = [context + entry.SerializeToString() for entry in entries]
    return array


def _classifications(outputs: Mapping[str, np.ndarray]) -> ClassificationResult:
    labels, scores = outputs.get("classes"), outputs.get("scores")
    shapes = {array.shape for array in outputs.values()}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {shapes}")
    if (labels is not None and labels.dtype != object) or (
        scores is not None and scores.dtype != np.float32
    ):
        raise invalid_argument("Expected classes of DT_STRING and scores of DT_FLOAT.")
    result = ClassificationResult()
    ((rows, count),) = shapes
    for row in range(rows):
        entry = result.classifications.add()
        for index in range(count):
            each = entry.classes.add()
            if labels is not None:
                each.label = labels[row, index].decode("utf-8", "replace")
            if scores is not None:
                each.score = scores[row, index]
    return result


def _regressions(outputs: Mapping[str, np.ndarray]) -> RegressionResult:
    values = outputs["outputs"]
    if values.dtype != np.float32 or values.size != len(values):
        raise invalid_argument(
            f"Expected outputs of DT_FLOAT, one per example. Got: {values.dtype}, {values.shape}"
        )
    result = RegressionResult()
    for value in values.ravel().tolist():
        result.regressions.add(value=value)
    return result


def _used(servable: Servable, spec: ModelSpec) -> ModelSpec:
    used = ModelSpec(name=servable.name, signature_name=spec.signature_name or DEFAULT_SIGNATURE)
    used.version.value = servable.version
    return used
