"""From the option --strategy to those who train together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aae_tf.checks import check_choice
from aae_tf.cli.quiet_tensorflow import import_quietly
from aae_tf.cli.tf_config import TFConfig

if TYPE_CHECKING:
    from aae_tf.cli.workers import Workers

STRATEGIES = ("one", "mirrored", "multi-worker")


def check_strategy(strategy: str) -> None:
    """Checks the option, and TF_CONFIG if it is needed, before TensorFlow is imported.

    Raises:
        ValueError: if one of them is wrong.
    """
    if check_choice("strategy", strategy, STRATEGIES) == "multi-worker":
        TFConfig.read(os.environ)


def make_workers(strategy: str) -> Workers:
    """Imports TensorFlow and, with several workers, waits for all of them."""
    import_quietly()
    from aae_tf.cli.workers import Workers

    return Workers(strategy)
