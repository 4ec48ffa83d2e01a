"""What a folder of shards says of itself, so that another job does not mix with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from aae_tf.files import PARTIAL, write_atomically

MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A job: what decides the numbers in its shards, and what else is good to know.

    Args:
        model: what the model is; its `sha256` tells it from others.
        signature: what was run.
        inputs: path, rows and SHA-256 (see `fingerprint`) of each file, in order.
        rows: number of rows of all files.
        feature: the feature of a record.
        divide_by: what inputs were divided by.
        shards: number of shards.
        outputs: dtype and shape of a row of each array.
        batch_size: rows at a time; no part of what is compared, as it moves last digits only.
        finished: whether all shards are there.
    """

    model: dict[str, Any]
    signature: str
    inputs: list[dict[str, Any]]
    rows: int
    feature: str | None
    divide_by: float | None
    shards: int
    outputs: dict[str, dict[str, Any]]
    batch_size: int
    finished: bool = False

    def write(self, folder: Path) -> None:
        """Writes it into a folder; it is never there half-written."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        write_atomically(folder / MANIFEST, text.encode())

    def begin(self, folder: Path) -> None:
        """Takes possession of a folder: a new one, an empty one, or one of the same job.

        What a killed process has left half-written is removed.

        Args:
            folder: a directory that is there.

        Raises:
            ValueError: if it holds anything else; the message says what differs.
        """
        for path in folder.glob(f".*{PARTIAL}"):
            path.unlink()
        known = _read(folder)
        if known is None:
            if any(folder.iterdir()):
                raise ValueError(
                    f"Expected `output` to be new, empty, or begun by the same job. "
                    f"Received: {folder}, which holds files and no {MANIFEST}."
                )
            self.write(folder)
            return
        differences = list(self._differences(known))
        if differences:
            raise ValueError(
                f"Expected `output` to be new, or begun by the same job. Received: {folder}, "
                f"begun by another: {'; '.join(differences)}."
            )

    def _differences(self, known: Manifest) -> list[str]:
        found = []
        if self.model["sha256"] != known.model["sha256"]:
            found.append(f"model={_name(self.model)} instead of {_name(known.model)}")
        if len(self.inputs) != len(known.inputs):
            found.append(f"{len(self.inputs)} inputs instead of {len(known.inputs)}")
        else:
            for i, (own, other) in enumerate(zip(self.inputs, known.inputs, strict=True)):
                if own["sha256"] != other["sha256"]:
                    found.append(f"inputs[{i}]={_name(own)} instead of {_name(other)}")
                    break
        for name in ("signature", "feature", "divide_by", "shards"):
            if getattr(self, name) != getattr(known, name):
                found.append(f"{name}={getattr(self, name)!r} instead of {getattr(known, name)!r}")
        return found


def _read(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    try:
        return Manifest(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Expected {path} to be as `encode_files` writes it. Received: {error}."
        ) from error


def _name(thing: dict[str, Any]) -> str:
    """Names a file or a model, with enough of its hash to see that it is another."""
    name = thing.get("path") or thing.get("class")
    return f"{name} ({thing['sha256'][:12]})"
