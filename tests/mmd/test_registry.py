"""Registration, dispatch and refusal."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from aae_tf.mmd import registry

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels
KERNEL = psd_kernels.ExponentiatedQuadratic(length_scale=1.0)


@pytest.fixture(autouse=True)
def _leave_registry_unchanged(monkeypatch):
    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))
    monkeypatch.setattr(registry, "_NAMES", list(registry._NAMES))


class Constant(mmd.MeanEmbedding):
    """Says which rule made it."""

    def __init__(self, value):
        self.value = value

    def evaluate(self, points):
        return tf.fill([tf.shape(points)[0]], tf.constant(self.value, points.dtype))

    def norm(self):
        return tf.constant(self.value, tf.float64)


class PlainNormal(tfd.Distribution):
    """A scalar distribution that is no composite tensor, so that products of it are none."""

    def __init__(self, loc):
        self.loc = tf.convert_to_tensor(loc)
        super().__init__(
            tf.float32, tfd.NOT_REPARAMETERIZED, validate_args=False, allow_nan_stats=True
        )

    def _batch_shape(self):
        return self.loc.shape

    def _event_shape(self):
        return tf.TensorShape([])


def norm(distribution, kernel=KERNEL):
    return float(mmd.mean_embedding_norm(distribution, kernel))


def test_rules_hold_for_subclasses_and_the_nearest_wins():
    class Mine(tfd.MultivariateNormalDiag):
        pass

    class MineToo(Mine):
        pass

    class Wide(psd_kernels.ExponentiatedQuadratic):
        pass

    assert norm(MineToo(tf.zeros(2))) == norm(tfd.MultivariateNormalDiag(tf.zeros(2)))
    rule = mmd.RegisterMeanEmbedding(Mine, psd_kernels.ExponentiatedQuadratic)(
        lambda distribution, kernel: Constant(0.25)
    )
    assert rule(None, None).value == 0.25
    assert norm(MineToo(tf.zeros(2))) == 0.25
    assert norm(MineToo(tf.zeros(2)), Wide(length_scale=1.0)) == 0.25
    mmd.RegisterMeanEmbedding(tfd.MultivariateNormalDiag, Wide)(
        lambda distribution, kernel: Constant(0.5)
    )
    # (MultivariateNormalDiag, Wide) and (Mine, ExponentiatedQuadratic) are equally near to
    # (Mine, Wide): the distribution decides.
    assert norm(Mine(tf.zeros(2)), Wide(length_scale=1.0)) == 0.25
    assert norm(tfd.MultivariateNormalDiag(tf.zeros(2)), Wide(length_scale=1.0)) == 0.5
    values = mmd.mean_embedding(Mine(tf.zeros(2)), KERNEL, np.zeros((3, 2)))
    np.testing.assert_array_equal(values, np.full(3, 0.25))


def test_rules_for_public_classes_find_their_private_parents():
    mmd.RegisterMeanEmbedding(PlainNormal, psd_kernels.ExponentiatedQuadratic)(
        lambda distribution, kernel: Constant(distribution.batch_shape.num_elements() / 16)
    )
    independent = tfd.Independent(PlainNormal([0.0, 1.0]), reinterpreted_batch_ndims=1)
    assert not isinstance(independent, tfd.Independent)
    assert norm(independent) == 2 / 16


def test_discrete_distributions_share_no_rule():
    mmd.RegisterMeanEmbedding(tfd.Multinomial, psd_kernels.ExponentiatedQuadratic)(
        lambda distribution, kernel: Constant(0.25)
    )
    assert norm(tfd.Multinomial(3.0, probs=[0.5, 0.5])) == 0.25
    assert not mmd.has_mean_embedding(tfd.DirichletMultinomial(3.0, [0.5, 0.5]), KERNEL)


def test_sums_reach_rules_of_other_kernels():
    mmd.RegisterMeanEmbedding(tfd.MultivariateNormalDiag, psd_kernels.MaternOneHalf)(
        lambda distribution, kernel: Constant(3.0)
    )
    normal, matern = tfd.MultivariateNormalDiag(tf.zeros(2)), psd_kernels.MaternOneHalf()
    gaussians = KERNEL + KERNEL
    np.testing.assert_allclose(norm(normal, gaussians + matern), norm(normal, gaussians) + 3.0)
    np.testing.assert_allclose(norm(normal, matern + matern), 6.0)
    points = np.zeros((2, 2))
    np.testing.assert_allclose(
        mmd.mean_embedding(normal, matern + gaussians, points),
        mmd.mean_embedding(normal, gaussians, points) + 3.0,
    )


def test_sums_that_hold_variables_are_sums_too():
    width = tf.Variable(1.0)
    normal = tfd.MultivariateNormalDiag(tf.zeros(2))
    kernel = psd_kernels.ExponentiatedQuadratic(length_scale=width) + KERNEL
    np.testing.assert_allclose(norm(normal, kernel), 2.0 * norm(normal), rtol=1e-6)


def test_duplicates_are_refused():
    pair = (tfd.MixtureSameFamily, psd_kernels.PositiveSemidefiniteKernel)
    message = re.escape(
        "`rule` to be the first for (MixtureSameFamily, PositiveSemidefiniteKernel)"
    )
    with pytest.raises(ValueError, match=message + r"\. Received: rule=.*, after <function"):
        mmd.RegisterMeanEmbedding(*pair)(lambda distribution, kernel: Constant(0.0))


@pytest.mark.parametrize("name", ["distribution_class", "kernel_class"])
@pytest.mark.parametrize("wrong", [int, "Normal", tfd.Normal(0.0, 1.0)])
def test_other_classes_are_refused(name, wrong):
    classes = {"distribution_class": tfd.Normal, "kernel_class": type(KERNEL), name: wrong}
    with pytest.raises(TypeError, match=rf"`{name}` to be a subclass of .* Received: {name}="):
        mmd.RegisterMeanEmbedding(**classes)


def test_a_rule_must_be_callable():
    with pytest.raises(TypeError, match=r"`rule` to be callable. Received: rule=3"):
        mmd.RegisterMeanEmbedding(tfd.Cauchy, type(KERNEL))(3)


def test_a_missing_rule_names_both_types_and_what_there_is():
    message = (
        "types of `distribution` and `kernel`. Received: Dirichlet and "
        "ExponentiatedQuadratic; registered: "
        "(BatchBroadcast, PositiveSemidefiniteKernel), (Bernoulli, CoordinateProduct), "
        "(Bernoulli, ExponentiatedQuadratic), (Bernoulli, FourierFeatures), (Blockwise, "
    )
    distribution = tfd.Dirichlet([1.0, 2.0])
    for call in (
        lambda: mmd.mean_embedding(distribution, KERNEL, np.zeros((1, 2))),
        lambda: mmd.mean_embedding_norm(distribution, KERNEL),
        lambda: mmd.squared_mmd(np.zeros((2, 2)), distribution, KERNEL),
    ):
        with pytest.raises(NotImplementedError, match=re.escape(message)):
            call()


_HALVES = tfd.Categorical(probs=[0.5, 0.5])
_NORMALS = tfd.MixtureSameFamily(_HALVES, tfd.Normal([0.0, 1.0], 1.0))


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (tfd.Sample(tfd.Moyal(0.0, 1.0), 2), "Moyal and Exp"),
        (tfd.Independent(tfd.Moyal([0.0, 1.0], 1.0), 1), "Moyal and Exp"),
        (
            tfd.MixtureSameFamily(
                _HALVES, tfd.Independent(tfd.Moyal([[0.0, 1.0], [2.0, 3.0]], 1.0), 1)
            ),
            "Moyal and Exp",
        ),
        (tfd.Sample(tfd.QuantizedDistribution(tfd.Normal(0.0, 1.0)), 2), "to be scalars"),
        (tfd.Sample(tfd.Categorical(probs=[0.5, 0.5]), 2), "to be scalars"),
        (tfd.Sample(_NORMALS, 2), "parameters of a scalar"),
        (
            tfd.Independent(
                tfd.MixtureSameFamily(_HALVES, tfd.Normal([[0.0, 1.0], [2.0, 3.0]], 1.0)), 1
            ),
            "mixture not to be part of a product",
        ),
    ],
)
def test_parts_without_a_rule(distribution, message):
    for kernel in (KERNEL, KERNEL + KERNEL):
        assert mmd.has_mean_embedding(distribution, kernel) is False
        with pytest.raises(NotImplementedError, match=message):
            mmd.mean_embedding_norm(distribution, kernel)


def test_has_mean_embedding():
    normal = tfd.MultivariateNormalDiag(tf.zeros(2))
    assert mmd.has_mean_embedding(normal, KERNEL) is True
    assert mmd.has_mean_embedding(normal, KERNEL + KERNEL) is True
    for other in (psd_kernels.MaternOneHalf(), psd_kernels.Linear()):
        assert mmd.has_mean_embedding(normal, other) is True
        assert mmd.has_mean_embedding(normal, KERNEL + other) is True
    assert mmd.has_mean_embedding(normal, KERNEL * psd_kernels.MaternOneHalf()) is True
    assert mmd.has_mean_embedding(normal, psd_kernels.ExpSinSquared()) is False
    assert mmd.has_mean_embedding(normal, KERNEL + psd_kernels.ExpSinSquared()) is False


def test_products_of_kernels_without_a_rule():
    normal = tfd.MultivariateNormalDiag(tf.zeros(2))
    kernel = KERNEL * psd_kernels.Linear()
    message = "ExponentiatedQuadratic, Linear, distribution MultivariateNormalDiag"
    with pytest.raises(NotImplementedError, match=f"factors of a product .* factors {message}"):
        mmd.mean_embedding_norm(normal, kernel)
    assert not mmd.has_mean_embedding(normal, kernel)
