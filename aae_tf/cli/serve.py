"""The command `aae-tf serve`."""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aae_tf.cli.common import import_quietly
from aae_tf.runs.errors import as_user_error

if TYPE_CHECKING:
    from aae_tf.serving import ModelServer

_VERSIONS, _BATCHING = "Models and versions", "Batching"
_OPERATION, _LIMITS = "Operation", "Limits"
# Seconds that running requests have to end after a signal.
_GRACE = 8.0
_MOST_FILES = 65_536
_Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


def _file(help_text: str, panel: str) -> typer.models.OptionInfo:
    return typer.Option(
        help=help_text, exists=True, dir_okay=False, rich_help_panel=panel, metavar="FILE"
    )


def serve(
    root: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the models: every folder in it that holds numbered versions is one. "
            "Instead of it, --model-config-file.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    grpc_port: _Port = 8500,
    rest_port: _Port = 8501,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. There is no authentication: keep it private."),
    ] = "127.0.0.1",
    model_config_file: Annotated[
        Path | None, _file("A ModelServerConfig: names, base paths, policies, labels.", _VERSIONS)
    ] = None,
    model_config_file_poll_wait_seconds: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds between readings of that file; 0 reads it once.",
            rich_help_panel=_VERSIONS,
        ),
    ] = 0.0,
    file_system_poll_wait_seconds: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds between searches for new versions; 0 searches once.",
            rich_help_panel=_VERSIONS,
        ),
    ] = 1.0,
    allow_version_labels_for_unavailable_models: Annotated[
        bool,
        typer.Option(
            "--allow-version-labels-for-unavailable-models",
            help="New labels may name versions that are not loaded yet.",
            rich_help_panel=_VERSIONS,
        ),
    ] = False,
    enable_model_warmup: Annotated[
        bool,
        typer.Option(
            help="Run a version's warm-up requests before it serves.", rich_help_panel=_VERSIONS
        ),
    ] = True,
    reload_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder to which HandleReloadConfigRequest, by which clients replace the list of "
            "models, is limited; by default it is refused.",
            exists=True,
            file_okay=False,
            rich_help_panel=_VERSIONS,
        ),
    ] = None,
    enable_batching: Annotated[
        bool,
        typer.Option(
            "--enable-batching", help="Gather requests into batches.", rich_help_panel=_BATCHING
        ),
    ] = False,
    batching_parameters_file: Annotated[
        Path | None, _file("BatchingParameters, for all models.", _BATCHING)
    ] = None,
    enable_per_model_batching_parameters: Annotated[
        bool,
        typer.Option(
            "--enable-per-model-batching-parameters",
            help="A version's own batching_params.pbtxt overrides that file.",
            rich_help_panel=_BATCHING,
        ),
    ] = False,
    monitoring_config_file: Annotated[
        Path | None,
        _file(
            "A MonitoringConfig: whether there are metrics for Prometheus, and at which path.",
            _OPERATION,
        ),
    ] = None,
    rest_api_timeout_in_ms: Annotated[
        int, typer.Option(min=1, help="Longest time of a REST request.", rich_help_panel=_OPERATION)
    ] = 30_000,
    model_name: Annotated[
        str, typer.Option(help="Name of the model of --model-base-path.", rich_help_panel=_VERSIONS)
    ] = "default",
    model_base_path: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the versions of one model, instead of ROOT.",
            exists=True,
            file_okay=False,
            rich_help_panel=_VERSIONS,
        ),
    ] = None,
    rest_api_enable_cors_support: Annotated[
        bool,
        typer.Option(
            "--rest-api-enable-cors-support",
            help="Let web pages of any origin call.",
            rich_help_panel=_OPERATION,
        ),
    ] = False,
    grpc_socket_path: Annotated[
        str,
        typer.Option(help="UNIX socket for gRPC, besides its port.", rich_help_panel=_OPERATION),
    ] = "",
    ssl_config_file: Annotated[
        Path | None, _file("An SSLConfig, for TLS on the gRPC port.", _OPERATION)
    ] = None,
    enable_grpc_healthcheck_service: Annotated[
        bool,
        typer.Option(
            "--enable-grpc-healthcheck-service",
            help="Answer gRPC's health service.",
            rich_help_panel=_OPERATION,
        ),
    ] = False,
    max_body_bytes: Annotated[
        int, typer.Option(min=1, help="Largest request, decompressed.", rich_help_panel=_LIMITS)
    ] = 32 * 2**20,
    max_rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most rows of a request; by default as many as inputs and outputs of twice "
            "--max-body-bytes have.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Requests under way, at most.", rich_help_panel=_LIMITS)
    ] = 1024,
) -> None:
    """Serve exported models over TensorFlow Serving's gRPC and REST protocols.

    Options read TensorFlow Serving's files, and its spelling too: --port=8500 --model_name=mnist
    --enable_batching=true. New versions are loaded as they appear, and then replace the old ones.
    Ctrl-C or SIGTERM lets requests finish, then exits with 0 within 10 seconds.
    """
    # This handler acts while models are loaded; then the server installs its own.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes ends no server
    _allow_many_connections()
    import_quietly()
    from aae_tf.serving import ModelServer

    with as_user_error(ValueError):
        server = ModelServer(
            root,
            host,
            grpc_port,
            rest_port,
            request_timeout=rest_api_timeout_in_ms / 1000,
            model_config_file=model_config_file,
            model_config_file_poll_wait_seconds=model_config_file_poll_wait_seconds,
            file_system_poll_wait_seconds=file_system_poll_wait_seconds,
            enable_batching=enable_batching,
            batching_parameters_file=batching_parameters_file,
            enable_per_model_batching_parameters=enable_per_model_batching_parameters,
            monitoring_config_file=monitoring_config_file,
            allow_version_labels_for_unavailable_models=allow_version_labels_for_unavailable_models,
            enable_model_warmup=enable_model_warmup,
            reload_root=reload_root,
            model_name=model_name,
            model_base_path=model_base_path,
            rest_api_enable_cors_support=rest_api_enable_cors_support,
            grpc_socket_path=grpc_socket_path,
            ssl_config_file=ssl_config_file,
            enable_grpc_healthcheck_service=enable_grpc_healthcheck_service,
            max_body_bytes=max_body_bytes,
            max_rows=max_rows,
            max_requests=max_requests,
        )
        server.start()
    try:
        typer.echo(f"Serving {root or model_base_path or model_config_file}:")
        for name, version in server.models.items():
            typer.echo(f"  {name}, version {version}")
        typer.echo(f"gRPC on {host}:{server.grpc_port}, REST on {host}:{server.rest_port}. Try:")
        typer.echo(f"  {example_request(server)}")
        typer.echo("Stop with Ctrl-C.")
        # What is loaded stays: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        server.run_until_signal(_GRACE)
        typer.echo("Stopped.")
    finally:
        # New calls get UNAVAILABLE up to the end, and a thread that still runs does not delay it:
        # to stop gRPC would answer them with CANCELLED.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        if sys.exc_info()[0] is None:
            os._exit(0)
        server.stop(grace=0.0)


def _allow_many_connections() -> None:
    """Raises the number of open files, a few of which each connection needs, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def example_request(server: ModelServer) -> str:
    """Gives a curl command for a running server: one that samples, if there is a decoder."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    url = f"http://{host}:{server.rest_port}/v1/models"
    signatures = server.signatures("decoder") if "decoder" in server.models else {}
    if "sample" not in signatures:
        return f"curl {url}/{next(iter(server.models))}"
    # Label -1 draws the class.
    rows = {name: -1 if name == "label" else 1 for name in sorted(signatures["sample"].inputs)}
    body = json.dumps({"signature_name": "sample", "instances": [rows]})
    return f"curl -d '{body}' {url}/decoder:predict"
