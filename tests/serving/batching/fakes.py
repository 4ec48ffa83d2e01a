"""A session that keeps what it was run with, and runs when the test says so."""

import threading
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
import pytest
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.serving.errors import ServingError

# Seconds; a test that hangs fails rather than waits for ever.
PATIENCE = 30.0


class Run(NamedTuple):
    signature_name: str
    inputs: dict[str, np.ndarray]
    outputs: tuple[str, ...]
    timeout: float | None

    @property
    def rows(self) -> list:
        """First column of the only input: which rows ran, in order."""
        (array,) = self.inputs.values()
        return array.reshape(len(array), -1)[:, 0].tolist()


class FakeSession:
    """Doubles and negates; signature "a" and "b" alike.

    `gate` holds runs back while it is clear, and `begun` counts those that have begun.
    """

    def __init__(self):
        signature = SignatureDef()
        for names, tensors in ((("x", "w"), signature.inputs), (("double", "minus"), None)):
            for name in names:
                tensors = signature.outputs if tensors is None else tensors
                tensors[name].name = f"{name}:0"
        self.signatures = {"a": signature, "b": signature}
        self.signature_defs = {**self.signatures, "__saved_model_init_op": SignatureDef()}
        self.runs: list[Run] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.results: list[dict[str, np.ndarray]] = []
        self.closed = False

    def run(self, signature_name, inputs, outputs=None, timeout=None):
        self.runs.append(Run(signature_name, dict(inputs), outputs, timeout))
        self.begun.release()
        assert self.gate.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        x = inputs["x"]
        result = {"double": 2 * x, "minus": -x}
        self.results.append({name: result[name] for name in outputs})
        return self.results[-1]

    def wait_until_begun(self) -> None:
        assert self.begun.acquire(timeout=PATIENCE)

    def close(self) -> None:
        self.closed = True


def ask(session, *rows, signature="a", outputs=None, timeout=None) -> Future:
    """Submits rows of one column and returns the future answer."""
    return ask_for(session, {"x": np.float32(rows)}, signature, outputs, timeout)


def ask_for(session, inputs, signature="serving_default", outputs=None, timeout=None) -> Future:
    future: Future = Future()

    def done(values, error):
        # A future refuses a second answer, and says so.
        future.set_exception(error) if error is not None else future.set_result(values)

    session.submit(signature, inputs, outputs, timeout, done)
    return future


def refused(code, *fragments):
    """Expects a ServingError with this code, and these fragments of text in this order."""
    return pytest.raises(ServingError, match=f"^{code.name}: .*" + ".*".join(fragments))


def hold(fake, session):
    """Keeps the one thread busy, so that what is asked next waits."""
    fake.gate.clear()
    first = ask(session, -1.0, signature="b")
    fake.wait_until_begun()
    return first
