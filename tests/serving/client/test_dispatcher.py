import asyncio
import threading
import time

import grpc
import numpy as np
import pytest

from aae_tf.serving import ServingError
from aae_tf.serving.client import AsyncClient, Client, Retries
from aae_tf.serving.client.calls import PredictCall, make_target
from aae_tf.serving.client.chunks import default_batch_size, join, split
from aae_tf.serving.client.rest_transport import write_predict
from tests.models.small import INPUTS, NUM_CLASSES
from tests.serving.client.asking import ask
from tests.serving.client.fake_servers import SERVERS, Behaviour

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
ROWS = np.arange(20, dtype=np.float32).reshape(10, 2)


def names(way, server):
    name = "everything"
    port = f"{way[1]}_port"
    return {
        port: getattr(server, port),
        **dict.fromkeys(("encoder", "decoder", "autoencoder"), name),
    }


@pytest.mark.integration
class TestAgainstTheServer:
    """Every method in batches of 3 gives what the model gives at once."""

    def test_every_method(self, way, classifier, classifier_server):
        kind, arguments = way[0], {**names(way, classifier_server), "batch_size": 3}

        def close(answer, expected):
            np.testing.assert_allclose(answer, expected, atol=1e-5)

        x = INPUTS[:10]
        latents, probabilities = classifier.encode(x), classifier.classify(x)
        close(ask(kind, arguments, "encode", x), latents)
        classes = ask(kind, arguments, "classify", x)
        close(classes["class_probabilities"], probabilities)
        np.testing.assert_array_equal(classes["class_id"], probabilities.argmax(axis=1))
        one_hot = np.eye(NUM_CLASSES)[np.arange(10) % NUM_CLASSES]
        close(ask(kind, arguments, "decode", latents, one_hot), classifier.decode(latents, one_hot))
        seeds, labels = np.arange(10), np.arange(10) % NUM_CLASSES
        samples = ask(kind, arguments, "sample", seeds, labels)
        close(samples["outputs"], classifier.sample(labels=labels, seed=seeds))
        np.testing.assert_array_equal(samples["class_probabilities"], one_hot)

        outputs = ask(kind, arguments, "reconstruct", x)
        close(outputs, classifier.reconstruct(x))
        scores = ask(kind, arguments, "score", x)
        error = 0.5 * ((x - outputs) ** 2).reshape(10, -1).sum(axis=1)
        np.testing.assert_allclose(scores["reconstruction_error"], error, rtol=1e-4)
        assert scores["prior_log_prob"].shape == (10,)
        assert scores["prior_log_prob"].dtype == np.float32


@pytest.mark.integration
class TestRequests:
    @pytest.fixture
    def encode(self, way):
        kind, protocol = way

        def run(behaviour, rows, held=None, **arguments):
            with SERVERS[protocol](behaviour) as port:
                try:
                    return ask(kind, {f"{protocol}_port": port, **arguments}, "encode", rows)
                finally:
                    if held:  # or the server would wait for its threads
                        held.set()

        return run

    def test_rows_come_back_in_order(self, encode):
        def answer(_, values):  # the first of the four batches is the last to be answered
            if values[0][0] == 0:
                behaviour.wait_for_predicts(4)

        behaviour = Behaviour(answer)
        np.testing.assert_array_equal(encode(behaviour, ROWS, batch_size=3), ROWS)
        sizes = sorted(len(asked.values) for asked in behaviour.predicts)
        assert sizes == [1, 3, 3, 3]

    @pytest.mark.parametrize("limit", [1, 3])
    def test_no_more_are_in_flight_than_asked_for(self, encode, limit):
        def answer(*_):
            behaviour.wait_for_predicts(limit)  # so many do come at once
            time.sleep(0.02)  # time for one too many

        behaviour = Behaviour(answer)
        encode(behaviour, ROWS, batch_size=1, max_in_flight=limit)
        assert len(behaviour.predicts) == 10
        assert behaviour.most_at_once == limit

    def test_a_batch_is_asked_again_alone(self, encode):
        behaviour = Behaviour(
            lambda number, _: grpc.StatusCode.UNAVAILABLE if number == 1 else None
        )
        np.testing.assert_array_equal(encode(behaviour, ROWS, batch_size=5), ROWS)
        assert len(behaviour.predicts) == 3

    def test_a_failure_names_its_rows_and_gives_up_the_others(self, encode):
        hold = threading.Event()

        def answer(_, values):
            if values[0][0] == 4:  # rows 2 and 3
                behaviour.wait_for_predicts(2)
                return grpc.StatusCode.INVALID_ARGUMENT
            hold.wait(60)
            return None

        behaviour = Behaviour(answer)
        started = time.monotonic()
        with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: Rows 2 to 3: on purpose"):
            encode(behaviour, ROWS, batch_size=2, max_in_flight=2, held=hold, timeout=120)
        assert time.monotonic() - started < 30
        assert len(behaviour.predicts) == 2  # of 5

    def test_a_pause_ends_when_another_batch_fails(self, encode):
        def answer(_, values):
            if values[0][0] == 0:
                return UNAVAILABLE
            behaviour.wait_for_predicts(2)
            time.sleep(0.1)  # time for the pause to begin
            return grpc.StatusCode.NOT_FOUND

        behaviour = Behaviour(answer)
        started = time.monotonic()
        with pytest.raises(ServingError, match=r"^NOT_FOUND: Rows 5 to 9: "):
            encode(behaviour, ROWS, batch_size=5, retries=Retries(1, 200.0, 200.0), timeout=600)
        assert time.monotonic() - started < 60
        assert len(behaviour.predicts) == 2

    def test_by_default_512_rows(self, encode):
        behaviour = Behaviour()
        rows = np.zeros([1025, 1])
        assert encode(behaviour, rows).shape == (1025, 1)
        assert sorted(len(asked.values) for asked in behaviour.predicts) == [1, 512, 512]

    def test_what_is_in_flight_is_cancelled(self, way):
        def answer(_, values):
            if values[0][0] == 0:
                behaviour.wait_for_predicts(2)
                return grpc.StatusCode.INVALID_ARGUMENT
            behaviour.cancelled.wait(60)
            return None

        def cancelled():
            # Before the client is closed.
            return behaviour.cancelled.wait(60)

        async def run(arguments):
            async with AsyncClient(**arguments) as client:
                with pytest.raises(ServingError, match="Rows 0 to 4"):
                    await client.encode(ROWS, batch_size=5)
                return cancelled()

        behaviour = Behaviour(answer)
        kind, protocol = way
        with SERVERS[protocol](behaviour) as port:
            arguments = {f"{protocol}_port": port}
            if kind == "asyncio":
                assert asyncio.run(run(arguments))
            else:
                with Client(**arguments) as client:
                    with pytest.raises(ServingError, match="Rows 0 to 4"):
                        client.encode(ROWS, batch_size=5)
                    assert cancelled()


class TestPredict:
    @pytest.mark.integration
    @pytest.mark.parametrize("protocol", ["grpc", "rest"])
    def test_one_request_unless_batches_are_asked_for(self, protocol):
        behaviour = Behaviour()
        with (
            SERVERS[protocol](behaviour) as port,
            Client(**{f"{protocol}_port": port}, batch_size=3) as client,
        ):
            for batch_size, requests in ((None, 1), (4, 3), (10, 1), (11, 1)):
                behaviour.asked.clear()
                answer = client.predict(
                    "encoder", {"inputs": ROWS}, "encode", batch_size=batch_size
                )
                np.testing.assert_array_equal(answer["latents"], ROWS)
                assert len(behaviour.predicts) == requests

    def test_outputs_without_rows_are_refused(self, server):
        x = np.ones([4], np.float32)
        with Client(grpc_port=server.grpc_port) as client:
            assert client.predict("kinds", {"x": x}, "scalar")["y"] == 4
            with pytest.raises(
                ValueError, match=r"a row for each row .*y of shape \(\) for rows 0 to 1\."
            ):
                client.predict("kinds", {"x": x}, "scalar", batch_size=2)
            with pytest.raises(ValueError, match=r"z of shape \(4,\) for rows 0 to 1\."):
                client.predict("kinds", {"x": x}, "uneven", batch_size=2)

    def test_strings_in_batches(self, server):
        strings = np.array([b"a", b"", b"\xff", b"d"], object)
        for port in ("grpc_port", "rest_port"):
            with Client(**{port: getattr(server, port)}) as client:
                answer = client.predict("kinds", {"x": strings}, "string", batch_size=3)
                assert answer["y"].tolist() == strings.tolist()


class TestChunks:
    def test_split_and_join(self):
        chunks = split({"a": np.arange(7), "b": np.arange(14).reshape(7, 2)}, 3)
        assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 3), (3, 6), (6, 7)]
        joined = join(chunks, [chunk.inputs for chunk in chunks])
        np.testing.assert_array_equal(joined["a"], np.arange(7))
        np.testing.assert_array_equal(joined["b"], np.arange(14).reshape(7, 2))

    def test_no_rows_are_one_chunk(self):
        (chunk,) = split({"a": np.zeros([0, 3])}, 2)
        assert (chunk.start, chunk.stop, chunk.inputs["a"].shape) == (0, 0, (0, 3))

    @pytest.mark.parametrize(
        "inputs",
        [
            {"a": np.zeros(2), "b": np.zeros(3)},
            {"a": np.zeros(2), "b": np.zeros(())},
            {"a": np.zeros(())},
            {},
        ],
    )
    def test_inputs_of_other_rows_are_refused(self, inputs):
        with pytest.raises(ValueError, match="`inputs` to have the same number of rows"):
            split(inputs, 2)

    @pytest.mark.parametrize("batch_size", [0, -1, 1.5])
    def test_batch_sizes_are_positive_integers(self, batch_size):
        with pytest.raises(ValueError, match="`batch_size` to be a positive integer"):
            split({"a": np.zeros(2)}, batch_size)

    @pytest.mark.parametrize(
        ("shape", "rows"),
        [([9, 784], 512), ([9, 224, 224, 3], 6), ([9, 4096, 4096], 1), ([9, 0], 512)],
    )
    def test_default_batch_size(self, shape, rows):
        assert default_batch_size({"inputs": np.broadcast_to(np.float32(0), shape)}) == rows

    def test_the_default_keeps_under_the_body_cap_of_the_server(self):
        # The float32 values of the longest spelling: sign, 17 digits and a wide exponent.
        row = np.full([1, 2**15], -1.1754943508222875e-38, np.float32)
        body = write_predict(PredictCall(make_target("encoder"), "encode", {"inputs": row}))
        assert default_batch_size({"inputs": row}) * len(body) <= 26 * 2**20
