"""What an older server could not load, and that our exports hold none of it."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow.python.framework import op_def_registry

from aae_tf import AAE, export, networks, priors
from aae_tf.export.graph_checks import check_graph, reached_operations
from aae_tf.export.operations import OPERATIONS
from aae_tf.export.saved_model import all_nodes

tfd = tfp.distributions

PRIORS = {
    "bernoulli": lambda: priors.bernoulli(2),
    "categorical": lambda: priors.categorical(2),
    "fit_gaussian": lambda: priors.fit_gaussian(np.random.default_rng(0).normal(size=(9, 2))),
    "gaussian": lambda: priors.gaussian(2, scale=2.0),
    "ring_mixture": lambda: priors.ring_mixture(5),
    "swiss_roll": lambda: priors.swiss_roll(10),
    "uniform": lambda: priors.uniform(2),
    "full covariance": lambda: tfd.MultivariateNormalTriL([0.0, 1.0], [[1.0, 0.0], [0.5, 2.0]]),
    "mixture": lambda: tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.2, 0.8]),
        tfd.MultivariateNormalTriL(
            tf.constant([[0.0, 1.0], [2.0, 3.0]]), tf.eye(2, batch_shape=[2])
        ),
    ),
    "transformed": lambda: tfd.TransformedDistribution(
        tfd.Sample(tfd.Normal(0.0, 1.0), 2), tfp.bijectors.Tanh()
    ),
    # Samplers of TensorFlow Probability, in loops.
    "student": lambda: tfd.Sample(tfd.StudentT(3.0, 0.0, 1.0), 2),
    "dirichlet": lambda: tfd.Dirichlet([1.0, 2.0]),
}
NETWORKS = {
    "conv": lambda: (
        networks.conv_encoder((8, 8, 1), batch_normalization=True),
        networks.conv_decoder((8, 8, 1), 2, batch_normalization=True),
    ),
    "leaky_relu": lambda: _mlp("leaky_relu"),
    "gelu": lambda: _mlp("gelu"),
    "elu": lambda: _mlp("elu"),
    "silu": lambda: _mlp("silu"),
}


def _mlp(activation):
    options = {"units": (8,), "activation": activation, "batch_normalization": True}
    return networks.mlp_encoder((8, 8, 1), **options), networks.mlp_decoder((8, 8, 1), 2, **options)


def _check_operations(model, *names):
    """Checks the operations of signatures, without the cost of writing them."""
    signatures = model.signatures()
    for name in names:
        graph = signatures[name].graph.graph.as_graph_def()
        operations = {node.op for node in all_nodes(graph)}
        assert operations <= OPERATIONS, (name, operations - OPERATIONS)


# The table of conformance exports every variant, and an export checks all operations of its graph.


@pytest.mark.sampled
@pytest.mark.parametrize("name", PRIORS)
def test_every_family_of_priors_keeps_to_the_list(make_aae, name):
    # The sampler and the density of the prior; the other signatures know no prior.
    _check_operations(make_aae(prior=PRIORS[name](), divergence="mmd"), "sample", "score")


@pytest.mark.sampled
@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_keep_to_the_list(name):
    encoder, decoder = NETWORKS[name]()
    model = AAE(encoder, decoder, prior=priors.gaussian(2), posterior="universal", seed=0)
    # Both networks and the posterior.
    _check_operations(model, "reconstruct")


def test_the_list_names_operations_that_exist():
    for operation in OPERATIONS:
        assert op_def_registry.get(operation) is not None, operation


def test_the_list_holds_nothing_that_a_signature_must_not_do():
    forbidden = "Assert PyFunc EagerPyFunc ReadFile WriteFile Print PrintV2 RandomUniform XlaLaunch"
    assert not OPERATIONS & set(forbidden.split())


def _write(tmp_path, **functions):
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    signatures = {
        name: tf.function(function).get_concrete_function(tf.TensorSpec([None], name="x"))
        for name, function in functions.items()
    }
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=signatures)
    return tmp_path / "1"


def test_another_operation_is_named_with_its_signature(tmp_path):
    inner = tf.function(lambda x: tf.strings.length(tf.strings.as_string(x)))
    path = _write(
        tmp_path,
        good=lambda x: {"y": 2.0 * x},
        bad=lambda x: {"y": tf.cast(inner(x), tf.float32)},
    )
    message = "Received: StringLength in signature 'bad'."
    with pytest.raises(export.ExportError, match=re.escape(message)):
        check_graph(path)


def test_an_operation_behind_a_branch_is_found(tmp_path):
    def branch(x):
        rare = lambda: tf.strings.to_number(tf.strings.as_string(x))  # noqa: E731
        return {"y": tf.cond(tf.reduce_sum(x) > 0.0, rare, lambda: x)}

    with pytest.raises(export.ExportError, match="StringToNumber in signature 'branch'"):
        check_graph(_write(tmp_path, branch=branch))


def test_an_operation_outside_of_signatures_is_named_too(tmp_path):
    path = _write(tmp_path, good=lambda x: {"y": 2.0 * x})
    check_graph(path)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].graph_def.node.add(name="rare", op="ReadFile")
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(export.ExportError, match="ReadFile in what saves and restores the vari"):
        check_graph(path)


@pytest.mark.parametrize("dtype", [tf.float16, tf.int32])
def test_other_types_are_named_with_their_signature(tmp_path, dtype):
    path = _write(tmp_path, twice=lambda x: {"y": tf.cast(x, dtype)})
    with pytest.raises(
        export.ExportError, match=f"Received: 'y' of signature 'twice' is {dtype.name}"
    ):
        check_graph(path)


def test_reached_operations_are_those_above_a_tensor():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        tf.tanh(tf.exp(x), name="above")
        tf.sin(x, name="beside")
    reached = reached_operations(graph.as_graph_def(), ["above:0"])
    assert reached == {"Placeholder", "Exp", "Tanh"}


def test_the_model_refuses_to_export_it(tmp_path, images, make_aae):
    class Rare(keras.layers.Layer):
        def call(self, inputs):
            return tf.strings.to_number(tf.strings.as_string(inputs))

    layers = [keras.Input((8, 8, 1)), Rare(), keras.layers.Flatten(), keras.layers.Dense(4)]
    model = make_aae(encoder=keras.Sequential(layers))
    message = "StringToNumber in signature 'encode', signature 'serving_default'"
    with pytest.raises(export.ExportError, match=message):
        export.export_servables(model, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.parent != tmp_path]
