"""What a user sees where a command cannot go on: one line on stderr, and an exit code."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

# Recent releases of Typer carry their own copy of Click: this is its UsageError in either case.
_UsageError: Any = typer.BadParameter.__base__


class CommandError(Exception):
    """A command cannot go on; the message is for the user.

    Args:
        message: what was expected and what was received.
        exit_code: 2 where the user asked for what cannot be done, 1 where something went wrong, 75
            where the same command, given again, goes on.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def bad_input(*types: type[Exception]) -> Iterator[None]:
    """Turns what the package raises about arguments into `CommandError`.

    Args:
        *types: exceptions that mean bad input here.
    """
    try:
        yield
    except types as error:
        raise CommandError(str(error)) from error


class OneLineErrors(TyperGroup):
    """Commands that answer bad input with one line on stderr and exit code 2.

    Without arguments they print their help. Exceptions that nobody foresaw pass, with Python's
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
        """Runs the command line and exits."""
        arguments = list(sys.argv[1:] if args is None else args) or ["--help"]
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
        except CommandError as error:
            _fail(str(error), error.exit_code)
        except _UsageError as error:
            path = error.ctx.command_path if error.ctx else "aae-tf"
            _fail(f"{error.format_message().rstrip('.')}. See `{path} --help`.", 2)
        sys.exit(code)


def _fail(message: str, exit_code: int) -> NoReturn:
    print("Error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(exit_code)
