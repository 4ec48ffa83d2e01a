"""The configuration of a model: its name, its folder, which of its versions to serve."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import grpc

from aae_tf.export.versions import version_number
from aae_tf.serving.errors import ServingError, invalid_argument

_LOGGER = logging.getLogger("aae_tf.serving")
_PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1  # of the older field `model_type`


@dataclass(frozen=True)
class VersionPolicy:
    """TensorFlow Serving's `model_version_policy`.

    Args:
        kind: "latest" serves the highest `num_versions`, "all" every version that is there,
            "specific" those of `versions` that are there.
        num_versions: of "latest", >= 1.
        versions: of "specific".

    Example:

        >>> VersionPolicy("latest", num_versions=2).choose([1, 20, 3])
        {3, 20}
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    num_versions: int = 1
    versions: tuple[int, ...] = ()

    @classmethod
    def from_proto(cls, message: Any) -> VersionPolicy:
        """Reads a `ServableVersionPolicy`; one that says nothing is the default."""
        kind: Any = message.WhichOneof("policy_choice") or "latest"
        return cls(kind, max(message.latest.num_versions, 1), tuple(message.specific.versions))

    def choose(self, there: Iterable[int]) -> set[int]:
        """Returns those of the versions on disk that should be served."""
        if self.kind == "all":
            return set(there)
        if self.kind == "specific":
            return set(self.versions) & set(there)
        return set(sorted(there)[-self.num_versions :])


@dataclass(frozen=True)
class ModelConfig:
    """One model: its name, where its versions are, which to serve, what to call them.

    Args:
        name: of the model, in requests.
        base_path: folder that holds a folder per version.
        policy: which versions to serve. Defaults to the highest.
        labels: version by label, so that clients can ask for "stable".
        confined_to: folder that the versions must lie under, links followed; None: anywhere.
    """

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)
    confined_to: Path | None = None


def read_model_configs(config: Any) -> list[ModelConfig]:
    """Reads a `ModelServerConfig`, as `--model_config_file` and a reload request hold it.

    Args:
        config: the message.

    Raises:
        ServingError: INVALID_ARGUMENT where the real server refuses it: no list of models, a
            name that is missing or occurs twice, a path that is not absolute or not local, no
            platform, or a platform and the older `model_type` as well. FAILED_PRECONDITION for
            a platform that is not "tensorflow".
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid_argument("Expected a ModelServerConfig with a model_config_list.")
    configs = [_read(entry) for entry in config.model_config_list.config]
    _refuse_duplicates(configs)
    return configs


def version_folders(base_path: Path) -> dict[int, Path]:
    """Returns the path of each version under `base_path`, by number.

    A version is an entry whose whole name is a number, leading zeros or not; other names, such
    as those of exports still being written, are none. Of two names for one number one is taken.

    Raises:
        OSError: the folder cannot be read.

    Example:

        >>> import tempfile
        >>> base = Path(tempfile.mkdtemp())
        >>> for name in ("0012", "tmp-13", "7"):
        ...     (base / name).mkdir()
        >>> sorted(version_folders(base))
        [7, 12]
    """
    versions: dict[int, Path] = {}
    for entry in sorted(base_path.iterdir()):
        number = version_number(entry.name)
        if number is not None:
            if number in versions:
                _LOGGER.warning(
                    "%s and %s are both version %d; the latter is taken",
                    versions[number],
                    entry,
                    number,
                )
            versions[number] = entry
    return versions


def _read(entry: Any) -> ModelConfig:
    if not entry.name:
        raise invalid_argument("Expected every model config to have a name.")
    if "\0" in entry.name + entry.base_path:
        raise invalid_argument(
            "Expected a model config without NUL characters. "
            f"Received: name={entry.name!r}, base_path={entry.base_path!r}."
        )
    if "://" in entry.base_path:
        raise invalid_argument(
            f"Expected model {entry.name} to have a base_path on this machine: this server reads "
            f"no remote file systems. Received: base_path={entry.base_path!r}."
        )
    if entry.HasField("logging_config"):
        _LOGGER.warning("logging_config of model %s is ignored: no requests are logged", entry.name)
    if not Path(entry.base_path).is_absolute():
        raise invalid_argument(
            f"Expected model {entry.name} to have an absolute base_path. "
            f"Received: base_path={entry.base_path!r}."
        )
    platform = entry.model_platform
    if platform and entry.model_type:
        raise invalid_argument(
            "Illegal setting both the older model_type and model_platform. "
            f"Received: both, for model {entry.name}."
        )
    if not platform and entry.model_type == _TENSORFLOW_TYPE:
        platform = _PLATFORM
    if platform != _PLATFORM:
        code = grpc.StatusCode.INVALID_ARGUMENT
        if platform:
            code = grpc.StatusCode.FAILED_PRECONDITION
        raise ServingError(
            code,
            f"Expected model {entry.name} to have model_platform {_PLATFORM!r}. "
            f"Received: model_platform={entry.model_platform!r}.",
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
