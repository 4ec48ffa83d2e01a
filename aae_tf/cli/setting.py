"""A field of a recipe: its default, its domain, and what it means."""

import dataclasses
import types
from collections.abc import Callable, Sequence
from typing import Any, get_args

from aae_tf.checks import check_choice

Check = Callable[[str, Any], Any]


def setting(
    default: Any,
    help: str,
    check: Check | None = None,
    choices: Sequence[str] = (),
    models: Sequence[str] = (),
    panel: str | None = None,
) -> Any:
    """Declares a field of a recipe.

    Args:
        default: its value where none is given.
        help: what it means, half a sentence.
        check: function of name and value that raises where the value is out of its domain.
        choices: the values of a field that is a name.
        models: the only variants that it means something for; none stand for all.
        panel: heading of the option of that name in `aae-tf train --help`; None makes no option,
            and leaves the field to `--set`.

    Returns:
        `dataclasses.field`.
    """
    metadata = {
        "help": help,
        "check": check,
        "choices": tuple(choices),
        "models": tuple(models),
        "panel": panel,
    }
    return dataclasses.field(default=default, metadata=metadata)


def check_setting(field: dataclasses.Field[Any], value: Any) -> None:
    """Raises where a value is out of the domain of its field; None is in it if it is the default.

    Raises:
        TypeError, ValueError: naming the field.
    """
    if value is None and field.default is None:
        return
    kind = _kind(field)
    if kind in (str, bool) and not isinstance(value, kind):
        raise TypeError(
            f"Expected `{field.name}` to be a {kind.__name__}. Received: {field.name}={value!r}."
        )
    if field.metadata["choices"]:
        check_choice(field.name, value, field.metadata["choices"])
    if field.metadata["check"] is not None:
        field.metadata["check"](field.name, value)


def parse_setting(field: dataclasses.Field[Any], text: str) -> Any:
    """Reads the value of a field from the command line.

    Args:
        field: of the recipe.
        text: a name of its choices, with `-` or `_`; a number; true or false; integers with
            commas between them; "none" where None is the default.

    Raises:
        ValueError: if it is nothing of the field's type.
    """
    by_spelling = {choice.replace("-", "_"): choice for choice in field.metadata["choices"]}
    if by_spelling:
        return by_spelling.get(text.replace("-", "_"), text)
    if text.lower() == "none" and field.default is None:
        return None
    parse, expected = _PARSERS[_kind(field)]
    try:
        return parse(text)
    except (ValueError, KeyError):
        raise ValueError(
            f"Expected `{field.name}` to be {expected}. Received: {field.name}={text!r}."
        ) from None


def read_setting(value: Any) -> Any:
    """Turns a value that JSON has given back into one of the field's type."""
    return tuple(value) if isinstance(value, list) else value


def metavar(field: dataclasses.Field[Any]) -> str:
    """Says what the option of a field takes, for its help."""
    return "|".join(field.metadata["choices"]) or _METAVARS[_kind(field)]


def is_switch(field: dataclasses.Field[Any]) -> bool:
    """Tells whether a field is true or false."""
    return _kind(field) is bool


def _kind(field: dataclasses.Field[Any]) -> Any:
    """Gives the type of a field's values that are not None."""
    if isinstance(field.type, types.UnionType):
        return next(kind for kind in get_args(field.type) if kind is not types.NoneType)
    return field.type


def _parse_sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


def _parse_bool(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_PARSERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "a name"),
    int: (int, "an integer"),
    float: (float, "a number"),
    bool: (_parse_bool, "true or false"),
    tuple[int, ...]: (_parse_sizes, "integers with commas between them, such as 1000,1000"),
}
_METAVARS = {str: "NAME", int: "N", float: "NUMBER", bool: "true|false", tuple[int, ...]: "N,N"}
