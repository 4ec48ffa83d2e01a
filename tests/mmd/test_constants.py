"""What a traced step holds, and what stays differentiable."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import CASES, SUM, check_gradient, make_kernel

tfd = tfp.distributions
ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic
POINTS = np.random.default_rng(0).normal(size=(5, 2))


@pytest.mark.sampled
@pytest.mark.parametrize("name", CASES)
def test_a_step_holds_the_prior_as_constants(name):
    distribution, kernel = CASES[name].make("float32"), make_kernel(SUM, "float32")

    @tf.function(input_signature=[tf.TensorSpec([None, 2])], autograph=False)
    def step(x):
        return mmd.squared_mmd(x, distribution, kernel)

    concrete = step.get_concrete_function()
    assert not concrete.captured_inputs
    types = {operation.type for operation in concrete.graph.get_operations()}
    assert not types & {"Cholesky", "MatrixTriangularSolve", "ReadVariableOp"}


def test_variables_of_the_prior_and_the_kernel_are_read_at_every_step():
    loc, width = tf.Variable([0.5, 0.0], dtype=tf.float64), tf.Variable(0.8, dtype=tf.float64)
    kernel = ExponentiatedQuadratic(length_scale=width) + make_kernel(SUM)
    prior = tfd.MultivariateNormalTriL(loc, np.array([[1.0, 0.0], [0.5, 2.0]]))

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            value = mmd.squared_mmd(POINTS, prior, kernel)
        return value, tape.gradient(value, [loc, width])

    for new_loc, new_width in (([0.5, 0.0], 0.8), ([-1.0, 2.0], 1.5)):
        loc.assign(new_loc)
        width.assign(new_width)
        value, gradients = step()

        def at(loc, width):
            kernel = ExponentiatedQuadratic(length_scale=width) + make_kernel(SUM)
            prior = tfd.MultivariateNormalTriL(loc, np.array([[1.0, 0.0], [0.5, 2.0]]))
            return mmd.squared_mmd(POINTS, prior, kernel)

        np.testing.assert_allclose(value, at(np.array(new_loc), np.array(new_width)), rtol=1e-9)
        expected = tfp.math.value_and_gradient(
            at, [tf.constant(new_loc, tf.float64), tf.constant(new_width, tf.float64)]
        )[1]
        for gradient, other in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(gradient, other, rtol=1e-9)


@pytest.mark.sampled
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (tfd.MultivariateNormalTriL, [np.ones(2), np.array([[1.0, 0.0], [0.5, 2.0]])]),
        (tfd.MultivariateNormalTriL, [np.ones(2), np.eye(2)]),
        (lambda loc, scale: tfd.Sample(tfd.Normal(loc, scale), 2), [np.array(0.3), np.array(0.7)]),
        (
            lambda low, high: tfd.Independent(tfd.Uniform(low, high), 1),
            [np.array([-1.0, 0.0]), np.array([1.0, 0.5])],
        ),
        (
            lambda logits, loc: tfd.MixtureSameFamily(
                tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, np.ones((3, 2)))
            ),
            [np.array([0.1, 0.2, -0.5]), np.arange(6.0).reshape(3, 2)],
        ),
    ],
)
def test_gradients_reach_parameters_that_are_tensors(build, parameters, traced):
    kernel = make_kernel(SUM)

    def estimate(*parameters):
        return mmd.squared_mmd(POINTS, build(*parameters), kernel)

    check_gradient(estimate, *parameters, traced=traced)


def test_a_prior_made_inside_the_step():
    kernel = make_kernel(SUM)

    @tf.function(autograph=False)
    def step(x):
        return mmd.squared_mmd(x, tfd.MultivariateNormalDiag(scale_diag=[1.0, 2.0]), kernel)

    prior = tfd.MultivariateNormalDiag(scale_diag=[1.0, 2.0])
    np.testing.assert_allclose(step(POINTS), mmd.squared_mmd(POINTS, prior, kernel), rtol=1e-9)
