"""The command `aae-tf encode`."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aae_tf.cli.common import import_quietly, write_file
from aae_tf.cli.query_table import write_csv
from aae_tf.runs.detection import load_detector
from aae_tf.runs.errors import UserError, as_user_error, refused_write
from aae_tf.runs.run_directory import open_run
from aae_tf.runs.step_scores import check_encoding, score_files

# Seconds between two lines of progress where no terminal shows a bar.
_SECONDS_BETWEEN_LINES = 10.0


def encode(
    model: Annotated[
        Path,
        typer.Argument(
            help="A directory that `aae-tf train` has written, or one that `aae-tf export` has: "
            "the root, or one version.",
            metavar="RUN_OR_EXPORT",
            show_default=False,
        ),
    ],
    input: Annotated[
        list[str],
        typer.Option(
            help="Rows [rows, ...] in .npy files, or TFRecord files, gzip or not, of Examples, "
            "serialised tensors or images; or tables in CSV or Parquet files. A pattern in quotes, "
            "such as 'train-*.npy', stands for its files, sorted by name. May be given more than "
            "once.",
            metavar="FILE",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            help="Gets latents-00000-of-00016.npy and so on, in the order of the rows, and "
            "manifest.json. Of tables, a file: its name ends in .csv or .parquet.",
            metavar="FOLDER|FILE",
        ),
    ],
    signature: Annotated[
        str,
        typer.Option(
            help="What is run; classify, or reconstruct and score of a run or a combined export."
        ),
    ] = "encode",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Rows at a time. By default 1,024; not of tables of a time series."
        ),
    ] = None,
    shards: Annotated[
        int | None,
        typer.Option(min=1, help="Number of files per array. By default one per 65,536 rows."),
    ] = None,
    divide_by: Annotated[
        float | None,
        typer.Option(
            help="What the numbers are divided by; needed where they are integers. 255 turns "
            "8-bit pixels into [0, 1]."
        ),
    ] = None,
    feature: Annotated[
        str | None,
        typer.Option(
            help="Where records are Examples: the feature that holds the rows. By default the "
            "only one."
        ),
    ] = None,
) -> None:
    """Encode files that need not fit into memory.

    After a kill or a full disk, the same command resumes: finished shards stay, and an unfinished
    one is written anew. Tables are encoded into one file, which appears when it is complete; of a
    run of a time series, with **--signature score**, a file with a score of each step.
    """
    of_tables = output.suffix in (".csv", ".parquet")
    if of_tables and not (shards is None and divide_by is None and feature is None):
        raise UserError(
            "Expected no --shards, --divide-by and --feature for tables. "
            f"Received: --output {output}."
        )
    if not model.is_dir():
        raise UserError(
            "Expected RUN_OR_EXPORT to be a directory that `aae-tf train` or `aae-tf export` has "
            f"written. Received: {model}."
        )
    # Runs have a config.json, and exports have none.
    run = open_run(model) if (model / "config.json").exists() else None
    import_quietly()
    from aae_tf.export import ExportError
    from aae_tf.offline import encode_files, encode_tables

    if of_tables and run is not None and run.recipe.time_column is not None:
        check_encoding(run.recipe, signature, input, output, batch_size)
        is_detector = run.recipe.task == "anomaly"
        scorer: Any = load_detector(run.path) if is_detector else run.load_model()
        table = score_files(scorer, run.recipe, input[0])
        write_file(output, write_csv(table))
        typer.echo(f"{len(next(iter(table.values()))):,} steps: {output}")
        return
    batch_size = batch_size or 1024
    if of_tables:
        try:
            with as_user_error(ValueError, TypeError):
                count = encode_tables(
                    model if run is None else run.load_model(),
                    input,
                    output,
                    signature=signature,
                    batch_size=batch_size,
                )
        except (OSError, ExportError) as error:
            raise UserError(refused_write(error) or str(error), exit_code=1) from error
        typer.echo(f"{count:,} rows: {output}")
        return
    try:
        with EncodingProgress() as progress, as_user_error(ValueError, TypeError):
            paths = encode_files(
                model if run is None else run.load_model(),
                input,
                output,
                signature=signature,
                batch_size=batch_size,
                shards=shards,
                divide_by=divide_by,
                feature=feature,
                on_progress=progress.update,
            )
    except (OSError, ExportError) as error:
        raise UserError(refused_write(error) or str(error), exit_code=1) from error
    for name, files in paths.items():
        typer.echo(f"{name}: {files[0]}" + (f" ... {files[-1].name}" if len(files) > 1 else ""))


class EncodingProgress:
    """Shows on stderr how many rows are encoded.

    A terminal shows a bar; a file gets a line every ten seconds, and one at the end.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows, {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._first: int | None = None

    def update(self, done: int, total: int) -> None:
        """Shows that `done` of `total` rows are encoded."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began, self._last = done, now, now
            self._task = self._bar.add_task("Encoding", total=total, completed=done, speed="")
        seconds = now - self._began
        speed = f"{(done - self._first) / seconds:,.0f} rows/s" if seconds > 0.0 else ""
        if not self._bar.disable:
            self._bar.update(self._task, completed=done, speed=speed)
        elif done == total or now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self._console.print(f"{done:,} of {total:,} rows, {speed}", highlight=False)

    def __enter__(self) -> EncodingProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
