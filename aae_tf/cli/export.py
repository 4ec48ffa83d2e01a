"""The command `aae-tf export`."""

from pathlib import Path
from typing import Annotated

import typer

from aae_tf.cli.errors import bad_input
from aae_tf.cli.quiet_tensorflow import import_quietly
from aae_tf.cli.run_directory import open_run


def export(
    run: Annotated[Path, typer.Argument(help="A directory that `aae-tf train` has written.")],
    to: Annotated[
        Path,
        typer.Option(
            help="Directory that gets encoder/VERSION and decoder/VERSION; of a model without an "
            "encoder the latter alone.",
            metavar="ROOT",
        ),
    ],
    version: Annotated[
        int | None,
        typer.Option(min=1, help="By default the first above those that are there."),
    ] = None,
) -> None:
    """Write encoder and decoder as SavedModels that TensorFlow Serving loads.

    Every signature is run as TensorFlow Serving runs it and compared with the model before the
    version appears.
    """
    opened = open_run(run)
    import_quietly()
    from aae_tf.export import export_servables

    model = opened.load_model()
    with bad_input(FileExistsError, NotADirectoryError, PermissionError):
        paths = export_servables(model, to, version)
    for name, path in paths.items():
        typer.echo(f"{name}: {path}")
    typer.echo(f"Next: aae-tf serve {to}")
