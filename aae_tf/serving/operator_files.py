"""The operator's text files of TensorFlow Serving that say how a server is reached and observed."""

from __future__ import annotations

import os
from typing import Any

import grpc

from aae_tf.export.serving_protos import parse_text
from aae_tf.serving.errors import ServerError
from aae_tf.serving.models.model_sources import read_text_file

_Path = str | os.PathLike[str] | None
# The real server's default.
_METRICS_PATH = "/monitoring/prometheus/metrics"


def read_metrics_path(file: _Path) -> str | None:
    """Returns where the metrics are shown, by a `MonitoringConfig`; None: nowhere.

    Raises:
        ServerError: the file cannot be read.
    """
    if file is None:
        return None
    config = _parse("monitoring_config_file", file, "MonitoringConfig").prometheus_config
    return (config.path or _METRICS_PATH) if config.enable else None


def read_credentials(file: _Path) -> grpc.ServerCredentials | None:
    """Returns the credentials of a gRPC port, by an `SSLConfig`; None: no TLS.

    Raises:
        ServerError: the file cannot be read, or lacks the key or the certificate.
    """
    if file is None:
        return None
    config = _parse("ssl_config_file", file, "SSLConfig")
    if not (config.server_key and config.server_cert):
        raise ServerError(
            "Expected `ssl_config_file` to hold server_key and server_cert, in PEM. "
            f"Received: ssl_config_file={file}."
        )
    if config.client_verify and not config.custom_ca:
        raise ServerError(
            "Expected `ssl_config_file` to hold custom_ca where client_verify is set. "
            f"Received: ssl_config_file={file}."
        )
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def _parse(argument: str, file: str | os.PathLike[str], message: str) -> Any:
    try:
        return parse_text(message, read_text_file(argument, file))
    except ValueError as error:
        if isinstance(error, ServerError):
            raise
        raise ServerError(f"{argument}={file}: {error}") from error
