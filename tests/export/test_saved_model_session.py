import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf.export.saved_model_session import SavedModelSession


class Module(tf.Module):
    """Affine map, a string echo, and a loop whose length the caller chooses."""

    def __init__(self):
        super().__init__()
        self.slope = tf.Variable(0.5)
        self.offset = tf.Variable([1.0, 2.0])

    @tf.function
    def affine(self, x, shift):
        y = self.slope * x + self.offset
        return {"y": y, "shifted": y + shift}

    @tf.function
    def echo(self, text):
        return {"text": text, "first": text[0], "scalar": tf.size(text)}

    @tf.function
    def loop(self, steps):
        (count,) = tf.while_loop(lambda i: i < steps, lambda i: [i + 1], [tf.zeros_like(steps)])
        return {"count": count}


def save_module(path: Path) -> Path:
    module = Module()
    signatures = {
        "serving_default": module.affine.get_concrete_function(
            tf.TensorSpec([None, 2], name="x"), tf.TensorSpec([], name="shift")
        ),
        "echo": module.echo.get_concrete_function(tf.TensorSpec([None], tf.string, name="text")),
        "loop": module.loop.get_concrete_function(tf.TensorSpec([], tf.int64, name="steps")),
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save_module(tmp_path_factory.mktemp("export") / "1")


@pytest.fixture(scope="module")
def session(path):
    with SavedModelSession(path) as session:
        yield session


X = np.float32([[2.0, 4.0], [6.0, 8.0]])
Y = np.float32([[2.0, 4.0], [4.0, 6.0]])


def test_signatures_exclude_the_loaders_own(session):
    assert set(session.signatures) == {"serving_default", "echo", "loop"}
    assert set(session.signature_defs) == {*session.signatures, "__saved_model_init_op"}
    assert set(session.signatures["serving_default"].inputs) == {"x", "shift"}


def test_run(session):
    outputs = session.run("serving_default", {"x": X, "shift": np.float32(10.0)})
    assert set(outputs) == {"y", "shifted"}
    np.testing.assert_array_equal(outputs["y"], Y)
    np.testing.assert_array_equal(outputs["shifted"], Y + 10.0)
    assert outputs["y"].dtype == np.float32


def test_run_computes_only_the_outputs_asked_for(session):
    outputs = session.run("serving_default", {"x": X, "shift": np.float32(0.0)}, outputs=["y"])
    assert list(outputs) == ["y"]


def test_strings_and_scalars_are_arrays(session):
    outputs = session.run("echo", {"text": np.array([b"a\0b", "é".encode()], dtype=object)})
    assert outputs["text"].dtype == object
    assert outputs["text"].tolist() == [b"a\0b", "é".encode()]
    assert outputs["first"].shape == () and outputs["first"].item() == b"a\0b"
    assert outputs["scalar"].shape == () and outputs["scalar"] == 2


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.astype(np.float64), r"Expects arg\[\d\] to be float but double is provided"),
        (X[:, :1].repeat(3, axis=1), "Incompatible shapes"),
    ],
)
def test_runtime_errors_keep_the_servers_own_text(session, x, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        session.run("serving_default", {"x": x, "shift": np.float32(0.0)})


def test_missing_feed_is_the_runtimes_error(session):
    with pytest.raises(tf.errors.InvalidArgumentError, match="must feed a value"):
        session.run("serving_default", {"x": X})


def test_timeout(session):
    with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out"):
        session.run("loop", {"steps": np.int64(10**12)}, timeout=0.05)
    assert session.run("loop", {"steps": np.int64(3)}, timeout=30.0) == {"count": 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("nope", {}),
            "Expected `signature_name` to be one of ['echo', 'loop', 'serving_default']. "
            "Received: signature_name='nope'",
        ),
        (
            ("loop", {"stepz": np.int64(1)}),
            "Expected `inputs` to be among ['steps'], those of signature 'loop'. "
            "Received: inputs=['stepz']",
        ),
        (
            ("loop", {"steps": np.int64(1)}, ["total"]),
            "Expected `outputs` to be among ['count'], those of signature 'loop'. "
            "Received: outputs=['total']",
        ),
        (
            ("loop", {"steps": np.int64(1)}, None, 0.0),
            "Expected `timeout` to be above 0. Received: timeout=0.0",
        ),
    ],
)
def test_bad_arguments(session, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        session.run(*arguments)


def test_concurrent_runs_answer_their_own_callers(session):
    def run(i):
        x = np.full([3, 2], i, np.float32)
        return session.run("serving_default", {"x": x, "shift": np.float32(0.0)})["y"]

    with ThreadPoolExecutor(8) as pool:
        for i, y in enumerate(pool.map(run, range(400))):
            np.testing.assert_array_equal(y, np.tile(0.5 * i + np.float32([1.0, 2.0]), [3, 1]))


def test_closed_session_refuses_to_run(path):
    session = SavedModelSession(path)
    session.close()
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        session.run("loop", {"steps": np.int64(1)})


def test_handles_and_devices(session, tmp_path):
    assert session.num_variable_handles == 2
    assert "" in session.devices
    assert all("CPU" in device for device in session.devices - {""})

    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    model.export(str(tmp_path / "keras"), verbose=False)
    with SavedModelSession(tmp_path / "keras") as exported:
        assert exported.num_variable_handles == 6  # three per weight: what the count is for


@pytest.mark.parametrize("jit_compile", [True, False])
def test_requires_xla(tmp_path, jit_compile):
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    double = tf.function(lambda x: {"y": module.scale * x}, jit_compile=jit_compile)
    signature = double.get_concrete_function(tf.TensorSpec([None], name="x"))
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    with SavedModelSession(tmp_path) as session:
        assert session.requires_xla is jit_compile


def test_a_model_without_variables_loads(tmp_path):
    module = tf.Module()
    negate = tf.function(lambda x: {"y": -x})
    signature = negate.get_concrete_function(tf.TensorSpec([None], name="x"))
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    with SavedModelSession(tmp_path) as session:
        assert session.run("serving_default", {"x": np.float32([1.0])}) == {"y": -1.0}


def test_a_keras_model_saved_plainly_fails_here_as_it_does_in_the_server(tmp_path):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    module = tf.Module()
    module.model = model
    forward = tf.function(lambda x: {"y": model(x)})
    signature = forward.get_concrete_function(tf.TensorSpec([None, 2], name="x"))
    tf.saved_model.save(module, str(tmp_path), signatures=signature)
    with (
        SavedModelSession(tmp_path) as session,
        pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable"),
    ):
        session.run("serving_default", {"x": np.zeros([1, 2], np.float32)})


def _remove_graph(path: Path) -> None:
    (path / "saved_model.pb").unlink()


def _truncate_graph(path: Path) -> None:
    data = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(data[: len(data) // 2])


def _remove_variables(path: Path) -> None:
    shutil.rmtree(path / "variables")


def _remove_index(path: Path) -> None:
    (path / "variables" / "variables.index").unlink()


def _truncate_data(path: Path) -> None:
    (path / "variables" / "variables.data-00000-of-00001").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove_graph, "SavedModel file does not exist"),
        (_truncate_graph, "Cannot parse file"),
        (_remove_variables, "not a valid checkpoint"),
        (_remove_index, "not a valid checkpoint"),
        (_truncate_data, "Read less bytes than requested"),
    ],
)
def test_a_damaged_export_is_refused(path, tmp_path, damage, message):
    copy = shutil.copytree(path, tmp_path / "copy")
    damage(copy)
    expected = "Expected `path` to hold a SavedModel that loads in a session. Received: path="
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}(?s:.*){re.escape(message)}"):
        SavedModelSession(copy)


def test_absent_tags_are_refused(path):
    with pytest.raises(ValueError, match=r"tags=\('train',\)"):
        SavedModelSession(path, tags=("train",))
