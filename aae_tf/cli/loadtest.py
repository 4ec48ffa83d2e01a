"""The command `aae-tf loadtest`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from aae_tf.cli.errors import bad_input
from aae_tf.cli.quiet_tensorflow import import_quietly


def loadtest(
    model: Annotated[str, typer.Argument(help="Name of the model.")] = "encoder",
    signature: Annotated[str, typer.Option(help="Its signature.")] = "serving_default",
    grpc_port: Annotated[int, typer.Option(min=1, max=65535)] = 8500,
    rest_port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="An address of this machine.")] = "127.0.0.1",
    protocol: Annotated[str, typer.Option(help="grpc or rest.")] = "grpc",
    rows: Annotated[int, typer.Option(min=1, help="Rows of a request.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests that may be under way.")] = 32,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Requests due per second, at random times: an open loop. By default the loop is "
            "closed: each client sends when it has its answer."
        ),
    ] = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Ends after so many.")] = 10_000,
    max_seconds: Annotated[float, typer.Option(help="Ends after so long.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of inputs and times.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how a server of this machine bears many requests at once.

    Sends random inputs that fit the signature, prints latencies and throughput, and exits with 1
    where a request failed. TensorFlow Serving or `aae-tf serve`: it asks either.
    """
    import_quietly()
    from aae_tf.serving import ServingError, run_load_test

    with bad_input(ValueError, ServingError):
        report = run_load_test(
            model,
            signature,
            grpc_port=grpc_port,
            rest_port=rest_port,
            protocol=protocol,  # type: ignore[arg-type]
            host=host,
            rows=rows,
            concurrency=concurrency,
            rate=rate,
            max_requests=max_requests,
            max_seconds=max_seconds,
            seed=seed,
        )
    figures = report.to_dict()
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        loop = f"{concurrency} clients" if rate is None else f"{rate:g} requests a second"
        Console().print(_table(figures, f"{model}, {signature}, {protocol}, {rows} rows, {loop}"))
    if report.errors:
        raise typer.Exit(1)


def _table(figures: dict, title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title)
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {code}" for code, count in value.items()) or "none"
        elif isinstance(value, float):
            value = f"{value:.4g}"
        table.add_row(name.replace("_", " "), str(value))
    return table
