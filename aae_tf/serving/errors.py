"""Errors of a server that cannot start, and of requests that fail, with their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    import tensorflow as tf

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServerError(ValueError):
    """The server cannot start; the message is one line that says what to change."""


class ServingError(Exception):
    """A request failed, in TensorFlow Serving's own terms.

    Raised inside the server, where each protocol front renders it, and by `Client`, which
    reads it back from either protocol.

    Args:
        code: The canonical status code. Over REST a client knows only the HTTP status, so
            there FAILED_PRECONDITION and OUT_OF_RANGE read back as INVALID_ARGUMENT.
        message: The server's message.

    Example:

        >>> error = ServingError(grpc.StatusCode.NOT_FOUND, "Could not find any versions of a")
        >>> print(error)
        NOT_FOUND: Could not find any versions of a
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class RequestTooLarge(ServingError):
    """A request asks for more than a limit of this server, which the real server has not.

    RESOURCE_EXHAUSTED over gRPC, and 413 over REST.

    Args:
        message: What was expected and received.
    """

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def invalid_argument(message: str) -> ServingError:
    """Returns the error that nearly every malformed request gets."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def from_op_error(error: tf.errors.OpError) -> ServingError:
    """Returns an error of the runtime as the protocol's, which has the same codes."""
    return ServingError(_CODES[error.error_code], error.message)


def http_status(error: ServingError) -> int:
    """Returns the HTTP status of an answer that tells `error`.

    Example:

        >>> http_status(invalid_argument("no")), http_status(RequestTooLarge("long"))
        (400, 413)
    """
    return 413 if isinstance(error, RequestTooLarge) else HTTP_STATUS[error.code]


# HTTP status of each code, as the real server maps them.
HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
