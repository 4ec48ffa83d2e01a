"""The command `aae-tf`: train, evaluate, sample, export and serve, without a line of Python."""

from typing import Any

from aae_tf.cli.main import main

__all__ = ["app", "main"]


def __getattr__(name: str) -> Any:
    # `main` must run, to name the extra, where Typer is not installed.
    if name == "app":
        from aae_tf.cli.commands import app

        return app
    raise AttributeError(f"module 'aae_tf.cli' has no attribute {name!r}")
