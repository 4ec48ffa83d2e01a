"""The command `aae-tf sample`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from aae_tf.cli.common import import_quietly, write_file
from aae_tf.cli.query_table import write_csv
from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.run_directory import is_model_file, load_model_file, open_run
from aae_tf.runs.variants import VARIANTS

_MAX_DRAWN = 10_000


def sample(
    run: Annotated[
        Path,
        typer.Argument(
            help="A directory that `aae-tf train` has written, or a model that was saved as "
            "FILE.keras.",
            metavar="RUN|FILE.keras",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="FILE.png draws a grid; FILE.npy holds float32 [count, height, width, channels]; "
            "FILE.csv holds the rows of a table.",
            metavar="FILE",
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 64,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Classes or clusters that the samples get in turn; -1 draws one. By default every "
            "class is drawn. Classes that have names may be given by them.",
            metavar="N,N|NAME,NAME",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Fixes the samples.")] = 0,
) -> None:
    """Draw codes from the prior and decode them."""
    if out.suffix not in (".png", ".npy", ".csv"):
        raise UserError(f"Expected --out to end in .png, .npy or .csv. Received: {out}.")
    if out.suffix == ".png" and count > _MAX_DRAWN:
        raise UserError(
            f"Expected --count to be at most {_MAX_DRAWN} for a picture. Received: {count}."
        )
    classes = None if labels is None else np.resize(_parse_labels(labels), count)
    opened = None if is_model_file(run) else open_run(run)
    if opened is not None and classes is not None and not VARIANTS[opened.recipe.model].has_classes:
        raise UserError(
            f"Expected --labels to be left out: model={opened.recipe.model!r} knows no classes. "
            f"Received: --labels {labels}."
        )
    import_quietly()
    model = load_model_file(run) if opened is None else opened.load_model()
    with as_user_error(ValueError, TypeError):
        samples = model.sample(count, labels=classes, seed=seed)
    if isinstance(samples, dict) != (out.suffix == ".csv"):
        kind = "columns" if isinstance(samples, dict) else "arrays"
        raise UserError(
            "Expected --out to end in .csv for a model of a table, and only there. "
            f"Received: {out}, for samples that are {kind}."
        )
    buffer = io.BytesIO()
    if isinstance(samples, dict):
        buffer.write(write_csv(samples))
    elif out.suffix == ".npy":
        np.save(buffer, samples)
    else:
        from aae_tf import evaluation

        evaluation.sample_grid(samples).savefig(buffer)
    write_file(out, buffer.getvalue())
    typer.echo(f"Wrote {count} samples to {out}")


def _parse_labels(text: str) -> np.ndarray:
    try:
        return np.array([int(label) for label in text.split(",")], np.int64)
    except ValueError:
        return np.array(text.split(","), object)
