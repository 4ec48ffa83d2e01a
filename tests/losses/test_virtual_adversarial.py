import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from aae_tf.losses import VirtualAdversarial

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(6, 4)).astype("float32")
INPUTS = RNG.normal(size=(5, 6)).astype("float32")


def _linear(inputs):
    return inputs @ tf.constant(KERNEL)


def _kl(logits, changed):
    return stats.entropy(special.softmax(logits, axis=1), special.softmax(changed, axis=1), axis=1)


def test_direction_is_the_dominant_eigenvector_of_the_hessian():
    term = VirtualAdversarial(radius=2.0, num_power_iterations=60, finite_difference=0.02)
    found = term.disturbance(_linear, tf.constant(INPUTS), _linear(INPUTS), seed=[0, 1]).numpy()
    for row, probs in zip(found, special.softmax(INPUTS @ KERNEL, axis=1), strict=True):
        hessian = KERNEL @ (np.diag(probs) - np.outer(probs, probs)) @ KERNEL.T
        dominant = np.linalg.eigh(hessian)[1][:, -1]
        np.testing.assert_allclose(abs(row @ dominant), 2.0, rtol=1e-3)


def test_one_iteration_is_one_product_with_the_hessian():
    start = tf.random.stateless_normal(INPUTS.shape, [3, 4]).numpy().astype("float64")
    term = VirtualAdversarial(radius=1.0, finite_difference=0.01)
    found = term.disturbance(_linear, tf.constant(INPUTS), _linear(INPUTS), seed=[3, 4]).numpy()
    for row, first, probs in zip(found, start, special.softmax(INPUTS @ KERNEL, 1), strict=True):
        product = KERNEL @ (np.diag(probs) - np.outer(probs, probs)) @ KERNEL.T @ first
        np.testing.assert_allclose(row, product / np.linalg.norm(product), atol=0.02)


def test_value_is_the_mean_divergence_in_nats():
    term, inputs, logits = VirtualAdversarial(radius=0.7), tf.constant(INPUTS), _linear(INPUTS)
    changed = (INPUTS + term.disturbance(_linear, inputs, logits, [0, 1])) @ KERNEL
    expected = _kl(INPUTS @ KERNEL, changed)
    value = term(_linear, inputs, logits, [0, 1])
    assert value.shape == () and value.dtype == tf.float32
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)
    weight = np.array([0.0, 1.0, 2.0, 0.0, 5.0])
    np.testing.assert_allclose(
        term(_linear, inputs, logits, [0, 1], weight), weight @ expected / 8.0, rtol=1e-4
    )


def test_gradient_flows_through_the_last_pass_alone():
    kernel = tf.Variable(KERNEL)
    term, inputs = VirtualAdversarial(radius=0.7), tf.constant(INPUTS)

    def logits_function(x):
        return x @ kernel

    with tf.GradientTape() as tape:
        value = term(logits_function, inputs, logits_function(inputs), [0, 1])
    gradient = tape.gradient(value, kernel).numpy()
    changed_inputs = INPUTS + term.disturbance(logits_function, inputs, inputs @ kernel, [0, 1])
    logits = INPUTS.astype("float64") @ KERNEL
    for index in [(0, 0), (3, 2), (5, 3)]:
        step = np.zeros_like(KERNEL, "float64")
        step[index] = 1e-4
        low, high = (
            _kl(logits, changed_inputs.numpy() @ (KERNEL + sign * step)).mean() for sign in (-1, 1)
        )
        np.testing.assert_allclose(gradient[index], (high - low) / 2e-4, rtol=1e-3, atol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize(("rank", "jit_compile"), [(2, False), (3, False), (4, True)])
def test_any_rank_and_compiler_gives_rows_of_the_radius(rank, jit_compile):
    shape = (3, 6, 2, 5)[:rank]
    kernel = tf.constant(RNG.normal(size=(int(np.prod(shape[1:])), 4)), tf.float32)
    inputs = tf.constant(RNG.normal(size=shape), tf.float32)
    term = VirtualAdversarial(radius=0.3)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(inputs, seed):
        def logits_function(x):
            return tf.reshape(x, (3, -1)) @ kernel

        logits = logits_function(inputs)
        found = term.disturbance(logits_function, inputs, logits, seed)
        return found, term(logits_function, inputs, logits, seed)

    found, value = run(inputs, tf.constant([5, 6]))
    assert found.shape == shape and value > 0
    np.testing.assert_allclose(np.linalg.norm(found.numpy().reshape(3, -1), axis=1), 0.3, rtol=1e-5)
    again, other = run(inputs, tf.constant([5, 6]))[0], run(inputs, tf.constant([5, 7]))[0]
    np.testing.assert_array_equal(found, again)
    assert np.abs(found - other).max() > 1e-3


def test_batch_of_unknown_size_is_taken():
    term = VirtualAdversarial()
    run = tf.function(
        lambda x: term(_linear, x, _linear(x), [0, 1]), autograph=False
    ).get_concrete_function(tf.TensorSpec([None, 6]))
    assert np.isfinite(run(tf.constant(INPUTS)))


@pytest.mark.parametrize(
    "logits_function",
    [
        lambda x: tf.zeros((5, 4)),
        lambda x: 0.0 * x[:, :4],
        # So decided that the slope of the softmax is zero in float32.
        lambda x: tf.constant([[1e4, 0.0, 0.0, 0.0]]) + 1e-3 * x[:, :4],
    ],
)
def test_function_without_slope_keeps_the_random_direction(logits_function):
    inputs = tf.constant(INPUTS)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = VirtualAdversarial()(logits_function, inputs, logits_function(inputs), [0, 1])
    gradient = tape.gradient(value, inputs, unconnected_gradients="zero")
    assert value == 0.0 and not np.any(gradient)
    found = VirtualAdversarial(3.0).disturbance(
        logits_function, inputs, logits_function(inputs), [0, 1]
    )
    start = tf.random.stateless_normal(INPUTS.shape, [0, 1]).numpy()
    expected = 3.0 * start / np.linalg.norm(start, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_layers_of_half_precision_find_the_direction_of_float32(policy):
    layer = keras.layers.Dense(4, dtype=policy)
    layer.build((None, 6))
    layer.set_weights([KERNEL, np.zeros(4)])
    term, inputs = VirtualAdversarial(radius=1.0), tf.constant(INPUTS)
    logits = layer(inputs)
    assert logits.dtype != tf.float32
    found = term.disturbance(layer, inputs, logits, [0, 1])
    exact = term.disturbance(_linear, inputs, _linear(inputs), [0, 1])
    assert (tf.reduce_sum(found * exact, axis=1).numpy() > 0.98).all()
    value = term(layer, inputs, logits, [0, 1])
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, term(_linear, inputs, _linear(inputs), [0, 1]), rtol=0.1)


def test_inputs_of_half_precision_reach_the_function_as_they_are():
    kernel = tf.constant(KERNEL, tf.float16)
    inputs = tf.constant(INPUTS, tf.float16)
    value = VirtualAdversarial()(lambda x: x @ kernel, inputs, inputs @ kernel, [0, 1])
    assert value.dtype == tf.float32 and np.isfinite(value)
