"""The command `aae-tf drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aae_tf.cli.common import import_quietly
from aae_tf.runs.errors import UserError, as_user_error


def drift(
    root: Annotated[
        Path,
        typer.Argument(
            help="An export with the signature encode: its root, a folder of versions, or one "
            "version.",
            show_default=False,
        ),
    ],
    input: Annotated[
        list[str],
        typer.Option(
            help="Rows in order of time: floats in .npy or TFRecord files, or tables in CSV or "
            "Parquet files. A pattern in quotes stands for its files, sorted by name. May be given "
            "more than once.",
            metavar="FILE",
        ),
    ],
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Rows without drift that were not trained on. By default the export of a "
            "detector knows how far its held-out rows are from the prior.",
            metavar="FILE",
        ),
    ] = None,
    window: Annotated[int, typer.Option(min=50, help="Rows that are tested together.")] = 1000,
) -> None:
    """Test windows of rows for drift: whether their codes have moved away from the prior.

    Prints a line for each window, and exits with code 3 if one has drifted.
    """
    import_quietly()
    from aae_tf.export import ExportError
    from aae_tf.offline import drift_files

    drifted = 0
    try:
        with as_user_error(ValueError, TypeError):
            for first, count, result in drift_files(root, input, window, reference or None):
                drifted += result.is_drift
                typer.echo(
                    f"rows {first} to {first + count - 1}: MMD^2 {result.statistic:.3g}, "
                    f"p = {result.p_value:.2g}{', drift' if result.is_drift else ''}"
                )
    except (OSError, ExportError) as error:
        raise UserError(str(error), exit_code=1) from error
    if drifted:
        raise typer.Exit(code=3)
