"""Every family of scalars under every kernel on the line, against quadrature."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd
from tests.mmd.mmd_cases import check_gradient
from tests.mmd.oracles import embedding_on_line, norm_on_line
from tests.mmd.rule_cases import KERNELS, LAWS

tfd = tfp.distributions

LOC, SCALE = 0.3, 0.9
POINTS = np.array([-2.5, 0.3, 0.9, 4.0])
# Parameters rounded to float32 change exponents, of up to 20 here, by a few 1e-7 of themselves.
TOLERANCES = {"float64": 1e-6, "float32": 1e-5}


def _vector(family, dtype):
    return tfd.Sample(LAWS[family][0](np.array(LOC, dtype), np.array(SCALE, dtype)), 1)


@pytest.mark.sampled
@pytest.mark.parametrize("family", LAWS)
def test_quadrature_on_the_line(family):
    law = LAWS[family][1](LOC, SCALE)
    for name, (make, function) in KERNELS.items():
        embedding = embedding_on_line(law, function, POINTS)
        norm = norm_on_line(law, law, function)
        for dtype, rtol in TOLERANCES.items():
            if dtype == "float32" and name not in ("sum", "MaternFiveHalves"):
                continue
            vector, kernel = _vector(family, dtype), make(dtype)
            values = mmd.mean_embedding(vector, kernel, POINTS[:, np.newaxis].astype(dtype))
            assert values.dtype == dtype
            np.testing.assert_allclose(values, embedding, rtol=rtol, err_msg=name)
            value = mmd.mean_embedding_norm(vector, kernel)
            np.testing.assert_allclose(value, norm, rtol=rtol, err_msg=name)


@pytest.mark.parametrize("name", ["MaternOneHalf", "MaternThreeHalves", "MaternFiveHalves"])
def test_normals_of_other_classes_on_the_line(name):
    # One has the form for the line, the other is an average of Gaussian kernels.
    kernel = KERNELS[name][0]("float64")
    points = POINTS[:, np.newaxis]
    expected = mmd.mean_embedding(_vector("Normal", "float64"), kernel, points)
    diag = tfd.MultivariateNormalDiag(np.array([LOC]), np.array([SCALE]))
    tril = tfd.MultivariateNormalTriL(np.array([LOC]), np.array([[SCALE]]))
    np.testing.assert_allclose(mmd.mean_embedding(diag, kernel, points), expected, rtol=1e-12)
    np.testing.assert_allclose(mmd.mean_embedding(tril, kernel, points), expected, rtol=1e-6)
    difference = mmd.mean_embedding(tril, kernel, points) - expected
    assert np.abs(difference).max() < 1e-8


@pytest.mark.parametrize("family", LAWS)
def test_far_points_have_finite_gradients(family):
    points = tf.constant([[0.0], [0.3], [-40.0], [50.0], [1e3], [-1e6]], tf.float64)
    for name in ("RationalQuadratic", "MaternFiveHalves"):
        vector, kernel = _vector(family, "float64"), KERNELS[name][0]("float64")
        values, gradient = tfp.math.value_and_gradient(
            lambda z, v=vector, k=kernel: mmd.mean_embedding(v, k, z), points
        )
        assert np.isfinite(values).all() and np.isfinite(gradient).all(), name


@pytest.mark.sampled
@pytest.mark.parametrize("family", LAWS)
def test_gradients_reach_points_and_parameters(family):
    def total(points, loc, scale):
        vector = tfd.Sample(LAWS[family][0](loc, scale), 2)
        kernel = mmd.CoordinateProduct(KERNELS["MaternThreeHalves"][0]("float64"))
        return tf.reduce_sum(mmd.mean_embedding(vector, kernel, points)) + (
            mmd.mean_embedding_norm(vector, kernel)
        )

    points = np.array([[0.5, -1.0], [3.0, 0.25]])
    check_gradient(total, points, np.float64(LOC), np.float64(SCALE))


def test_laplace_scales_that_are_nearly_equal():
    # The partial fractions of two scales cancel where these are close; either side of the switch.
    kernel = KERNELS["ExponentiatedQuadratic"][0]("float64")

    def norm(other):
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.array([0.5, 0.5])),
            tfd.Independent(tfd.Laplace(np.array([[0.0], [0.4]]), np.array([[1.0], [other]])), 1),
        )
        return mmd.mean_embedding_norm(mixture, kernel).numpy()

    for gap in (1e-7, 4e-6, 6e-6, 1e-4):
        # By a slope from afar, whose error is gap^2 / 2 times a second derivative of about one.
        slope = (norm(1.01) - norm(0.99)) / 0.02
        np.testing.assert_allclose(norm(1.0 + gap) - norm(1.0), slope * gap, atol=gap**2 + 1e-9)
