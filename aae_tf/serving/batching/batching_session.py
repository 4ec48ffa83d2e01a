"""A session whose runs are gathered into batches."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.saved_model import check_call
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.batching.batch import Done, Request
from aae_tf.serving.batching.batch_arrays import count_rows
from aae_tf.serving.batching.batch_queue import BatchQueue, BatchReport
from aae_tf.serving.batching.batch_thread_pool import BatchThreadPool
from aae_tf.serving.errors import invalid_argument

# Signature, names of inputs, names of outputs (None: all).
_Key = tuple[str, frozenset[str], frozenset[str] | None]


class BatchingSession:
    """Runs the signatures of a SavedModel, requests of many callers at a time.

    Follows TensorFlow Serving's batching session. Each signature, with each set of inputs and
    each selection of outputs that is asked for, has its own queue. Rows are joined along
    dimension 0, padded to an allowed size with copies of the last request's first row, run, and
    split again. An error in a batch is given to every request in it. A request with no rows is
    never joined with others, and its answer is what the graph makes of no rows.

    Differs: a request whose deadline passes leaves its batch at that moment; the real server
    looks at deadlines only when a batch is taken, and fails it only if all have passed.

    Args:
        session: What runs the batches. Who opened it closes it, after this object.
        parameters: Sizes, timeout and padding. `num_batch_threads` and `thread_pool_name` are
            the pool's, and not used here.
        pool: The threads, which many sessions share.
        observe: Called with a `BatchReport` after each batch. Defaults to nothing.

    Attributes:
        signatures: SignatureDef protos that `run` accepts, by name.
        signature_defs: The same and the loader's own entries.

    Example:

        >>> import tempfile
        >>> import tensorflow as tf
        >>> module = tf.Module()
        >>> double = tf.function(lambda x: {"y": 2.0 * x})
        >>> signature = double.get_concrete_function(tf.TensorSpec([None], name="x"))
        >>> path = tempfile.mkdtemp()
        >>> tf.saved_model.save(module, path, signatures=signature)
        >>> pool = BatchThreadPool(num_threads=1)
        >>> with SavedModelSession(path) as session:
        ...     with BatchingSession(session, BatchingParameters(), pool) as batching:
        ...         batching.run("serving_default", {"x": np.float32([1.0, 2.0])})
        {'y': array([2., 4.], dtype=float32)}
        >>> pool.close()

    References:
        TensorFlow Serving Batching Guide,
        https://github.com/tensorflow/serving/blob/master/tensorflow_serving/batching/README.md
    """

    def __init__(
        self,
        session: SavedModelSession,
        parameters: BatchingParameters,
        pool: BatchThreadPool,
        observe: Callable[[BatchReport], None] | None = None,
    ) -> None:
        self.parameters = parameters
        self.signatures: dict[str, SignatureDef] = session.signatures
        self.signature_defs: dict[str, SignatureDef] = session.signature_defs
        self._session = session
        self._pool = pool
        self._observe = observe
        self._lock = threading.Lock()
        self._queues: dict[_Key, BatchQueue] = {}
        self._closed = False

    def submit(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None,
        timeout: float | None,
        done: Done,
    ) -> None:
        """Queues a request and returns at once.

        Args:
            signature_name: A key of `signatures`.
            inputs: Arrays by input name with equal dimension 0. They are not copied: leave them
                as they are until `done` is called.
            outputs: Names of the outputs to compute, None for all of the signature.
            timeout: Seconds, above 0, that the caller will wait; None for no limit.
            done: Called exactly once, by another thread, with the outputs and None, or with None
                and the error; not called where `submit` itself raises. The outputs are views of
                the whole batch's. It must not wait for another
                request or close the session, for it holds up the batch thread.

        Raises:
            ValueError: unknown signature, input or output, or a `timeout` not above 0.
            ServingError: INVALID_ARGUMENT where `inputs` cannot be batched, or have more rows
                than `max_batch_size`, which bounds requests that are split as well; UNAVAILABLE
                where the queue is full, or closed.
        """
        rows = count_rows(inputs)
        if rows > self.parameters.max_batch_size:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size "
                f"{self.parameters.max_batch_size}"
            )
        if timeout is not None and not timeout > 0:
            raise ValueError(f"Expected `timeout` to be above 0. Received: timeout={timeout}.")
        key = (signature_name, frozenset(inputs), None if outputs is None else frozenset(outputs))
        queue = self._queues.get(key) or self._find_queue(key)
        now = time.monotonic()
        deadline = math.inf if timeout is None else now + timeout
        self._pool.submit(queue, Request(inputs, rows, now, deadline, done))

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs one signature as part of a batch, and waits for it.

        Args:
            signature_name: As in `submit`.
            inputs: As in `submit`.
            outputs: As in `submit`.
            timeout: As in `submit`.

        Returns:
            Arrays by output name, each with as many rows as the inputs.

        Raises:
            ValueError: as `submit` does.
            ServingError: as `submit` does, and FAILED_PRECONDITION where the requests of the
                batch do not fit together or the signature cannot be batched;
                RESOURCE_EXHAUSTED or DEADLINE_EXCEEDED where `timeout` passes while the
                request waits or runs.
            tf.errors.OpError: whatever the runtime reports about the batch.
        """
        answer: list = []
        answered = threading.Lock()  # the cheapest primitive to wait for once
        answered.acquire()

        def done(*outputs_and_error: object) -> None:
            answer.extend(outputs_and_error)
            answered.release()

        self.submit(signature_name, inputs, outputs, timeout, done)
        answered.acquire()
        values, error = answer
        if error is not None:
            raise error
        return values

    def close(self) -> None:
        """Returns once all that is queued has run; later requests get UNAVAILABLE."""
        with self._lock:
            self._closed = True
            queues = list(self._queues.values())
        self._pool.drain(queues)

    def __enter__(self) -> BatchingSession:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _find_queue(self, key: _Key) -> BatchQueue:
        """Returns the queue of `key`, made on the first request for it."""
        signature_name, inputs, outputs = key
        signature = check_call(self.signatures, signature_name, inputs, outputs)
        # All outputs by name and all outputs by default share a queue.
        fetched = tuple(sorted(signature.outputs if outputs is None else outputs))
        canonical = (signature_name, inputs, frozenset(fetched))
        with self._lock:
            queue = self._queues.get(canonical)
            if queue is None:
                queue = BatchQueue(
                    signature_name,
                    lambda arrays, timeout: self._session.run(
                        signature_name, arrays, fetched, timeout
                    ),
                    self.parameters,
                    self._observe,
                )
                queue.closed = self._closed
            self._queues[key] = self._queues[canonical] = queue
            return queue
