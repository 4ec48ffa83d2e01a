"""Recipes of trainings, the models that they describe, and the runs that they leave."""

from aae_tf.runs.builders import build_model
from aae_tf.runs.errors import UserError
from aae_tf.runs.named_recipes import RECIPES, NamedRecipe, make_recipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.run_directory import Run, open_run
from aae_tf.runs.training import train_run

__all__ = [
    "RECIPES",
    "NamedRecipe",
    "Recipe",
    "Run",
    "UserError",
    "build_model",
    "make_recipe",
    "open_run",
    "train_run",
]
