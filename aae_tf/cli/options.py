"""Options of the command line that stand for fields of a recipe."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from aae_tf.cli.recipe import Recipe
from aae_tf.cli.setting import is_switch, metavar, parse_setting

# Characters beyond which the choices of an option do not fit the column of its help.
_WIDE = 30
_FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, in place of its `**options`, an option for each field that has a panel.

    What is not given is None.
    """
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    parameters = [*own, *_parameters()]
    # What Typer reads; it would otherwise need every option written out, with its default and its
    # help a second time.
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def parse_options(options: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Reads what options and `--set` give.

    Args:
        options: text, or a bool, by field; None where an option is not given.
        assignments: texts "field=value".

    Returns:
        Values by field.

    Raises:
        ValueError: if a field is unknown or given twice, or a value is not of its type.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise ValueError(f"Expected --set to be FIELD=VALUE. Received: --set {assignment!r}.")
        if name not in _FIELDS:
            raise ValueError(
                f"Expected --set to name a field of a recipe: {', '.join(_FIELDS)}. "
                f"Received: --set {assignment!r}."
            )
        if name in given:
            raise ValueError(f"Expected `{name}` to be given once. Received: --set {assignment!r}.")
        given[name] = value.strip()
    return {
        name: value if isinstance(value, bool) else parse_setting(_FIELDS[name], value)
        for name, value in given.items()
    }


def _parameters() -> Iterator[inspect.Parameter]:
    for field in _FIELDS.values():
        if field.metadata["panel"] is None:
            continue
        # A switch is turned on here, and off by --set.
        kind, takes = (bool, None) if is_switch(field) else (str, metavar(field))
        help = field.metadata["help"]
        if takes is not None and len(takes) > _WIDE:
            help, takes = f"{help}: {takes.replace('|', ', ')}", "NAME"
        if field.default not in (None, False):
            help += f"  [default: {field.default}]"
        option = typer.Option(
            f"--{field.name.replace('_', '-')}",
            help=help,
            metavar=takes,
            rich_help_panel=field.metadata["panel"],
        )
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, option],
        )
