"""The embedded model server: its arguments, start, stop and signals."""

from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

import grpc
from starlette.types import ASGIApp
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.checks import check_integer
from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.serving.admission import Admission
from aae_tf.serving.client.grpc_transport import address
from aae_tf.serving.errors import ServerError, ServingError
from aae_tf.serving.grpc.grpc_front import GrpcFront
from aae_tf.serving.models.model_config import ModelConfig
from aae_tf.serving.models.model_sources import (
    FileSource,
    FixedSource,
    FolderSource,
    ModelSource,
    read_text_file,
)
from aae_tf.serving.models.request_rows import RequestLimits
from aae_tf.serving.operator_files import read_credentials, read_metrics_path
from aae_tf.serving.rest.rest_front import RestFront
from aae_tf.serving.server_core import Batching, ServerCore

_LOGGER = logging.getLogger("aae_tf.serving")


class ModelServer:
    """Serves models over TensorFlow Serving's gRPC and REST protocols.

    The models are the folders of `root` that hold numbered version folders, as `export_servables`
    writes them, or those of the real server's models.config. Versions come and go while it runs:
    a new one is loaded and warmed up before it replaces the old one, and one that does not load
    leaves the old one serving. What works here works on TensorFlow Serving: models run through
    the same session loader, and requests get the same answers and errors. Arguments from
    `model_config_file` on have the names, meanings and defaults of the real server's flags, except
    for `reload_root`, `max_rows`, `max_requests` and `pages`.

    Args:
        root: Folder of the models; without it, `model_config_file` says where they are.
        host: Address to listen on. Defaults to this machine only; the server has no
            authentication, so put a proxy before it rather than widen this.
        grpc_port: Port for gRPC. Defaults to 0, any free one.
        rest_port: Port for REST. Defaults to 0, any free one.
        max_body_bytes: Largest request in bytes, after decompression. Defaults to 32 MiB. What its
            inputs and outputs take together is at most twice that.
        request_timeout: Seconds that a REST request may run. Defaults to 30. A gRPC request
            brings its own deadline.
        model_config_file: A `ModelServerConfig` in protobuf's text format.
        model_config_file_poll_wait_seconds: Seconds between two looks at that file. Defaults to 0:
            it is read once.
        file_system_poll_wait_seconds: Seconds between two looks for versions, and under `root`
            for models. Defaults to 1; 0 looks once.
        enable_batching: Whether requests are gathered into batches.
        batching_parameters_file: `BatchingParameters` in protobuf's text format, for all models.
        enable_per_model_batching_parameters: Whether a version's own `batching_params.pbtxt` goes
            before that file.
        monitoring_config_file: A `MonitoringConfig` in protobuf's text format; says whether
            and where Prometheus finds metrics, by default at
            /monitoring/prometheus/metrics of the REST port.
        allow_version_labels_for_unavailable_models: Whether a new label may name a version that
            is not loaded yet; labels at the start need it.
        enable_model_warmup: Whether a version runs its warm-up requests before it serves.
        reload_root: Folder under which a client's HandleReloadConfigRequest may make the server
            load models. Defaults to None: such requests are refused.
        model_name: Name of the only model. Defaults to "default".
        model_base_path: Folder of its versions, instead of `root` and `model_config_file`.
        rest_api_enable_cors_support: Whether web pages of any origin may call.
        grpc_socket_path: UNIX socket on which gRPC listens as well, without TLS.
        ssl_config_file: An `SSLConfig` in protobuf's text format, for TLS on the gRPC port.
        enable_grpc_healthcheck_service: Whether gRPC's health service answers.
        max_rows: Rows of a request. Defaults to None: as many as keep inputs and outputs, by the
            widths that a signature declares, within twice `max_body_bytes`.
        max_requests: Requests that may be under way; a further one gets UNAVAILABLE at once.
            Defaults to 1024.
        pages: An ASGI application that answers what is outside of /v1/ on the REST port, where
            the real server answers 404. With it, a server of this machine alone answers only
            requests to a name of this machine. Defaults to None.

    Raises:
        ValueError: a port, a size or an interval is out of its range, or not exactly one of
            `root`, `model_config_file` and `model_base_path` is given.
        ServerError: from `start`, in one line: there is no model, a file is missing or wrong, a
            port is taken, or a model has no version that loads. Nothing is left running then.

    Example:

        >>> ModelServer("/nonexistent").start()
        Traceback (most recent call last):
        ...
        aae_tf.serving.errors.ServerError: Expected `root` to be a readable folder. ...
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        grpc_port: int = 0,
        rest_port: int = 0,
        max_body_bytes: int = 32 * 2**20,
        request_timeout: float = 30.0,
        *,
        model_config_file: str | os.PathLike[str] | None = None,
        model_config_file_poll_wait_seconds: float = 0.0,
        file_system_poll_wait_seconds: float = 1.0,
        enable_batching: bool = False,
        batching_parameters_file: str | os.PathLike[str] | None = None,
        enable_per_model_batching_parameters: bool = False,
        monitoring_config_file: str | os.PathLike[str] | None = None,
        allow_version_labels_for_unavailable_models: bool = False,
        enable_model_warmup: bool = True,
        reload_root: str | os.PathLike[str] | None = None,
        model_name: str = "default",
        model_base_path: str | os.PathLike[str] | None = None,
        rest_api_enable_cors_support: bool = False,
        grpc_socket_path: str = "",
        ssl_config_file: str | os.PathLike[str] | None = None,
        enable_grpc_healthcheck_service: bool = False,
        max_rows: int | None = None,
        max_requests: int = 1024,
        pages: ASGIApp | None = None,
    ) -> None:
        if sum(each is not None for each in (root, model_config_file, model_base_path)) != 1:
            raise ValueError(
                "Expected one of `root`, `model_config_file` and `model_base_path`. "
                f"Received: root={root}, model_config_file={model_config_file}, "
                f"model_base_path={model_base_path}."
            )
        if max_rows is not None:
            check_integer("max_rows", max_rows, minimum=1)
        check_integer("max_requests", max_requests, minimum=1)
        for argument, port in (("grpc_port", grpc_port), ("rest_port", rest_port)):
            if not 0 <= port <= 65535:
                raise ValueError(
                    f"Expected `{argument}` to be from 0 to 65535. Received: {argument}={port}."
                )
        if grpc_port == rest_port != 0:
            raise ValueError(
                "Expected `grpc_port` and `rest_port` to differ. "
                f"Received: grpc_port={grpc_port}, rest_port={rest_port}."
            )
        for argument, limit in (
            ("max_body_bytes", max_body_bytes),
            ("request_timeout", request_timeout),
        ):
            if not limit > 0:
                raise ValueError(
                    f"Expected `{argument}` to be above 0. Received: {argument}={limit}."
                )
        for argument, seconds in (
            ("model_config_file_poll_wait_seconds", model_config_file_poll_wait_seconds),
            ("file_system_poll_wait_seconds", file_system_poll_wait_seconds),
        ):
            if not seconds >= 0:
                raise ValueError(
                    f"Expected `{argument}` to be at least 0. Received: {argument}={seconds}."
                )
        own_batching = batching_parameters_file or enable_per_model_batching_parameters
        if own_batching and not enable_batching:
            raise ValueError(
                "Expected `enable_batching` where parameters for it are given. "
                f"Received: batching_parameters_file={batching_parameters_file}, "
                f"enable_per_model_batching_parameters={enable_per_model_batching_parameters}."
            )
        self.root = root
        self.host = host
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self.max_body_bytes = max_body_bytes
        self.request_timeout = request_timeout
        self.model_config_file = model_config_file
        self.model_config_file_poll_wait_seconds = model_config_file_poll_wait_seconds
        self.file_system_poll_wait_seconds = file_system_poll_wait_seconds
        self.enable_batching = enable_batching
        self.batching_parameters_file = batching_parameters_file
        self.enable_per_model_batching_parameters = enable_per_model_batching_parameters
        self.monitoring_config_file = monitoring_config_file
        self.allow_version_labels_for_unavailable_models = (
            allow_version_labels_for_unavailable_models
        )
        self.enable_model_warmup = enable_model_warmup
        self.reload_root = reload_root
        self.model_name = model_name
        self.model_base_path = model_base_path
        self.rest_api_enable_cors_support = rest_api_enable_cors_support
        self.grpc_socket_path = grpc_socket_path
        self.ssl_config_file = ssl_config_file
        self.enable_grpc_healthcheck_service = enable_grpc_healthcheck_service
        self.max_rows = max_rows
        self.max_requests = max_requests
        self.pages = pages
        self._core: ServerCore | None = None

    @property
    def models(self) -> dict[str, int]:
        """The highest version that is served of each model, by name; empty unless started."""
        return self._core.manager.models if self._core else {}

    def signatures(self, model: str) -> dict[str, SignatureDef]:
        """Returns the signatures of the version of a model that is served, by name.

        Raises:
            ServingError: NOT_FOUND if none is.
        """
        if self._core is None:
            raise ServingError(grpc.StatusCode.NOT_FOUND, "Expected the server to be started.")
        with self._core.manager.use(model) as servable:
            return dict(servable.session.signatures)

    def start(self) -> None:
        """Loads the models, then listens: a port that answers belongs to a server that is ready.

        Afterwards `grpc_port` and `rest_port` hold the ports in use.
        """
        metrics_path = read_metrics_path(self.monitoring_config_file)
        credentials = read_credentials(self.ssl_config_file)
        core = ServerCore(
            self._source(),
            self._batching(),
            poll_interval=self.file_system_poll_wait_seconds,
            labels_ahead=self.allow_version_labels_for_unavailable_models,
            warm=self.enable_model_warmup,
            limits=RequestLimits(2 * self.max_body_bytes, self.max_rows),
            admission=Admission(self.max_requests, 4 * self.max_body_bytes),
        )
        shared = (self.max_body_bytes, core.limits, core.admission, core.workers)
        with ExitStack() as undo:
            undo.callback(core.close)
            # Both ports are tried before the models are loaded, which may take long.
            listener = undo.enter_context(_bind(self.host, "rest_port", self.rest_port))
            _bind(self.host, "grpc_port", self.grpc_port).close()
            core.start()
            reload_root = None if self.reload_root is None else Path(self.reload_root)
            self._grpc = GrpcFront(
                core.manager,
                core.metrics,
                *shared,
                reload_root,
                self.enable_grpc_healthcheck_service,
            )
            self._rest = RestFront(
                core.manager,
                core.metrics,
                *shared,
                self.request_timeout,
                metrics_path,
                self.rest_api_enable_cors_support,
                self.pages,
            )
            try:
                grpc_port = self._grpc.start(
                    address(self.host, self.grpc_port), credentials, self.grpc_socket_path
                )
                undo.callback(self._grpc.stop)
                self._rest.start(listener)
            except (OSError, RuntimeError) as error:
                raise ServerError(
                    f"Expected both protocols to start. Received: {error}."
                ) from error
            undo.pop_all()
        self.grpc_port = grpc_port
        self.rest_port = listener.getsockname()[1]
        self._core = core
        _LOGGER.info(
            "Serving %s on %s, gRPC port %d, REST port %d",
            ", ".join(self.models),
            self.host,
            self.grpc_port,
            self.rest_port,
        )

    def drain(self, grace: float = 8.0) -> bool:
        """Answers new requests with UNAVAILABLE, and waits for those that run.

        Args:
            grace: Seconds to wait. Defaults to 8.

        Returns:
            Whether all were answered.
        """
        return self._core is None or self._core.admission.drain(grace)

    def stop(self, grace: float = 8.0) -> None:
        """Stops: refuses new requests, answers those that run, unloads the models.

        A call that arrives over gRPC while its port closes gets CANCELLED from gRPC itself;
        `Client` sends such a call again.

        Args:
            grace: Seconds after which requests that still run are cut off, with UNAVAILABLE.
                Defaults to 8.
        """
        if self._core is None:
            return
        drained = self.drain(grace)
        self._grpc.stop()
        self._rest.stop()
        self._core.close(cut_off=not drained)
        self._core = None
        _LOGGER.info("Stopped")

    def run_until_signal(self, grace: float = 8.0) -> None:
        """Serves until SIGTERM or SIGINT, then drains with `grace` and returns.

        A second signal has its usual effect, and SIGHUP has none. Call this from the main thread,
        and `stop` or the end of the process afterwards: until then new requests get UNAVAILABLE.
        """
        received: SimpleQueue[int] = SimpleQueue()  # a signal handler may put to no other queue
        handlers = {
            number: signal.signal(number, lambda number, _: received.put(number))
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            number = received.get()
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
            signal.signal(signal.SIGHUP, hang_up)
        _LOGGER.info("Received %s, finishing requests", signal.Signals(number).name)
        self.drain(grace)

    def _source(self) -> ModelSource:
        if self.root is not None:
            return FolderSource(self.root, self.file_system_poll_wait_seconds)
        if self.model_base_path is not None:
            path = Path(self.model_base_path).absolute()
            return FixedSource([ModelConfig(self.model_name, path)])
        file = os.fspath(self.model_config_file or "")
        return FileSource(file, self.model_config_file_poll_wait_seconds)

    def _batching(self) -> Batching | None:
        if not self.enable_batching:
            return None
        file, parameters = self.batching_parameters_file, BatchingParameters()
        if file is not None:
            try:
                text = read_text_file("batching_parameters_file", file)
                parameters = BatchingParameters.from_text(text)
            except ValueError as error:
                raise ServerError(f"batching_parameters_file={file}: {error}") from error
        return Batching(parameters, self.enable_per_model_batching_parameters)

    def __enter__(self) -> ModelServer:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _bind(host: str, argument: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off, which delays answers by 40 ms, only for named protocols.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServerError(
            f"Expected `{argument}` to be free on `host`. "
            f"Received: {argument}={port}, host={host} ({error.strerror})."
        ) from error
    return listener
