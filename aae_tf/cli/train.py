"""The command `aae-tf train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aae_tf.cli.errors import bad_input
from aae_tf.cli.load_data import load_data
from aae_tf.cli.make_recipe import make_recipe
from aae_tf.cli.make_workers import STRATEGIES, check_strategy, make_workers
from aae_tf.cli.options import parse_options, with_recipe_options
from aae_tf.cli.run_directory import check_new, is_run_of
from aae_tf.cli.training import train_run


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
        typer.Option("--restart", help="Begin anew, even if there is an unfinished RUN."),
    ] = False,
    backup_every: Annotated[
        int | None,
        typer.Option(
            help="Back up after so many steps; by default after epochs, as often as takes no more "
            "than 2% of the time.",
            metavar="STEPS",
            min=1,
        ),
    ] = None,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="Sum in the same order every time, which may be slower: the same command then "
            "gives the same weights, bit for bit.",
        ),
    ] = False,
    strategy: Annotated[
        str,
        typer.Option(
            help="Who trains together: **one** device, **mirrored**: all GPUs of this machine, or "
            "**multi-worker**: the machines that TF_CONFIG names, each with this command.",
            metavar="|".join(STRATEGIES),
        ),
    ] = "one",
    **options: Any,
) -> None:
    """Train a model and write a run directory.

    RUN gets model.keras, config.json, history.csv, logs/ for TensorBoard and figures/. It appears
    when it is complete. Stopped before, by Ctrl-C or worse, **the same command continues it** from
    the last backup in RUN.partial.

    Without --recipe, the variants with a class and the baselines start from settings of their own,
    see **aae-tf recipes**; the defaults below are those of the others.
    """
    with bad_input(ValueError, TypeError):
        made = make_recipe(parse_options(options, set_ or ()), recipe)
        check_strategy(strategy)
    if strategy == "multi-worker" and is_run_of(out, made):
        # A worker that was started again when the others were done.
        typer.echo(f"Trained already: {out}")
        return
    check_new(out)
    workers = make_workers(strategy)
    dataset = load_data(made)
    train_run(
        made,
        dataset,
        out,
        restart=restart,
        backup_every=backup_every,
        deterministic=deterministic,
        workers=workers,
    )
    if not workers.is_chief:
        return
    typer.echo(f"Trained {made.model} on {made.data}: {out}")
    typer.echo(f"Figures: {out / 'figures'}")
    typer.echo(f"Next: aae-tf evaluate {out}")
