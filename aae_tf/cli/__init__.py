"""The command `aae-tf`: train, evaluate, sample, export and serve, without a line of Python."""

from aae_tf.cli.app import app, main

__all__ = ["app", "main"]
