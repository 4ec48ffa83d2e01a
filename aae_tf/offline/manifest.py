"""`Manifest`: the `manifest.json` of a folder of shards, by which a later job knows its own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from aae_tf.files import PARTIAL, write_atomically

MANIFEST = "manifest.json"
_BLOCK = 2**16
_BLOCKS = 256


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A job: its model, inputs and settings, by which it is told from other jobs.

    Args:
        model: class or path of the model, and the `sha256` that tells it from others.
        signature: name of the signature that is run.
        inputs: path, rows and SHA-256 (see `fingerprint`) of each file, in order.
        rows: number of rows of all files.
        feature: the feature of a record.
        divide_by: the number that inputs are divided by.
        shards: number of shards.
        outputs: dtype and shape of a row of each array.
        batch_size: rows at a time; it is not compared, since it changes last digits only.
        finished: whether all shards are complete.
        rows_sha256: SHA-256 of the rows of a shard as they are stored, by the shard's number, of
            shards that were written before a row stopped the job.
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
    rows_sha256: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def input_hashes(self) -> list[str]:
        """SHA-256 of each file."""
        return [each["sha256"] for each in self.inputs]

    def write(self, folder: Path) -> None:
        """Writes the manifest into a folder, atomically."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        write_atomically(folder / MANIFEST, text.encode())

    def claim_folder(self, folder: Path) -> Manifest:
        """Writes the manifest into an empty folder, or checks that the folder is of the same job.

        Unfinished files that a killed process has left are removed. A file of the same path and
        number of rows whose content differs has been corrected, as long as the job is unfinished.

        Args:
            folder: a directory that exists.

        Returns:
            The manifest that is there; its inputs may be of the time before a correction.

        Raises:
            ValueError: if it holds other files, or another job; the message says what differs.
        """
        for path in folder.glob(f".*{PARTIAL}"):
            path.unlink()
        known = _read_manifest(folder)
        if known is None:
            if any(folder.iterdir()):
                raise ValueError(
                    f"Expected `output` to be new, empty, or begun by the same job. "
                    f"Received: {folder}, which holds files and no {MANIFEST}."
                )
            self.write(folder)
            return self
        differences = list(self._differences(known))
        if differences:
            raise ValueError(
                f"Expected `output` to be new, or begun by the same job. Received: {folder}, "
                f"begun by another: {'; '.join(differences)}."
            )
        return known

    def _differences(self, known: Manifest) -> list[str]:
        found = []
        if self.model["sha256"] != known.model["sha256"]:
            own, other = map(_name_with_hash, (self.model, known.model))
            found.append(f"model={own} instead of {other}")
        if len(self.inputs) != len(known.inputs):
            found.append(f"{len(self.inputs)} inputs instead of {len(known.inputs)}")
        else:
            for i, pair in enumerate(zip(self.inputs, known.inputs, strict=True)):
                is_same = pair[0]["sha256"] == pair[1]["sha256"]
                is_corrected = not known.finished and all(
                    pair[0][key] == pair[1].get(key) for key in ("path", "rows")
                )
                if not is_same and not is_corrected:
                    own, other = map(_name_with_hash, pair)
                    found.append(f"inputs[{i}]={own} instead of {other}")
                    break
        for name in ("signature", "feature", "divide_by", "shards"):
            if getattr(self, name) != getattr(known, name):
                found.append(f"{name}={getattr(self, name)!r} instead of {getattr(known, name)!r}")
        return found


def fingerprint(path: Path) -> str:
    """Computes the SHA-256 of a file's size and of 256 blocks of 64 KiB, spread evenly over it.

    Files up to 16 MiB are read whole. In a larger file a change between the blocks is missed; a
    file that was written anew is recognised.

    Args:
        path: the file.

    Returns:
        The digest in hexadecimal form.
    """
    size = path.stat().st_size
    last = max(size - _BLOCK, 0)
    # Small files have fewer blocks: as many as cover them.
    count = min(_BLOCKS, -(-size // _BLOCK))
    starts = sorted({last * i // max(count - 1, 1) for i in range(count)})
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb", buffering=0) as file:
        for start in starts:
            digest.update(os.pread(file.fileno(), _BLOCK, start))
    return digest.hexdigest()


def _read_manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    try:
        known = Manifest(**json.loads(path.read_text()))
        hashes = [each["sha256"] for each in (known.model, *known.inputs)]
        if not all(isinstance(each, str) for each in (*hashes, *dict(known.rows_sha256).values())):
            raise TypeError("a hash that is no text")
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"Expected {path} to be as `encode_files` writes it. "
            f"Received: {type(error).__name__}: {error}."
        ) from error
    return known


def _name_with_hash(thing: dict[str, Any]) -> str:
    """Names a file or a model, with the first digits of its hash."""
    name = thing.get("path") or thing.get("class")
    return f"{name} ({thing['sha256'][:12]})"
