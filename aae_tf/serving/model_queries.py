"""What a model is and how it does: metadata and status, for both protocols."""

from __future__ import annotations

import grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from aae_tf.serving.errors import ServingError
from aae_tf.serving.model_manager import ModelManager
from aae_tf.serving.servable import Servable


def find_servable(manager: ModelManager, spec: ModelSpec) -> Servable:
    """Returns the servable that `spec` names; raises as `ModelManager.get` does."""
    version = spec.version.value if spec.HasField("version") else None
    label = spec.version_label if spec.HasField("version_label") else None
    return manager.get(spec.name, version, label)


def model_metadata(manager: ModelManager, spec: ModelSpec) -> GetModelMetadataResponse:
    """Returns the signatures of the model that `spec` names; raises as `find_servable` does."""
    servable = find_servable(manager, spec)
    response = GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    signatures = SignatureDefMap(signature_def=servable.session.signature_defs)
    response.metadata["signature_def"].Pack(signatures)
    return response


def model_status(manager: ModelManager, spec: ModelSpec) -> GetModelStatusResponse:
    """Returns the state of the versions that `spec` names; a label is ignored, as in the server.

    Raises:
        ServingError: NOT_FOUND for an unknown model or version.
    """
    name = spec.name
    version = manager.models.get(name)
    if spec.HasField("version") and spec.version.value != version:
        raise ServingError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find version {spec.version.value} of model {name}",
        )
    if version is None:
        raise ServingError(
            grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
        )
    response = GetModelStatusResponse()
    status = response.model_version_status.add(
        version=version, state=ModelVersionStatus.State.AVAILABLE
    )
    status.status.SetInParent()  # a present, empty status is OK
    return response
