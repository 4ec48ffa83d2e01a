"""Senders of a load test: requests that are serialized once and sent many times."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from urllib.parse import quote

import grpc
import numpy as np

from aae_tf.serving.client.protocol import PredictRequest, write_tensor
from aae_tf.serving.errors import HTTP_STATUS

_METHOD = "/tensorflow.serving.PredictionService/Predict"
# A server handles one connection in one thread; several connections use several threads.
_CHANNELS = 4
_CODES = {status: code.name for code, status in reversed(HTTP_STATUS.items())}

Arrays = Mapping[str, np.ndarray]


class Sender(Protocol):
    """Sends one of its requests, again and again."""

    async def send(self) -> str:
        """Sends the next request, and returns "OK" or the name of the error's code."""
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class GrpcSender:
    """Sends serialized requests over a few channels; answers are not read further.

    Args:
        address: "host:port".
        model: Name of the model.
        signature_name: Its signature.
        inputs: Inputs of each request; they take turns.
        timeout: Seconds that a request may take.
    """

    def __init__(
        self,
        address: str,
        model: str,
        signature_name: str,
        inputs: Sequence[Arrays],
        timeout: float,
    ) -> None:
        self._timeout = timeout
        self._bodies = itertools.cycle([_message(model, signature_name, each) for each in inputs])
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self._channels = [grpc.aio.insecure_channel(address, options) for _ in range(_CHANNELS)]
        self._calls = itertools.cycle([each.unary_unary(_METHOD) for each in self._channels])

    async def send(self) -> str:
        """Sends the next request; see `Sender`."""
        try:
            await next(self._calls)(next(self._bodies), timeout=self._timeout)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels:
            await channel.close()


class RestSender:
    """Sends JSON over kept-alive connections, one for each request that is under way.

    Args:
        host: The server's address.
        port: The server's REST port.
        model: Name of the model.
        signature_name: Its signature.
        inputs: Inputs of each request; they take turns.
        timeout: Seconds that a request may take.
        concurrency: Requests that may be under way.
    """

    def __init__(
        self,
        host: str,
        port: int,
        model: str,
        signature_name: str,
        inputs: Sequence[Arrays],
        timeout: float,
        concurrency: int,
    ) -> None:
        self._path = f"/v1/models/{quote(model, safe='')}:predict"
        self._bodies = itertools.cycle([_json(signature_name, each) for each in inputs])
        self._idle = [
            http.client.HTTPConnection(host, port, timeout=timeout) for _ in range(concurrency)
        ]
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="load-test")

    async def send(self) -> str:
        """Sends the next request; see `Sender`."""
        connection = self._idle.pop()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._post, connection, next(self._bodies)
            )
        finally:
            self._idle.append(connection)

    async def close(self) -> None:
        """Closes the connections."""
        self._threads.shutdown()
        for connection in self._idle:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> str:
        try:
            connection.request("POST", self._path, body)
            response = connection.getresponse()
            response.read()
        except TimeoutError:
            connection.close()
            return grpc.StatusCode.DEADLINE_EXCEEDED.name
        except (OSError, http.client.HTTPException):
            connection.close()
            return grpc.StatusCode.UNAVAILABLE.name
        if response.status == 200:
            return "OK"
        return _CODES.get(response.status, grpc.StatusCode.UNKNOWN.name)


def _message(model: str, signature_name: str, inputs: Arrays) -> bytes:
    request = PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature_name
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(write_tensor(array))
    return request.SerializeToString()


def _json(signature_name: str, inputs: Arrays) -> bytes:
    columns = {name: array.tolist() for name, array in inputs.items()}
    return json.dumps({"signature_name": signature_name, "inputs": columns}).encode()
