import math

import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode

from tests.serving.batching.fakes import PATIENCE, ask, ask_for, hold, refused


@pytest.mark.thorough
def test_case_87_and_other_inputs_that_cannot_be_batched(batch_model):
    model = batch_model("linear/1", max_batch_size=4)
    a, b = np.ones([2, 2], np.float32), np.ones([3], np.float32)
    invalid = StatusCode.INVALID_ARGUMENT
    with refused(invalid, "must have equal 0th-dimension size"):
        model.run("serving_default", {"a": a, "b": b})
    with refused(invalid, "input tensors must have at least one dimension"):
        model.run("serving_default", {"a": a, "b": np.float32(1.0)})
    with refused(invalid, "Task size 5 is larger than maximum input batch size 4"):
        model.run("serving_default", {"a": np.ones([5, 2]), "b": np.ones([5])})
    kinds = batch_model("kinds/1")
    with refused(invalid, "must have at least one input tensor"):
        kinds.run("none", {})


def test_the_size_limit_holds_where_requests_are_split_too(batch_fake):
    session = batch_fake(
        max_batch_size=4, enable_large_batch_splitting=True, max_execution_batch_size=2
    )
    with refused(StatusCode.INVALID_ARGUMENT, "Task size 5 is larger"):
        ask(session, *range(5))


def test_names_that_the_signature_lacks_are_refused(batch_fake):
    session = batch_fake()
    x = np.float32([1.0])
    with pytest.raises(ValueError, match=r"^Expected `signature_name` .*Received: .*'c'"):
        session.run("c", {"x": x})
    with pytest.raises(ValueError, match=r"^Expected `inputs` to be among .*\['v', 'x'\]"):
        session.run("a", {"x": x, "v": x})
    with pytest.raises(ValueError, match=r"^Expected `outputs` to be among .*\['triple'\]"):
        session.run("a", {"x": x}, ["triple"])
    for timeout in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=r"^Expected `timeout` to be above 0"):
            session.run("a", {"x": x}, timeout=timeout)


def test_case_86_shapes_that_differ_fail_both_requests(batch_model):
    model = batch_model("hp2/00000123", max_batch_size=2, batch_timeout_micros=10**9)
    futures = [ask_for(model, {"x": np.ones([1, width], np.float32)}) for width in (2, 3)]
    for future in futures:
        with refused(StatusCode.FAILED_PRECONDITION, "different shapes and padding is turned off"):
            future.result(PATIENCE)


@pytest.mark.parametrize(
    ("signature", "text"),
    [("scalar", "has 0 dimensions"), ("uneven", "0th dimension does not equal the sum")],
)
def test_outputs_without_a_row_per_row_fail_the_whole_batch(batch_model, signature, text):
    model = batch_model("kinds/1", max_batch_size=2, batch_timeout_micros=10**9)
    futures = [ask_for(model, {"x": np.float32([value])}, signature) for value in (1.0, 2.0)]
    for future in futures:
        with refused(StatusCode.FAILED_PRECONDITION, text):
            future.result(PATIENCE)
    # Alone as well: what can be batched must not depend on the traffic.
    model = batch_model("kinds/1")
    with refused(StatusCode.FAILED_PRECONDITION, text):
        model.run(signature, {"x": np.float32([1.0])})


def test_data_types_that_differ_fail_the_whole_batch(batch_model):
    model = batch_model("hp2/00000123", max_batch_size=2, batch_timeout_micros=10**9)
    # NumPy would promote bool to float32, and the wrong request would be answered.
    futures = [ask_for(model, {"x": np.ones([1, 1], dtype)}) for dtype in (np.float32, bool)]
    for future in futures:
        with refused(StatusCode.INVALID_ARGUMENT, "different data types: bool, float32"):
            future.result(PATIENCE)


def test_errors_of_the_runtime_go_to_every_request_of_the_batch(batch_model):
    model = batch_model("linear/1", max_batch_size=2, batch_timeout_micros=10**9)
    inputs = {"a": np.ones([1, 3], np.float32), "b": np.ones([1], np.float32)}
    for future in [ask_for(model, inputs) for _ in range(2)]:
        with pytest.raises(tf.errors.InvalidArgumentError, match="Matrix size-incompatible"):
            future.result(PATIENCE)


def test_a_full_queue_is_unavailable(batch_fake, fake):
    session = batch_fake(max_batch_size=2, max_enqueued_batches=2)
    hold(fake, session)
    futures = [ask(session, value) for value in (1.0, 2.0, 3.0, 4.0)]
    with refused(StatusCode.UNAVAILABLE, "batch scheduling queue", "is full"):
        ask(session, 5.0)
    other_queue = ask(session, 6.0, outputs=["minus"])
    fake.gate.set()
    assert [future.result(PATIENCE)["double"].item() for future in futures] == [2, 4, 6, 8]
    assert other_queue.result(PATIENCE)["minus"] == -6.0
    assert session.run("a", {"x": np.float32([5.0])})["double"] == 10.0


def test_a_split_request_needs_room_for_all_its_parts(batch_fake, fake):
    session = batch_fake(
        max_batch_size=8,
        enable_large_batch_splitting=True,
        max_execution_batch_size=2,
        max_enqueued_batches=3,
    )
    hold(fake, session)
    first = ask(session, 1.0)
    with refused(StatusCode.UNAVAILABLE, "is full", "needs 3 more"):
        ask(session, *range(7))
    second = ask(session, 2.0, 3.0, 4.0, 5.0, 6.0)
    fake.gate.set()
    assert first.result(PATIENCE)["double"] == 2.0
    assert second.result(PATIENCE)["double"].tolist() == [4.0, 6.0, 8.0, 10.0, 12.0]


def test_a_deadline_that_passes_in_the_queue_exhausts(batch_fake, fake):
    session = batch_fake()
    hold(fake, session)
    late, other = ask(session, 1.0, timeout=0.001), ask(session, 2.0)
    with refused(StatusCode.RESOURCE_EXHAUSTED, "timeout exceeded while waiting in batching queue"):
        late.result(PATIENCE)
    fake.gate.set()
    assert other.result(PATIENCE)["double"] == 4.0
    assert fake.runs[1].rows == [2.0]


def test_a_batch_of_requests_that_are_all_late_does_not_run(batch_fake, fake):
    session = batch_fake()
    hold(fake, session)
    for future in [ask(session, value, timeout=0.001) for value in (1.0, 2.0)]:
        with refused(StatusCode.RESOURCE_EXHAUSTED, "waiting in batching queue"):
            future.result(PATIENCE)
    fake.gate.set()
    session.close()
    assert len(fake.runs) == 1


@pytest.mark.integration
def test_a_deadline_that_passes_in_the_run_leaves_the_others_be(batch_fake, fake):
    session = batch_fake(max_batch_size=2, batch_timeout_micros=10**9)
    fake.gate.clear()
    patient = ask(session, 1.0)
    late = ask(session, 2.0, timeout=2.0)
    fake.wait_until_begun()
    with refused(StatusCode.DEADLINE_EXCEEDED, "Timed out"):
        late.result(PATIENCE)
    assert not patient.done()
    fake.gate.set()
    assert patient.result(PATIENCE)["double"] == 2.0
    assert fake.runs[0].timeout is None  # one of them would wait for ever


@pytest.mark.integration
def test_a_deadline_that_passes_after_the_run_does_not_count(batch_fake):
    session = batch_fake(max_batch_size=2, batch_timeout_micros=10**9)
    later = []

    def hold_up(outputs, error):
        # The thread is busy here until the second deadline has passed, and so the first.
        later.append(ask(session, 3.0, timeout=2.0))
        later[0].exception(PATIENCE)

    session.submit("a", {"x": np.float32([1.0])}, None, None, hold_up)
    in_time = ask(session, 2.0, timeout=2.0)
    assert in_time.result(PATIENCE)["double"] == 4.0
    with refused(StatusCode.RESOURCE_EXHAUSTED):
        later[0].result(0.0)


def test_the_runtime_gets_the_latest_deadline(batch_fake, fake):
    session = batch_fake(max_batch_size=2, batch_timeout_micros=10**9)
    for future in (ask(session, 1.0, timeout=100.0), ask(session, 2.0, timeout=50.0)):
        future.result(PATIENCE)
    assert 50.0 < fake.runs[0].timeout <= 100.0
