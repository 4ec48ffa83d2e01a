"""The command `aae-tf recipes`."""

import dataclasses
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from aae_tf.runs.errors import as_user_error
from aae_tf.runs.named_recipes import RECIPES, make_recipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.reproduction_results import measured
from aae_tf.runs.variants import unused_fields


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Show this one in full, field by field.", metavar="[NAME]")
    ] = None,
) -> None:
    """List the named recipes, or show one.

    Use one with **aae-tf train --recipe NAME**, and change any field of it with an option or with
    **--set FIELD=VALUE**.
    """
    if name is None:
        Console().print(_all_recipes())
        return
    with as_user_error(ValueError):
        recipe = make_recipe({}, name)
    Console().print(_one_recipe(name, recipe))
    typer.echo(f"Use it: aae-tf train --recipe {name} --out runs/{name}")


def _all_recipes() -> Table:
    table = _table("name", "kind", "what it is, and its measured result on the test split")
    for name, recipe in RECIPES.items():
        lines = (recipe.summary, recipe.expected, _measured(name))
        table.add_row(name, recipe.kind, "\n".join(filter(None, lines)))
    return table


def _measured(name: str) -> str:
    text = measured(name)
    return f"measured: {text}" if text else ""


def _one_recipe(name: str, recipe: Recipe) -> Table:
    table = _table("field", "value", "meaning")
    table.title = f"{name}: {RECIPES[name].summary}"
    fields = dataclasses.fields(recipe)
    unused = unused_fields(fields, vars(recipe))
    for field in fields:
        if field.name not in unused:
            table.add_row(field.name, _text(getattr(recipe, field.name)), field.metadata["help"])
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "field", "value"))
    return table


def _text(value: Any) -> str:
    """Formats a value as `--set` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
