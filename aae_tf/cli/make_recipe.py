"""From a name and options to a recipe."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aae_tf.checks import check_choice
from aae_tf.cli.check_recipe import unused_fields
from aae_tf.cli.recipe import Recipe
from aae_tf.cli.recipes import DEFAULTS, RECIPES

# Fields that are chosen for the value of another, and mean something else beside the next.
_CHOSEN_FOR = {"divergence_weight": "divergence", "class_divergence_weight": "class_divergence"}


def make_recipe(options: Mapping[str, Any], name: str | None = None) -> Recipe:
    """Builds a recipe from a named one, or from the defaults of its model, and options.

    What the options make meaningless of the named recipe is dropped: with `divergence="mmd"`, the
    fields of its discriminator and the weight of its divergence.

    Args:
        options: fields of `Recipe`; they win.
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
    fields = dataclasses.fields(Recipe)
    plain = {field.name: field.default for field in fields}
    unused = unused_fields(fields, {**plain, **start, **options})
    unused |= {
        field: chosen
        for field, chosen in _CHOSEN_FOR.items()
        if chosen in options and options[chosen] != start.get(chosen, plain[chosen])
    }
    kept = {key: value for key, value in start.items() if key not in unused}
    return Recipe(**{**kept, **options})
