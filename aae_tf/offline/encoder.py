"""`open_encoder`: loads a model or an export to run one of its signatures on batches."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.export import SavedModelSession
from aae_tf.export.export_model import ExportOptions, write_servable
from aae_tf.export.exportable import Exportable
from aae_tf.export.model_card import hash_files
from aae_tf.export.saved_model import callable_signatures, read_meta_graph
from aae_tf.export.saved_model_session import check_threads
from aae_tf.export.versions import list_versions
from aae_tf.offline.shards import Output

# Folders of a root that `export_servables` writes, in the order in which a signature is sought.
_SERVABLES = ("encoder", "autoencoder")


class Encoder:
    """A signature that maps one float32 array to arrays with as many rows, in a session.

    Args:
        session: the session that runs it.
        signature: name of the signature.
        identity: class or path of the model, in JSON types, and the `sha256` that tells it from
            others.

    Attributes:
        row_shape: shape of a row of the input.
        outputs: dtype and row shape of the arrays that it gives, by name.

    Raises:
        ValueError: if the signature takes or gives anything else.
    """

    def __init__(
        self, session: SavedModelSession, signature: str, identity: dict[str, Any]
    ) -> None:
        self.signature = signature
        self.identity = identity
        self._session = session
        inputs = session.signatures[signature].inputs
        info = next(iter(inputs.values()))
        sizes = [dim.size for dim in info.tensor_shape.dim]
        is_rows = sizes and all(size > 0 for size in sizes[1:])
        if len(inputs) != 1 or info.dtype != tf.float32.as_datatype_enum or not is_rows:
            raise ValueError(
                "Expected `signature` to take one float32 array of rows. "
                f"Received: signature={signature!r}, which takes {sorted(inputs)}."
            )
        self._input = next(iter(inputs))
        self.row_shape = tuple(sizes[1:])
        try:
            answer = self.run(np.zeros((2, *self.row_shape), np.float32))
        except tf.errors.OpError as error:
            # A SavedModel without its variables loads.
            raise ValueError(
                f"Expected `model` to run. Received: {session.path}, whose {signature!r} fails "
                f"with: {error}."
            ) from error
        for name, value in answer.items():
            if value.dtype.kind not in "fiu" or value.shape[:1] != (2,):
                raise ValueError(
                    "Expected `signature` to give numbers for each row. "
                    f"Received: signature={signature!r}, whose {name!r} of 2 rows is "
                    f"{value.dtype} of shape {value.shape}."
                )
        self.outputs = {
            name: Output(value.dtype.name, value.shape[1:])
            for name, value in sorted(answer.items())
        }

    def run(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the signature on rows, float32 [n, *row_shape]; may be called from many threads."""
        return self._session.run(self.signature, {self._input: rows})


@contextlib.contextmanager
def open_encoder(model: Exportable | str | os.PathLike[str], signature: str) -> Iterator[Encoder]:
    """Loads a model as TensorFlow Serving does, until the end of the block.

    Args:
        model: a model, which is exported to a temporary directory first; or the path of a
            SavedModel, of a folder of versions, of which the highest is taken, or of a root with
            such a folder "encoder" or "autoencoder".
        signature: name of the signature to run.

    Raises:
        ValueError: if there is no such SavedModel or signature.
        TypeError: if `model` is neither a model nor a path.
        RuntimeError: if the process was forked from one in which TensorFlow had run.
    """
    with open_session(model, signature) as (session, identity):
        yield Encoder(session, signature, identity)


@contextlib.contextmanager
def open_session(
    model: Exportable | str | os.PathLike[str], signature: str
) -> Iterator[tuple[SavedModelSession, dict[str, Any]]]:
    """Loads a model, of arrays or of a table, for what `open_encoder` takes.

    Yields:
        The session, and the identity of the model, see `Encoder`.

    Raises:
        ValueError, TypeError, RuntimeError: see `open_encoder`.
    """
    check_threads()
    with contextlib.ExitStack() as stack:
        if isinstance(model, str | os.PathLike):
            path = _find_export(Path(model), signature)
            digest = hashlib.sha256(json.dumps(hash_files(path)).encode())
            identity = {"path": str(path.absolute()), "sha256": digest.hexdigest()}
        elif isinstance(model, Exportable):
            path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            signatures = model.signatures()
            if signature not in signatures:
                raise _unknown_signature(signature, signatures, type(model).__name__)
            chosen = {signature: signatures[signature]}
            write_servable(path, model, chosen, ExportOptions(verify=False))
            # Names in a graph differ from process to process; the weights do not.
            identity = {"class": type(model).__name__, "sha256": _hash_weights(path)}
        else:
            raise TypeError(
                "Expected `model` to be a model of aae_tf, or the path of an export. "
                f"Received: model of type {type(model).__name__}."
            )
        yield stack.enter_context(SavedModelSession(path)), identity


def _find_export(path: Path, signature: str) -> Path:
    folders = [path, *(path / name for name in _SERVABLES)]
    exports = [export for folder in folders for export in _newest_versions(folder)]
    if not exports:
        raise ValueError(
            "Expected `model` to be a SavedModel, a folder of its versions, or a root with a "
            f"folder {' or '.join(_SERVABLES)} of versions. Received: model={str(path)!r}."
        )
    known: set[str] = set()
    for export in exports:
        signatures = callable_signatures(read_meta_graph(export))
        if signature in signatures:
            return export
        known.update(signatures)
    raise _unknown_signature(signature, known, str(path))


def _newest_versions(folder: Path) -> list[Path]:
    """Returns a folder that is a SavedModel, or its highest version that is one; or none."""
    versions = [folder, *(path for _, path in reversed(list_versions(folder)))]
    return [path for path in versions if (path / "saved_model.pb").is_file()][:1]


def _unknown_signature(signature: str, known: Iterable[str], owner: str) -> ValueError:
    return ValueError(
        f"Expected `signature` to be one of {sorted(known)}, those of {owner}. "
        f"Received: signature={signature!r}."
    )


def _hash_weights(path: Path) -> str:
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    digest = hashlib.sha256()
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        if name.endswith(".ATTRIBUTES/VARIABLE_VALUE"):
            digest.update(f"{name} {shape}".encode())
            digest.update(reader.get_tensor(name).tobytes())
    return digest.hexdigest()
