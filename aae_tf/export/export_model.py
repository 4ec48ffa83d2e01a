"""One SavedModel with every signature."""

import os
from pathlib import Path

from aae_tf.export.publish import publish
from aae_tf.export.saved_model import write_saved_model
from aae_tf.export.signatures import Signature, model_signatures
from aae_tf.export.verification import verify_saved_model
from aae_tf.export.warmup import write_warmup_requests
from aae_tf.models import Generator


def export_model(model: Generator, path: str | os.PathLike[str]) -> Path:
    """Writes one SavedModel with `reconstruct`, `encode`, `decode`, `sample` and `score`.

    It is written beside `path`, run through the session loader against the model, given its
    warm-up requests, and renamed to `path` last.

    Args:
        model: the model to export.
        path: directory to write, not yet there; a number as its name makes it a version that
            TensorFlow Serving loads.

    Returns:
        `path`.

    Raises:
        FileExistsError: if `path` exists.
        ExportError: if a signature does not answer as the model does; nothing is left then.
    """
    with publish(path) as staging:
        write_servable(staging, model, model_signatures(model))
    return Path(path)


def write_servable(staging: Path, model: Generator, signatures: dict[str, Signature]) -> None:
    """Writes, verifies and warms one SavedModel: the one path of every export.

    Args:
        staging: directory to write, see `publish`.
        model: the model to export.
        signatures: what to serve.

    Raises:
        ExportError: if a signature does not answer as the model does.
    """
    write_saved_model(staging, signatures, model.variables)
    verify_saved_model(staging, signatures)
    write_warmup_requests(staging, signatures)
