"""One SavedModel with every signature."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aae_tf.export.batching_parameters import BATCHING_FILE, BatchingParameters
from aae_tf.export.export_options import ExportOptions
from aae_tf.export.exportable import Exportable, Signature
from aae_tf.export.full_precision import full_precision
from aae_tf.export.graph_checks import check_graph
from aae_tf.export.loader_comparison import compare_loaders
from aae_tf.export.model_card import write_model_card
from aae_tf.export.publish import publish
from aae_tf.export.recovery import recover
from aae_tf.export.saved_model import write_saved_model
from aae_tf.export.verification import verify_saved_model
from aae_tf.export.warmup import write_warmup_requests


def export_model(
    model: Exportable,
    path: str | os.PathLike[str],
    *,
    batching: BatchingParameters | None = None,
    data: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    verify: bool = True,
) -> Path:
    """Writes one SavedModel with `reconstruct`, `encode`, `decode`, `sample` and `score`.

    It is written beside `path`, run through two loaders against the model, given its warm-up
    requests and its card, and renamed to `path` last. What killed exports have left beside it is
    removed.

    Args:
        model: the model to export.
        path: directory to write, not yet there; a number as its name makes it a version that
            TensorFlow Serving loads.
        batching: how a server shall gather requests into batches: written to
            `batching_params.pbtxt`, which TensorFlow Serving reads with
            `--enable_per_model_batching_parameters`; a warm-up request is written for each
            allowed batch size. None leaves it to the server, and writes requests of one row.
        data: what the model was trained on, in JSON types, for `MODEL_CARD.json`.
        metrics: how well it does, in JSON types, for `MODEL_CARD.json`.
        verify: whether every signature is run and compared with the model.

    Returns:
        `path`.

    Raises:
        FileExistsError: if `path` exists.
        TypeError, ValueError: if an option is wrong, or a server would not accept as many
            warm-up requests; nothing is written then.
        ExportError: if a signature does not answer as the model does, or could not run on an
            older server; nothing is left then.
    """
    options = ExportOptions(batching, data, metrics, verify)
    signatures = model.signatures()
    options.check(signatures)
    recover([Path(path).parent])
    with publish(path) as staging:
        write_servable(staging, model, signatures, options)
    return Path(path)


def write_servable(
    staging: Path,
    model: Exportable,
    signatures: dict[str, Signature],
    options: ExportOptions,
    name: str | None = None,
) -> None:
    """Writes, verifies and warms one SavedModel: the one path of every export.

    Args:
        staging: directory to write, see `publish`.
        model: the model to export.
        signatures: what to serve.
        options: what else to write.
        name: of the servable, for the card.

    Raises:
        ExportError: if a signature does not answer as the model does, or could not run on an
            older server.
    """
    with full_precision(model):
        write_saved_model(staging, signatures, model.variables)
    check_graph(staging)
    write_warmup_requests(staging, signatures, options.batch_sizes)
    if options.batching is not None:
        (staging / BATCHING_FILE).write_text(options.batching.to_text())
    if options.verify:
        verify_saved_model(staging, signatures)
        compare_loaders(staging, signatures)
    card = {"data": options.data, "metrics": options.metrics, "export": options.export}
    write_model_card(staging, model, servable=name, **card)
