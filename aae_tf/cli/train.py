"""The command `aae-tf train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aae_tf.cli.common import import_quietly, load_data
from aae_tf.cli.options import parse_options, with_recipe_options
from aae_tf.runs.cluster import STRATEGIES, Cluster, check_strategy
from aae_tf.runs.errors import as_user_error
from aae_tf.runs.named_recipes import make_recipe
from aae_tf.runs.run_directory import check_new, is_run_of
from aae_tf.runs.training import train_run


@with_recipe_options
def train(
    *,
    out: Annotated[Path, typer.Option(help="Directory to write, new or empty.", metavar="RUN")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Start from a named recipe, see **aae-tf recipes**; other options override it.",
            metavar="NAME",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any other field of a recipe, as often as you like; **aae-tf recipes NAME** "
            "shows them.",
            metavar="FIELD=VALUE",
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Start from nothing, even if there is an unfinished RUN."),
    ] = False,
    backup_every: Annotated[
        int | None,
        typer.Option(
            help="Steps between backups; by default they are made at ends of epochs, and take at "
            "most 2% of the time.",
            metavar="STEPS",
            min=1,
        ),
    ] = None,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="Add in the same order every time, which may be slower: the same command then "
            "gives the same weights, bit for bit.",
        ),
    ] = False,
    strategy: Annotated[
        str,
        typer.Option(
            help="Devices that train together: **one**, **mirrored**: all GPUs of this machine, or "
            "**multi-worker**: those of the machines in TF_CONFIG, each with this command.",
            metavar="|".join(STRATEGIES),
        ),
    ] = "one",
    **options: Any,
) -> None:
    """Train a model and write a run directory.

    RUN gets model.keras, config.json, history.csv, logs/ for TensorBoard, figures/,
    learning_curves.png and index.html, a page of all of these. It appears when it is complete.
    After Ctrl-C or a kill, **the same command resumes** from the last backup, in RUN.partial.

    Without --recipe, the variants with a class and the baselines have defaults of their own, see
    **aae-tf recipes**; those below are the defaults of the other models.
    """
    with as_user_error(ValueError, TypeError):
        made = make_recipe(parse_options(options, set_ or ()), recipe)
        check_strategy(strategy)
    if strategy == "multi-worker" and is_run_of(out, made):
        # This worker was started again after the others had finished the run.
        typer.echo(f"Trained already: {out}")
        return
    check_new(out)
    # A cluster of several workers has to exist before TensorFlow does anything else.
    import_quietly()
    cluster = Cluster(strategy)
    dataset = load_data(made)
    if dataset.table is not None and cluster.is_chief:
        typer.echo(dataset.table)
    train_run(
        made,
        dataset,
        out,
        restart=restart,
        backup_every=backup_every,
        deterministic=deterministic,
        cluster=cluster,
    )
    if not cluster.is_chief:
        return
    typer.echo(f"Trained {made.model} on {made.data}: {out}")
    typer.echo(f"Open in a browser: {out / 'index.html'}")
    typer.echo(f"Next: aae-tf evaluate {out}")
