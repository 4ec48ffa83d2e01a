"""Distributions of every kind that a description must survive."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors

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
    "bernoulli": lambda: priors.bernoulli(3, WEIGHTS),
    "categorical": lambda: priors.categorical(3, WEIGHTS),
    "from_labels": lambda: priors.from_labels([0, 1, 2, 2, -1], 3),
    "fit_gaussian": lambda: priors.fit_gaussian(np.concatenate([LOWER, -2 * LOWER])),
    "fit_mixture": lambda: priors.fit_mixture(np.random.default_rng(0).normal(size=(60, 3)), 2),
    "swiss_roll": lambda: priors.swiss_roll(3, points_per_component=4),
    "sphere": lambda: priors.sphere(3),
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
