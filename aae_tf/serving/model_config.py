"""What an operator says of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aae_tf.serving.errors import invalid_argument
from aae_tf.serving.version_policy import VersionPolicy

_PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1  # of the older field `model_type`


@dataclass(frozen=True)
class ModelConfig:
    """One model: its name, where its versions are, which to serve, what to call them.

    Args:
        name: of the model, in requests.
        base_path: folder that holds a folder per version.
        policy: which versions to serve. Defaults to the highest.
        labels: version by label, so that clients can ask for "stable".
    """

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)


def read_model_configs(config: Any) -> list[ModelConfig]:
    """Reads a `ModelServerConfig`, as `--model_config_file` and a reload request hold it.

    Args:
        config: the message.

    Raises:
        ServingError: INVALID_ARGUMENT where the real server refuses it: no list of models, a
            name that is missing or occurs twice, a path that is not absolute, a platform that is
            not "tensorflow".
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid_argument("Expected a ModelServerConfig with a model_config_list.")
    configs = [_read(entry) for entry in config.model_config_list.config]
    _refuse_duplicates(configs)
    return configs


def _read(entry: Any) -> ModelConfig:
    if not entry.name:
        raise invalid_argument("Expected every model config to have a name.")
    if not Path(entry.base_path).is_absolute():
        raise invalid_argument(
            f"Expected model {entry.name} to have an absolute base_path. "
            f"Received: base_path={entry.base_path!r}."
        )
    platform = entry.model_platform
    if not platform and entry.model_type == _TENSORFLOW_TYPE:
        platform = _PLATFORM
    if platform != _PLATFORM:
        raise invalid_argument(
            f"Expected model {entry.name} to have model_platform {_PLATFORM!r}. "
            f"Received: model_platform={entry.model_platform!r}."
        )
    return ModelConfig(
        entry.name,
        Path(entry.base_path),
        VersionPolicy.from_proto(entry.model_version_policy),
        dict(entry.version_labels),
    )


def _refuse_duplicates(configs: Sequence[ModelConfig]) -> None:
    names = [config.name for config in configs]
    for name in names:
        if names.count(name) > 1:
            raise invalid_argument(f"Illegal to list model {name} multiple times in config list")
