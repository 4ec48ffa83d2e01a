"""The sliced Wasserstein distance against fine grids of quantiles, draws, and known distances."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, priors
from aae_tf.divergences import SlicedWasserstein

tfd = tfp.distributions

SEED = (3, 4)


def _connected(prior, **arguments):
    divergence = SlicedWasserstein(**arguments)
    divergence.connect(prior, seed=0)
    return divergence


def _mixture_on_the_line():
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]),
        tfd.MultivariateNormalDiag([[-2.0], [1.0]], [[0.5], [1.5]]),
    )


def _quantiles(levels):
    x = np.linspace(-12.0, 14.0, 2_000_001)
    cdf = 0.3 * scipy.special.ndtr((x + 2.0) / 0.5) + 0.7 * scipy.special.ndtr((x - 1.0) / 1.5)
    return np.interp(levels, cdf, x)


@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 0.0, 2.0, 0.5]])
def test_distance_on_the_line_is_the_integral_over_levels(weights):
    # In one dimension every direction is the axis, up to its sign.
    codes = np.float32([[0.4], [-3.0], [9.0], [2.5], [-0.2]])
    shares = np.ones(5) if weights is None else np.array(weights)
    shares = shares / shares.sum()
    order = codes[:, 0].argsort()
    levels = (np.arange(1_000_000) + 0.5) / 1_000_000
    rows = np.searchsorted(np.cumsum(shares[order]), levels)
    expected = ((codes[order, 0][rows] - _quantiles(levels)) ** 2).mean()
    weight = None if weights is None else tf.constant(weights)
    value = _connected(_mixture_on_the_line()).compare(codes, SEED, weight).encoder_loss
    assert float(value) == pytest.approx(expected, rel=1e-4)


def test_distance_of_far_codes_is_that_of_their_place():
    # All mass goes to one point: E (v'(x - X))^2, of which the mean over directions is known.
    prior = priors.gaussian(8, scale=2.0)
    point = np.arange(8, dtype=np.float32)
    codes = np.tile(point, [10, 1])
    value = _connected(prior, num_slices=20_000).compare(codes, SEED).encoder_loss
    assert float(value) == pytest.approx((point @ point + 8 * 4.0) / 8, rel=0.03)


def test_distance_to_a_rotated_mixture_is_that_to_many_draws():
    prior = priors.ring_mixture(10)
    codes = tf.random.stateless_normal([200, 2], [0, 1])
    exact = _connected(prior, num_slices=50).compare(codes, SEED).encoder_loss
    slices = tf.random.stateless_normal([50, 2], tf.random.split(SEED, 2)[0])
    slices = tf.linalg.l2_normalize(slices, axis=1).numpy()
    draws = np.sort(prior.sample(200_000, seed=[0, 2]).numpy() @ slices.T, axis=0)
    ordered = np.repeat(np.sort(codes.numpy() @ slices.T, axis=0), 1000, axis=0)
    assert float(exact) == pytest.approx(((ordered - draws) ** 2).mean(), rel=0.01)


@pytest.mark.sampled
@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_is_that_of_differences(jit_compile):
    divergence = _connected(priors.ring_mixture(5))
    codes = tf.random.stateless_normal([30, 2], [0, 1], dtype=tf.float64)

    @tf.function(jit_compile=jit_compile)
    def compare(codes):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            loss = divergence.compare(codes, SEED).encoder_loss
        return loss, tape.gradient(loss, codes)

    _, gradient = compare(codes)
    direction = tf.random.stateless_normal([30, 2], [0, 7], dtype=tf.float64)
    step = 1e-4
    ends = [float(compare(codes + sign * step * direction)[0]) for sign in (1.0, -1.0)]
    slope = float(tf.reduce_sum(gradient * direction))
    assert (ends[0] - ends[1]) / (2.0 * step) == pytest.approx(slope, rel=1e-3)


def test_other_priors_are_sampled():
    prior = priors.uniform(2, low=-1.0, high=1.0)
    divergence = _connected(prior, num_slices=200)
    near = divergence.compare(prior.sample(2000, seed=[0, 1]), SEED).encoder_loss
    far = divergence.compare(
        prior.sample(2000, seed=[0, 1]) + tf.constant([3.0, 0.0]), SEED
    ).encoder_loss
    assert float(near) < 0.01
    # The squared length of the shift, over the two dimensions.
    assert float(far) == pytest.approx(4.5, rel=0.1)


@pytest.mark.parametrize("weights", [None, [2.0, 1.0, 1.0, 0.0]])
def test_two_samples_are_matched_in_their_order(weights):
    real, made = np.float32([[0.0], [4.0], [1.0], [50.0]]), np.float32([[5.0], [1.0], [2.0], [3.0]])
    rows = [0.0, 1.0, 4.0, 50.0] if weights is None else [0.0, 0.0, 1.0, 4.0]
    weight = None if weights is None else tf.constant(weights)
    value = _connected(priors.gaussian(1)).compare(made, SEED, weight, real=real).encoder_loss
    expected = np.mean((np.array(rows) - [1.0, 2.0, 3.0, 5.0]) ** 2)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_no_weight_is_no_distance():
    divergence = _connected(priors.gaussian(2))
    assert float(divergence.compare(tf.ones([3, 2]), SEED, tf.zeros([3])).encoder_loss) == 0.0


@pytest.mark.thorough
def test_bias_of_small_batches_is_as_documented():
    divergence, prior = _connected(priors.gaussian(2), num_slices=50), priors.gaussian(2)
    for count, low, high in ((100, 0.02, 0.2), (1000, 0.002, 0.02)):
        values = [
            float(divergence.compare(prior.sample(count, seed=[0, k]), (k, 1)).encoder_loss)
            for k in range(5)
        ]
        assert low < np.mean(values) < high


def test_arguments_and_config():
    divergence = SlicedWasserstein(num_slices=7, weight=3.0)
    again = SlicedWasserstein.from_config(divergence.get_config())
    assert (again.num_slices, again.weight) == (7, 3.0)
    assert SlicedWasserstein().default_weight(784) == 10.0
    assert isinstance(divergences.get("sliced_wasserstein"), SlicedWasserstein)
    with pytest.raises(ValueError, match="`num_slices`"):
        SlicedWasserstein(num_slices=0)
    with pytest.raises(ValueError, match=r"compare within classes .* num_classes=3"):
        SlicedWasserstein().connect(priors.gaussian(2), seed=0, num_classes=3)
