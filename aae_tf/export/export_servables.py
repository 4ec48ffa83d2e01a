"""Encoder and decoder as two servables with versions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aae_tf.checks import check_integer, is_positive_integer
from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.export_model import write_servable
from aae_tf.export.export_options import ExportOptions
from aae_tf.export.exportable import Exportable, Signature
from aae_tf.export.publish import publish_in_order
from aae_tf.export.recovery import recover
from aae_tf.export.versions import LARGEST_VERSION, list_versions, retire_versions

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

    All get the same version number. Each is written under a name that no server picks up, run
    through two loaders against the model, and given its warm-up requests and its card; when all
    are ready and on the disk, they are renamed, the decoder first.

    Whenever the process is killed, every version that a server sees is complete. A process killed
    between the renames leaves a version of the decoder without that of the encoder, which the
    next export into `root` adds, before it writes its own: it finds it ready, under its first
    name. Until then a client that asks the decoder for the very version that has encoded, which
    the answer names, gets the one that belongs to its codes or an error, and no wrong image.
    What other killed exports have left, the next one removes.

    Args:
        model: the model to export.
        root: directory of the servables.
        version: positive integer; None takes the first above every version in `root`.
        keep: how many versions of each servable stay, the newest and in any case the one that is
            written; the others are removed when it is there. >= 1; with 1, a server that cannot
            load the new version has no other to go on with. None keeps all.
        batching: how a server shall gather requests into batches: written to
            `batching_params.pbtxt`, which TensorFlow Serving reads with
            `--enable_per_model_batching_parameters`; a warm-up request is written for each
            allowed batch size. None leaves it to the server, and writes requests of one row.
        data: what the model was trained on, in JSON types, for `MODEL_CARD.json`.
        metrics: how well it does, in JSON types, for `MODEL_CARD.json`.
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
    servables = _signatures(model, combined)
    for signatures in servables.values():
        options.check(signatures)
    everything = [root / name for name in _SERVABLES]
    if version is not None:
        _check_version(version, [root / name for name in servables])
    recover(everything)
    if version is None:
        version = 1 + _latest_version(everything)
    paths = {name: root / name / str(version) for name in servables}
    with publish_in_order(list(paths.values())) as stagings:
        for staging, (name, signatures) in zip(stagings, servables.items(), strict=True):
            write_servable(staging, model, signatures, options, name)
    if keep is not None:
        for path in reversed(paths.values()):
            retire_versions(path.parent, keep, published=path)
    return {name: str(path) for name, path in paths.items()}


def _signatures(model: Exportable, combined: bool) -> dict[str, dict[str, Signature]]:
    """Gives the signatures of each servable, in the order of `_SERVABLES`."""
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
