"""A loaded version of a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.export.saved_model_session import SavedModelSession


class Runner(Protocol):
    """Runs signatures: a session, or batches over one."""

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature; see `SavedModelSession.run`."""
        ...

    def close(self) -> None:
        """Closes it."""
        ...


class Servable:
    """One version of one model, ready to run; it stays loaded while requests use it.

    Args:
        name: The model's name.
        version: The version's number.
        session: What its graph runs in.
        runner: What requests run through. Defaults to the session itself.
    """

    def __init__(
        self, name: str, version: int, session: SavedModelSession, runner: Runner | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.session = session
        self.runner: Runner = runner or session
        self._lock = threading.Lock()
        self._users = 0
        self._on_unused: Callable[[], None] | None = None

    @property
    def signature_defs(self) -> dict[str, SignatureDef]:
        """Signatures by name, the loader's own entries included."""
        return self.session.signature_defs

    def acquire(self) -> None:
        """Prevents closing until `release`."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Undoes one `acquire`."""
        with self._lock:
            self._users -= 1
            last = self._users == 0 and self._on_unused is not None
        if last:
            self._close()

    def retire(self, done: Callable[[], None]) -> None:
        """Closes it once nobody uses it, which may be now, and calls `done`.

        Nobody may `acquire` it afterwards.
        """
        with self._lock:
            self._on_unused = done
            unused = self._users == 0
        if unused:
            self._close()

    def _close(self) -> None:
        if self.runner is not self.session:
            self.runner.close()
        self.session.close()
        done, self._on_unused = self._on_unused, None
        if done is not None:
            done()
