import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.priors import deserialize, serialize

tfb = tfp.bijectors
tfd = tfp.distributions
tfk = tfp.math.psd_kernels

VECTOR = np.array([0.1, 1.7, 2 / 3], np.float32)
LOWER = np.tril(np.array([[1.1, 0, 0], [0.3, 0.9, 0], [-0.2, 0.4, 1.3]], np.float32))
WEIGHTS = [0.2, 0.3, 0.5]


def transformed(bijector, dim=3):
    return tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.1, 1.0), [dim]), bijector)


def hidden_markov_model():
    return tfd.HiddenMarkovModel(
        tfd.Categorical(probs=[0.3, 0.7]),
        tfd.Categorical(probs=[[0.5, 0.5], [0.2, 0.8]]),
        tfd.Normal([0.1, 1.0], 1.0),
        num_steps=3,
    )


def round_trip(value):
    # Strict JSON: NaN and Infinity are not allowed as numbers.
    return deserialize(json.loads(json.dumps(serialize(value), allow_nan=False)))


@keras.saving.register_keras_serializable("test_serialization")
class Shifted(tfd.Normal):
    """Registered, with arguments of its own: one of them is another distribution."""

    def __init__(self, base, options=None, name="Shifted"):
        self.base, self.options = base, options
        super().__init__(base.mean() + options["by"], base.stddev(), name=name)
        self._parameters = {"base": base, "options": options, "name": name}

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"base": tfp.util.BatchedComponentProperties()}

    def get_config(self):
        return {"base": self.base, "options": self.options, "name": self.name}


@keras.saving.register_keras_serializable("test_serialization")
class Renamed(tfd.Normal):
    """Registered, and built by from_config alone."""

    def get_config(self):
        return {"center": self.loc, "width": self.scale}

    @classmethod
    def from_config(cls, config):
        return cls(config["center"], config["width"])


@keras.saving.register_keras_serializable("test_serialization")
class Forgetful(tfd.Normal):
    """Registered, with a get_config that lacks an argument."""

    def get_config(self):
        return {"loc": 0.0}


class Unregistered(tfd.Normal):
    pass


# name: builder, so that a distribution that TFP cannot build fails its own test alone.
CASES = {
    "gaussian": lambda: priors.gaussian(3, scale=0.1),
    "ring_mixture": lambda: priors.ring_mixture(),
    "uniform": lambda: priors.uniform(3, low=-0.3, high=0.7),
    "Normal": lambda: tfd.Normal(0.1, 1.7),
    "Normal_float64": lambda: tfd.Normal(np.float64(0.1), np.float64(1.7)),
    "Normal_numpy_scalar": lambda: tfd.Normal(np.float32(0.1), np.float32(1.7)),
    "Normal_tensor": lambda: tfd.Normal(tf.constant(VECTOR), 1.0),
    "Normal_bfloat16": lambda: tfd.Normal(
        tf.constant(0.1, tf.bfloat16), tf.constant(1, "bfloat16")
    ),
    "Normal_checked": lambda: tfd.Normal(0.0, 1.0, validate_args=True, allow_nan_stats=False),
    "Laplace": lambda: tfd.Laplace(VECTOR, 0.3),
    "Cauchy": lambda: tfd.Cauchy(0.1, 2.0),
    "Logistic": lambda: tfd.Logistic(0.1, 2.0),
    "StudentT": lambda: tfd.StudentT(3, 0.1, VECTOR),
    "Gumbel": lambda: tfd.Gumbel(0.1, 2.0),
    "LogNormal": lambda: tfd.LogNormal(0.1, 0.4),
    "LogitNormal": lambda: tfd.LogitNormal(0.1, 0.4),
    "Beta": lambda: tfd.Beta([0.5, 1.5], 2.0),
    "Kumaraswamy": lambda: tfd.Kumaraswamy(0.5, 2.0),
    "Gamma": lambda: tfd.Gamma(0.7, rate=1.1),
    "InverseGamma": lambda: tfd.InverseGamma(2.0, 1.1),
    "Exponential": lambda: tfd.Exponential(1.3),
    "HalfNormal": lambda: tfd.HalfNormal(1.3),
    "Weibull": lambda: tfd.Weibull(1.3, 0.6),
    "SinhArcsinh": lambda: tfd.SinhArcsinh(0.1, 1.0, 0.2, 1.1),
    "TruncatedNormal": lambda: tfd.TruncatedNormal(0.1, 1.0, -np.inf, 2.0),
    "TruncatedNormal_float": lambda: tfd.TruncatedNormal(0.1, 1.0, float("-inf"), 2.0),
    "TruncatedNormal_array": lambda: tfd.TruncatedNormal(
        0.1, 1.0, np.array([-np.inf, 0], np.float32), tf.constant([3.0, np.inf])
    ),
    "Dirichlet": lambda: tfd.Dirichlet(VECTOR),
    "VonMisesFisher": lambda: tfd.VonMisesFisher(np.array([0, 0.6, 0.8], np.float32), 2.0),
    "SphericalUniform": lambda: tfd.SphericalUniform(3),
    "Bernoulli": lambda: tfd.Independent(tfd.Bernoulli(probs=WEIGHTS, dtype=tf.float32), 1),
    "OneHotCategorical": lambda: tfd.OneHotCategorical(probs=WEIGHTS, dtype=np.float32),
    "RelaxedOneHotCategorical": lambda: tfd.RelaxedOneHotCategorical(0.4, probs=WEIGHTS),
    "Multinomial": lambda: tfd.Multinomial(4.0, probs=WEIGHTS),
    "NegativeBinomial": lambda: tfd.NegativeBinomial(3.0, probs=0.3),
    "ZeroInflatedNegativeBinomial": lambda: tfd.ZeroInflatedNegativeBinomial(
        total_count=3.0, probs=0.4, inflated_loc_probs=0.3
    ),
    "Empirical": lambda: tfd.Empirical(LOWER, event_ndims=1),
    "Blockwise": lambda: tfd.Blockwise([tfd.Normal(0.0, 1.0), priors.gaussian(2)]),
    "Mixture": lambda: tfd.Mixture(
        tfd.Categorical(probs=[0.3, 0.7]), [tfd.Normal(0.1, 1.0), tfd.Laplace(0.0, 0.2)]
    ),
    "MixtureSameFamily": lambda: tfd.MixtureSameFamily(
        tfd.Categorical(logits=VECTOR), tfd.MultivariateNormalDiag(LOWER, VECTOR)
    ),
    "MultivariateNormalDiag": lambda: tfd.MultivariateNormalDiag(VECTOR, VECTOR),
    "MultivariateNormalTriL": lambda: tfd.MultivariateNormalTriL(VECTOR, LOWER),
    "MultivariateNormalDiagPlusLowRankCovariance": lambda: (
        tfd.MultivariateNormalDiagPlusLowRankCovariance(VECTOR, VECTOR, VECTOR[:, np.newaxis])
    ),
    "MultivariateNormalLinearOperator": lambda: tfd.MultivariateNormalLinearOperator(
        VECTOR, tf.linalg.LinearOperatorLowerTriangular(LOWER, is_non_singular=True)
    ),
    "operators_of_operators": lambda: tfd.MultivariateNormalLinearOperator(
        tf.zeros([4]),
        tf.linalg.LinearOperatorKronecker(
            [
                tf.linalg.LinearOperatorDiag([1.0, 0.3]),
                tf.linalg.LinearOperatorScaledIdentity(2, tf.constant(0.7)),
            ]
        ),
    ),
    "complex_operator": lambda: tfd.MultivariateNormalLinearOperator(
        VECTOR,
        tf.linalg.LinearOperatorCirculant(
            tf.constant(np.array([2, 0.5 + 0.1j, 0.5 - 0.1j], np.complex64)),
            input_output_dtype=tf.float32,
        ),
    ),
    "MultivariateStudentT": lambda: tfd.MultivariateStudentTLinearOperator(
        3.0, VECTOR, tf.linalg.LinearOperatorDiag(VECTOR)
    ),
    "WishartTriL": lambda: tfd.WishartTriL(5.0, LOWER),
    "Independent": lambda: tfd.Independent(tfd.StudentT(2.0, VECTOR, 1.0), 1),
    "Sample_list": lambda: tfd.Sample(tfd.Logistic(0.1, 1.0), [3]),
    "Sample_tuple": lambda: tfd.Sample(tfd.Logistic(0.1, 1.0), (2, 1)),
    "Sample_shape": lambda: tfd.Sample(tfd.Logistic(0.1, 1.0), tf.TensorShape([3])),
    # Its argument is no composite tensor, so TFP builds the private parent of the public class.
    "private_Sample": lambda: tfd.Sample(hidden_markov_model(), [2]),
    "private_TransformedDistribution": lambda: tfd.TransformedDistribution(
        hidden_markov_model(), tfb.Exp()
    ),
    "BatchBroadcast": lambda: tfd.BatchBroadcast(tfd.Normal(0.1, 1.0), [3]),
    "BatchReshape": lambda: tfd.BatchReshape(tfd.Normal(VECTOR, 1.0), [3, 1]),
    "BatchConcat": lambda: tfd.BatchConcat([tfd.Normal(VECTOR, 1.0)] * 2, axis=0),
    "Masked": lambda: tfd.Masked(tfd.Normal(VECTOR, 1.0), [True, False, True]),
    "QuantizedDistribution": lambda: tfd.QuantizedDistribution(tfd.Normal(0.1, 3.0), low=-5.0),
    "GaussianProcess": lambda: tfd.GaussianProcess(
        tfk.ExponentiatedQuadratic(1.1, 0.7) + tfk.Linear(0.1), LOWER
    ),
    "chain": lambda: transformed(tfb.Chain([tfb.Exp(), tfb.Scale(0.3), tfb.Shift(VECTOR)])),
    "invert": lambda: transformed(tfb.Invert(tfb.Softplus(hinge_softness=0.5))),
    "permute": lambda: transformed(tfb.Permute([2, 0, 1])),
    "triangular": lambda: transformed(tfb.ScaleMatvecTriL(LOWER)),
    "blockwise": lambda: transformed(tfb.Blockwise([tfb.Exp(), tfb.Sigmoid(-1.0, 1.0)], [1, 2])),
    "operator_bijector": lambda: transformed(
        tfb.ScaleMatvecLinearOperator(tf.linalg.LinearOperatorDiag(VECTOR))
    ),
    "sliced": lambda: tfd.MultivariateNormalTriL(LOWER, np.stack([LOWER] * 3))[1],
    "copied": lambda: tfd.MultivariateNormalTriL(VECTOR, LOWER).copy(loc=2 * VECTOR),
    "registered": lambda: Shifted(tfd.Normal(VECTOR, 0.1), options={"by": np.float32(0.3)}),
    "registered_inside": lambda: tfd.Sample(Shifted(tfd.Normal(0.1, 1.0), {"by": 0.5}), [3]),
    "registered_from_config": lambda: Renamed(VECTOR, 0.1),
    "joint": lambda: tfd.JointDistributionNamed(
        {"a": tfd.Normal(0.1, 1.0), "b": priors.uniform(2)}
    ),
}


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
            r"Expected .*test_serialization.Unregistered to be a public class .* registered with",
        ),
        (
            lambda: tfd.Sample(Unregistered(0.0, 1.0), 2),
            r"Expected .*test_serialization.Unregistered to be a public class",
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
