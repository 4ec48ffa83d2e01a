"""The models and versions of a server: loading, switching, unloading, and lookup for requests."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from aae_tf.serving.errors import ServingError, invalid_argument
from aae_tf.serving.models.model_config import ModelConfig, version_folders
from aae_tf.serving.models.servable import Servable

_LOGGER = logging.getLogger("aae_tf.serving")
_State = ModelVersionStatus.State

Load = Callable[[str, int, Path], Servable]


@dataclass
class VersionStatus:
    """The state of one version.

    Args:
        state: START, LOADING, AVAILABLE, UNLOADING or END, the protocol's numbers.
        error: Why it ended, where it could not be loaded.
        servable: What answers, while it is AVAILABLE.
    """

    state: int = _State.START
    error: ServingError | None = None
    servable: Servable | None = None


@dataclass
class _Model:
    """A model: the versions that it should serve, and the state of all that it had."""

    config: ModelConfig
    aspired: dict[int, Path] = field(default_factory=dict)
    versions: dict[int, VersionStatus] = field(default_factory=dict)

    def available(self) -> dict[int, Servable]:
        return {v: status.servable for v, status in self.versions.items() if status.servable}


class ModelManager:
    """Loads, switches and unloads versions as TensorFlow Serving's manager does.

    A version is first loaded, then the ones that it replaces are unloaded, each when the last of
    its requests is answered: there is never a moment without one. A version that does not load
    ends with its error, is not tried again while its folder stays, and leaves the older one
    serving. If the folder of any model cannot be read, nothing changes for any; if it holds no
    version, all of that model are unloaded.

    Args:
        load: Loads a version, or raises ServingError.
        labels_ahead: Lets a new label name a version that is not loaded yet.
    """

    def __init__(self, load: Load, labels_ahead: bool = False) -> None:
        self._load = load
        self._labels_ahead = labels_ahead
        self._models: dict[str, _Model] = {}
        self._listed: dict[str, ModelConfig] = {}
        self._poll_error = ""
        # _lock guards the state and is held for moments; _work is held while versions are loaded.
        self._lock = threading.Lock()
        self._work = threading.RLock()

    @property
    def models(self) -> dict[str, int]:
        """The highest version that is served of each model, by name."""
        with self._lock:
            models = {name: model.available() for name, model in self._models.items()}
        return {name: max(versions) for name, versions in models.items() if versions}

    def has_model(self, name: str) -> bool:
        """Whether a model of that name is or was configured."""
        return name in self._models

    def configure(self, configs: Sequence[ModelConfig]) -> None:
        """Replaces the list of models, and loads and unloads to match it.

        Args:
            configs: The models.

        Raises:
            ServingError: FAILED_PRECONDITION for a label of a version that is not loaded;
                nothing has changed then.
        """
        with self._work:
            with self._lock:
                self._check_labels(configs)
                listed = {config.name: config for config in configs}
                for name, config in listed.items():
                    self._models.setdefault(name, _Model(config)).config = config
                for name in self._models.keys() - listed.keys():
                    model = self._models[name]
                    model.config = ModelConfig(name, model.config.base_path)
                    model.aspired = {}
            self._listed = listed
            self.poll()

    def poll(self) -> None:
        """Looks for versions, loads those that should be served and unloads the others."""
        with self._work:
            try:
                there = {
                    name: version_folders(config.base_path) for name, config in self._listed.items()
                }
            except OSError as error:
                if str(error) != self._poll_error:
                    _LOGGER.warning("Nothing is changed while a folder cannot be read: %s", error)
                self._poll_error, there = str(error), {}
            else:
                self._poll_error = ""
            with self._lock:
                for name, folders in there.items():
                    chosen = self._listed[name].policy.choose(folders)
                    self._models[name].aspired = {v: folders[v] for v in chosen}
                models = list(self._models.values())
            for model in models:
                self._load_aspired(model)
                self._unload_others(model)

    def check_all_serve(self) -> None:
        """Checks that every configured model has a version that serves.

        Raises:
            ServingError: the error of the one that has none; NOT_FOUND where there is none.
        """
        with self._lock:
            for name in self._listed:
                model = self._models[name]
                if model.available():
                    continue
                for version, status in sorted(model.versions.items(), reverse=True):
                    if status.error is not None:
                        raise ServingError(
                            status.error.code,
                            f"Expected version {version} of model {name!r} to load. "
                            f"Received: {status.error.message}",
                        )
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Expected model {name!r} to have a version that its policy serves. "
                    f"Received: base_path={model.config.base_path}.",
                )

    @contextmanager
    def use(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Iterator[Servable]:
        """Gives the servable that answers a request, and keeps it loaded within the block.

        Args:
            name: The model's name.
            version: Its version. Defaults to the highest that serves.
            label: Instead of a version, its label.

        Raises:
            ServingError: INVALID_ARGUMENT without a name or for an unknown label, NOT_FOUND
                for an unknown model or version.
        """
        servable = self._acquire(name, version, label)
        try:
            yield servable
        finally:
            servable.release()

    def status(self, name: str) -> dict[int, VersionStatus]:
        """Returns the state of every version of a model so far, by number; {} if unknown."""
        with self._lock:
            return dict(self._models[name].versions) if name in self._models else {}

    def close(self, cut_off: bool = False) -> None:
        """Unloads every model; each version closes when its last request is answered.

        Args:
            cut_off: Whether runs that are under way are cancelled.
        """
        with self._work:
            with self._lock:
                models = list(self._models.values())
                for model in models:
                    model.aspired = {}
                self._listed = {}
                servables = [s for model in models for s in model.available().values()]
            if cut_off:
                for servable in servables:
                    servable.session.close()
            for model in models:
                self._unload_others(model)

    def _acquire(self, name: str, version: int | None, label: str | None) -> Servable:
        if not name:
            raise invalid_argument("ModelSpec has no name specified.")
        with self._lock:
            model = self._models.get(name)
            if label is not None:
                version = model.config.labels.get(label) if model else None
                if version is None:
                    raise invalid_argument(f"Unrecognized servable version label: {label}")
            versions = model.available() if model else {}
            number = max(versions, default=-1) if version is None else version
            if number not in versions:
                target = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {target}"
                )
            servable = versions[number]
            servable.acquire()
            return servable

    def _check_labels(self, configs: Sequence[ModelConfig]) -> None:
        for config in configs:
            model = self._models.get(config.name)
            serving = model.available() if model else {}
            assigned = model.config.labels if model else {}
            for label, version in config.labels.items():
                ahead = self._labels_ahead and assigned.get(label, version) == version
                if version not in serving and not ahead:
                    raise ServingError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Label {label} is for version {version} of model {config.name}, which is "
                        "not currently available for inference",
                    )

    def _load_aspired(self, model: _Model) -> None:
        """Loads what should be served and is not, the newest first.

        A version that failed is loaded anew once it was taken away and put back.
        """
        with self._lock:
            for version, status in model.versions.items():
                if status.error is not None and version not in model.aspired:
                    status.error, status.state = None, _State.END
        for version, path in sorted(model.aspired.items(), reverse=True):
            with self._lock:
                status = model.versions.setdefault(version, VersionStatus())
                # One that was unloaded may be loaded again; one that failed may not.
                if status.error or status.state not in (_State.START, _State.END):
                    continue
                status.state = _State.LOADING
            name = model.config.name
            try:
                _check_confined(path, model.config.confined_to)
                servable = self._load(name, version, path)
            except Exception as caught:
                error = _as_serving_error(caught, path)
                _LOGGER.error("Version %d of model %s does not load: %s", version, name, error)
                with self._lock:
                    status.state, status.error = _State.END, error
            else:
                _LOGGER.info("Loaded version %d of model %s from %s", version, name, path)
                with self._lock:
                    status.state, status.servable = _State.AVAILABLE, servable

    def _unload_others(self, model: _Model) -> None:
        """Unloads what should not be served, once something else is."""
        with self._lock:
            serving = model.available()
            others = [version for version in serving if version not in model.aspired]
            if model.aspired and len(others) == len(serving):
                return
            for version in others:
                status = model.versions[version]
                status.state, status.servable = _State.UNLOADING, None
        for version in others:
            serving[version].retire(functools.partial(_end, model, version))


def _check_confined(path: Path, root: Path | None) -> None:
    """Refuses a version of which a part lies outside of `root`, by a link."""
    if root is None:
        return
    for part in (path, *path.rglob("*")):
        if not part.resolve().is_relative_to(root):
            raise ServingError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Expected all of a version to be under the reload root. Received: {part}.",
            )


def _as_serving_error(error: Exception, path: Path) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if not isinstance(error, OSError):
        _LOGGER.error("Loading %s failed", path, exc_info=error)
    code = grpc.StatusCode.UNKNOWN
    if isinstance(error, PermissionError):
        code = grpc.StatusCode.PERMISSION_DENIED
    return ServingError(code, f"Expected {path} to be readable. Received: {error}.")


def _end(model: _Model, version: int) -> None:
    model.versions[version].state = _State.END
    _LOGGER.info("Unloaded version %d of model %s", version, model.config.name)
