"""The command `aae-tf export`."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aae_tf.cli.common import import_quietly
from aae_tf.runs.detection import load_detector
from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.run_directory import Run, is_model_file, load_model_file, open_run

if TYPE_CHECKING:
    from aae_tf.export.batching_parameters import BatchingParameters
    from aae_tf.export.exportable import Exportable


def export(
    run: Annotated[
        Path,
        typer.Argument(
            help="A directory that `aae-tf train` has written, or a model that was saved as "
            "FILE.keras.",
            metavar="RUN|FILE.keras",
        ),
    ],
    to: Annotated[
        Path,
        typer.Option(
            help="Directory that gets encoder/VERSION and decoder/VERSION; the latter alone if the "
            "model has no encoder.",
            metavar="ROOT",
        ),
    ],
    version: Annotated[
        int | None,
        typer.Option(min=1, help="By default the first above those that are there."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of versions of each servable that stay, with the new one; older ones are "
            "removed after it is written. With 1, a server that cannot load the new version has "
            "no other. By default all stay.",
        ),
    ] = None,
    combined: Annotated[
        bool,
        typer.Option(
            "--combined",
            help="Write autoencoder/VERSION as well, with every signature in one model: only it "
            "has `reconstruct`, and `score`, which detects anomalies. Always for --task anomaly.",
        ),
    ] = False,
    batch_sizes: Annotated[
        str | None,
        typer.Option(
            help="Sizes that a server pads batches to, such as 1,8,64: it runs no others, and each "
            "gets a warm-up request. Written to batching_params.pbtxt, which TensorFlow "
            "Serving reads with --enable_batching --enable_per_model_batching_parameters.",
            metavar="N,N,...",
        ),
    ] = None,
    batching_parameters_file: Annotated[
        Path | None,
        typer.Option(
            help="A file for TensorFlow Serving's --batching_parameters_file, in place of "
            "--batch-sizes: checked, and written to batching_params.pbtxt.",
            metavar="FILE",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            help="Run every signature through two loaders, Python's and the C++ one of TensorFlow "
            "Serving, and compare the answers with the model's before the version appears. "
            "Without, the graph is checked and nothing is run.",
        ),
    ] = True,
) -> None:
    """Write encoder and decoder as SavedModels that TensorFlow Serving loads.

    A version appears whole or not at all, whenever the process is killed. In it are the SavedModel,
    warm-up requests, and a MODEL_CARD.json: recipe, metrics, package versions, hashes of the files.
    """
    opened = None if is_model_file(run) else open_run(run)
    import_quietly()
    from aae_tf.export import ExportError, export_servables

    with as_user_error(OSError, ValueError):
        batching = _read_batching(batch_sizes, batching_parameters_file)
    data, metrics = (None, None) if opened is None else _describe(opened)
    is_detector = opened is not None and opened.recipe.task == "anomaly"
    model: Exportable
    if opened is None:
        model = load_model_file(run)
    else:
        model = load_detector(run) if is_detector else opened.load_model()
    try:
        with as_user_error(FileExistsError, NotADirectoryError, PermissionError, ValueError):
            paths = export_servables(
                model,
                to,
                version,
                keep=keep,
                batching=batching,
                data=data,
                metrics=metrics,
                verify=verify,
                combined=combined or is_detector,
            )
    except ExportError as error:
        raise UserError(str(error), exit_code=1) from error
    for name, path in paths.items():
        typer.echo(f"{name}: {path}")
    typer.echo(f"Next: aae-tf serve {to}")


def _read_batching(sizes: str | None, file: Path | None) -> BatchingParameters | None:
    from aae_tf.export.batching_parameters import BatchingParameters

    if file is not None:
        if sizes is not None:
            raise UserError(
                "Expected one of --batch-sizes and --batching-parameters-file. Received: both."
            )
        return BatchingParameters.from_text(file.read_text())
    if sizes is None:
        return None
    try:
        numbers = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        raise UserError(
            "Expected --batch-sizes to be integers with commas between them. "
            f"Received: --batch-sizes {sizes!r}."
        ) from None
    return BatchingParameters(max_batch_size=numbers[-1], allowed_batch_sizes=numbers)


def _describe(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gives the entries of data and metrics for model cards, from the files of the run."""
    metrics: dict[str, Any] = {}
    for name, file, read in (
        ("evaluation", "evaluation.json", _read_evaluation),
        ("last_epoch", "history.csv", _read_last_epoch),
    ):
        path = run.path / file
        if path.is_file():
            try:
                metrics[name] = read(path)
            except (OSError, ValueError, TypeError, RecursionError, csv.Error) as error:
                raise UserError(
                    f"Expected {path} to be as `aae-tf` writes it. "
                    f"Received: {type(error).__name__}: {error}."
                ) from error
    return {"recipe": dataclasses.asdict(run.recipe)}, metrics


# JSON has no numbers that are not finite; they become null.


def _read_evaluation(path: Path) -> dict[str, Any]:
    numbers = json.loads(path.read_text(), parse_constant=lambda name: None)
    if not isinstance(numbers, dict):
        raise TypeError(f"{type(numbers).__name__} in place of numbers by name")
    return numbers


def _read_last_epoch(path: Path) -> dict[str, float | None]:
    text = path.read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    # A shorter row has None among its cells, and a longer one among its columns.
    if not rows or not text.endswith("\n") or None in (*rows[-1], *rows[-1].values()):
        raise ValueError("no whole row of an epoch")
    logs = {name: float(cell) for name, cell in rows[-1].items() if cell}
    return {name: value if math.isfinite(value) else None for name, value in logs.items()}
