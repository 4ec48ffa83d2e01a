"""The data of a recipe."""

from __future__ import annotations

from aae_tf import data
from aae_tf.cli.errors import bad_input
from aae_tf.cli.quiet_tensorflow import import_quietly
from aae_tf.cli.recipe import Recipe
from aae_tf.data.prepared import find_prepared


def load_data(recipe: Recipe) -> data.Dataset:
    """Loads the data, and TensorFlow, in the order in which a wrong name costs no seconds.

    Raises:
        CommandError: if there is no such data on this machine, or it cannot be used.
    """
    with bad_input(ValueError, FileNotFoundError):
        if recipe.data != "digits":
            find_prepared(recipe.data, None)
        import_quietly()
        return data.load(recipe.data, seed=recipe.seed)
