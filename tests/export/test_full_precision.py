"""Exports compute in float32, and leave the model as it was."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import export, networks, posteriors
from aae_tf.export.saved_model import all_nodes, full_precision, read_meta_graph
from tests.models.rows import MODELS

HALF = {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}


def _in_half(nodes):
    """Names of the operations that take, give or hold half precision."""
    return [
        node.name
        for node in nodes
        if any(HALF & {value.type, *value.list.type} for value in node.attr.values())
    ]


def _nodes(model, *names):
    """Nodes of the graphs of signatures, of all of them by default."""
    signatures = model.signatures()
    for name in names or signatures:
        yield from all_nodes(signatures[name].graph.graph.as_graph_def())


def _dtypes(model):
    return [layer.compute_dtype for layer in model._flatten_layers()]


def _conv(make_aae, policy, **kwargs):
    keras.config.set_dtype_policy(policy)
    return make_aae(
        encoder=networks.conv_encoder((8, 8, 1), (4,), (8,), batch_normalization=True, seed=1),
        decoder=networks.conv_decoder((8, 8, 1), 2, (4,), (8,), batch_normalization=True, seed=2),
        **kwargs,
    )


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("EmbeddingAAE mmd mmd", "mixed_float16"),
        ("GAN mmd", "mixed_bfloat16"),
        ("conv", "mixed_float16"),
    ],
)
def test_no_operation_is_in_half_precision(make_aae, policy, name):
    keras.config.set_dtype_policy(policy)
    build = {"conv": lambda: _conv(make_aae, policy, posterior="universal")}
    model = build.get(name, MODELS.get(name, [None])[0])()
    before = _dtypes(model)
    assert policy.removeprefix("mixed_") in before
    with full_precision(model):
        assert set(_dtypes(model)) == {"float32"}
        assert not _in_half(_nodes(model))
    assert _dtypes(model) == before
    assert _in_half(_nodes(model, "decode"))


@pytest.mark.thorough
def test_an_export_computes_in_float32(images, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = MODELS["SemiSupervisedAAE mmd mmd"][0]()
    model.export(tmp_path / "1", verbose=False)
    assert not _in_half(all_nodes(read_meta_graph(tmp_path / "1").graph_def))
    with export.SavedModelSession(tmp_path / "1") as session:
        assert set(session.signatures) == {"serving_default", *model.signatures()}
        for name, signature in session.signatures.items():
            for tensor, info in (*signature.inputs.items(), *signature.outputs.items()):
                integer = tensor in {"seed", "label", "class_id"}
                dtype = tf.int64 if integer else tf.float32
                assert tf.as_dtype(info.dtype) == dtype, (name, tensor)
        served = session.run("encode", {"inputs": images})["latents"]
    # The model itself rounds: a few units in the last of 8 bits.
    np.testing.assert_allclose(served, model.encode(images), rtol=2.0**-5, atol=2.0**-5)


@pytest.mark.thorough
def test_layers_of_any_kind_compute_in_float32(make_aae, images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    x = inputs = keras.Input((8, 8, 1))
    x = keras.layers.Reshape((8, 8))(x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.MultiHeadAttention(2, 4, seed=3)(x, x)
    x = keras.layers.Bidirectional(keras.layers.GRU(4, seed=4))(x)
    x = keras.layers.Dense(16, "gelu")(x)
    model = make_aae(encoder=keras.Model(inputs, x))
    with full_precision(model):
        graph = model.signatures()["encode"].graph
    assert not _in_half(all_nodes(graph.graph.as_graph_def()))
    codes, own = graph(inputs=tf.constant(images))["latents"].numpy(), model.encode(images)
    np.testing.assert_allclose(codes, own, rtol=2.0**-4, atol=2.0**-5)
    assert not np.array_equal(codes, own)


def test_a_failed_export_leaves_the_policies(make_aae, tmp_path, monkeypatch):
    model = _conv(make_aae, "mixed_bfloat16")
    before = _dtypes(model)

    def refuse(*args):
        assert "bfloat16" not in _dtypes(model)
        raise export.ExportError("no")

    # The function of the same name hides the module as an attribute.
    module = importlib.import_module("aae_tf.export.export_model")
    monkeypatch.setattr(module, "write_saved_model", refuse)
    with pytest.raises(export.ExportError, match="no"):
        model.export(tmp_path / "1")
    assert _dtypes(model) == before


def test_other_formats_are_written_in_float32(make_aae, tmp_path, monkeypatch):
    model = _conv(make_aae, "mixed_bfloat16")
    seen = []
    monkeypatch.setattr(keras.Model, "export", lambda self, *a, **k: seen.append(_dtypes(self)))
    model.export(tmp_path / "1", format="openvino")
    assert len(seen) == 1 and set(seen[0]) == {"float32"}
    assert "bfloat16" in _dtypes(model)


@pytest.mark.thorough
def test_other_policies_and_casts_of_the_user_stay(make_aae, images, tmp_path):
    """The two loaders then agree within the roundings of the lower precision."""
    x = inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(x)
    x = keras.ops.cast(x, "bfloat16")
    encoder = keras.Model(inputs, keras.layers.Dense(16, dtype="bfloat16")(x))
    model = make_aae(encoder=encoder, posterior=posteriors.Deterministic())
    with full_precision(model):
        assert "bfloat16" in _dtypes(model)
    export.export_servables(model, tmp_path)
    path = tmp_path / "encoder" / "1"
    assert _in_half(all_nodes(read_meta_graph(path).graph_def))
    with export.SavedModelSession(path) as session:
        served = session.run("encode", {"inputs": images})["latents"]
    np.testing.assert_allclose(served, model.encode(images), rtol=0.03, atol=0.03)
