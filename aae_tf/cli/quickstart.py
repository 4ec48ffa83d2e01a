"""The command `aae-tf quickstart`."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aae_tf.cli.common import load_data
from aae_tf.cli.evaluate import report
from aae_tf.cli.explore import write_page
from aae_tf.runs.errors import UserError
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.run_directory import open_run
from aae_tf.runs.training import bar_verbosity, train_run

if TYPE_CHECKING:
    import numpy as np

    from aae_tf.models import BaseAAE

_RECIPE = Recipe(
    data="digits",
    prior="ring_mixture",
    code_dim=2,
    units=(256, 256),
    discriminator_units=(256, 256),
    learning_rate=5e-4,
    discriminator_learning_rate=5e-4,
    epochs=150,
    batch_size=50,
    steps_per_execution=25,
)
_TOLERANCE = 1e-6
_NUM_SEEDS = 10_000


def quickstart(
    root: Annotated[Path, typer.Option(help="Where runs/ and saved_models/ are written.")] = Path(),
) -> None:
    """Train, export, serve and query a small model, in about a minute.

    Replaces ROOT/runs/quickstart, and writes a new version of ROOT/saved_models/digits. Open
    ROOT/runs/quickstart/explore.html and drag a code.
    """
    started = time.monotonic()
    run, models = root / "runs" / "quickstart", root / "saved_models" / "digits"
    dataset = load_data(_RECIPE)

    typer.echo(f"[1/4] Training on {len(dataset.x_train)} handwritten digits")
    from aae_tf.runs.training_callbacks import EpochBar
    from aae_tf.runs.unfinished_run import UnfinishedRun

    try:
        train_run(_RECIPE, dataset, run, callbacks=[EpochBar(bar_verbosity())], verbose=0)
    except UserError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        shutil.rmtree(UnfinishedRun(run).path, ignore_errors=True)
        raise UserError("Interrupted: the same command starts over.", exit_code=130) from error

    typer.echo("[2/4] Evaluating")
    opened = open_run(run)
    model = opened.load_model()
    report(opened, model, dataset)

    typer.echo("[3/4] Exporting, and comparing the export with the model")
    from aae_tf.explorer import Explorer
    from aae_tf.explorer.points import test_inputs
    from aae_tf.export import export_servables

    paths = export_servables(model, models)

    typer.echo("[4/4] Serving, and asking over gRPC and REST")
    _check_served(model, dataset.x_test, models)
    page = run / "explore.html"
    with Explorer(
        models, run.name, lambda: test_inputs(dataset, "test data of digits")
    ) as explorer:
        write_page(page, model, explorer)

    program = _program()
    typer.echo(f"\nDone in {time.monotonic() - started:.0f} s. Look at")
    typer.echo(f"  {page}, where a code is dragged and its image follows")
    typer.echo(f"  {run / 'index.html'}")
    for figure in sorted((run / "figures").iterdir()):
        typer.echo(f"  {figure}")
    typer.echo("The exported models, for aae-tf serve or TensorFlow Serving:")
    for path in paths.values():
        typer.echo(f"  {path}")
    typer.echo("What to do next:")
    typer.echo(f"  {program} serve {models}")
    typer.echo(f"  {program} sample {run} --count 100 --seed 1 --out samples.png")
    typer.echo(f"  {program} train --data digits --code-dim 8 --divergence mmd --out runs/mmd")
    typer.echo(f"  {program} --help")


def _check_served(model: BaseAAE, images: np.ndarray, models: Path) -> None:
    """Serves the models, and compares the answers over both protocols with those of the model."""
    import numpy as np

    from aae_tf.serving import Client, ModelServer

    seeds = np.arange(_NUM_SEEDS)
    requests: dict[str, tuple[Callable[[Client], np.ndarray], np.ndarray]] = {
        "encode": (lambda client: client.encode(images), model.encode(images)),
        "sample": (lambda client: client.sample(seeds)["outputs"], model.sample(seed=seeds)),
    }
    with ModelServer(models) as server:
        for protocol in ("grpc", "rest"):
            ports = {f"{protocol}_port": getattr(server, f"{protocol}_port")}
            with Client(**ports) as client:
                for name, (send, expected) in requests.items():
                    started = time.monotonic()
                    answer = send(client)
                    seconds = time.monotonic() - started
                    difference = float(np.abs(answer - expected).max())
                    line = (
                        f"{protocol} {name}: {len(answer)} rows in {seconds:.2f} s, "
                        f"within {difference:.1e} of the model"
                    )
                    if not difference <= _TOLERANCE:
                        raise UserError(f"{line}, expected {_TOLERANCE:.0e}.", exit_code=1)
                    typer.echo(f"  {line}")


def _program() -> str:
    """Gives the name by which the user can call this program again."""
    if shutil.which("aae-tf") or Path(sys.argv[0]).name != "aae-tf":
        return "aae-tf"
    return os.path.relpath(sys.argv[0])
