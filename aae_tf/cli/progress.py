"""How far a training has come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

_PROGRESS = "progress.json"


class Progress(NamedTuple):
    """Where a training goes on.

    Attributes:
        epoch: number of finished epochs.
        step: number of finished steps in the next one.
        history: the logs of each finished epoch.
    """

    epoch: int = 0
    step: int = 0
    history: tuple[dict[str, float], ...] = ()

    def write(self, directory: Path) -> None:
        """Writes it into a directory."""
        # Python's floats come back as they were, to the last bit, and so do NaN and infinity.
        (directory / _PROGRESS).write_text(json.dumps(self._asdict()))

    @classmethod
    def read(cls, directory: Path) -> Progress:
        """Reads what `write` has written."""
        fields = json.loads((directory / _PROGRESS).read_text())
        return cls(fields["epoch"], fields["step"], tuple(fields["history"]))
