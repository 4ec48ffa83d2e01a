"""One SavedModel with every signature."""

import os
from collections.abc import Callable
from pathlib import Path

from aae_tf.export.publish import publish
from aae_tf.export.saved_model import write_saved_model
from aae_tf.export.signatures import Signature, model_signatures
from aae_tf.export.verification import verify_saved_model
from aae_tf.export.warmup import write_warmup_requests
from aae_tf.models import Codec


def export_model(model: Codec, path: str | os.PathLike[str]) -> Path:
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
    return write_version(model, model_signatures, path)


def write_version(
    model: Codec,
    signatures_of: Callable[[Codec], dict[str, Signature]],
    path: str | os.PathLike[str],
) -> Path:
    """Writes, verifies, warms and publishes one SavedModel; the one path of every export.

    Args:
        model: the model to export.
        signatures_of: the model's signatures to serve.
        path: directory to write, not yet there.

    Returns:
        `path`.

    Raises:
        FileExistsError: if `path` exists.
        ExportError: if a signature does not answer as the model does.
    """
    with publish(path) as staging:
        signatures = signatures_of(model)
        write_saved_model(staging, signatures, model.variables)
        verify_saved_model(staging, signatures)
        write_warmup_requests(staging, signatures)
    return Path(path)
