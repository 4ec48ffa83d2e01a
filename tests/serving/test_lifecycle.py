"""Versions of a running server, asked over both protocols (cases 20, 74 to 83)."""

import json
import shutil
import threading
import time
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from aae_tf.serving import Client, ModelServer, ServerError

pytestmark = pytest.mark.integration

X = {"x": np.float32([2.0])}
POLL = 0.05


class Scale(tf.Module):
    """y = a x: the version tells itself by its answer."""

    def __init__(self, a):
        super().__init__()
        self.a = tf.Variable(a)

    def save(self, path) -> None:
        scale = tf.function(lambda x: {"y": self.a * x})
        signature = scale.get_concrete_function(tf.TensorSpec([None], name="x"))
        tf.saved_model.save(self, str(path), signatures=signature)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Versions 1 to 3 of a model, and one that does not load."""
    store = tmp_path_factory.mktemp("store")
    for version in (1, 2, 3):
        Scale(float(version)).save(store / str(version))
    shutil.copytree(store / "3", store / "broken")
    (store / "broken" / "saved_model.pb").write_bytes(b"broken")
    return store


@pytest.fixture
def publish(store, tmp_path):
    def publish(source, version, model="scale"):
        target = tmp_path / "models" / model / str(version)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.with_name(f"tmp-{version}")
        shutil.copytree(store / str(source), staging)
        staging.rename(target)
        return target

    return publish


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


def eventually(condition, timeout=30.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def config(models, *names, extra=""):
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" '
        f"{extra} }}"
        for name in names
    )
    return f"model_config_list {{ {entries} }}"


def test_switching_loses_no_request(publish, models):
    publish(1, 1)
    with (
        ModelServer(models, file_system_poll_wait_seconds=POLL) as server,
        Client(grpc_port=server.grpc_port) as client,
    ):
        answers, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                answers.append(client.predict("scale", X)["y"].item())

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for version in (2, 3):
            publish(version, version)
            eventually(lambda version=version: server.models == {"scale": version})
        eventually(lambda: client.status("scale") == {3: "AVAILABLE", 2: "END", 1: "END"})
        stop.set()
        for thread in threads:
            thread.join()
        assert set(answers) == {2.0, 4.0, 6.0}  # and every call of `predict` has returned
        assert client.predict("scale", X)["y"] == [6.0]


def test_a_broken_version_is_refused_and_reported(publish, models, caplog):
    publish(1, 1)
    with (
        ModelServer(models, file_system_poll_wait_seconds=POLL) as server,
        Client(rest_port=server.rest_port) as client,
    ):
        publish("broken", 2)
        eventually(lambda: client.status("scale").get(2) == "END")
        assert client.status("scale") == {2: "END", 1: "AVAILABLE"}
        assert client.predict("scale", X)["y"] == [2.0]
        publish(3, 3)
        eventually(lambda: server.models == {"scale": 3})
    assert "Version 2 of model scale does not load" in caplog.text


def test_roll_back_by_renaming_the_newest(publish, models):
    publish(1, 1)
    bad = publish(2, 2)
    with (
        ModelServer(models, file_system_poll_wait_seconds=POLL) as server,
        Client(grpc_port=server.grpc_port) as client,
    ):
        bad.rename(bad.with_name("2.denied"))
        eventually(lambda: client.status("scale") == {2: "END", 1: "AVAILABLE"})
        assert client.predict("scale", X)["y"] == [2.0]


def test_a_model_appears_under_the_root(publish, models):
    publish(1, 1)
    with ModelServer(models, file_system_poll_wait_seconds=POLL) as server:
        publish(2, 5, model="other")
        eventually(lambda: server.models == {"scale": 1, "other": 5})


def test_without_polling_nothing_changes(publish, models):
    publish(1, 1)
    others = threading.enumerate()
    with ModelServer(models, file_system_poll_wait_seconds=0) as server:
        started = {thread.name for thread in threading.enumerate() if thread not in others}
        assert started and "model-watcher" not in started
        publish(2, 2)
        assert server.models == {"scale": 1}


def test_20_labels_over_both_protocols(publish, models, tmp_path):
    for version in (1, 2):
        publish(version, version)
    file = tmp_path / "models.config"
    policy = "model_version_policy { all {} }"
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "next" value: 2 }'
    file.write_text(config(models, "scale", extra=f"{policy} {labels}"))
    with pytest.raises(ServerError, match=r"Label .* not currently available for inference"):
        ModelServer(model_config_file=file).start()
    server = ModelServer(model_config_file=file, allow_version_labels_for_unavailable_models=True)
    with server, grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = PredictionServiceStub(channel)
        for label, expected in (("stable", 2.0), ("next", 4.0)):
            request = PredictRequest()
            request.model_spec.name = "scale"
            request.model_spec.version_label = label
            request.inputs["x"].CopyFrom(tf.make_tensor_proto(X["x"]))
            response = stub.Predict(request, timeout=30)
            assert response.outputs["y"].float_val == [expected]
            assert not response.model_spec.HasField("version_label")
            url = f"http://127.0.0.1:{server.rest_port}/v1/models/scale/labels/{label}"
            with urllib.request.urlopen(f"{url}:predict", b'{"instances": [2.0]}') as answer:
                assert json.load(answer) == {"predictions": [expected]}
            with urllib.request.urlopen(url) as answer:  # of status the label is ignored
                versions = [each["version"] for each in json.load(answer)["model_version_status"]]
            assert versions == ["2", "1"]


def test_74_models_replaced_in_the_polled_file(publish, models, tmp_path, caplog):
    publish(1, 1, model="a")
    publish(2, 7, model="b")
    file = tmp_path / "models.config"
    file.write_text(config(models, "a"))
    with ModelServer(model_config_file=file, model_config_file_poll_wait_seconds=POLL) as server:
        file.write_text("model_config_list {")  # broken: the old one holds
        eventually(lambda: "The models stay as they are" in caplog.text)
        assert server.models == {"a": 1}
        file.write_text(config(models, "b"))
        eventually(lambda: server.models == {"b": 7})


def test_74_an_unpolled_file_is_read_once(publish, models, tmp_path):
    publish(1, 1, model="a")
    publish(2, 7, model="b")
    file = tmp_path / "models.config"
    file.write_text(config(models, "a"))
    with ModelServer(model_config_file=file, file_system_poll_wait_seconds=POLL) as server:
        file.write_text(config(models, "b"))
        publish(3, 3, model="a")
        eventually(lambda: server.models == {"a": 3})


class TestReload:
    """HandleReloadConfigRequest."""

    @pytest.fixture
    def reload(self, publish, models):
        publish(1, 1, model="a")
        publish(2, 7, model="b")
        publish("broken", 1, model="broken")
        (models / "empty").mkdir()
        server = ModelServer(models, reload_root=models, file_system_poll_wait_seconds=0)
        shutil.move(models / "broken", models.parent / "later")
        with server, grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            shutil.move(models.parent / "later", models / "broken")
            stub = ModelServiceStub(channel)

            def reload(text):
                request = text_format.Parse(f"config {{ {text} }}", ReloadConfigRequest())
                return stub.HandleReloadConfigRequest(request, timeout=30)

            reload.server, reload.models, reload.stub = server, models, stub
            yield reload

    def test_the_new_list_replaces_the_old_and_serves_when_it_returns(self, reload):
        assert reload.server.models == {"a": 1, "b": 7}
        answer = reload(config(reload.models, "b"))
        assert answer.status.error_code == 0
        assert reload.server.models == {"b": 7}
        reload("model_config_list {}")
        assert reload.server.models == {}

    @pytest.mark.parametrize(
        ("names", "extra", "code", "message"),
        [
            (("a", "a"), "", "INVALID_ARGUMENT", "Illegal to list model a multiple times"),
            (("no",), "", "NOT_FOUND", "base_path of model no to be a folder"),
            (("../x",), "", "PERMISSION_DENIED", "base_path of model ../x to be under the reload"),
            (
                ("a",),
                'version_labels { key: "stable" value: 9 }',
                "FAILED_PRECONDITION",
                "not currently available for inference",
            ),
        ],
    )
    def test_75_and_76_what_is_refused_changes_nothing(self, reload, names, extra, code, message):
        with pytest.raises(grpc.RpcError, match=message) as caught:
            reload(config(reload.models, *names, extra=extra))
        assert caught.value.code() is grpc.StatusCode[code]
        assert reload.server.models == {"a": 1, "b": 7}

    def test_a_request_without_a_config(self, reload):
        with pytest.raises(grpc.RpcError, match="a ReloadConfigRequest with a config") as caught:
            reload.stub.HandleReloadConfigRequest(ReloadConfigRequest(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    @pytest.mark.parametrize(
        ("name", "code", "message"),
        [
            ("broken", "INVALID_ARGUMENT", "Expected version 1 of model 'broken' to load"),
            ("empty", "NOT_FOUND", "Expected model 'empty' to have a version that its policy"),
        ],
    )
    def test_a_new_model_that_does_not_serve(self, reload, name, code, message):
        with pytest.raises(grpc.RpcError, match=message) as caught:
            reload(config(reload.models, "a", name))
        assert caught.value.code() is grpc.StatusCode[code]
        assert reload.server.models == {"a": 1}


def test_78_and_80_versions_by_number(publish, models):
    publish(1, "00000123")
    publish(2, "20170111173521")
    with (
        ModelServer(models) as server,
        Client(grpc_port=server.grpc_port) as client,
    ):
        assert client.status("scale") == {20170111173521: "AVAILABLE"}
        assert client.predict("scale", X, version=20170111173521)["y"] == [4.0]
