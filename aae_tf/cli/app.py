"""The commands together."""

import signal
from typing import Annotated

import typer

import aae_tf
from aae_tf.cli.encode import encode
from aae_tf.cli.errors import OneLineErrors
from aae_tf.cli.evaluate import evaluate
from aae_tf.cli.export import export
from aae_tf.cli.list_recipes import recipes
from aae_tf.cli.loadtest import loadtest
from aae_tf.cli.query import query
from aae_tf.cli.quickstart import quickstart
from aae_tf.cli.sample import sample
from aae_tf.cli.serve import serve
from aae_tf.cli.train import train

app = typer.Typer(
    name="aae-tf",
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (
    quickstart,
    recipes,
    train,
    evaluate,
    sample,
    encode,
    export,
    serve,
    query,
    loadtest,
):
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(aae_tf.__version__)
        raise typer.Exit


@app.callback()
def _describe(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Adversarial autoencoders: train, evaluate, sample, export, serve, query.

    Start with **aae-tf quickstart**: it does all of that on a small data set.
    **aae-tf recipes** lists what **aae-tf train** knows by name.
    """


def main() -> None:
    """Runs the command line; the entry point of `aae-tf`."""
    # Whoever stops a training, person or scheduler, gets what Ctrl-C gives. `serve` differs.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="aae-tf")
