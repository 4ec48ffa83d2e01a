"""`aae-tf recipes`: the list, and one recipe field by field."""

import dataclasses

import pytest

from aae_tf.runs.named_recipes import RECIPES
from aae_tf.runs.recipe import Recipe


def test_recipes_are_listed(invoke):
    lines = invoke("recipes").output
    for name, recipe in RECIPES.items():
        assert name in lines
        assert recipe.summary.split()[0] in lines


def test_a_recipe_is_shown_with_the_fields_of_its_model(invoke):
    output = invoke("recipes", "embedding-10d").output
    rows = [line.split() for line in output.splitlines() if line.strip()]
    values = {row[0]: row[1] for row in rows if len(row) > 2}
    assert values["heads_scale"] == "10.0"
    assert values["discriminator_units"] == "500,500"
    assert values["batch_normalization"] == "true"
    assert values["clusters"] == "none"
    # The heads are fixed.
    assert "head_distance" not in output
    assert "kl_weight" not in output
    assert "aae-tf train --recipe embedding-10d" in output


@pytest.mark.thorough
def test_every_field_is_shown_somewhere(invoke):
    shown = "".join(invoke("recipes", name).output for name in RECIPES)
    # A time series is one's own: no named recipe has one.
    names = {field.name for field in dataclasses.fields(Recipe)}
    names -= {"window", "stride", "largest_gap"}
    assert {name for name in names if f"{name} " in shown} == names
