"""Encoder and decoder as two servables with versions."""

import contextlib
import os
from pathlib import Path

from aae_tf.checks import is_positive_integer
from aae_tf.export.export_model import write_servable
from aae_tf.export.publish import publish
from aae_tf.export.signatures import decoder_signatures, encoder_signatures
from aae_tf.models import BaseAAE, Generator

_SERVABLES = ("encoder", "decoder")


def export_servables(
    model: Generator, root: str | os.PathLike[str], version: int | None = None
) -> dict[str, str]:
    """Writes `root/encoder/VERSION` and `root/decoder/VERSION` for TensorFlow Serving.

    Both get the same version number. Each is written under a name that no server picks up, run
    through the session loader against the model, and given its warm-up requests; when both are
    ready, both are renamed.

    Args:
        model: the model to export.
        root: directory of the servables.
        version: positive integer; None takes the first above every version in `root`.

    Returns:
        Path of each version by the servable's name, "encoder" and "decoder"; "decoder" alone for
        a model without an encoder.

    Raises:
        ValueError: if `version` is not a positive integer.
        FileExistsError: if a version of that number is there already; nothing is written then.
        ExportError: if a signature does not answer as the model does; nothing is left then.

    Example:

    >>> import tempfile
    >>> from aae_tf import AAE, networks, priors
    >>> encoder = networks.mlp_encoder((4,), units=(8,))
    >>> decoder = networks.mlp_decoder((4,), code_dim=2, units=(8,))
    >>> model = AAE(encoder, decoder, prior=priors.gaussian(2), seed=0)
    >>> sorted(export_servables(model, tempfile.mkdtemp()))
    ['decoder', 'encoder']
    """
    root = Path(root)
    if version is None:
        version = 1 + max(map(_latest_version, (root / name for name in _SERVABLES)))
    elif not is_positive_integer(version):
        raise ValueError(
            f"Expected `version` to be a positive integer or None. Received: version={version!r}."
        )
    servables = {"decoder": decoder_signatures(model)}
    if isinstance(model, BaseAAE):
        servables = {"encoder": encoder_signatures(model), **servables}
    paths = {name: root / name / str(version) for name in servables}
    for path in paths.values():
        if path.exists():
            raise FileExistsError(
                f"Expected a `version` that is not there yet. Received: version={version}, "
                f"but {str(path)!r} exists."
            )
    # Both or none: codes of one training mean nothing to the decoder of another.
    with contextlib.ExitStack() as stack:
        for name, path in paths.items():
            staging = stack.enter_context(publish(path))
            write_servable(staging, model, servables[name])
    return {name: str(path) for name, path in paths.items()}


def _latest_version(servable: Path) -> int:
    names = [child.name for child in servable.iterdir()] if servable.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=0)
