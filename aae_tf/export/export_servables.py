"""`export_servables`: writes encoder and decoder as two servables with numbered versions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aae_tf.checks import check_integer, is_positive_integer
from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.export_model import ExportOptions, write_servable
from aae_tf.export.exportable import Exportable, Signature
from aae_tf.export.publish import publish_in_order
from aae_tf.export.versions import (
    LARGEST_VERSION,
    complete_killed_exports,
    list_versions,
    remove_old_versions,
)

# Versions appear in this order and are removed in the reverse: wherever there is a version of the
# encoder there is the same of the decoder. Nobody can use codes without a decoder, while a decoder
# alone gives samples.
_SERVABLES = ("decoder", "encoder", "autoencoder")
_DECODER = ("decode", "sample")
_ENCODER = ("encode", "classify")


def export_servables(
    model: Exportable,
    root: str | os.PathLike[str],
    version: int | None = None,
    *,
    keep: int | None = None,
    batching: BatchingParameters | None = None,
    data: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    verify: bool = True,
    combined: bool = False,
) -> dict[str, str]:
    """Writes `root/encoder/VERSION` and `root/decoder/VERSION` for TensorFlow Serving.

    Both get the same version number. Each is written under a name that servers ignore, run
    through two loaders and compared with the model, and given its warm-up requests and its card.
    When all are complete and on the disk, they are renamed, the decoder first.

    If the process is killed, at any moment, every version that a server sees is complete. A kill
    between the renames leaves a version of the decoder without that of the encoder; the encoder's
    is complete under its first name, and the next export into `root` renames it before it writes
    its own. Until then a client that asks the decoder for the version that has encoded, which the
    answer names, gets the decoder of these codes or an error, never a wrong image. The next export
    also removes unfinished directories that killed exports have left.

    Args:
        model: the model to export.
        root: directory of the servables.
        version: positive integer; None takes the first above every version in `root`.
        keep: how many versions of each servable stay, >= 1: the newest, and the written one in
            any case. The others are removed after the renames. With 1, a server that cannot load
            the new version has no other to serve. None keeps all.
        batching: how a server gathers requests into batches: written to
            `batching_params.pbtxt`, which TensorFlow Serving reads with
            `--enable_per_model_batching_parameters`; a warm-up request is written for each
            allowed batch size. None leaves it to the server, and writes requests of one row.
        data: what the model was trained on, in JSON types, for `MODEL_CARD.json`.
        metrics: the model's metrics, in JSON types, for `MODEL_CARD.json`.
        verify: whether every signature is run and compared with the model.
        combined: whether to write `root/autoencoder/VERSION` as well, with every signature of
            `export_model`: `reconstruct` and `score` need both halves.

    Returns:
        Path of each version by the servable's name, "encoder" and "decoder"; "decoder" alone for
        a model without an encoder.

    Raises:
        TypeError, ValueError: if an argument is wrong, or a server would not accept as many
            warm-up requests; nothing is written then.
        FileExistsError: if a version of that number is there already; nothing is written then.
        ExportError: if a signature does not answer as the model does, or could not run on an
            older server; nothing is left then.

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
    options = ExportOptions(batching, data, metrics, verify)
    if keep is not None:
        check_integer("keep", keep, minimum=1)
    servables = _servable_signatures(model, combined)
    for signatures in servables.values():
        options.check_signatures(signatures)
    everything = [root / name for name in _SERVABLES]
    if version is not None:
        _check_version(version, [root / name for name in servables])
    complete_killed_exports(everything)
    if version is None:
        version = 1 + _latest_version(everything)
        if version > LARGEST_VERSION:
            raise FileExistsError(
                "Expected `root` to hold versions below 2^63 - 1, the largest that a server reads. "
                f"Received: root={str(root)!r}, which holds that one."
            )
    paths = {name: root / name / str(version) for name in servables}
    with publish_in_order(list(paths.values())) as stagings:
        for staging, (name, signatures) in zip(stagings, servables.items(), strict=True):
            write_servable(staging, model, signatures, options, name)
    if keep is not None:
        for path in reversed(paths.values()):
            remove_old_versions(path.parent, keep, published=path)
    return {name: str(path) for name, path in paths.items()}


def _servable_signatures(model: Exportable, combined: bool) -> dict[str, dict[str, Signature]]:
    """Returns the signatures of each servable, in the order of `_SERVABLES`."""
    signatures = model.signatures()
    servables = {"decoder": {name: signatures[name] for name in _DECODER}}
    has_encoder = "encode" in signatures
    if has_encoder:
        servables["encoder"] = {name: signatures[name] for name in _ENCODER if name in signatures}
    if combined:
        if not has_encoder:
            raise ValueError(
                "Expected `combined` to be False for a model without an encoder. "
                f"Received: combined={combined!r}, model={type(model).__name__}."
            )
        servables["autoencoder"] = signatures
    return servables


def _check_version(version: int, servables: Sequence[Path]) -> None:
    if not is_positive_integer(version) or version > LARGEST_VERSION:
        raise ValueError(
            "Expected `version` to be a positive integer, at most 2^63 - 1, or None. "
            f"Received: version={version!r}."
        )
    for servable in servables:
        for number, path in list_versions(servable):
            if number == version:
                raise FileExistsError(
                    f"Expected a `version` that is not there yet. Received: version={version}, "
                    f"but {str(path)!r} exists."
                )


def _latest_version(servables: Sequence[Path]) -> int:
    numbers = [number for servable in servables for number, _ in list_versions(servable)]
    return max(numbers, default=0)
