"""The gRPC server: its thread, its event loop, start and stop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc
from tensorflow_serving.apis.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    add_PredictionServiceServicer_to_server,
)

from aae_tf.serving.grpc.grpc_services import ModelService, PredictionService
from aae_tf.serving.models.model_manager import ModelManager
from aae_tf.serving.server_metrics import ServerMetrics


class GrpcFront:
    """Answers TensorFlow Serving's PredictionService and ModelService, from a thread of its own.

    Requests are taken by one event loop: with batching they wait there, and cost no thread each.

    Args:
        manager: The models.
        metrics: Where requests are counted.
        max_body_bytes: Largest request to accept, above which RESOURCE_EXHAUSTED is the answer.
        num_threads: Requests that may run at the same time without batching; the others wait.
        reload_root: Folder under which a client may make the server load models; None: nowhere.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: ServerMetrics,
        max_body_bytes: int,
        num_threads: int,
        reload_root: Path | None = None,
    ) -> None:
        self._manager = manager
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._reload_root = reload_root
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="grpc-front")
        self._grace: Future[float] = Future()
        self._stopped = threading.Event()

    def start(self, address: str) -> int:
        """Listens on `address`, "host:port", and returns the port.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        port: Future[int] = Future()
        threading.Thread(
            target=self._run, args=(address, port), name="grpc-front", daemon=True
        ).start()
        return port.result()

    def stop(self, grace: float) -> threading.Event:
        """Refuses new requests and cancels running ones after `grace` seconds.

        Returns:
            An event that is set once every request is answered.
        """
        if not self._grace.done():
            self._grace.set_result(grace)
        return self._stopped

    def _run(self, address: str, port: Future[int]) -> None:
        try:
            asyncio.run(self._serve(address, port))
        except BaseException as error:  # `start` waits for the port, or for this error
            if port.done():
                raise
            port.set_exception(error)
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._stopped.set()

    async def _serve(self, address: str, port: Future[int]) -> None:
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._max_body_bytes),
                ("grpc.max_send_message_length", -1),
                # With it, a second server could share the port and take half the requests.
                ("grpc.so_reuseport", 0),
            ],
        )
        add_PredictionServiceServicer_to_server(
            PredictionService(self._manager, self._metrics, self._max_body_bytes, self._executor),
            server,
        )
        add_ModelServiceServicer_to_server(
            ModelService(self._manager, self._reload_root, self._executor), server
        )
        number = server.add_insecure_port(address)
        await server.start()
        port.set_result(number)
        await server.stop(await asyncio.wrap_future(self._grace))
