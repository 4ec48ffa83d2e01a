"""The commands of `aae-tf` in one Typer app, and how it reports errors."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import aae_tf
from aae_tf.cli.deploy import deploy
from aae_tf.cli.drift import drift
from aae_tf.cli.encode import encode
from aae_tf.cli.evaluate import evaluate
from aae_tf.cli.explore import explore
from aae_tf.cli.export import export
from aae_tf.cli.loadtest import loadtest
from aae_tf.cli.options import ServingCommand
from aae_tf.cli.query import query
from aae_tf.cli.quickstart import quickstart
from aae_tf.cli.recipes import recipes
from aae_tf.cli.reproduce import reproduce
from aae_tf.cli.sample import sample
from aae_tf.cli.serve import serve
from aae_tf.cli.train import train
from aae_tf.runs.errors import UserError, refused_write

# Recent releases of Typer carry their own copy of Click: this is its UsageError in either case.
_UsageError: Any = typer.BadParameter.__base__


class OneLineErrors(TyperGroup):
    """Commands that report bad input, a full disk and a missing extra by one line on stderr.

    Without arguments they print their help. Unexpected exceptions pass through, with Python's
    traceback and exit code 1.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Parses the arguments, runs the command and exits."""
        arguments = list(sys.argv[1:] if args is None else args) or ["--help"]
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
            # At exit, Python would report by a traceback that the output could not be written.
            sys.stdout.flush()
        except UserError as error:
            _fail(str(error), error.exit_code)
        except ImportError as error:
            # Errors of `checks.import_extra` name the extra; others pass through.
            if "aae_tf[" not in str(error):
                raise
            _fail(str(error), 1)
        except _UsageError as error:
            path = error.ctx.command_path if error.ctx else "aae-tf"
            _fail(f"{error.format_message().rstrip('.')}. See `{path} --help`.", 2)
        except Exception as error:
            refusal = refused_write(error)
            if refusal is None:
                raise
            _fail(refusal, 1)
        sys.exit(code)


def _fail(message: str, exit_code: int) -> NoReturn:
    print("Error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(exit_code)


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
    explore,
    deploy,
    query,
    drift,
    loadtest,
    reproduce,
):
    app.command()(command)
app.command(cls=ServingCommand)(serve)


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
