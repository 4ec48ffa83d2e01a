import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial import distance

from aae_tf.losses import HeadDistance

HEADS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def _run(heads, eta, jit_compile=False):
    heads = tf.constant(heads)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(heads):
        with tf.GradientTape() as tape:
            tape.watch(heads)
            value = HeadDistance(eta)(heads)
        return value, tape.gradient(value, heads)

    value, gradient = run(heads)
    return value.numpy(), tf.convert_to_tensor(gradient).numpy()


@pytest.mark.sampled
@pytest.mark.parametrize("eta", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_value_is_the_sum_of_shortfalls(eta, jit_compile):
    value, _ = _run(HEADS, eta, jit_compile)
    np.testing.assert_allclose(value, np.maximum(0, eta - distance.pdist(HEADS)).sum(), rtol=1e-5)


def test_gradient_is_of_unit_length_for_each_pair_that_is_too_near():
    heads = np.array([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0]], "float32")
    value, gradient = _run(heads, eta=6.0)
    assert value == 1.0
    np.testing.assert_allclose(gradient, [[0.6, 0.8], [-0.6, -0.8], [0.0, 0.0]], rtol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("offset", [0.0, 1e-25])
@pytest.mark.parametrize("dim", [1, 2, 10])
def test_coincident_heads_have_finite_slopes_and_part(offset, dim):
    start = np.zeros((4, dim), "float32")
    start[0] += offset  # Its square vanishes in float32.
    value, gradient = _run(start, eta=2.0)
    assert value == 12.0
    assert np.isfinite(gradient).all()
    heads = tf.Variable(start)

    @tf.function(autograph=False)
    def descend():
        with tf.GradientTape() as tape:
            loss = HeadDistance(2.0)(heads)
        heads.assign_sub(0.05 * tape.gradient(loss, heads))

    for _ in range(100):
        descend()
    assert distance.pdist(heads.numpy()).min() > 1.7


def test_one_head_has_nobody_to_keep_away_from():
    value, gradient = _run(HEADS[:1], eta=2.0)
    assert value == 0.0 and not gradient.any()


def test_half_precision_is_computed_in_float32():
    value = HeadDistance(2.0)(tf.constant(HEADS, tf.float16))
    assert value.dtype == tf.float32
