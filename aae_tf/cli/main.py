"""The entry point of `aae-tf`, which needs no extra to say that one is missing."""

import signal
import sys

from aae_tf.checks import import_extra


def main() -> None:
    """Runs the command line and exits."""
    try:
        for package in ("typer", "rich"):
            import_extra(package, "cli", "the command aae-tf")
    except ImportError as error:
        sys.exit(f"Error: {error}")
    from aae_tf.cli.commands import app

    # SIGTERM interrupts a training as Ctrl-C does. `serve` installs a handler of its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="aae-tf")
