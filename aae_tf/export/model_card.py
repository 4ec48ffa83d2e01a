"""`MODEL_CARD.json` of an export: the model, its signatures, versions, and hashes of the files."""

import datetime
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

import aae_tf
from aae_tf.export.exportable import Exportable, ExportError
from aae_tf.export.saved_model import callable_signatures, read_meta_graph

MODEL_CARD = "MODEL_CARD.json"
_CHUNK = 2**20


def write_model_card(
    path: Path, model: Exportable, data: Any = None, metrics: Any = None, **more: Any
) -> None:
    """Writes `MODEL_CARD.json`, the last file of an export, at its root.

    It does not disturb a server: TensorFlow's loader opens files that it knows by name and lists
    no directory.

    Args:
        path: directory of the SavedModel, complete but for the card.
        model: the exported model.
        data: what the model was trained on, in JSON types.
        metrics: the model's metrics, in JSON types.
        **more: further entries, in JSON types.
    """
    card = {
        **more,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **model.describe(),
        "data": data,
        "metrics": metrics,
        "signatures": {
            name: _describe_signature(signature)
            for name, signature in callable_signatures(read_meta_graph(path)).items()
        },
        "package_versions": package_versions(),
        "sha256": hash_files(path),
    }
    (path / MODEL_CARD).write_text(json.dumps(card, indent=2, allow_nan=False) + "\n")


def read_model_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the card of an export.

    Raises:
        ExportError: if there is no card, or it is no JSON object that lists hashes of files.
    """
    file = Path(path) / MODEL_CARD
    try:
        card = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f"Expected a readable {file}. Received: {error}.") from error
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), dict):
        raise ExportError(
            f"Expected {file} to be an object that lists files under 'sha256'. Received: another."
        )
    return card


def verify_files(path: str | os.PathLike[str]) -> None:
    """Checks that an export holds the files that its card lists, byte for byte, and no others.

    It finds files that were damaged or half copied. It does not protect from an attacker, who can
    change the card as well as a file.

    Args:
        path: directory of the export.

    Raises:
        ExportError: if there is no card, or a file is missing, changed or additional; the message
            names each.
    """
    expected = read_model_card(path)["sha256"]
    found = hash_files(Path(path))
    differences = {
        "missing": sorted(expected.keys() - found.keys()),
        "changed": sorted(
            name for name in expected.keys() & found.keys() if expected[name] != found[name]
        ),
        "additional": sorted(found.keys() - expected.keys()),
    }
    if any(differences.values()):
        received = ", ".join(f"{kind}={names}" for kind, names in differences.items() if names)
        raise ExportError(
            f"Expected {os.fspath(path)} to hold the files that its {MODEL_CARD} lists. "
            f"Received: {received}."
        )


def check_json(argument: str, value: Mapping[str, Any] | None) -> None:
    """Checks that a value can be written to a card.

    Raises:
        TypeError: if `value` is not made of JSON types.
        ValueError: if it holds a number that is not finite; both name `argument`.
    """
    try:
        json.dumps(value, allow_nan=False)
    except TypeError as error:
        raise TypeError(
            f"Expected `{argument}` to be made of JSON types. Received: {argument}={value!r}: "
            f"{error}."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"Expected `{argument}` to hold finite numbers. Received: {argument}={value!r}."
        ) from error


def hash_files(path: Path) -> dict[str, str]:
    """Computes the SHA-256 of every file below a directory, except the card at its root.

    Returns:
        Hexadecimal digests by path relative to the directory, with "/" between its parts.
    """
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    return {name: _sha256(files[name]) for name in sorted(files) if name != MODEL_CARD}


def package_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide what a model computes.

    Example:

    >>> sorted(package_versions())
    ['aae_tf', 'keras', 'numpy', 'python', 'tensorflow', 'tensorflow_probability']
    """
    # Whoever exports has it; a server, which reads cards, would wait for its import.
    import tensorflow_probability

    modules = (aae_tf, tf, keras, tensorflow_probability, numpy)
    return {"python": platform.python_version()} | {
        module.__name__: module.__version__ for module in modules
    }


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _describe_signature(signature: SignatureDef) -> dict[str, Any]:
    def describe(tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        return {
            name: {
                "dtype": tf.as_dtype(info.dtype).name,
                "shape": [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim],
            }
            for name, info in sorted(tensors.items())
        }

    return {"inputs": describe(signature.inputs), "outputs": describe(signature.outputs)}
