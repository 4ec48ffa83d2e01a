"""Exports against the model, through the loader that TensorFlow Serving uses."""

import contextlib
import importlib
import io
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_serving.apis import prediction_log_pb2

from aae_tf import AAE, export, networks, priors
from aae_tf.export.exportable import Signature
from aae_tf.export.publish import publish
from tests.models.rows import MODELS

tfd = tfp.distributions

# Data type and shape of tensors of signatures.
IMAGE, LATENTS, CLASSES = (
    (tf.float32.as_datatype_enum, [-1, *shape]) for shape in ([8, 8, 1], [2], [3])
)
IDS = (tf.int64.as_datatype_enum, [-1])


@pytest.fixture(scope="module")
def trained():
    model = AAE(
        networks.mlp_encoder((8, 8, 1), units=(16,), batch_normalization=True, dropout=0.1, seed=1),
        networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,), seed=2),
        prior=priors.gaussian(2),
        posterior="universal",
        divergence="mmd",
        seed=0,
    )
    # As a training does, this moves every weight from where it began, moving averages included.
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0.0, 0.1, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def version(trained, tmp_path_factory):
    """One SavedModel of `trained` with every signature."""
    path = tmp_path_factory.mktemp("mnist") / "1"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        trained.export(path)
    assert str(path) in printed.getvalue()
    return path


def _dtypes(signature):
    return {name: (i.dtype, [d.size for d in i.tensor_shape.dim]) for name, i in signature.items()}


def test_one_export_serves_every_signature_as_the_model_answers(trained, version, images):
    with export.SavedModelSession(version) as session:
        names = {"serving_default", "encode", "decode", "sample", "reconstruct", "score"}
        assert set(session.signatures) == names
        codes = trained.encode(images)
        outputs = trained.reconstruct(images)
        run = session.run
        np.testing.assert_allclose(run("encode", {"inputs": images})["latents"], codes, atol=1e-6)
        for name in ("reconstruct", "serving_default"):
            served = run(name, {"inputs": images})
            np.testing.assert_allclose(served["outputs"], outputs, atol=1e-6)
        served = run("decode", {"latents": codes})
        np.testing.assert_allclose(served["outputs"], outputs, atol=1e-6)
        error = 0.5 * ((images - outputs) ** 2).reshape(64, -1).sum(axis=1)
        density = -0.5 * (codes**2).sum(axis=1) - np.log(2 * np.pi)
        for score in (run("score", {"inputs": images}), trained.score(images, batch_size=30)):
            assert score.keys() == {"reconstruction_error", "prior_log_prob"}
            np.testing.assert_allclose(score["reconstruction_error"], error, rtol=1e-4)
            np.testing.assert_allclose(score["prior_log_prob"], density, rtol=1e-4)
        seeds = np.array([7, -3, 2**62])
        served = run("sample", {"seed": seeds})
        np.testing.assert_allclose(served["outputs"], trained.sample(seed=seeds), atol=1e-6)

        sample = session.signatures["sample"]
        assert _dtypes(sample.inputs) == {"seed": IDS}
        assert _dtypes(sample.outputs) == {"outputs": IMAGE, "latents": LATENTS}
        assert _dtypes(session.signatures["encode"].inputs) == {"inputs": IMAGE}
        assert _dtypes(session.signatures["encode"].outputs) == {"latents": LATENTS}
        assert _dtypes(session.signatures["decode"].inputs) == {"latents": LATENTS}


@pytest.mark.thorough
def test_servables_hold_their_own_weights_once(trained, images, tmp_path):
    paths = export.export_servables(trained, tmp_path)
    assert paths == {name: str(tmp_path / name / "1") for name in ("encoder", "decoder")}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["decoder", "encoder"]
    encoder = (trained.encoder, trained.posterior)
    for name, layers in (("encoder", encoder), ("decoder", (trained.decoder,))):
        weights = sum(len(layer.weights) for layer in layers)
        bytes_of_weights = sum(w.nbytes for layer in layers for w in layer.get_weights())
        with export.SavedModelSession(paths[name]) as session:
            assert session.num_variable_handles == weights
            assert all("GPU" not in device for device in session.devices)
            assert not session.requires_xla
        data = Path(paths[name], "variables", "variables.data-00000-of-00001").stat().st_size
        assert bytes_of_weights <= data < bytes_of_weights + 4096
    with export.SavedModelSession(paths["encoder"]) as session:
        assert set(session.signatures) == {"serving_default", "encode"}
        served = session.run("serving_default", {"inputs": images})
        np.testing.assert_allclose(served["latents"], trained.encode(images), atol=1e-6)
    with export.SavedModelSession(paths["decoder"]) as session:
        assert set(session.signatures) == {"serving_default", "decode", "sample"}
        assert set(session.signatures["serving_default"].inputs) == {"latents"}


def test_one_seed_one_latent_alone_in_any_batch_order_or_padding(make_aae, tmp_path):
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.2, 0.8]),
        tfd.MultivariateNormalTriL(
            tf.constant([[0.0, 1.0], [2.0, 3.0]]),
            tf.constant([[[1.0, 0.0], [0.5, 2.0]], [[0.1, 0.0], [-0.2, 0.3]]]),
        ),
    )
    model = make_aae(prior=prior, divergence="mmd")
    paths = export.export_servables(model, tmp_path, verify=False)
    seeds = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 100)
    with export.SavedModelSession(paths["decoder"]) as session:

        def latents(rows):
            return session.run("sample", {"seed": np.asarray(rows, np.int64)})["latents"]

        together = latents(seeds)
        np.testing.assert_array_equal(together, np.concatenate([latents([s]) for s in seeds]))
        np.testing.assert_array_equal(together[::-1], latents(seeds[::-1]))
        padded = np.concatenate([seeds[:3], np.full(125, seeds[0])])
        np.testing.assert_array_equal(together[:3], latents(padded)[:3])
        np.testing.assert_array_equal(together, model.seed_codes(tf.constant(seeds))["latents"])
        assert latents([]).shape == (0, 2)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "decoded", "own_weights"),
    [
        ("SemiSupervisedAAE mmd nothing", {"latents", "class_probabilities"}, 0),
        # The heads place every sample, and every code.
        ("EmbeddingAAE mmd nothing", {"latents"}, 1),
    ],
)
def test_servables_of_a_model_with_classes(tmp_path, name, decoded, own_weights):
    model = MODELS[name][0]()
    paths = export.export_servables(model, tmp_path, verify=False)
    with export.SavedModelSession(paths["encoder"]) as session:
        assert set(session.signatures) == {"serving_default", "encode", "classify"}
        encode, classify = session.signatures["encode"], session.signatures["classify"]
        assert _dtypes(encode.outputs) == {"latents": LATENTS, "class_probabilities": CLASSES}
        assert _dtypes(classify.outputs) == {"class_probabilities": CLASSES, "class_id": IDS}
        assert session.signatures["serving_default"].outputs.keys() == encode.outputs.keys()
    with export.SavedModelSession(paths["decoder"]) as session:
        assert set(session.signatures) == {"serving_default", "decode", "sample"}
        assert session.signatures["decode"].inputs.keys() == decoded
        sample = session.signatures["sample"]
        assert _dtypes(sample.inputs) == {"seed": IDS, "label": IDS}
        outputs = {"outputs": IMAGE, "latents": LATENTS, "class_probabilities": CLASSES}
        assert _dtypes(sample.outputs) == outputs
        handles = len(model.decoder.weights) + own_weights
        assert session.num_variable_handles == handles


@pytest.mark.thorough
def test_a_model_without_an_encoder_is_a_decoder_alone(tmp_path):
    model = MODELS["GMMN mmd"][0]()
    paths = export.export_servables(model, tmp_path / "apart", verify=False)
    assert paths == {"decoder": str(tmp_path / "apart" / "decoder" / "1")}
    assert [path.name for path in (tmp_path / "apart").iterdir()] == ["decoder"]
    model.export(tmp_path / "1", verbose=False)
    for path in (paths["decoder"], tmp_path / "1"):
        with export.SavedModelSession(path) as session:
            assert set(session.signatures) == {"serving_default", "decode", "sample"}
            assert set(session.signatures["serving_default"].inputs) == {"latents"}
            assert _dtypes(session.signatures["sample"].inputs) == {"seed": IDS}


def test_versions_count_up_and_are_never_overwritten(model, tmp_path):
    (tmp_path / "encoder" / "00000007").mkdir(parents=True)
    (tmp_path / "decoder" / "tmp-9-x").mkdir(parents=True)
    paths = export.export_servables(model, tmp_path, verify=False)
    assert {Path(path).name for path in paths.values()} == {"8"}
    (tmp_path / "decoder" / "12").mkdir()
    with pytest.raises(
        FileExistsError, match=r"`version` that is not there yet\. Received: version=12"
    ):
        export.export_servables(model, tmp_path, version=12)
    assert not (tmp_path / "encoder" / "12").exists()
    with pytest.raises(FileExistsError, match="directory to write not to exist"):
        model.export(paths["encoder"])
    for version in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="`version` to be a positive integer"):
            export.export_servables(model, tmp_path, version=version)


def test_warmup_requests_run_through_every_signature(version):
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    seen = set()
    with export.SavedModelSession(version) as session:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            name = request.model_spec.signature_name
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            session.run(name or "serving_default", inputs)
            seen.add(name or "serving_default")
        assert seen == set(session.signatures)


@keras.saving.register_keras_serializable(package="tests")
class ForwardAlone(tfp.bijectors.Bijector):
    def __init__(self, name="forward_alone"):
        super().__init__(forward_min_event_ndims=0, is_constant_jacobian=True, name=name)

    def get_config(self):
        return {}

    def _forward(self, x):
        return tf.abs(x)


@pytest.mark.thorough
def test_prior_without_density_exports_a_score_without_it(images, make_aae, tmp_path):
    prior = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 2), ForwardAlone())
    model = make_aae(prior=prior)
    model.export(tmp_path / "1", verbose=False)
    with export.SavedModelSession(tmp_path / "1") as session:
        assert set(session.signatures["score"].outputs) == {"reconstruction_error"}
        assert set(model.score(images)) == {"reconstruction_error"}
        codes = session.run("sample", {"seed": np.arange(9)})["latents"]
        assert (codes >= 0).all()


def test_other_formats_are_keras_own(make_aae, tmp_path):
    with pytest.raises(ValueError, match="format"):
        make_aae().export(tmp_path / "1", format="tape")


# What verification must catch.


def _written(tmp_path, functions, variables=()):
    path = tmp_path / "export"
    module = tf.Module()
    module.weights = list(variables)
    concrete = {
        name: tf.function(s.function).get_concrete_function(**s.inputs)
        for name, s in functions.items()
    }
    tf.saved_model.save(module, str(path), signatures=concrete)
    return path


def _twice(function=lambda x: {"y": 2.0 * x}):
    return {"twice": Signature(function, {"x": tf.TensorSpec([None, 3], name="x")})}


@pytest.mark.parametrize(
    ("saved", "claimed", "message"),
    [
        (_twice(), _twice(lambda x: {"y": 2.001 * x}), "Output 'y' of signature 'twice' differs"),
        (_twice(), _twice(lambda x: {"z": 2.0 * x}), r"gives \['y'\] instead of \['z'\]"),
        (_twice(), {"other": _twice()["twice"]}, "has no signature 'other'"),
        (_twice(), _twice(lambda x: {"y": (2.0 * x)[:, :2]}), "differs"),
        (
            _twice(lambda x: {"y": 2.0 * tf.ensure_shape(x, [1, 3])}),
            _twice(),
            "'twice' does not run in a session",
        ),
        pytest.param(
            _twice(tf.function(lambda x: {"y": 2.0 * x}, jit_compile=True)),
            _twice(),
            "asks for XLA",
            marks=pytest.mark.integration,
        ),
    ],
)
def test_verification_refuses_what_differs(tmp_path, saved, claimed, message):
    with pytest.raises(export.ExportError, match=message):
        export.verify_saved_model(_written(tmp_path, saved), claimed)


def test_verification_refuses_explicit_devices(tmp_path):
    def on_gpu(x):
        with tf.device("/device:GPU:0"):
            return {"y": 2.0 * x}

    with pytest.raises(export.ExportError, match=r"asks for .*GPU:0"):
        export.verify_saved_model(_written(tmp_path, _twice(on_gpu)), _twice())


def test_verification_refuses_what_does_not_load(tmp_path):
    with pytest.raises(export.ExportError, match="`path` to hold a SavedModel"):
        export.verify_saved_model(tmp_path / "nothing", _twice())


def test_verification_refuses_seeds_that_depend_on_the_batch(tmp_path):
    def sample(seed):
        return {"latents": tf.cast(tf.cumsum(seed % 7), tf.float32)}

    functions = {"sample": Signature(sample, {"seed": tf.TensorSpec([None], tf.int64, "seed")})}
    with pytest.raises(export.ExportError, match="different latents in another batch"):
        export.verify_saved_model(_written(tmp_path, functions), functions)


def test_verification_refuses_a_second_handle_for_a_weight(make_aae, tmp_path):
    """Keras' own archive runs under tf.saved_model.load and makes three handles per weight."""
    model = make_aae()
    archive = keras.export.ExportArchive()
    archive.track(model.encoder)
    archive.add_endpoint("serve", model.encoder.call, [tf.TensorSpec([None, 8, 8, 1])])
    archive.write_out(tmp_path / "archive", verbose=False)
    with pytest.raises(export.ExportError, match=r"creates \d+ variables for \d+ weights"):
        export.verify_saved_model(tmp_path / "archive", {})


@pytest.mark.parametrize("refused", ["encode", "decode"])
def test_failed_export_leaves_nothing(model, tmp_path, monkeypatch, refused):
    def refuse(path, expected):
        assert (Path(path) / "saved_model.pb").exists()
        if refused in expected:
            raise export.ExportError("no")

    # The function of the same name hides the module as an attribute.
    module = importlib.import_module("aae_tf.export.export_model")
    monkeypatch.setattr(module, "verify_saved_model", refuse)
    with pytest.raises(export.ExportError, match="no"):
        export.export_servables(model, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.parent != tmp_path]


def test_publish_refuses_a_directory_that_appears_meanwhile(tmp_path):
    with pytest.raises(FileExistsError, match="not to exist"), publish(tmp_path / "1"):
        (tmp_path / "1").mkdir()
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
