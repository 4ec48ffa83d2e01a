"""What declares a field of a recipe, and what checks its value."""

import dataclasses
import types
from collections.abc import Callable, Sequence
from typing import Any, get_args

from aae_tf.checks import check_choice


def setting(
    default: Any,
    help: str,
    check: Callable[[str, Any], Any] | None = None,
    choices: Sequence[str] = (),
    models: Sequence[str] = (),
    panel: str | None = None,
    none: str = "none",
) -> Any:
    """Declares a field of a recipe.

    Args:
        default: default value of the field.
        help: meaning of the field, half a sentence.
        check: function of name and value that raises if the value is out of its domain.
        choices: values of a field that is a name.
        models: names of the variants that use the field; none means all.
        panel: heading of the field's option in `aae-tf train --help`; with None there is no option,
            and `--set` alone sets the field.
        none: word that stands for None on the command line, beside "none".

    Returns:
        `dataclasses.field`.
    """
    metadata = {
        "help": help,
        "check": check,
        "choices": tuple(choices),
        "models": tuple(models),
        "panel": panel,
        "none": none,
    }
    return dataclasses.field(default=default, metadata=metadata)


def value_type(field: dataclasses.Field[Any]) -> Any:
    """Gives the type of the values of a field, of those that are not None."""
    if isinstance(field.type, types.UnionType):
        return next(kind for kind in get_args(field.type) if kind is not types.NoneType)
    return field.type


def check_value(field: dataclasses.Field[Any], value: Any) -> None:
    """Checks that a value is in the domain of its field; the default None always is.

    Raises:
        TypeError, ValueError: if it is not; the message names the field.
    """
    if value is None and field.default is None:
        return
    kind = value_type(field)
    if kind in (str, bool) and not isinstance(value, kind):
        raise TypeError(
            f"Expected `{field.name}` to be a {kind.__name__}. Received: {field.name}={value!r}."
        )
    if field.metadata["choices"]:
        check_choice(field.name, value, field.metadata["choices"])
    if field.metadata["check"] is not None:
        field.metadata["check"](field.name, value)
