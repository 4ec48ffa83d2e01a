"""Replaces the list of models of a running server, where its operator allows that."""

from __future__ import annotations

import logging
from pathlib import Path

import grpc
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.model_config import read_model_configs
from aae_tf.serving.model_manager import ModelManager

_LOGGER = logging.getLogger("aae_tf.serving")


def reload_config(manager: ModelManager, request: ReloadConfigRequest, root: Path | None) -> None:
    """Does what a HandleReloadConfigRequest asks, and returns when new models serve.

    Differs from the real server, which lets any client load any folder that its process can
    read, and waits without end for a folder that is not there: models must lie under `root`, and
    their folders must exist.

    Args:
        manager: What serves.
        request: The new list of models.
        root: Folder that models must lie under; None allows no reload at all.

    Raises:
        ServingError: PERMISSION_DENIED without `root` or out of it, NOT_FOUND for a folder that
            is not there, INVALID_ARGUMENT and FAILED_PRECONDITION as `read_model_configs` and
            `ModelManager.configure` have it, with nothing changed; and the error of a new model
            that does not load.
    """
    if root is None:
        raise ServingError(
            grpc.StatusCode.PERMISSION_DENIED,
            "Reloading is off: start the server with a reload root to allow it.",
        )
    if not request.HasField("config"):
        raise invalid_argument("Expected a ReloadConfigRequest with a config.")
    configs = read_model_configs(request.config)
    allowed = root.resolve()
    for config in configs:
        if not config.base_path.resolve().is_relative_to(allowed):
            raise ServingError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Expected the base_path of model {config.name} to be under the reload root. "
                f"Received: base_path={str(config.base_path)!r}.",
            )
        if not config.base_path.is_dir():
            raise ServingError(
                grpc.StatusCode.NOT_FOUND,
                f"Expected the base_path of model {config.name} to be a folder. "
                f"Received: base_path={str(config.base_path)!r}.",
            )
    _LOGGER.info("Reloading: %s", ", ".join(config.name for config in configs) or "no models")
    manager.configure(configs)
    manager.check_all_serve()
