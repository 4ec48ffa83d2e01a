"""The command `aae-tf sample`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from aae_tf.cli.common import import_quietly, write_file
from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.run_directory import open_run
from aae_tf.runs.variants import VARIANTS

_MAX_DRAWN = 10_000


def sample(
    run: Annotated[Path, typer.Argument(help="A directory that `aae-tf train` has written.")],
    out: Annotated[
        Path,
        typer.Option(
            help="FILE.png draws a grid; FILE.npy holds float32 [count, height, width, channels].",
            metavar="FILE",
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 64,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Classes or clusters that the samples get in turn; -1 draws one. By default every "
            "class is drawn.",
            metavar="N,N",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Fixes the samples.")] = 0,
) -> None:
    """Draw codes from the prior and decode them."""
    if out.suffix not in (".png", ".npy"):
        raise UserError(f"Expected --out to end in .png or .npy. Received: {out}.")
    if out.suffix == ".png" and count > _MAX_DRAWN:
        raise UserError(
            f"Expected --count to be at most {_MAX_DRAWN} for a picture. Received: {count}."
        )
    classes = None if labels is None else np.resize(_parse_labels(labels), count)
    opened = open_run(run)
    if classes is not None and not VARIANTS[opened.recipe.model].has_classes:
        raise UserError(
            f"Expected --labels to be left out: model={opened.recipe.model!r} knows no classes. "
            f"Received: --labels {labels}."
        )
    import_quietly()
    model = opened.load_model()
    with as_user_error(ValueError):
        samples = model.sample(count, labels=classes, seed=seed)
    buffer = io.BytesIO()
    if out.suffix == ".npy":
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
        raise UserError(
            "Expected --labels to be integers with commas between them, such as 0,1,2. "
            f"Received: {text!r}."
        ) from None
