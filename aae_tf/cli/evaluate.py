"""The command `aae-tf evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from aae_tf.cli.load_data import load_data
from aae_tf.cli.run_directory import Run, open_run, write_file

if TYPE_CHECKING:
    import numpy as np

    from aae_tf.models import AAE

_FILE = "evaluation.json"
_MEANINGS = {
    "half_squared_error": "nats per image",
    "mmd_squared": "codes against prior",
    "standardized_mmd": "in units of its noise",
    "code_mean": "by coordinate",
    "code_stddev": "by coordinate",
    "latent_discriminator_accuracy": "0.5 is a draw",
    "latent_discriminator_loss": "nats; 1.39 is a draw",
    "latent_divergence": "what the encoder lowers",
    "reconstruction_loss": "as trained, nats per image",
    "loss": "reconstruction and divergence",
}


def evaluate(
    run: Annotated[Path, typer.Argument(help="A directory that `aae-tf train` has written.")],
) -> None:
    """Measure a trained model on the test split.

    Prints a table and writes RUN/evaluation.json.
    """
    opened = open_run(run)
    dataset = load_data(opened.recipe)
    report(opened, opened.load_model(), dataset.x_test)


def report(run: Run, model: AAE, x: np.ndarray) -> None:
    """Evaluates a model, writes the numbers to its run and prints them.

    Args:
        run: where the model comes from.
        model: what to evaluate.
        x: inputs that were not trained on.
    """
    from aae_tf import evaluation

    numbers = evaluation.evaluate_model(model, x, batch_size=run.recipe.batch_size)
    path = run.path / _FILE
    write_file(path, (json.dumps({"images": len(x), **numbers}, indent=2) + "\n").encode())
    Console().print(_table(numbers, f"{len(x)} test images of {run.recipe.data}"))
    typer.echo(f"Written to {path}")


def _table(numbers: Mapping[str, Any], title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title)
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("meaning")
    for name, value in numbers.items():
        table.add_row(name, _text(value), _MEANINGS.get(name, ""))
    return table


def _text(value: Any) -> str:
    return " ".join(f"{v:.2f}" for v in value) if isinstance(value, list) else f"{value:.4g}"
