"""The data of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aae_tf.cli.errors import bad_input
from aae_tf.cli.quiet_tensorflow import import_quietly
from aae_tf.cli.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.data import Dataset


def load_data(recipe: Recipe) -> Dataset:
    """Loads the data with the labels that the recipe keeps, and TensorFlow.

    Raises:
        CommandError: if there is no such data on this machine, or it cannot be used.
    """
    import_quietly()
    from aae_tf import data

    with bad_input(ValueError, FileNotFoundError):
        return data.load(recipe.data, labels=recipe.labels, seed=recipe.seed)
