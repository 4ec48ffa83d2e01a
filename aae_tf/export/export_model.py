"""`export_model`: writes one verified SavedModel with every signature of a model."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aae_tf.export.batching_parameters import BATCHING_FILE, BatchingParameters
from aae_tf.export.exportable import Exportable, Signature
from aae_tf.export.graph_checks import check_graph
from aae_tf.export.model_card import check_json, write_model_card
from aae_tf.export.publish import publish
from aae_tf.export.saved_model import full_precision, write_saved_model
from aae_tf.export.verification import compare_loaders, verify_saved_model
from aae_tf.export.versions import complete_killed_exports
from aae_tf.export.warmup import check_num_requests, write_warmup_requests


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Options that all SavedModels of one export share.

    Args:
        batching: how a server gathers requests into batches; None leaves it to the server.
        data: what the model was trained on, in JSON types, for the card.
        metrics: the model's metrics, in JSON types, for the card.
        verify: whether every signature is run and compared with the model.

    Attributes:
        export: a random id that the cards of one export share.

    Raises:
        TypeError, ValueError: if a card cannot hold `data` or `metrics`.

    Example:

    >>> ExportOptions(BatchingParameters(max_batch_size=8, allowed_batch_sizes=(4, 8))).batch_sizes
    (4, 8)
    """

    batching: BatchingParameters | None = None
    data: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    verify: bool = True
    export: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.batching, BatchingParameters | None):
            raise TypeError(
                "Expected `batching` to be a BatchingParameters or None. "
                f"Received: batching={self.batching!r}."
            )
        check_json("data", self.data)
        check_json("metrics", self.metrics)

    @property
    def batch_sizes(self) -> Sequence[int]:
        """Rows of the warm-up requests: the sizes that batches are padded to, or one row."""
        return (self.batching.padded_sizes if self.batching else ()) or (1,)

    def check_signatures(self, signatures: dict[str, Signature]) -> None:
        """Checks that signatures can be exported with these options.

        Raises:
            ValueError: if a server would not accept as many warm-up requests.
        """
        check_num_requests(signatures, self.batch_sizes)


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

    It is written beside `path`, run through two loaders and compared with the model, given its
    warm-up requests and its card, and renamed to `path` last. Unfinished directories that killed
    exports have left beside it are removed.

    Args:
        model: the model to export.
        path: directory to write, not yet there; a number as its name makes it a version that
            TensorFlow Serving loads.
        batching: how a server gathers requests into batches: written to
            `batching_params.pbtxt`, which TensorFlow Serving reads with
            `--enable_per_model_batching_parameters`; a warm-up request is written for each
            allowed batch size. None leaves it to the server, and writes requests of one row.
        data: what the model was trained on, in JSON types, for `MODEL_CARD.json`.
        metrics: the model's metrics, in JSON types, for `MODEL_CARD.json`.
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
    options.check_signatures(signatures)
    complete_killed_exports([Path(path).parent])
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
    """Writes one SavedModel with its warm-up requests and its card, and verifies it.

    Args:
        staging: directory to write, see `publish`.
        model: the model to export.
        signatures: the signatures to serve, by name; the first is the default.
        options: options of the export.
        name: name of the servable, for the card.

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
