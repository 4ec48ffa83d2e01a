"""The command `aae-tf train`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from aae_tf.cli.build import MODELS, NETWORKS, PRIORS
from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.load_data import load_data
from aae_tf.cli.recipe import (
    DIVERGENCES,
    POSTERIORS,
    RECONSTRUCTION_LOSSES,
    SCHEDULES,
    Recipe,
)
from aae_tf.cli.run_directory import check_new
from aae_tf.cli.training import train_run

_MODEL, _TRAINING = "What to train", "How to train it"


def _one_of(names: Iterable[str]) -> str:
    return "|".join(names)


def train(
    out: Annotated[Path, typer.Option(help="Directory to write, new or empty.", metavar="RUN")],
    data: Annotated[
        str,
        typer.Option(
            help="'digits' (bundled), or a prepared data set of TensorFlow Datasets, such as "
            "'mnist'; TFDS_DATA_DIR says where they are.",
            metavar="NAME",
            rich_help_panel=_MODEL,
        ),
    ] = Recipe.data,
    model: Annotated[
        str,
        typer.Option(
            help="The variant of the family.", metavar=_one_of(MODELS), rich_help_panel=_MODEL
        ),
    ] = Recipe.model,
    prior: Annotated[
        str,
        typer.Option(
            help="What codes are drawn to.", metavar=_one_of(PRIORS), rich_help_panel=_MODEL
        ),
    ] = Recipe.prior,
    prior_scale: Annotated[
        float,
        typer.Option(
            help="Standard deviation of gaussian; of ring_mixture along the radius, which is "
            "four times as large; half the width of uniform.",
            rich_help_panel=_MODEL,
        ),
    ] = Recipe.prior_scale,
    code_dim: Annotated[
        int, typer.Option(help="Numbers in a code.", rich_help_panel=_MODEL)
    ] = Recipe.code_dim,
    posterior: Annotated[
        str,
        typer.Option(
            help="How an input gets its code.",
            metavar=_one_of(POSTERIORS),
            rich_help_panel=_MODEL,
        ),
    ] = Recipe.posterior,
    divergence: Annotated[
        str,
        typer.Option(
            help="What draws codes to the prior: a discriminator, or the maximum mean discrepancy.",
            metavar=_one_of(DIVERGENCES),
            rich_help_panel=_MODEL,
        ),
    ] = Recipe.divergence,
    divergence_weight: Annotated[
        float | None,
        typer.Option(
            help="Its factor in the loss; by default 1 for adversarial, 100 for mmd.",
            rich_help_panel=_MODEL,
        ),
    ] = Recipe.divergence_weight,
    network: Annotated[
        str,
        typer.Option(
            help="Kind of encoder and decoder.", metavar=_one_of(NETWORKS), rich_help_panel=_MODEL
        ),
    ] = Recipe.network,
    units: Annotated[
        str | None,
        typer.Option(
            help="Widths of the encoder's dense layers; the decoder mirrors them. By default "
            "1000,1000 for mlp, 256 for conv.",
            metavar="N,N",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    discriminator_units: Annotated[
        str | None,
        typer.Option(
            help="Widths of the discriminator's layers, by default 1000,1000.",
            metavar="N,N",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(help="Passes over the training images.", rich_help_panel=_TRAINING)
    ] = Recipe.epochs,
    batch_size: Annotated[
        int, typer.Option(help="Images in a step.", rich_help_panel=_TRAINING)
    ] = Recipe.batch_size,
    learning_rate: Annotated[
        float,
        typer.Option(help="Adam's, for encoder and decoder.", rich_help_panel=_TRAINING),
    ] = Recipe.learning_rate,
    discriminator_learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Adam's, for the discriminator; by default a tenth of that.",
            rich_help_panel=_TRAINING,
        ),
    ] = Recipe.discriminator_learning_rate,
    schedule: Annotated[
        str,
        typer.Option(
            help="One update of everything from one encoder pass, or the paper's phases.",
            metavar=_one_of(SCHEDULES),
            rich_help_panel=_TRAINING,
        ),
    ] = Recipe.schedule,
    reconstruction_loss: Annotated[
        str,
        typer.Option(
            help=f"{' or '.join(RECONSTRUCTION_LOSSES)}: nats, summed over pixels.",
            metavar="NAME",
            rich_help_panel=_TRAINING,
        ),
    ] = Recipe.reconstruction_loss,
    steps_per_execution: Annotated[
        int,
        typer.Option(
            help="Steps in one call of the compiled function: more is faster for small models.",
            rich_help_panel=_TRAINING,
        ),
    ] = Recipe.steps_per_execution,
    seed: Annotated[
        int, typer.Option(help="Fixes everything random.", rich_help_panel=_TRAINING)
    ] = Recipe.seed,
) -> None:
    """Train a model and write a run directory.

    RUN gets model.keras, config.json, history.csv, logs/ for TensorBoard and figures/. It appears
    when it is complete; Ctrl-C after an epoch or more leaves RUN-interrupted instead.
    """
    with bad_input(ValueError):
        recipe = Recipe(
            data=data,
            model=model,
            prior=prior,
            prior_scale=prior_scale,
            code_dim=code_dim,
            posterior=posterior,
            divergence=divergence,
            divergence_weight=divergence_weight,
            network=network,
            units=_parse_sizes("units", units),
            discriminator_units=_parse_sizes("discriminator_units", discriminator_units),
            schedule=schedule,
            reconstruction_loss=reconstruction_loss,
            learning_rate=learning_rate,
            discriminator_learning_rate=discriminator_learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            steps_per_execution=steps_per_execution,
            seed=seed,
        )
    check_new(out)
    train_run(recipe, load_data(recipe), out)
    typer.echo(f"Trained {recipe.model} on {recipe.data}: {out}")
    typer.echo(f"Figures: {out / 'figures'}")
    typer.echo(f"Next: aae-tf evaluate {out}")


def _parse_sizes(argument: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError as error:
        raise CommandError(
            f"Expected `{argument}` to be integers with commas between them, such as 1000,1000. "
            f"Received: {argument}={text!r}."
        ) from error
