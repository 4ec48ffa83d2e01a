"""The command `aae-tf encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aae_tf.cli.encoding_progress import EncodingProgress
from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.quiet_tensorflow import import_quietly
from aae_tf.cli.run_directory import open_run


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
            "serialised tensors or images. A pattern in quotes, such as 'train-*.npy', stands for "
            "its files, sorted by name. May be given more than once.",
            metavar="FILE",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            help="Gets latents-00000-of-00016.npy and so on, in the order of the rows, and "
            "manifest.json.",
            metavar="FOLDER",
        ),
    ],
    signature: Annotated[
        str,
        typer.Option(
            help="What is run; classify, or reconstruct and score of a run or a combined export."
        ),
    ] = "encode",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows at a time.")] = 1024,
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

    Stopped, by a kill or a full disk, it is continued by the command that started it: finished
    shards stay, an interrupted one is made anew.
    """
    if not model.is_dir():
        raise CommandError(
            "Expected RUN_OR_EXPORT to be a directory that `aae-tf train` or `aae-tf export` has "
            f"written. Received: {model}."
        )
    # Which no export has.
    run = open_run(model) if (model / "config.json").exists() else None
    import_quietly()
    from aae_tf.bulk import encode_files
    from aae_tf.export import ExportError

    try:
        with EncodingProgress() as progress, bad_input(ValueError, TypeError):
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
        raise CommandError(str(error), exit_code=1) from error
    for name, files in paths.items():
        typer.echo(f"{name}: {files[0]}" + (f" ... {files[-1].name}" if len(files) > 1 else ""))
