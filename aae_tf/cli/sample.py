"""The command `aae-tf sample`."""

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from aae_tf.cli.errors import CommandError
from aae_tf.cli.quiet_tensorflow import import_quietly
from aae_tf.cli.run_directory import open_run, write_file

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
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Fixes the samples.")] = 0,
) -> None:
    """Draw codes from the prior and decode them."""
    if out.suffix not in (".png", ".npy"):
        raise CommandError(f"Expected --out to end in .png or .npy. Received: {out}.")
    if out.suffix == ".png" and count > _MAX_DRAWN:
        raise CommandError(
            f"Expected --count to be at most {_MAX_DRAWN} for a picture. Received: {count}."
        )
    opened = open_run(run)
    import_quietly()
    samples = opened.load_model().sample(count, seed=seed)
    buffer = io.BytesIO()
    if out.suffix == ".npy":
        np.save(buffer, samples)
    else:
        from aae_tf import evaluation

        evaluation.sample_grid(samples).savefig(buffer)
    write_file(out, buffer.getvalue())
    typer.echo(f"Wrote {count} samples to {out}")
