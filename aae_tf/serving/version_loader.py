"""Makes a servable of a version's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import tensorflow as tf

from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.errors import ServingError, from_op_error, invalid_argument
from aae_tf.serving.servable import Runner, Servable
from aae_tf.serving.warmup_requests import warm_up

Wrap = Callable[[SavedModelSession, Path], Runner]


class VersionLoader:
    """Loads a version into a session, puts batching before it, and runs its warm-up requests.

    Args:
        max_bytes: Largest input that a warm-up request may ask to make, in bytes.
        warm: Whether to run the warm-up requests.
        wrap: Gives what requests run through, for a session and the folder that it came from.
            Defaults to the session itself.
    """

    def __init__(self, max_bytes: int, warm: bool = True, wrap: Wrap | None = None) -> None:
        self._max_bytes = max_bytes
        self._warm = warm
        self._wrap = wrap

    def __call__(self, name: str, version: int, path: Path) -> Servable:
        """Loads one version.

        Raises:
            ServingError: It must not serve; with the code that the real server would report.
        """
        session = _open(path)
        try:
            runner = self._wrap(session, path) if self._wrap else session
        except (OSError, ValueError) as error:
            session.close()
            raise invalid_argument(f"{path}: {error}") from error
        servable = Servable(name, version, session, runner)
        if self._warm:
            try:
                warm_up(servable, path, self._max_bytes)
            except BaseException:
                servable.retire(lambda: None)
                raise
        return servable


def _open(path: Path) -> SavedModelSession:
    try:
        return SavedModelSession(path)
    except ValueError as error:
        cause, code = error.__cause__, grpc.StatusCode.INVALID_ARGUMENT
        if isinstance(cause, tf.errors.OpError):
            code = from_op_error(cause).code
        elif not (path / "saved_model.pb").exists():
            code = grpc.StatusCode.NOT_FOUND
        raise ServingError(code, str(error)) from error
