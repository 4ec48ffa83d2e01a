"""The metadata and the status of a model, for both protocols."""

from __future__ import annotations

from contextlib import AbstractContextManager

import grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec

from aae_tf.serving.errors import ServingError
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.models.servable import Servable


def use_servable(manager: ModelManager, spec: ModelSpec) -> AbstractContextManager[Servable]:
    """Gives the servable that `spec` names within a block; see `ModelManager.use`."""
    version = spec.version.value if spec.HasField("version") else None
    label = spec.version_label if spec.HasField("version_label") else None
    return manager.use(spec.name, version, label)


def model_metadata(manager: ModelManager, spec: ModelSpec) -> GetModelMetadataResponse:
    """Returns the signatures of the model that `spec` names; raises as `use_servable` does."""
    response = GetModelMetadataResponse()
    with use_servable(manager, spec) as servable:
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        signatures = SignatureDefMap(signature_def=servable.signature_defs)
    response.metadata["signature_def"].Pack(signatures)
    return response


def model_status(manager: ModelManager, spec: ModelSpec) -> GetModelStatusResponse:
    """Returns the state of the versions that `spec` names; a label is ignored, as in the server.

    Versions are listed from the highest down; those that ended stay listed.

    Raises:
        ServingError: NOT_FOUND for an unknown model or version.
    """
    name = spec.name
    versions = manager.status(name)
    if spec.HasField("version"):
        version = spec.version.value
        if version not in versions:
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Could not find version {version} of model {name}"
            )
        versions = {version: versions[version]}
    if not versions:
        raise ServingError(
            grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
        )
    response = GetModelStatusResponse()
    for number, status in sorted(versions.items(), reverse=True):
        entry = response.model_version_status.add(version=number, state=status.state)
        entry.status.SetInParent()  # a present, empty status is OK
        if status.error is not None:
            entry.status.error_code = status.error.code.value[0]
            entry.status.error_message = status.error.message
    return response
