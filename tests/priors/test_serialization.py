import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.priors import deserialize, serialize
from tests.priors.serialization_cases import (
    CASES,
    WEIGHTS,
    Forgetful,
    Shifted,
    Unregistered,
    transformed,
)

tfb = tfp.bijectors
tfd = tfp.distributions
tfk = tfp.math.psd_kernels


def round_trip(value):
    # Strict JSON: NaN and Infinity are not allowed as numbers.
    return deserialize(json.loads(json.dumps(serialize(value), allow_nan=False)))


@pytest.mark.sampled
@pytest.mark.parametrize("name", CASES)
def test_densities_are_equal_after_a_round_trip_through_json(name):
    original = CASES[name]()
    restored = round_trip(original)
    assert type(restored) is type(original)
    assert restored.name == original.name
    assert restored.dtype == original.dtype
    # As arrays, because TFP's bijectors remember the tensors that they produced.
    points = tf.nest.map_structure(lambda x: x.numpy(), original.sample(5, seed=[1, 2]))
    np.testing.assert_array_equal(restored.log_prob(points), original.log_prob(points))
    # A description of the copy is the description itself.
    assert serialize(restored) == serialize(original)


@pytest.mark.parametrize(
    "kernel",
    [
        tfk.ExponentiatedQuadratic(length_scale=np.float32(0.1)),
        tfk.RationalQuadratic(0.5, tf.constant([0.1, 0.3]), scale_mixture_rate=2.0),
        tfk.ExponentiatedQuadratic(1.0, 0.1) + tfk.Linear() + tfk.MaternOneHalf(0.2, 0.3),
        tfk.ExponentiatedQuadratic(1.0, 0.1) * tfk.Linear(),
    ],
)
def test_kernels_take_part_with_their_sums_and_products(kernel):
    restored = round_trip(kernel)
    assert type(restored) is type(kernel)
    points = np.random.default_rng(0).normal(size=[4, 3]).astype(np.float32)
    np.testing.assert_array_equal(restored.matrix(points, points), kernel.matrix(points, points))


def test_every_float32_survives():
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    special = [0.0, -0.0, np.inf, -np.inf, 1e-45, np.finfo(np.float32).max]
    values = np.concatenate([bits.view(np.float32), np.array(special, np.float32)])
    values = values[~np.isnan(values)]
    restored = round_trip(tfd.VectorDeterministic(values)).parameters["loc"]
    np.testing.assert_array_equal(restored.view(np.uint32), values.view(np.uint32))


def test_nan_survives():
    restored = round_trip(tfd.Normal(float("nan"), np.array([np.nan, 1], np.float32)))
    assert np.isnan(restored.parameters["loc"])
    np.testing.assert_array_equal(restored.parameters["scale"], [np.nan, 1])


@pytest.mark.parametrize(
    "value",
    [
        np.array([[1, 2], [3, 4]], np.int64),
        np.array([], np.float32),
        np.zeros([0, 3], np.float64),
        np.array([True, False]),
        np.array([1 + 2j, np.inf], np.complex128),
        np.float32(0.1),
        tf.constant([0.1, 0.2], tf.float16),
        float("-inf"),
        tf.TensorShape([2, None]),
        tf.TensorShape(None),
        tf.bfloat16,
    ],
)
def test_arguments_keep_their_kind(value):
    # What the class does with its options does not matter here.
    original = Shifted(tfd.Normal(0.0, 1.0), options={"by": 0.0, "value": value})
    restored = round_trip(original).options["value"]
    assert type(restored) is type(value)
    assert repr(restored) == repr(value)


def test_containers_keep_their_kind_and_content():
    options = {"by": 0.0, "list": [1, "text"], "tuple": (2.5, None, (3,)), "dict": {"key": [4]}}
    restored = round_trip(Shifted(tfd.Normal(0.0, 1.0), options)).options
    assert restored == options
    assert isinstance(restored["tuple"][2], tuple)


def test_dtypes_of_numpy_become_dtypes_of_tensorflow():
    restored = round_trip(tfd.OneHotCategorical(probs=WEIGHTS, dtype=np.float32))
    assert restored.parameters["dtype"] is tf.float32
    restored = round_trip(tfd.OneHotCategorical(probs=WEIGHTS, dtype=np.dtype("int64")))
    assert restored.parameters["dtype"] is tf.int64


def test_description_is_readable():
    assert serialize(tfd.Normal(0.5, tf.constant([1.0, 2.0]), name="Prior")) == {
        "type": "tfp.distributions.Normal",
        "arguments": {
            "loc": 0.5,
            "scale": {"type": "tensor", "dtype": "float32", "shape": [2], "values": [1.0, 2.0]},
            "validate_args": False,
            "allow_nan_stats": True,
            "name": "Prior",
        },
    }


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: tfd.Normal(tf.Variable(0.0), 1.0),
            r"(?s)Expected argument `loc` of tfp.distributions.Normal to be .*tf.Variable.*Pass a "
            r"constant instead",
        ),
        (
            lambda: tfd.Normal(0.0, tfp.util.TransformedVariable(1.0, tfb.Exp())),
            "(?s)Expected argument `scale` of tfp.distributions.Normal.*Pass a constant instead",
        ),
        (
            lambda: transformed(tfb.Inline(tf.exp, tf.math.log, forward_min_event_ndims=0)),
            r"Expected argument `forward_fn` of tfp.bijectors.Inline .*Write a distribution class",
        ),
        (
            lambda: tfd.MarkovChain(tfd.Normal(0.0, 1.0), lambda _, x: tfd.Normal(x, 1.0), 3),
            r"Expected argument `transition_fn` of tfp.distributions.MarkovChain .*<lambda>",
        ),
        (
            lambda: tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0), lambda x: x]),
            r"Expected argument `model` of tfp.distributions.JointDistributionSequential, element 1"
            r" to be .*<lambda>",
        ),
        (
            lambda: Shifted(tfd.Normal(0.0, 1.0), {"by": 0.0, "extra": {"deep": print}}),
            r"Expected argument `options` of registered:test_serialization>Shifted, key 'extra', "
            r"key 'deep' to be ",
        ),
        (
            lambda: Shifted(tfd.Normal(0.0, 1.0), {"by": 0.0, "extra": np.array(["text"])}),
            r"key 'extra' to be .*Received: array\(\['text'\]",
        ),
        (
            lambda: Shifted(tfd.Normal(0.0, 1.0), {"by": 0.0, "extra": np.longdouble(1)}),
            r"key 'extra' to be .*Received: array\(1",
        ),
        (
            lambda: Shifted(tfd.Normal(0.0, 1.0), {"by": 0.0, "extra": {1: 2}}),
            r"key 'extra' to be a dict whose keys are strings",
        ),
        (
            lambda: Unregistered(0.0, 1.0),
            r"Expected .*serialization_cases.Unregistered to be a public class .* registered with",
        ),
        (
            lambda: tfd.Sample(Unregistered(0.0, 1.0), 2),
            r"Expected .*serialization_cases.Unregistered to be a public class",
        ),
        (
            lambda: Forgetful(0.0, 1.0),
            r"Expected registered:test_serialization>Forgetful to be built again by the arguments "
            r"that describe it. Received: arguments=\{'loc': 0.0\}, which raise TypeError",
        ),
    ],
)
def test_what_cannot_be_saved_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        serialize(build())


def test_symbolic_tensors_are_refused():
    @tf.function(autograph=False)
    def inside(loc):
        serialize(tfd.Normal(loc, 1.0))

    with pytest.raises(ValueError, match=r"(?s)`loc` of .*Build the distribution outside of `tf.f"):
        inside(tf.constant(0.0))


@pytest.mark.parametrize("value", [None, "gaussian", 1.0, tfd.Normal, np.zeros(2)])
def test_what_is_no_distribution_is_refused(value):
    with pytest.raises(TypeError, match=r"Expected `distribution` to be a tfd.Distribution"):
        serialize(value)


@pytest.mark.parametrize(
    "config", [None, "tfp.distributions.Normal", {}, {"type": "tfp.distributions.Normal"}, []]
)
def test_what_is_no_description_is_refused(config):
    with pytest.raises(ValueError, match="Expected `config` to be a dict with the keys 'type' and"):
        deserialize(config)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "tf.linalg.matmul",
        "tf.io.read_file",
        "tfp.distributions.os",
        "tfp.distributions.RegisterKL",
        "tfp.distributions._Independent",
        "tfp.distributions.distribution.Distribution",
        "tfp.bijectors.__class__",
        "tfp.math.psd_kernels",
        "Normal",
        "registered:os>system",
        "registered:",
        None,
        ["tfp.distributions.Normal"],
    ],
)
def test_nothing_but_public_and_registered_classes_is_looked_up(name):
    config = {"type": name, "arguments": {}}
    with pytest.raises(
        ValueError, match=r"Expected `type` to be a public class of tfp.distributions"
    ):
        deserialize(config)
    with pytest.raises(
        ValueError, match=r"Expected `type` to be a public class of tfp.distributions"
    ):
        deserialize({"type": "tfp.distributions.Normal", "arguments": {"loc": config}})


def test_registered_classes_that_are_no_distributions_are_refused():
    @keras.saving.register_keras_serializable("test_serialization")
    class Layer(keras.layers.Layer):
        pass

    with pytest.raises(ValueError, match=r"Expected `type` to be .*registered:test_serialization>"):
        deserialize({"type": "registered:test_serialization>Layer", "arguments": {}})


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "pickle", "value": ""},
        {"type": ["array"]},
        {"type": "array", "dtype": "float32", "shape": [2]},
        {"type": "array", "dtype": "float33", "shape": [1], "values": [1.0]},
        {"type": "array", "dtype": "float32", "shape": [3], "values": [1.0]},
        {"type": "array", "dtype": "string", "shape": [1], "values": ["x"]},
        {"type": "float", "value": "one"},
        {"type": "tuple", "items": 3},
        {"type": "dict", "items": []},
    ],
)
def test_malformed_arguments_are_refused(value):
    config = {"type": "tfp.distributions.Normal", "arguments": {"loc": value, "scale": 1.0}}
    with pytest.raises(ValueError, match=r"Expected a value that `serialize` wrote. Received: val"):
        deserialize(config)
