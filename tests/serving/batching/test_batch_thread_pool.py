import queue
import threading
import weakref

import numpy as np
import pytest
from grpc import StatusCode

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.serving.batching import BatchingSession, BatchThreadPool
from aae_tf.serving.errors import ServingError
from tests.serving.batching.fakes import PATIENCE, ask


def test_queues_take_turns(batch_fake, fake):
    session = batch_fake(max_batch_size=1)
    fake.gate.clear()
    ask(session, 0.0, signature="b")
    fake.wait_until_begun()
    busy = [ask(session, float(index)) for index in range(1, 6)]
    rare = [ask(session, float(index), outputs=["minus"]) for index in (-1, -2)]
    fake.gate.set()
    [future.result(PATIENCE) for future in (*busy, *rare)]
    assert [run.rows[0] for run in fake.runs[1:]] == [1.0, -1.0, 2.0, -2.0, 3.0, 4.0, 5.0]


def test_a_batch_that_gathers_does_not_hold_up_one_that_is_ready(fake, pool):
    patient = BatchingSession(fake, BatchingParameters(batch_timeout_micros=10**9), pool)
    eager = BatchingSession(fake, BatchingParameters(), pool)
    waits = ask(patient, 1.0)
    assert eager.run("a", {"x": np.float32([2.0])})["double"] == 4.0
    assert not waits.done()
    patient.close()
    assert waits.result(0.0)["double"] == 2.0


@pytest.mark.parametrize("num_threads", [1, 2])
def test_as_many_batches_run_at_a_time_as_there_are_threads(fake, num_threads):
    pool = BatchThreadPool(num_threads, "few")
    session = BatchingSession(fake, BatchingParameters(max_batch_size=1), pool)
    fake.gate.clear()
    futures = [ask(session, float(index)) for index in range(4)]
    for _ in range(num_threads):
        fake.wait_until_begun()
    assert not fake.begun.acquire(timeout=0.05)
    fake.gate.set()
    assert [future.result(PATIENCE)["double"].item() for future in futures] == [0, 2, 4, 6]
    pool.close()


def test_parts_of_a_split_request_run_at_a_time(fake):
    pool = BatchThreadPool(2, "two")
    parameters = BatchingParameters(
        max_batch_size=4, enable_large_batch_splitting=True, max_execution_batch_size=2
    )
    session = BatchingSession(fake, parameters, pool)
    fake.gate.clear()
    future = ask(session, 1.0, 2.0, 3.0, 4.0)
    for _ in range(2):
        fake.wait_until_begun()
    fake.gate.set()
    assert future.result(PATIENCE)["double"].tolist() == [2.0, 4.0, 6.0, 8.0]
    pool.close()


def test_nothing_of_a_batch_is_kept_once_it_is_answered(batch_fake, fake):
    session = batch_fake()
    x = np.float32([1.0])
    alive = weakref.ref(x)
    session.run("a", {"x": x})
    session.close()
    fake.runs.clear()
    del x
    assert alive() is None


def test_close_runs_what_waits(batch_fake, fake, pool):
    session = batch_fake(batch_timeout_micros=10**9)
    waits = ask(session, 1.0)
    pool.close()
    assert waits.result(0.0)["double"] == 2.0
    with pytest.raises(ServingError, match=r"^UNAVAILABLE: .*queue is closed"):
        ask(session, 2.0)
    session.close()
    assert not any(thread.name.startswith(pool.name) for thread in threading.enumerate())


def test_close_gives_up_after_its_grace(batch_fake, fake, pool):
    session = batch_fake(max_batch_size=1)
    fake.gate.clear()
    runs, late = ask(session, 1.0), ask(session, 2.0, timeout=1e6)
    fake.wait_until_begun()
    pool.close(grace=0.01)
    with pytest.raises(ServingError) as error:
        late.result(0.0)
    assert error.value.code is StatusCode.UNAVAILABLE
    assert not runs.done()
    fake.gate.set()
    assert runs.result(PATIENCE)["double"] == 2.0
    session.close()
    pool.close()
    assert not any(thread.name.startswith(pool.name) for thread in threading.enumerate())


def test_deadlines_are_kept_in_their_order(batch_fake, fake):
    session = batch_fake(batch_timeout_micros=10**9)
    answers = queue.SimpleQueue()
    never = ask(session, 1.0)
    for timeout in (0.6, 0.1):
        session.submit(
            "a",
            {"x": np.float32([timeout])},
            None,
            timeout,
            lambda outputs, error, timeout=timeout: answers.put((timeout, error.code)),
        )
    order = [answers.get(timeout=PATIENCE) for _ in range(2)]
    assert order == [(0.1, StatusCode.RESOURCE_EXHAUSTED), (0.6, StatusCode.RESOURCE_EXHAUSTED)]
    session.close()
    assert never.result(0.0)["double"] == 2.0
    assert [run.rows for run in fake.runs] == [[1.0]]


def test_threads_are_named_and_counted():
    pool = BatchThreadPool(2, "named")
    names = {t.name for t in threading.enumerate() if t.name.startswith("named")}
    assert names == {"named-0", "named-1", "named-deadlines"}
    pool.close()


@pytest.mark.parametrize(("num_threads", "error"), [(0, ValueError), (1.5, TypeError)])
def test_numbers_of_threads_that_make_no_sense_are_refused(num_threads, error):
    with pytest.raises(error, match=r"^Expected `num_threads` to be .*Received: num_threads="):
        BatchThreadPool(num_threads)
