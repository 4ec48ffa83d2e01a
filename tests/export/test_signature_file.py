"""Signatures as ONNX and LiteRT files: answers of their own runtimes beside the model's."""

import sys
import warnings

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import export, models, networks, priors
from tests.models.small import INPUTS, build, build_classifier

tfd = tfp.distributions
SEEDS = np.array([5, -6, 2**60, 0])
PRIORS = {"ring": priors.ring_mixture(3), "uniform": priors.uniform(2, low=-2.0, high=3.0)}


@pytest.fixture(scope="module")
def classifier():
    return build_classifier()


def _aae(prior, **kwargs):
    return build(models.AAE, prior=prior, divergence="mmd", **kwargs)


def _write(model, tmp_path, signature):
    path = tmp_path / "model.onnx"
    model.export(path, format="onnx", signature=signature, verbose=False)
    return _Onnx(path)


class _Onnx:
    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path)
        self.inputs = {value.name: value.shape for value in self.session.get_inputs()}
        self.outputs = {value.name: value.shape for value in self.session.get_outputs()}

    def __call__(self, **inputs):
        return dict(zip(self.outputs, self.session.run(None, inputs), strict=True))


@pytest.mark.thorough
def test_onnx_without_a_name_is_the_call_with_any_batch(tmp_path, capsys):
    model = _aae(priors.gaussian(2))
    model.export(tmp_path / "model.onnx", format="onnx")
    assert "signature 'reconstruct'" in capsys.readouterr().out
    run = _Onnx(tmp_path / "model.onnx")
    assert run.inputs == {"inputs": ["batch", 4]} and run.outputs == {"outputs": ["batch", 4]}
    for batch in (1, 7):
        found = run(inputs=INPUTS[:batch])["outputs"]
        np.testing.assert_allclose(found, model.reconstruct(INPUTS[:batch]), atol=1e-6)


def test_onnx_without_an_encoder_decodes(tmp_path):
    model = build(models.GAN, prior=priors.gaussian(2))
    z = INPUTS[:5, :2]
    found = _write(model, tmp_path, None)(latents=z)["outputs"]
    np.testing.assert_allclose(found, model.decode(z), atol=1e-6)


@pytest.mark.thorough
def test_onnx_of_a_classifier(classifier, tmp_path):
    codes = _write(classifier, tmp_path, "encode")(inputs=INPUTS)
    np.testing.assert_allclose(codes["latents"], classifier.encode(INPUTS), atol=1e-6)
    probabilities = classifier.classify(INPUTS)
    np.testing.assert_allclose(codes["class_probabilities"], probabilities, atol=1e-6)
    classes = _write(classifier, tmp_path, "classify")(inputs=INPUTS)
    np.testing.assert_array_equal(classes["class_id"], probabilities.argmax(axis=1))
    outputs = _write(classifier, tmp_path, "decode")(**codes)["outputs"]
    np.testing.assert_allclose(outputs, classifier.reconstruct(INPUTS), atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("name", PRIORS)
def test_onnx_draws_the_rows_of_a_seed_and_scores(name, tmp_path):
    model = _aae(PRIORS[name])
    drawn = _write(model, tmp_path, "sample")(seed=SEEDS)
    # The same noise to the last bit: integers, table look-ups, single additions and products.
    np.testing.assert_array_equal(drawn["latents"], priors.sample_rows(PRIORS[name], SEEDS))
    np.testing.assert_allclose(drawn["outputs"], model.sample(seed=SEEDS), atol=1e-6)
    scores = _write(model, tmp_path, "score")(inputs=INPUTS)
    for key, expected in model.score(INPUTS).items():
        np.testing.assert_allclose(scores[key], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.thorough
def test_onnx_draws_the_class_that_a_label_names(classifier, tmp_path):
    labels = np.array([-1, 0, 1, 2])
    drawn = _write(classifier, tmp_path, "sample")(seed=SEEDS, label=labels)
    expected = classifier.sample(labels=labels, seed=SEEDS)
    np.testing.assert_allclose(drawn["outputs"], expected, atol=1e-6)
    np.testing.assert_array_equal(drawn["class_probabilities"][1:].argmax(axis=1), labels[1:])


def test_onnx_answers_a_row_of_nan_with_nan_alone(tmp_path):
    model = _aae(priors.gaussian(2))
    x = INPUTS[:3].copy()
    x[1, 2] = np.nan
    found = _write(model, tmp_path, "encode")(inputs=x)["latents"]
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], model.encode(INPUTS[[0, 2]]), atol=1e-6)


@pytest.mark.thorough
def test_litert_has_the_signature_by_its_name(tmp_path, classifier):
    path = tmp_path / "model.tflite"
    classifier.export(path, format="litert", signature="encode", verbose=False)
    run = _litert(path, "encode")
    for batch in (1, 4):
        found = run(inputs=INPUTS[:batch])
        np.testing.assert_allclose(
            found["latents"], classifier.encode(INPUTS[:batch]), rtol=1e-5, atol=1e-6
        )
    x = INPUTS[:3].copy()
    x[1, 2] = np.inf
    assert np.isnan(run(inputs=x)["latents"]).all(axis=1).tolist() == [False, True, False]


@pytest.mark.thorough
def test_litert_of_convolutions_and_its_options(tmp_path):
    model = _aae(
        priors.gaussian(2),
        encoder=networks.conv_encoder((4, 4, 1), filters=(2,), units=(8,), seed=1),
        decoder=networks.conv_decoder((4, 4, 1), 2, filters=(2,), units=(8,), seed=2),
    )
    images = np.random.default_rng(0).random((3, 4, 4, 1), "float32")
    whole, small = tmp_path / "whole.tflite", tmp_path / "small.tflite"
    model.export(whole, format="litert", verbose=False)
    found = _litert(whole, "reconstruct")(inputs=images)["outputs"]
    np.testing.assert_allclose(found, model.reconstruct(images), rtol=1e-5, atol=1e-6)
    model.export(small, format="litert", optimizations=[tf.lite.Optimize.DEFAULT], verbose=False)
    assert _litert(small, "reconstruct")(inputs=images)["outputs"].shape == (3, 4, 4, 1)


def _litert(path, signature):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        return tf.lite.Interpreter(model_path=str(path)).get_signature_runner(signature)


@pytest.mark.thorough
def test_what_a_format_has_no_operation_for_is_named_with_nothing_written(tmp_path):
    model = _aae(tfd.Independent(tfd.Gumbel(tf.zeros(2), 1.0), 1))
    with pytest.raises(export.ExportError, match=r"that ONNX has.*'sample'.*StatelessRandom"):
        _write(model, tmp_path, "sample")
    with pytest.raises(export.ExportError, match=r"that LiteRT has.*'sample'.*RightShift"):
        _aae(priors.gaussian(2)).export(
            tmp_path / "model.tflite", format="litert", signature="sample"
        )
    assert not list(tmp_path.iterdir())


def test_an_answer_that_differs_is_refused(tmp_path, monkeypatch):
    class Wrong(onnxruntime.InferenceSession):
        def run(self, *args):
            return [2.0 * value for value in super().run(*args)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(export.ExportError, match=r"'outputs' .* differs in ONNX Runtime"):
        _aae(priors.gaussian(2)).export(tmp_path / "model.onnx", format="onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"format": "onnx", "signature": "classify"}, ValueError, "`signature` to be one of"),
        ({"signature": "encode"}, ValueError, "`signature` to be None but for format='onnx'"),
        ({"format": "litert"}, ValueError, r"`filepath` to end in '\.tflite'"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        _aae(priors.gaussian(2)).export(tmp_path / "model", **arguments)


def test_unknown_option_of_litert_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"attributes of tf.lite.TFLiteConverter.*pruning=True"):
        _aae(priors.gaussian(2)).export(tmp_path / "a.tflite", format="litert", pruning=True)


@pytest.mark.parametrize("package", ["onnx", "tf2onnx", "onnxruntime"])
def test_missing_extra_is_one_line(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'{package} to be installed .*"aae_tf\[onnx\]"'):
        _aae(priors.gaussian(2)).export(tmp_path / "model.onnx", format="onnx")


def test_input_signature_takes_the_way_of_keras(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(keras.Model, "export", lambda self, *args, **kwargs: seen.append(kwargs))
    shape = [tf.TensorSpec([1, 4])]
    _aae(priors.gaussian(2)).export(tmp_path / "a.onnx", format="onnx", input_signature=shape)
    assert seen[0]["input_signature"] is shape
