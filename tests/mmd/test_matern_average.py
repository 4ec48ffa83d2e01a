import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.integrals import log_matern_average
from tests.mmd.mmd_cases import check_gradient

ORDERS = (0.5, 1.5, 2.5)
WIDTH = 0.7


def _log_kernel(t, order):
    u = np.sqrt(2.0 * order) * np.abs(t) / WIDTH
    factor = {0.5: 1.0, 1.5: 1.0 + u, 2.5: 1.0 + u + u * u / 3.0}[order]
    return np.log(factor) - u


def _log_by_quadrature(offset, variance, order):
    """Integrates in logarithms, around the peak of the integrand and cut at the kink."""

    def log_integrand(t):
        exponent = -((t - offset) ** 2) / (2.0 * variance) - 0.5 * np.log(2.0 * np.pi * variance)
        return _log_kernel(t, order) + exponent

    deviation = np.sqrt(variance)
    grid = np.concatenate(
        [
            np.linspace(-20.0, 20.0, 2001) * scale + centre
            for scale in (deviation, WIDTH)
            for centre in (offset, 0.0)
        ]
    )
    top = log_integrand(grid).max()
    edges = np.unique(grid[log_integrand(grid) > top - 45.0])
    edges = np.unique([*edges, *([0.0] if edges[0] < 0.0 < edges[-1] else [])])
    nodes, weights = np.polynomial.legendre.leggauss(8)
    sides = np.diff(edges)[:, None]
    values = np.exp(log_integrand(edges[:-1, None] + sides * (nodes + 1.0) / 2.0) - top)
    return top + np.log(np.sum(sides * weights / 2.0 * values))


@pytest.mark.parametrize("order", ORDERS)
def test_quadrature(order):
    # From a point to a normal that is far wider than the kernel; from its centre to far outside.
    offsets = np.array([0.0, 0.3, -2.0, 15.0])[:, None]
    variances = np.array([1e-4, 0.09, 1.0, 25.0, 1e4])
    values = log_matern_average(
        tf.constant(offsets), tf.constant(variances), tf.constant(WIDTH, tf.float64), order
    )
    expected = [[_log_by_quadrature(o, v, order) for v in variances] for o in offsets[:, 0]]
    np.testing.assert_allclose(np.exp(values - np.array(expected)), 1.0, rtol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_a_narrow_normal_is_a_point(order):
    offsets = np.array([-300.0, -1.0, 0.25, 3.0, 100.0])
    values = log_matern_average(
        tf.constant(offsets), tf.constant(1e-12, tf.float64), tf.constant(WIDTH, tf.float64), order
    )
    np.testing.assert_allclose(values, _log_kernel(offsets, order), rtol=1e-10)


@pytest.mark.parametrize("order", ORDERS)
def test_both_sides_of_the_switch_to_the_series(order):
    # c = a v - offset over sqrt(v) crosses 30 here; second differences show a jump.
    deviation = 30.0 * WIDTH / np.sqrt(2.0 * order)
    offsets = tf.constant(np.linspace(-0.01, 0.01, 41) * deviation)
    values = log_matern_average(
        offsets, tf.constant(deviation**2, tf.float64), tf.constant(WIDTH, tf.float64), order
    ).numpy()
    assert np.abs(np.diff(values, n=3)).max() < 1e-10


# XLA compiles the last order, whose terms are those of the others and one more.
@pytest.mark.sampled
@pytest.mark.parametrize(("jit_compile", "orders"), [(False, ORDERS), (True, ORDERS[-1:])])
def test_gradients_are_finite_everywhere(jit_compile, orders):
    offsets = np.array([0.0, 1e-9, 1.0, -40.0, 1e3, -1e6])[:, None] * np.ones(4)
    variances = np.array([1e-10, 1e-3, 1.0, 1e8]) * np.ones([6, 1])

    @tf.function(jit_compile=jit_compile, autograph=False)
    def evaluate(o, v):
        width = tf.constant(WIDTH, tf.float64)
        return [
            tfp.math.value_and_gradient(
                lambda o, v, order=order: log_matern_average(o, v, width, order), (o, v)
            )
            for order in orders
        ]

    for values, gradients in evaluate(tf.constant(offsets), tf.constant(variances)):
        assert np.isfinite(values).all() and all(np.isfinite(g).all() for g in gradients)
        assert (values.numpy() <= 1e-12).all()


@pytest.mark.parametrize("order", ORDERS)
def test_gradient_equals_differences(order):
    check_gradient(
        lambda o, v, w: tf.reduce_sum(log_matern_average(o, v, w, order)),
        np.array([0.5, -2.0, 9.0]),
        np.array([0.3, 1.0, 4.0]),
        np.array([0.7, 2.0, 0.5]),
    )
