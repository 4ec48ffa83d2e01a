"""The command `aae-tf loadtest`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from aae_tf.cli.common import import_quietly
from aae_tf.runs.errors import as_user_error


def loadtest(
    model: Annotated[str, typer.Argument(help="Name of the model.")] = "encoder",
    signature: Annotated[str, typer.Option(help="Its signature.")] = "serving_default",
    grpc_port: Annotated[int, typer.Option(min=1, max=65535)] = 8500,
    rest_port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    host: Annotated[str, typer.Option(help="An address of this machine.")] = "127.0.0.1",
    protocol: Annotated[str, typer.Option(help="grpc or rest.")] = "grpc",
    rows: Annotated[int, typer.Option(min=1, help="Rows of a request.")] = 1,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at a time, at most.")] = 32,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Requests due per second, at random times: an open loop. By default the loop is "
            "closed: each client sends when it has its answer."
        ),
    ] = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Number of requests, at most.")] = 10_000,
    max_seconds: Annotated[float, typer.Option(help="Seconds of the test, at most.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of inputs and times.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure latency and throughput of a server of this machine under load.

    Sends random inputs that fit the signature, to `aae-tf serve` or TensorFlow Serving, prints
    latencies and throughput, and exits with 1 if a request failed.
    """
    import_quietly()
    from aae_tf.serving import ServingError, run_load_test

    with as_user_error(ValueError, ServingError):
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
