import threading

import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.saved_model import write_saved_model
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.batching import BatchingSession, BatchThreadPool
from tests.serving.batching.fakes import PATIENCE, ask, ask_for, hold, refused


def test_requests_run_as_one_batch_and_get_their_own_rows(batch_fake, fake):
    session = batch_fake(max_batch_size=8)
    hold(fake, session)
    futures = [ask(session, 1.0), ask(session, 2.0, 3.0), ask(session, 4.0)]
    fake.gate.set()
    answers = [future.result(PATIENCE) for future in futures]
    assert [answer["double"].tolist() for answer in answers] == [[2.0], [4.0, 6.0], [8.0]]
    assert [answer["minus"].tolist() for answer in answers] == [[-1.0], [-2.0, -3.0], [-4.0]]
    assert [run.rows for run in fake.runs] == [[-1.0], [1.0, 2.0, 3.0, 4.0]]
    assert all(np.shares_memory(a["double"], fake.results[1]["double"]) for a in answers)


def test_a_request_alone_is_not_copied(batch_fake, fake):
    session = batch_fake()
    x = np.float32([[1.0], [2.0]])
    answer = session.run("a", {"x": x})
    assert fake.runs[0].inputs["x"] is x
    assert np.shares_memory(answer["double"], fake.results[0]["double"])


def test_a_full_batch_runs_before_its_timeout(batch_fake, fake):
    session = batch_fake(max_batch_size=3, batch_timeout_micros=10**9)
    futures = [ask(session, value) for value in (1.0, 2.0)]
    assert not any(future.done() for future in futures)
    futures.append(ask(session, 3.0))
    assert [future.result(PATIENCE)["double"].tolist() for future in futures] == [[2], [4], [6]]


def test_a_request_that_does_not_fit_closes_the_batch(batch_fake, fake):
    session = batch_fake(max_batch_size=4, batch_timeout_micros=10**9)
    first, second = ask(session, 1.0, 2.0, 3.0), ask(session, 4.0, 5.0)
    first.result(PATIENCE)
    assert not second.done()
    session.close()
    assert second.result(PATIENCE)["double"].tolist() == [8.0, 10.0]
    assert [run.rows for run in fake.runs] == [[1.0, 2.0, 3.0], [4.0, 5.0]]


def test_a_batch_runs_after_its_timeout_though_not_full(batch_fake):
    session = batch_fake(batch_timeout_micros=2000)
    for value in (1.0, 2.0):
        assert session.run("a", {"x": np.float32([value])})["double"] == 2.0 * value


def test_case_85_two_rows_run_as_an_allowed_three(batch_fake, fake, batch_model):
    sizes = (1, 3, 4)
    session = batch_fake(max_batch_size=4, allowed_batch_sizes=sizes)
    hold(fake, session)
    first, second = ask(session, 5.0), ask(session, 7.0)
    fake.gate.set()
    assert first.result(PATIENCE)["double"].tolist() == [10.0]
    assert second.result(PATIENCE)["double"].tolist() == [14.0]
    assert fake.runs[1].rows == [5.0, 7.0, 7.0]
    session.run("a", {"x": np.float32([8.0, 9.0])})
    assert fake.runs[2].rows == [8.0, 9.0, 8.0]  # the first row of the last request

    reports = []
    model = batch_model("hp2/00000123", reports.append, max_batch_size=4, allowed_batch_sizes=sizes)
    y = model.run("serving_default", {"x": np.float32([[2.0], [3.0]])})["y"]
    np.testing.assert_array_equal(y, [[3.0], [3.5]])
    model.close()
    assert [report.processed_rows for report in reports] == [3]


def test_signatures_and_selections_of_outputs_never_mix(batch_fake, fake):
    session = batch_fake()
    hold(fake, session)
    ask(session, 1.0)
    ask(session, 2.0, outputs=["minus"])
    ask(session, 3.0, outputs=["minus", "double"])  # all of them, as by default
    ask(session, 4.0, signature="b")
    ask_for(session, {"x": np.float32([5.0]), "w": np.float32([0.0])}, "a")
    last = ask(session, 6.0, outputs=["minus"])
    fake.gate.set()
    assert set(last.result(PATIENCE)) == {"minus"}
    session.close()
    runs = [(run.signature_name, run.outputs, run.inputs["x"].tolist()) for run in fake.runs[1:]]
    both = ("double", "minus")
    assert sorted(runs) == [
        ("a", both, [1.0, 3.0]),
        ("a", both, [5.0]),
        ("a", ("minus",), [2.0, 6.0]),
        ("b", both, [4.0]),
    ]


def test_large_requests_are_split_over_batches(batch_fake, fake):
    session = batch_fake(
        max_batch_size=8, enable_large_batch_splitting=True, max_execution_batch_size=3
    )
    hold(fake, session)
    small, large = ask(session, 1.0), ask(session, *np.arange(2.0, 9.0))
    fake.gate.set()
    assert small.result(PATIENCE)["double"].tolist() == [2.0]
    answer = large.result(PATIENCE)
    np.testing.assert_array_equal(answer["double"], 2.0 * np.arange(2.0, 9.0))
    np.testing.assert_array_equal(answer["minus"], -np.arange(2.0, 9.0))
    assert [run.rows for run in fake.runs[1:]] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0]]


def test_a_split_request_whose_parts_fail_gets_one_error(batch_fake, fake):
    session = batch_fake(
        max_batch_size=8, enable_large_batch_splitting=True, max_execution_batch_size=2
    )
    fake.error = tf.errors.InternalError(None, None, "broken kernel")
    failed = ask(session, 1.0, 2.0, 3.0, 4.0)
    with pytest.raises(tf.errors.InternalError, match="broken kernel"):
        failed.result(PATIENCE)
    session.close()
    assert len(fake.runs) == 2  # and the error of the second went nowhere


def test_variable_lengths_are_padded_with_the_first_element(batch_fake, fake):
    session = batch_fake(pad_variable_length_inputs=True)
    hold(fake, session)
    short = ask_for(session, {"x": np.float32([[7.0, 8.0]])}, "a")
    long = ask_for(session, {"x": np.float32([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])}, "a")
    fake.gate.set()
    np.testing.assert_array_equal(short.result(PATIENCE)["double"], [[14.0, 16.0, 14.0]])
    np.testing.assert_array_equal(long.result(PATIENCE)["minus"], [[-1, -2, -3], [-4, -5, -6]])


def test_requests_without_rows_run_by_themselves(batch_fake, fake, batch_model):
    session = batch_fake(max_batch_size=4, allowed_batch_sizes=(2, 4))
    hold(fake, session)
    rows = ask_for(session, {"x": np.float32([[1.0, 2.0]])}, "a")
    nothing = ask_for(session, {"x": np.zeros([0], np.float32)}, "a")
    more = ask_for(session, {"x": np.float32([[3.0, 4.0]])}, "a")
    fake.gate.set()
    assert rows.result(PATIENCE)["double"].tolist() == [[2.0, 4.0]]
    assert nothing.result(PATIENCE)["double"].shape == (0,)
    assert more.result(PATIENCE)["double"].tolist() == [[6.0, 8.0]]
    assert [run.inputs["x"].shape for run in fake.runs[1:]] == [(2, 2), (0,), (2, 2)]

    model = batch_model("linear/1")
    empty = {"a": np.zeros([0, 2], np.float32), "b": np.zeros([0], np.float32)}
    assert model.run("serving_default", empty)["product"].shape == (0, 3)


def test_every_kind_of_tensor_passes(batch_model, fake):
    model = batch_model("kinds/1", max_batch_size=2, batch_timeout_micros=10**9)
    texts = [ask_for(model, {"x": np.array([text], object)}, "string") for text in (b"a", b"bcd")]
    assert [text.result(PATIENCE)["y"].tolist() for text in texts] == [[b"a"], [b"bcd"]]
    halves = [ask_for(model, {"x": np.float16([value])}, "float16") for value in (0.5, 2.0)]
    assert [half.result(PATIENCE)["y"].item() for half in halves] == [0.5, 2.0]


@pytest.mark.integration
def test_case_90_a_seed_draws_the_same_whatever_runs_beside_it(make_aae, pool, tmp_path):
    model = make_aae()
    sample = {"sample": model.signatures()["sample"]}
    write_saved_model(tmp_path / "1", sample, model.variables)
    reports = []
    seeds = [7, -3, 2**62, 11]

    def draw(session, *groups):
        futures = [ask_for(session, {"seed": np.int64(group)}, "sample") for group in groups]
        return [future.result(PATIENCE) for future in futures]

    with SavedModelSession(tmp_path / "1") as session:
        full = BatchingParameters(max_batch_size=4, batch_timeout_micros=10**9)
        batching = BatchingSession(session, full, pool, reports.append)
        (together,) = draw(batching, seeds)
        beside, _ = draw(batching, seeds[:3], seeds[3:])
        reordered = draw(batching, [2**62], [11, -3], [7])
        batching.close()
        assert [report.request_rows for report in reports] == [(4,), (3, 1), (1, 2, 1)]

        padded = BatchingParameters(max_batch_size=4, allowed_batch_sizes=(4,))
        batching = BatchingSession(session, padded, pool, reports.append)
        (padded,) = draw(batching, seeds[:2])
        batching.close()
        assert reports[-1].padding == 2
        alone = session.run("sample", {"seed": np.int64(seeds[:1])})

    reordered = {name: np.concatenate([part[name] for part in reordered]) for name in alone}
    for drawn, rows in ((beside, [0, 1, 2]), (reordered, [2, 3, 1, 0]), (padded, [0, 1])):
        np.testing.assert_array_equal(drawn["latents"], together["latents"][rows])
        np.testing.assert_allclose(drawn["outputs"], together["outputs"][rows], atol=1e-6)
    np.testing.assert_array_equal(alone["latents"], together["latents"][:1])
    np.testing.assert_allclose(together["outputs"], model.sample(seed=np.int64(seeds)), atol=1e-6)


def test_an_observer_learns_of_each_batch(batch_fake, fake):
    reports = []
    session = batch_fake(reports.append, max_batch_size=4, allowed_batch_sizes=(1, 4))
    hold(fake, session)
    futures = [ask(session, 1.0), ask(session, 2.0, 3.0)]
    fake.gate.set()
    [future.result(PATIENCE) for future in futures]
    fake.error = ValueError("broken")
    with pytest.raises(ValueError, match="broken"):
        session.run("a", {"x": np.float32([1.0])})
    session.close()
    assert [report.signature_name for report in reports] == ["b", "a", "a"]
    assert [report.request_rows for report in reports] == [(1,), (1, 2), (1,)]
    assert [report.padding for report in reports] == [0, 1, 0]
    assert [report.error for report in reports] == [None, None, fake.error]
    first, second = reports[1].waits
    assert first > second > 0.0  # in the order they came
    assert all(report.run_seconds > 0.0 for report in reports)


def test_a_callback_that_fails_harms_no_one_else(batch_fake, fake, caplog):
    def fail(*arguments):
        raise RuntimeError("not my day")

    session = batch_fake(fail)
    hold(fake, session)
    session.submit("a", {"x": np.float32([1.0])}, None, None, fail)
    other = ask(session, 2.0)
    fake.gate.set()
    assert other.result(PATIENCE)["double"] == 4.0
    assert session.run("a", {"x": np.float32([3.0])})["double"] == 6.0
    session.close()
    assert caplog.text.count("RuntimeError: not my day") == 4  # one request, three batches
    caplog.clear()


def test_close_runs_what_waits_and_refuses_the_rest(batch_fake, fake):
    session = batch_fake(max_batch_size=2, batch_timeout_micros=10**9)
    fake.gate.clear()
    futures = [ask(session, value) for value in (1.0, 2.0, 3.0)]
    fake.wait_until_begun()
    closing = threading.Thread(target=session.close)
    closing.start()
    fake.gate.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert not fake.closed  # it is not this session's to close
    assert [future.result(0.0)["double"].item() for future in futures] == [2.0, 4.0, 6.0]
    for outputs in (None, ["minus"]):  # a queue that there is, and one that there is not
        with refused(StatusCode.UNAVAILABLE, "closed"):
            session.run("a", {"x": np.float32([4.0])}, outputs)
    session.close()


def test_closing_one_session_leaves_another_on_the_same_pool(batch_fake, batch_model):
    batch_fake().close()
    y = batch_model("hp2/00000123").run("serving_default", {"x": np.float32([[2.0]])})["y"]
    assert y == 3.0


@pytest.mark.integration
@pytest.mark.parametrize("batch_timeout_micros", [0, 300])
def test_stress(root, batch_timeout_micros):
    pool = BatchThreadPool(2, "stress")
    parameters = BatchingParameters(
        max_batch_size=8,
        batch_timeout_micros=batch_timeout_micros,
        allowed_batch_sizes=(2, 4, 8),
        max_enqueued_batches=100,
    )
    wrong, reports = [], []
    session = SavedModelSession(root / "linear/1")
    model = BatchingSession(session, parameters, pool, reports.append)
    kernel = np.float64([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    def work(worker):
        rng = np.random.default_rng(worker)
        for index in range(50):
            rows = int(rng.integers(1, 4))
            a, b = rng.integers(-9, 9, [rows, 2]), rng.integers(-9, 9, [rows])
            selection = None if index % 3 else ["total"]
            outputs = model.run(
                "serving_default", {"a": np.float32(a), "b": np.float32(b)}, selection, timeout=60.0
            )
            expected = {"product": a @ kernel, "total": (a @ kernel).sum(axis=1) + b}
            if set(outputs) != set(selection or expected) or not all(
                np.array_equal(outputs[name], expected[name]) for name in outputs
            ):
                wrong.append((worker, index))

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(16)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    model.close()
    session.close()
    pool.close()
    assert not wrong
    assert sum(len(report.request_rows) for report in reports) == 16 * 50
    assert {report.processed_rows for report in reports} <= {2, 4, 8}
    assert len(reports) < 16 * 50
