"""All recipes by name, and what options make of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aae_tf.checks import check_choice
from aae_tf.runs.presets import DEFAULTS, PRESETS, NamedRecipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.reproduction_recipes import REPRODUCTION_RECIPES
from aae_tf.runs.variants import unused_fields

RECIPES: dict[str, NamedRecipe] = {**PRESETS, **REPRODUCTION_RECIPES}

# Fields whose value was chosen for one value of another field, and does not fit the others.
_CHOSEN_FOR = {"divergence_weight": "divergence", "class_divergence_weight": "class_divergence"}


def make_recipe(options: Mapping[str, Any], name: str | None = None) -> Recipe:
    """Builds a recipe from options, over a named recipe or the defaults of the model.

    Values of the named recipe that have no effect with the options are dropped: with
    `divergence="mmd"`, the fields of its discriminator and the weight of its divergence.

    Args:
        options: values of fields of `Recipe`, which override.
        name: key of `RECIPES`.

    Raises:
        TypeError, ValueError: if the name is unknown, or as `Recipe` does.

    Example:

    >>> recipe = make_recipe({"clusters": 20}, "clustering-16")
    >>> recipe.model, recipe.clusters, recipe.code_dim
    ('clustering', 20, 5)
    """
    start: dict[str, Any] = {}
    if name is not None:
        start = RECIPES[check_choice("recipe", name, tuple(RECIPES))].fields
    model = options.get("model", start.get("model", Recipe.model))
    if name is None or model != start.get("model", Recipe.model):
        start = {**start, **DEFAULTS.get(model, {})}
    if options.get("time_column") is not None:
        start = {**start, "network": "conv1d"}
    fields = dataclasses.fields(Recipe)
    defaults = {field.name: field.default for field in fields}
    unused = unused_fields(fields, {**defaults, **start, **options})
    unused |= {
        field: chosen
        for field, chosen in _CHOSEN_FOR.items()
        if chosen in options and options[chosen] != start.get(chosen, defaults[chosen])
    }
    used = {key: value for key, value in start.items() if key not in unused}
    return Recipe(**{**used, **options})
