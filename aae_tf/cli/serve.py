"""The command `aae-tf serve`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aae_tf.cli.errors import bad_input
from aae_tf.cli.quiet_tensorflow import import_quietly

if TYPE_CHECKING:
    from aae_tf.serving import ModelServer


def serve(
    root: Annotated[
        Path,
        typer.Argument(
            help="Folder of the models: every folder in it that holds numbered versions is one.",
            exists=True,
            file_okay=False,
        ),
    ],
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port for gRPC; 0 takes a free one.")
    ] = 8500,
    rest_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port for REST; 0 takes a free one.")
    ] = 8501,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. There is no authentication: keep it private."),
    ] = "127.0.0.1",
) -> None:
    """Serve exported models over TensorFlow Serving's gRPC and REST protocols.

    Ctrl-C or SIGTERM lets requests finish, then exits with 0.
    """
    # From here on, also while models are loaded; later the server has its own handler.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    import_quietly()
    from aae_tf.serving import ModelServer

    with bad_input(ValueError):
        server = ModelServer(root, host, grpc_port, rest_port)
        server.start()
    try:
        typer.echo(f"Serving {root}:")
        for name, version in server.models.items():
            typer.echo(f"  {name}, version {version}")
        typer.echo(f"gRPC on {host}:{server.grpc_port}, REST on {host}:{server.rest_port}. Try:")
        typer.echo(f"  {example_request(server)}")
        typer.echo("Stop with Ctrl-C.")
        server.run_until_signal()
    finally:
        server.stop()
    typer.echo("Stopped.")


def example_request(server: ModelServer) -> str:
    """Gives a command that asks a running server for something: a sample if there is a decoder."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    url = f"http://{host}:{server.rest_port}/v1/models"
    if "decoder" not in server.models:
        return f"curl {url}/{next(iter(server.models))}"
    body = '{"signature_name": "sample", "instances": [{"seed": 1}]}'
    return f"curl -d '{body}' {url}/decoder:predict"
