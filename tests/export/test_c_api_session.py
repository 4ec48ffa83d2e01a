"""The C++ loader against hand calculation, against the session loader, and on broken exports."""

import re
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import export
from aae_tf.export.c_api_session import CApiSession, open_library
from aae_tf.export.exportable import Signature
from aae_tf.export.verification import compare_loaders
from tests.models.rows import MODELS

X = np.float32([[2.0, 4.0], [6.0, 8.0], [1.0, 0.0]])


class Module(tf.Module):
    """An affine map, a count of rows, a string, and doubles."""

    def __init__(self):
        super().__init__()
        self.slope = tf.Variable([0.5, -1.0])

    @tf.function
    def affine(self, x, shift):
        return {"y": self.slope * x + shift, "rows": tf.shape(x, tf.int64)[0]}

    @tf.function
    def double(self, x):
        return {"x": x, "name": tf.constant("double"), "half": tf.cast(x, tf.float32)}


@pytest.fixture(scope="module")
def path():
    module, path = Module(), tempfile.mkdtemp()
    pair, scalar = tf.TensorSpec([None, 2], name="x"), tf.TensorSpec([], name="shift")
    doubles = tf.TensorSpec([None], tf.float64, name="x")
    signatures = {
        "serving_default": module.affine.get_concrete_function(pair, scalar),
        "double": module.double.get_concrete_function(doubles),
    }
    tf.saved_model.save(module, path, signatures=signatures)
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def session(path):
    with CApiSession(path) as session:
        yield session


def test_runs_a_signature(session):
    assert set(session.signatures) == {"serving_default", "double"}
    outputs = session.run("serving_default", {"x": X, "shift": np.float32(10.0)})
    assert outputs.keys() == {"y", "rows"}
    np.testing.assert_array_equal(outputs["y"], X * np.float32([0.5, -1.0]) + 10.0)
    assert outputs["y"].dtype == np.float32 and outputs["y"].flags.writeable
    assert outputs["rows"].dtype == np.int64 and outputs["rows"].shape == ()
    assert outputs["rows"] == 3


def test_takes_any_layout_of_memory_and_no_rows(session):
    reversed_rows = np.asfortranarray(X)[::-1]
    shift = np.float32(0.0)
    outputs = session.run("serving_default", {"x": reversed_rows, "shift": shift}, ["y"])
    assert list(outputs) == ["y"]
    np.testing.assert_array_equal(outputs["y"], (X * np.float32([0.5, -1.0]))[::-1])
    outputs = session.run("serving_default", {"x": X[:0], "shift": shift})
    assert outputs["y"].shape == (0, 2) and outputs["rows"] == 0


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (
            ValueError,
            ("nope", {}),
            "Expected `signature_name` to be one of ['double', 'serving_default']. "
            "Received: signature_name='nope'.",
        ),
        (
            ValueError,
            ("serving_default", {"z": X}),
            "Expected `inputs` to be among ['shift', 'x'], those of signature 'serving_default'. "
            "Received: inputs=['z'].",
        ),
        (
            ValueError,
            ("serving_default", {"x": X}, ["z"]),
            "Expected `outputs` to be among ['rows', 'y'], those of signature 'serving_default'. "
            "Received: outputs=['z'].",
        ),
        (
            TypeError,
            ("serving_default", {"x": X.astype(np.float64)}),
            "Expected float32, int64 or text. Received: inputs['x'] of float64.",
        ),
        (
            TypeError,
            ("double", {}, ["x"]),
            "Expected float32, int64 or text. Received: outputs['x'] of float64.",
        ),
        (
            tf.errors.InvalidArgumentError,
            ("serving_default", {"x": X}),
            "You must feed a value for placeholder tensor 'serving_default_shift'",
        ),
        (
            tf.errors.InvalidArgumentError,
            ("serving_default", {"x": X, "shift": np.int64(1)}),
            "to be float but int64 is provided",
        ),
        (
            tf.errors.InvalidArgumentError,
            ("serving_default", {"x": np.ones([2, 3], np.float32), "shift": np.float32(1.0)}),
            "Incompatible shapes",
        ),
    ],
)
def test_refuses_and_goes_on(session, error, arguments, message):
    with pytest.raises(error, match=re.escape(message)):
        session.run(*arguments)
    assert session.run("serving_default", {"x": X, "shift": np.float32(0.0)})["rows"] == 3


def test_a_closed_session_refuses_to_run(path):
    session = CApiSession(path)
    session.close()
    session.close()
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        session.run("serving_default", {"x": X, "shift": np.float32(0.0)})


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (
            lambda path: (path / "saved_model.pb").unlink(),
            tf.errors.NotFoundError,
            "Could not find SavedModel",
        ),
        (
            lambda path: (path / "saved_model.pb").write_bytes(b"\x0a\xff"),
            tf.errors.OutOfRangeError,
            "Read less bytes than requested",
        ),
        (
            lambda path: (path / "variables" / "variables.data-00000-of-00001").write_bytes(b""),
            tf.errors.OutOfRangeError,
            "Read less bytes than requested",
        ),
    ],
)
def test_a_damaged_export_is_refused(path, tmp_path, damage, error, message):
    copy = shutil.copytree(path, tmp_path / "copy")
    damage(copy)
    with pytest.raises(error, match=message):
        CApiSession(copy)


def test_absent_tags_are_refused(path):
    with pytest.raises(tf.errors.NotFoundError, match="train"):
        CApiSession(path, tags=["train"])


def test_without_variables_it_loads_and_does_not_run_as_in_the_server(path, tmp_path):
    copy = shutil.copytree(path, tmp_path / "copy")
    shutil.rmtree(copy / "variables")
    with (
        CApiSession(copy) as session,
        pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable") as error,
    ):
        session.run("serving_default", {"x": X, "shift": np.float32(0.0)})
    assert error.value.error_code == 9


def _dense(path):
    """A Keras model saved plainly: what runs under tf.saved_model.load only."""
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    forward = tf.function(lambda x: {"y": model(x)})
    spec = {"x": tf.TensorSpec([None, 2], name="x")}
    module = tf.Module()
    module.model = model
    signature = forward.get_concrete_function(**spec)
    tf.saved_model.save(module, str(path), signatures=signature)
    return {"serving_default": Signature(forward, spec)}


def test_a_plainly_saved_keras_model_does_not_run(tmp_path):
    _dense(tmp_path)
    with (
        CApiSession(tmp_path) as session,
        pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable"),
    ):
        session.run("serving_default", {"x": X})


def test_without_the_library_there_is_a_reason(tmp_path):
    with pytest.raises(export.ExportError, match=r"TensorFlow to come with its C library\. Rec"):
        open_library(tmp_path / "libtensorflow_cc.so.2")


class TestComparison:
    def test_names_the_code_of_what_does_not_run(self, tmp_path):
        signatures = _dense(tmp_path)
        with pytest.raises(
            export.ExportError, match=r"Received: FailedPreconditionError, code 9: .*not find var"
        ):
            compare_loaders(tmp_path, signatures)

    def test_names_what_differs(self, path, monkeypatch):
        run = CApiSession.run
        monkeypatch.setattr(
            CApiSession, "run", lambda *a: {k: v + (k == "y") / 100 for k, v in run(*a).items()}
        )
        spec = {"x": tf.TensorSpec([None, 2], name="x"), "shift": tf.TensorSpec([], name="shift")}
        monkeypatch.setattr(
            "aae_tf.export.verification.example_inputs",
            lambda *args: {"x": X, "shift": np.float32(1.0)},
        )
        with pytest.raises(
            export.ExportError, match="'y' of signature 'serving_default' is another in C"
        ):
            compare_loaders(path, {"serving_default": Signature(None, spec)})


@pytest.mark.thorough
def test_both_loaders_sample_by_label_and_score(tmp_path):
    """Each row is a function of its seed and label, the same for both loaders and the model."""
    model = MODELS["SupervisedAAE mmd"][0]()
    model.export(tmp_path / "1", verbose=False, verify=False)
    seeds, labels = np.array([5, 5, 5, -9, 2**40]), np.array([0, 1, 2, -1, 1])
    inputs = {"seed": seeds, "label": labels}
    images = np.random.default_rng(0).random((5, 8, 8, 1), dtype="float32")
    with CApiSession(tmp_path / "1") as other, export.SavedModelSession(tmp_path / "1") as session:
        assert set(other.signatures) == set(session.signatures) > set(model.signatures())
        samples = other.run("sample", inputs)
        for output, value in session.run("sample", inputs).items():
            np.testing.assert_array_equal(samples[output], value, err_msg=output)
        drawn = model.sample(labels=labels, seed=seeds)
        np.testing.assert_allclose(samples["outputs"], drawn, atol=1e-6)
        classes = samples["class_probabilities"].argmax(axis=1)
        assert classes[[0, 1, 2, 4]].tolist() == [0, 1, 2, 1]
        assert not np.array_equal(samples["outputs"][0], samples["outputs"][1])
        rebuilt = other.run("reconstruct", {"inputs": images})["outputs"]
        scores = other.run("score", {"inputs": images})
        error = 0.5 * ((images - rebuilt) ** 2).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(scores["reconstruction_error"], error, rtol=1e-5)
        for output, value in session.run("score", {"inputs": images}).items():
            np.testing.assert_allclose(scores[output], value, rtol=1e-5, err_msg=output)
