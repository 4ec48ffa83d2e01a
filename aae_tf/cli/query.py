"""The command `aae-tf query`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
import typer

from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.query_files import check_output, parse_seeds, read_array, write_arrays
from aae_tf.cli.quiet_tensorflow import import_quietly

if TYPE_CHECKING:
    from aae_tf.serving import Client


class _Question(NamedTuple):
    """What can be asked about rows: the method of `Client`, and the answer's main array."""

    takes: Sequence[str]
    main: str
    may_take: Sequence[str] = ()


_QUESTIONS = {
    "encode": _Question(["input"], "latents"),
    "classify": _Question(["input"], "class_id"),
    "decode": _Question(["input"], "outputs", ["class_probabilities"]),
    "sample": _Question(["seeds"], "outputs", ["label"]),
    "reconstruct": _Question(["input"], "outputs"),
    "score": _Question(["input"], "reconstruction_error"),
}
_Name = Literal[
    "status", "metadata", "encode", "classify", "decode", "sample", "reconstruct", "score"
]


def query(
    question: Annotated[_Name, typer.Argument(help="What to ask.", show_default=False)],
    input: Annotated[
        Path | None,
        typer.Option(
            help="Rows of numbers [rows, ...]: latents for decode, the model's inputs otherwise.",
            metavar="FILE.npy",
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
            help="FILE.npy gets the main array, FILE.npz all of them, FILE.png a grid of images. "
            "By default there is only a summary.",
            metavar="FILE",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="By default encoder, decoder or autoencoder, whichever is asked."),
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
        Literal["grpc", "rest"], typer.Option(help="gRPC is the faster, by far for many rows.")
    ] = "grpc",
    timeout: Annotated[float, typer.Option(help="Seconds for everything, retries as well.")] = 30.0,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Rows per request; by default 512, or 4 MiB if that is less."),
    ] = None,
) -> None:
    """Ask a running server, `aae-tf serve` or TensorFlow Serving.

    The main array of an answer: latents of encode, class_id of classify, outputs of decode, sample
    and reconstruct, reconstruction_error of score.
    """
    given = {
        "input": input,
        "seeds": seeds,
        "label": label,
        "class_probabilities": class_probabilities,
        "output": output,
    }
    asked = _QUESTIONS.get(question)
    _check_options(question, asked, {name for name, value in given.items() if value is not None})
    arguments = _read_arguments(input, seeds, label, class_probabilities)
    if output is not None:
        check_output(output, len(arguments[0]))
    import_quietly()
    from aae_tf.serving import Client

    with bad_input(ValueError, TypeError), _failures():
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
            if asked is None:
                _describe(client, question, version, version_label)
                return
            method: Callable[..., Any] = getattr(client, question)
            answer = method(*arguments, version=version, label=version_label)
    arrays = answer if isinstance(answer, dict) else {asked.main: answer}
    for name, array in arrays.items():
        typer.echo(_summary(name, array))
    if output is not None:
        write_arrays(output, arrays, asked.main)
        typer.echo(f"Wrote {output}")


def _check_options(question: str, asked: _Question | None, given: set[str]) -> None:
    """Refuses options that the question would not heed, and asks for those that it needs."""
    takes = () if asked is None else asked.takes
    may_take = () if asked is None else (*asked.may_take, "output")
    for name in takes:
        if name not in given:
            raise CommandError(f"Expected {_option(name)} to be given for {question}.")
    for name in sorted(given.difference(takes, may_take)):
        raise CommandError(f"Expected {_option(name)} to be left out: {question} does not take it.")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _read_arguments(
    input: Path | None, seeds: str | None, label: int | None, class_probabilities: Path | None
) -> list[Any]:
    arguments: list[Any] = []
    if input is not None:
        arguments.append(read_array("--input", input))
    if seeds is not None:
        arguments.append(parse_seeds(seeds))
    if label is not None:
        arguments.append(label)
    if class_probabilities is not None:
        arguments.append(read_array("--class-probabilities", class_probabilities))
    return arguments


@contextmanager
def _failures() -> Iterator[None]:
    from aae_tf.serving import ServingError

    try:
        yield
    except ServingError as error:
        raise CommandError(str(error), exit_code=1) from error


def _describe(
    client: Client, question: str, version: int | None, version_label: str | None
) -> None:
    """Prints states, or signatures as JSON, of the models that there are."""
    from aae_tf.serving import ServingError

    if question == "status" and version_label is not None:
        # Servers ignore it there.
        raise CommandError("Expected --version-label to be left out: status does not take it.")
    names = list(dict.fromkeys([client.encoder, client.decoder]))
    answers: dict[str, Any] = {}
    for name in names:
        try:
            if question == "status":
                answers[name] = client.status(name, version)
            else:
                answers[name] = client.metadata(name, version, label=version_label)
        except ServingError as error:
            # A model without an encoder is a decoder alone.
            if error.code.name != "NOT_FOUND" or (name == names[-1] and not answers):
                raise
    if question == "metadata":
        typer.echo(json.dumps(answers, indent=2))
        return
    for name, states in answers.items():
        for number, state in states.items():
            typer.echo(f"{name}, version {number}: {state}")


def _summary(name: str, array: np.ndarray) -> str:
    text = f"{name}: {array.dtype} {list(array.shape)}"
    if array.size:
        text += f", from {array.min():.4g} to {array.max():.4g}, mean {array.mean():.4g}"
    return text
