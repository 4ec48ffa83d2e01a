"""The command `aae-tf query`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import typer

from aae_tf.checks import check_positive
from aae_tf.cli.common import import_quietly, write_file
from aae_tf.cli.query_table import read_csv, type_columns, write_csv
from aae_tf.runs.errors import UserError, as_user_error

if TYPE_CHECKING:
    from aae_tf.serving import Client


_MAX_DRAWN = 10_000


class _Method(NamedTuple):
    """The options of a method of `Client` that takes rows, and the main array of its answer."""

    required: Sequence[str]
    main: str
    optional: Sequence[str] = ()


_METHODS = {
    "encode": _Method(["input"], "latents"),
    "classify": _Method(["input"], "class_id"),
    "decode": _Method(["input"], "outputs", ["class_probabilities"]),
    "sample": _Method(["seeds"], "outputs", ["label"]),
    "reconstruct": _Method(["input"], "outputs"),
    "score": _Method(["input"], "reconstruction_error"),
}
# Methods that need encoder and decoder.
_OF_BOTH = ("reconstruct", "score")
_Name = Literal[
    "status", "metadata", "encode", "classify", "decode", "sample", "reconstruct", "score"
]


def query(
    method: Annotated[_Name, typer.Argument(help="Method to call.", show_default=False)],
    input: Annotated[
        Path | None,
        typer.Option(
            help="Rows of numbers [rows, ...]: latents for decode, the model's inputs otherwise; "
            "or the rows of a table, of which columns that the model has not are left out.",
            metavar="FILE.npy|FILE.csv",
        ),
    ] = None,
    divide_by: Annotated[
        float | None,
        typer.Option(
            help="What the numbers of --input are divided by; needed where they are 8-bit. "
            "255 turns pixels into [0, 1]."
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="For sample: one row per seed.", metavar="START:STOP|N,N"),
    ] = None,
    label: Annotated[
        int | None, typer.Option(min=-1, help="For sample: the class of every row; -1 draws it.")
    ] = None,
    class_probabilities: Annotated[
        Path | None,
        typer.Option(
            help="For decode, where the decoder sees the class: [rows, classes].",
            metavar="FILE.npy",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="FILE.npy gets the main array, FILE.npz all of them, FILE.csv all as columns, "
            "FILE.png a grid of images. "
            "By default there is only a summary.",
            metavar="FILE",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="By default encoder, decoder or autoencoder, whichever has the method."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=0, help="By default the highest that is available.")
    ] = None,
    version_label: Annotated[
        str | None, typer.Option(help="The version's label, in place of --version.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address of the server.")] = "127.0.0.1",
    grpc_port: Annotated[int, typer.Option(min=1, max=65535, help="The server's.")] = 8500,
    rest_port: Annotated[int, typer.Option(min=1, max=65535, help="The server's.")] = 8501,
    protocol: Annotated[
        Literal["grpc", "rest"], typer.Option(help="gRPC is faster, by far for many rows.")
    ] = "grpc",
    timeout: Annotated[float, typer.Option(help="Seconds for all, with retries.")] = 30.0,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Rows per request; by default 512, or 4 MiB if that is less."),
    ] = None,
) -> None:
    """Call a method of a running server, `aae-tf serve` or TensorFlow Serving.

    The main array of an answer is latents for encode, class_id for classify, outputs for decode,
    sample and reconstruct, and reconstruction_error for score.
    """
    given = {
        "input": input,
        "divide_by": divide_by,
        "seeds": seeds,
        "label": label,
        "class_probabilities": class_probabilities,
        "output": output,
    }
    called = _METHODS.get(method)
    _check_options(method, called, {name for name, value in given.items() if value is not None})
    table = None
    if input is not None and input.suffix == ".csv":
        if divide_by is not None or method == "decode":
            raise UserError(
                "Expected --input to be a .npy file for decode and with --divide-by. "
                f"Received: {input}."
            )
        table, input = (input, read_csv(input)), None
    arguments = _read_arguments(input, divide_by, seeds, label, class_probabilities)
    if output is not None:
        rows = arguments[0] if table is None else next(iter(table[1].values()))
        _check_output(output, len(rows))
    import_quietly()
    from aae_tf.serving import Client

    with as_user_error(ValueError, TypeError), _serving_errors():
        client = Client(
            host,
            grpc_port,
            rest_port,
            protocol,
            timeout,
            encoder=model or "encoder",
            decoder=model or "decoder",
            autoencoder=model or "autoencoder",
            batch_size=batch_size,
        )
        with client:
            if called is None:
                _describe(client, method, version, version_label)
                return
            if table is not None:
                servable = client.autoencoder if method in _OF_BOTH else client.encoder
                known = client.metadata(servable, version, label=version_label)
                if method not in known or set(known[method]["inputs"]) == {"inputs"}:
                    raise UserError(
                        f"Expected --input to be a .npy file: {method} of {servable} takes no "
                        f"columns. Received: {table[0]}."
                    )
                arguments = [type_columns(table[1], known[method]["inputs"], table[0])]
            call: Callable[..., Any] = getattr(client, method)
            answer = call(*arguments, version=version, label=version_label)
    arrays = answer if isinstance(answer, dict) else {called.main: answer}
    for name, array in arrays.items():
        typer.echo(_summary(name, array))
    if output is not None:
        _write_arrays(output, arrays, called.main)
        typer.echo(f"Wrote {output}")


def _check_options(name: str, method: _Method | None, given: set[str]) -> None:
    """Checks that the options that a method requires are given, and none that it ignores."""
    required = () if method is None else method.required
    optional = () if method is None else (*method.optional, "output")
    if "input" in required:
        optional += ("divide_by",)
    for option in required:
        if option not in given:
            raise UserError(f"Expected {_option(option)} to be given for {name}.")
    for option in sorted(given.difference(required, optional)):
        raise UserError(f"Expected {_option(option)} to be left out: {name} does not take it.")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _read_arguments(
    input: Path | None,
    divide_by: float | None,
    seeds: str | None,
    label: int | None,
    class_probabilities: Path | None,
) -> list[Any]:
    arguments: list[Any] = []
    if input is not None:
        rows = _read_array("--input", input)
        if divide_by is not None:
            with as_user_error(ValueError):
                rows = rows / check_positive("divide_by", divide_by)
        advice = "; --divide-by 255 turns 8-bit pixels into [0, 1], and 1 leaves them as they are"
        arguments.append(_check_values("--input", rows, input, advice))
    if seeds is not None:
        arguments.append(parse_seeds(seeds))
    if label is not None:
        arguments.append(label)
    if class_probabilities is not None:
        option = "--class-probabilities"
        rows = _read_array(option, class_probabilities)
        arguments.append(_check_values(option, rows, class_probabilities))
    return arguments


@contextmanager
def _serving_errors() -> Iterator[None]:
    from aae_tf.serving import ServingError

    try:
        yield
    except ServingError as error:
        raise UserError(str(error), exit_code=1) from error


def _describe(client: Client, method: str, version: int | None, version_label: str | None) -> None:
    """Prints the states of encoder and decoder, or their signatures as JSON."""
    from aae_tf.serving import ServingError

    if method == "status" and version_label is not None:
        # Servers ignore the label in requests for a status.
        raise UserError("Expected --version-label to be left out: status does not take it.")
    names = list(dict.fromkeys([client.encoder, client.decoder]))
    answers: dict[str, Any] = {}
    for name in names:
        try:
            if method == "status":
                answers[name] = client.status(name, version)
            else:
                answers[name] = client.metadata(name, version, label=version_label)
        except ServingError as error:
            # A model without an encoder is served as a decoder alone.
            if error.code.name != "NOT_FOUND" or (name == names[-1] and not answers):
                raise
    if method == "metadata":
        typer.echo(json.dumps(answers, indent=2))
        return
    for name, states in answers.items():
        for number, state in states.items():
            typer.echo(f"{name}, version {number}: {state}")


def _summary(name: str, array: np.ndarray) -> str:
    if array.dtype == object:
        return f"{name}: text {list(array.shape)}, {len(set(array.ravel().tolist()))} values"
    text = f"{name}: {array.dtype} {list(array.shape)}"
    if array.size:
        text += f", from {array.min():.4g} to {array.max():.4g}, mean {array.mean():.4g}"
    return text


def _read_array(option: str, path: Path) -> np.ndarray:
    """Reads numbers [rows, ...] from a .npy file, without executing anything in it.

    Args:
        option: option that names the file, for messages.
        path: path of the file.

    Raises:
        UserError: if the file cannot be read, is no .npy file, or holds no rows of numbers.
    """
    with as_user_error(OSError):
        file = path.open("rb")
    with file:
        try:
            array = np.lib.format.read_array(file, allow_pickle=False)
        # NumPy parses headers as Python and lets whatever that raises pass, TokenError for one.
        except Exception as error:
            raise UserError(
                f"Expected {option} to be a .npy file. Received: {path} ({error})."
            ) from error
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        raise UserError(
            f"Expected {option} to hold rows of numbers. Received: {path} of shape {array.shape} "
            f"and dtype {array.dtype}."
        )
    return array


def _check_values(option: str, array: np.ndarray, path: Path, advice: str = "") -> np.ndarray:
    """Returns an array that the client sends, whose own messages are about Python.

    Args:
        option: option that names the file.
        array: its content.
        path: path of the file.
        advice: what to do about 8-bit integers.

    Raises:
        UserError: if the numbers are 8-bit integers, or not all are finite.
    """
    if array.dtype in (np.uint8, np.int8):
        raise UserError(
            f"Expected {option} to hold floats{advice}. Received: {path} of dtype {array.dtype}."
        )
    with np.errstate(over="ignore"):  # What overflows float32 is reported as infinite.
        finite = np.isfinite(array.astype(np.float32)).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise UserError(
            f"Expected {option} to have finite values. Received: {path}, whose row "
            f"{finite.argmin()}, counted from 0, has NaN or infinite values."
        )
    return array


def parse_seeds(text: str) -> np.ndarray:
    """Parses seeds to int64: "START:STOP", STOP excluded, or integers separated by commas.

    Raises:
        UserError: if the text is neither, or contains no seed.

    Example:

    >>> parse_seeds("2:5"), parse_seeds("7,-1")
    (array([2, 3, 4]), array([ 7, -1]))
    """
    start, colon, stop = text.partition(":")
    try:
        if colon:
            seeds = np.arange(int(start), int(stop), dtype=np.int64)
        else:
            seeds = np.array([int(seed) for seed in text.split(",")], np.int64)
    except (ValueError, OverflowError, MemoryError):
        seeds = np.empty(0, np.int64)
    if not len(seeds):
        raise UserError(
            "Expected --seeds to be START:STOP, such as 0:16, or integers with commas between "
            f"them. Received: {text!r}."
        )
    return seeds


def _check_output(path: Path, count: int) -> None:
    """Checks the name of the file for an answer, before the request is sent.

    Args:
        path: path of the file.
        count: number of rows of the answer.

    Raises:
        UserError: if the suffix is none of .npy, .npz, .csv and .png, or if there are too many rows
            for a picture.
    """
    if path.suffix not in (".npy", ".npz", ".csv", ".png"):
        raise UserError(f"Expected --output to end in .npy, .npz, .csv or .png. Received: {path}.")
    if path.suffix == ".png" and count > _MAX_DRAWN:
        raise UserError(
            f"Expected at most {_MAX_DRAWN} rows for a picture. Received: {count} rows."
        )


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray], main: str) -> None:
    """Writes the arrays of an answer to a file, atomically.

    Args:
        path: FILE.npz gets every array by its name, FILE.csv every array as columns, FILE.npy the
            main array, and FILE.png a grid of the images in the main array.
        arrays: arrays of the answer, by name.
        main: name of the main array.

    Raises:
        UserError: if the file cannot be written, or if images are to be drawn and there are none.
    """
    buffer = io.BytesIO()
    if path.suffix in (".npy", ".png") and main not in arrays:
        raise UserError(f"Expected --output to end in .csv or .npz for columns. Received: {path}.")
    if path.suffix == ".csv":
        buffer.write(write_csv(arrays))
    elif path.suffix == ".npz":
        # Text as such, lest NumPy pickles it.
        texts = {n: a.astype(str) if a.dtype == object else a for n, a in arrays.items()}
        np.savez(buffer, **texts)  # type: ignore[arg-type]
    elif path.suffix == ".npy":
        np.save(buffer, arrays[main])
    else:
        from aae_tf import evaluation

        with as_user_error(ValueError, TypeError):
            evaluation.sample_grid(arrays[main]).savefig(buffer)
    write_file(path, buffer.getvalue())
