"""Runs that are made once, over as many calls of a benchmark as it takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RunFile:
    """What has been measured, in a JSON file that every run rewrites.

    Args:
        path: of the file; it need not be there.
        setting: what all runs of this call have in common. Others are kept, and not looked at.
    """

    def __init__(self, path: Path, setting: Mapping[str, Any]) -> None:
        self._path = path
        self._setting = dict(setting)
        self._all: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []

    def find(self, **mark: Any) -> list[dict[str, Any]]:
        """Returns the runs of this setting that have these values, in the order of their making."""
        wanted = {**self._setting, **mark}
        return [run for run in self._all if wanted.items() <= run.items()]

    def add(self, mark: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
        """Adds a run, and returns it as it is kept."""
        self._all.append({**mark, **self._setting, **figures})
        self._path.write_text(json.dumps(self._all, indent=1) + "\n")
        return self._all[-1]
