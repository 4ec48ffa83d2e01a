import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize, special, stats

from aae_tf.losses import MutualInformation

LOGITS = np.random.default_rng(0).normal(size=(7, 4))
WEIGHT = np.array([0.0, 1.0, 2.0, 0.5, 0.0, 3.0, 1.0])


def _expected(logits, marginal_weight, weight=None):
    probs = special.softmax(logits, axis=1)
    marginal = stats.entropy(np.average(probs, axis=0, weights=weight))
    conditional = np.average(stats.entropy(probs, axis=1), weights=weight)
    return conditional - marginal_weight * marginal


@pytest.mark.parametrize("marginal_weight", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_value_is_made_of_entropies(marginal_weight, weight):
    value = MutualInformation(marginal_weight)(tf.constant(LOGITS, tf.float32), weight)
    assert value.shape == () and value.dtype == tf.float32
    np.testing.assert_allclose(value, _expected(LOGITS, marginal_weight, weight), rtol=1e-4)


def test_even_and_decided_is_the_minimum():
    decided = 50.0 * np.eye(4, dtype="float32")
    assert np.isclose(MutualInformation(3.0)(decided), -3.0 * np.log(4))
    assert np.isclose(MutualInformation(3.0)(decided[[0, 0, 0]]), 0.0)
    assert np.isclose(MutualInformation(3.0)(np.zeros((5, 4), "float32")), -2.0 * np.log(4))


def test_gradient_is_that_of_finite_differences():
    logits = tf.constant(LOGITS, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = MutualInformation(4.0)(logits)
    expected = optimize.approx_fprime(LOGITS.ravel(), lambda x: _expected(x.reshape(7, 4), 4.0))
    np.testing.assert_allclose(
        tape.gradient(value, logits), expected.reshape(7, 4), rtol=1e-3, atol=1e-5
    )


@pytest.mark.sampled
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_extreme_logits_give_finite_values_and_gradients(dtype, jit_compile):
    # The last class is dead: its probability underflows in every row.
    logits = tf.constant([[3e4, 0.0, -3e4], [0.0, 3e4, -3e4], [-3e4, 0.0, -3e4]], dtype)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = MutualInformation(2.0)(logits)
        return value, tape.gradient(value, logits)

    value, gradient = run(logits)
    np.testing.assert_allclose(value, -2.0 * stats.entropy([1 / 3, 2 / 3]), rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_batch_without_weight_is_zero():
    assert MutualInformation()(tf.constant(LOGITS, tf.float32), np.zeros(7)) == 0.0
