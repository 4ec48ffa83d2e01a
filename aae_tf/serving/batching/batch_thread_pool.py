"""The threads that run the batches of all models."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable

import grpc

from aae_tf.checks import check_integer
from aae_tf.serving.batching.batch import Batch, Request, call
from aae_tf.serving.batching.batch_queue import BatchQueue
from aae_tf.serving.errors import ServingError


class BatchThreadPool:
    """Runs the batches of many queues, taking turns between those that have one ready.

    One more thread watches deadlines: a request whose caller stops waiting gets RESOURCE_EXHAUSTED
    while its batch waits, and DEADLINE_EXCEEDED while it runs; the rest of the batch goes on.

    Args:
        num_threads: Batches that may run at the same time; >= 1.
        name: Prefix of the names of the threads.

    Raises:
        TypeError, ValueError: if `num_threads` is no positive integer.

    Example:

        >>> pool = BatchThreadPool(num_threads=2, name="batch_threads")
        >>> pool.close()
    """

    def __init__(self, num_threads: int, name: str = "batch_threads") -> None:
        self.num_threads = check_integer("num_threads", num_threads, minimum=1)
        self.name = name
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._deadlines = threading.Condition(self._lock)
        self._finished = threading.Condition(self._lock)
        # Queues with a waiting batch, the next one first.
        self._waiting: deque[BatchQueue] = deque()
        self._running: set[Batch] = set()
        self._next_deadline = math.inf
        self._closed = False
        self._workers = [
            threading.Thread(target=self._run_batches, name=f"{name}-{index}", daemon=True)
            for index in range(num_threads)
        ]
        self._timer = threading.Thread(
            target=self._watch_deadlines, name=f"{name}-deadlines", daemon=True
        )
        for thread in (*self._workers, self._timer):
            thread.start()

    def submit(self, queue: BatchQueue, request: Request) -> None:
        """Puts `request` into `queue`; a thread will call its `done` with its outputs.

        Raises:
            ServingError: UNAVAILABLE where the queue is full, or closed.
        """
        with self._lock:
            if queue.closed or self._closed:
                raise _closed()
            was_empty = not queue.batches
            if queue.add(request):
                self._work.notify()
            if was_empty:
                self._waiting.append(queue)
            if request.deadline < self._next_deadline:
                self._next_deadline = request.deadline
                self._deadlines.notify()

    def drain(self, queues: Iterable[BatchQueue]) -> None:
        """Lets `queues` take no more, and returns once all they hold has run."""
        queues = list(queues)
        with self._lock:
            for queue in queues:
                queue.closed = True
                queue.flush()
            self._work.notify_all()
            while any(queue.unfinished for queue in queues):
                self._finished.wait()

    def close(self, grace: float | None = None) -> None:
        """Takes no more requests and ends the threads.

        Args:
            grace: Seconds that queued batches have to run, after which the requests that still
                wait get UNAVAILABLE; >= 0. None: until all have run. A batch that runs when the
                grace is over is not interrupted: its thread ends with it.
        """
        end = None if grace is None else time.monotonic() + grace
        with self._lock:
            self._closed = True
            for queue in self._waiting:
                queue.flush()
            self._work.notify_all()
            self._deadlines.notify()
        for thread in self._workers:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
        for batch in self._abandon():
            batch.answer({}, _closed())
            self._finish(batch)
        if not any(thread.is_alive() for thread in self._workers):
            self._timer.join()

    def _run_batches(self) -> None:
        while self._run_batch():
            pass

    def _run_batch(self) -> bool:
        """Waits for a batch and runs it; nothing of it outlives the call, however long the next.

        Returns:
            False where the pool is closed and nothing waits.
        """
        taken = self._take()
        if taken is None:
            return False
        batch, now, late = taken
        for request in late:
            call(request.done, None, _waited_too_long())
        if batch.requests:
            finish = batch.queue.run(batch, now)
            with self._lock:  # from here on no deadline counts
                self._running.discard(batch)
            finish()
        self._finish(batch)
        return True

    def _take(self) -> tuple[Batch, float, list[Request]] | None:
        with self._lock:
            while True:
                now = time.monotonic()
                batch, ready_at = self._next_ready(now)
                if batch is not None:
                    break
                if self._closed:
                    return None
                self._work.wait(None if ready_at == math.inf else ready_at - now)
            if self._waiting:
                # One call of `submit` may have made several batches ready.
                self._work.notify()
            late = batch.expire(now)
            batch.requests = [request for request in batch.requests if not request.expired]
            self._running.add(batch)
            return batch, now, late

    def _next_ready(self, now: float) -> tuple[Batch | None, float]:
        """Returns the batch whose turn it is, or None and when the next one is ready."""
        ready_at = math.inf
        for _ in range(len(self._waiting)):
            queue = self._waiting[0]
            batch = queue.batches[0]
            if batch.ready_at <= now:
                self._waiting.popleft()
                queue.batches.popleft()
                if queue.batches:
                    self._waiting.append(queue)
                return batch, now
            ready_at = min(ready_at, batch.ready_at)
            self._waiting.rotate(-1)
        return None, ready_at

    def _finish(self, batch: Batch) -> None:
        with self._lock:
            self._running.discard(batch)
            batch.queue.unfinished -= 1
            if batch.queue.closed:
                self._finished.notify_all()
            if self._closed:
                self._deadlines.notify()

    def _abandon(self) -> list[Batch]:
        with self._lock:
            batches = [batch for queue in self._waiting for batch in queue.batches]
            for queue in self._waiting:
                queue.batches.clear()
            self._waiting.clear()
            return batches

    def _watch_deadlines(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                late = self._collect_late(now)
                if not late:
                    if self._closed and not self._waiting and not self._running:
                        return
                    end = self._next_deadline
                    self._deadlines.wait(None if end == math.inf else end - now)
            for request, error in late:
                call(request.done, None, error)

    def _collect_late(self, now: float) -> list[tuple[Request, ServingError]]:
        waiting = [batch for queue in self._waiting for batch in queue.batches]
        late = [(r, _waited_too_long()) for batch in waiting for r in batch.expire(now)]
        late += [(r, _ran_too_long()) for batch in self._running for r in batch.expire(now)]
        self._next_deadline = min(
            (batch.deadline for batch in (*waiting, *self._running)), default=math.inf
        )
        return late


def _closed() -> ServingError:
    return ServingError(
        grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue is closed: the model is unloaded."
    )


def _waited_too_long() -> ServingError:
    return ServingError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "Run() timeout exceeded while waiting in batching queue",
    )


def _ran_too_long() -> ServingError:
    return ServingError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out while the batch of the request ran"
    )
