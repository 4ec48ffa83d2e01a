"""Options of the command line: fields of a recipe, and TensorFlow Serving's flags."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from aae_tf.runs.recipe import Recipe
from aae_tf.runs.settings import value_type

# Characters beyond which the choices of an option do not fit the column of its help.
_WIDE = 30
_FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replaces the `**options` of a command by an option for each field that has a panel.

    An option that is not given is None.
    """
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    parameters = [*own, *_parameters()]
    # Typer reads these two. Options written out would repeat defaults and help of the fields.
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def parse_options(options: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Parses the options that stand for fields, and those of `--set`.

    Args:
        options: text or bool of each option, by field; None where an option is not given.
        assignments: texts "field=value".

    Returns:
        The values that were given, by field.

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


def parse_setting(field: dataclasses.Field[Any], text: str) -> Any:
    """Parses the value of a field.

    Args:
        field: field of the recipe.
        text: one of the field's choices, with `-` or `_`; a number; true or false; integers
            separated by commas; or "none" where None is the default, for some fields "all", too.

    Raises:
        ValueError: if the text is not of the field's type.
    """
    by_spelling = {choice.replace("-", "_"): choice for choice in field.metadata["choices"]}
    if by_spelling:
        return by_spelling.get(text.replace("-", "_"), text)
    if text.lower() in ("none", field.metadata["none"]) and field.default is None:
        return None
    parse, expected = _PARSERS[value_type(field)]
    try:
        return parse(text)
    except (ValueError, KeyError):
        raise ValueError(
            f"Expected `{field.name}` to be {expected}. Received: {field.name}={text!r}."
        ) from None


def _parameters() -> Iterator[inspect.Parameter]:
    for field in _FIELDS.values():
        if field.metadata["panel"] is None:
            continue
        # An option without a value sets a bool to true; --set sets it to false.
        kind, takes = (bool, None) if value_type(field) is bool else (str, _metavar(field))
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


def _metavar(field: dataclasses.Field[Any]) -> str:
    """Gives the placeholder for the value of an option in its help."""
    return "|".join(field.metadata["choices"]) or _METAVARS[value_type(field)]


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


# The real server's names of two options of `serve`, and of booleans.
_RENAMED = {"--port": "--grpc-port", "--rest-api-port": "--rest-port"}
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")


class ServingCommand(TyperCommand):
    """A command that reads flags as TensorFlow Serving spells them, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses a command line; see `from_serving_flags`."""
        return super().parse_args(ctx, from_serving_flags(args, self.params))


def from_serving_flags(args: Sequence[str], params: Iterable[Any]) -> list[str]:
    """Returns a command line with dashes for underscores, and bare options for booleans.

    Args:
        args: The command line.
        params: The command's parameters.

    Example:

        >>> from_serving_flags(["--port=8500", "--model_name=m", "--enable_batching=true"], [])
        ['--grpc-port=8500', '--model-name=m', '--enable-batching=true']
    """
    flags = {
        option: param
        for param in params
        if getattr(param, "is_flag", False)
        for option in param.opts
    }
    converted = []
    for arg in args:
        name, equals, value = arg.partition("=")
        if name.startswith("--"):
            name = name.replace("_", "-")
            name = _RENAMED.get(name, name)
        flag = flags.get(name)
        if flag is None or not equals or value.lower() not in (*_TRUE, *_FALSE):
            converted.append(name + equals + value)
        elif value.lower() in _TRUE:
            converted.append(name)
        else:
            converted += flag.secondary_opts[:1]  # without one, false is the default
    return converted
