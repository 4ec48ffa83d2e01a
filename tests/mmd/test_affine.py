"""Affine images: of Gaussians, of mixtures, and of boxes that are turned and scaled."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, mmd, models, priors
from aae_tf.mmd.gaussian_parts import gaussian_parts
from tests.mmd.oracles import panels

tfd = tfp.distributions
tfb = tfp.bijectors
psd_kernels = tfp.math.psd_kernels

POINTS = np.array([[0.3, -0.5], [0.9, 1.0], [-2.0, 0.25], [30.0, 0.0]])
SHIFT = np.array([1.5, -0.7])
_COSINE, _SINE = np.cos(0.4), np.sin(0.4)
TURN = np.array([[_COSINE, -_SINE], [_SINE, _COSINE]])
KERNELS = {
    "gaussian": (
        psd_kernels.ExponentiatedQuadratic(np.float64(1.1), np.float64(0.8)),
        lambda r: 1.21 * np.exp(-0.5 * (r / 0.8) ** 2),
    ),
    "rational": (
        psd_kernels.RationalQuadratic(length_scale=np.float64(0.8)),
        lambda r: 1.0 / (1.0 + 0.5 * (r / 0.8) ** 2),
    ),
    "energy": (mmd.Energy(), lambda r: -r),
}


def _box() -> tfd.Distribution:
    return tfd.Sample(tfd.Uniform(np.float64(-1.0), np.float64(1.0)), 2)


def _turned(scale: float = -1.5) -> tfd.TransformedDistribution:
    turn = tfb.ScaleMatvecLinearOperator(tf.linalg.LinearOperatorFullMatrix(TURN))
    chain = [tfb.Shift(SHIFT), tfb.Invert(tfb.Scale(np.float64(1.0 / scale))), turn]
    return tfd.TransformedDistribution(_box(), tfb.Chain(chain))


@pytest.mark.parametrize("name", KERNELS)
def test_a_box_that_is_turned_and_scaled(name):
    kernel, function = KERNELS[name]
    nodes, weights = panels(np.linspace(-1.0, 1.0, 9))
    corners = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    masses = np.outer(weights, weights).ravel() / 4.0
    images = SHIFT - 1.5 * corners @ TURN.T
    distances = np.linalg.norm(POINTS[:, np.newaxis] - images, axis=-1)
    # The energy's kink within the box costs digits of the oracle.
    rtol = 1e-4 if name == "energy" else 1e-6
    values = mmd.mean_embedding(_turned(), kernel, POINTS)
    np.testing.assert_allclose(values, function(distances) @ masses, rtol=rtol)
    wide = tfd.Sample(tfd.Uniform(np.float64(-1.5), np.float64(1.5)), 2)
    np.testing.assert_allclose(
        mmd.mean_embedding_norm(_turned(), kernel), mmd.mean_embedding_norm(wide, kernel), rtol=1e-6
    )


def test_images_of_mixtures_are_mixtures_in_every_place_that_asks_for_gaussians():
    ring = priors.ring_mixture(4, radius=2.0)
    matrix = np.float32([[1.0, 0.0], [0.5, 2.0]])
    chain = tfb.Chain([tfb.Shift(np.float32([1.0, -1.0])), tfb.ScaleMatvecTriL(matrix)])
    image = tfd.TransformedDistribution(ring, chain)
    components = ring.components_distribution
    expected = tfd.MixtureSameFamily(
        ring.mixture_distribution,
        tfd.MultivariateNormalTriL(
            components.mean() @ matrix.T + np.float32([1.0, -1.0]),
            tf.linalg.cholesky(matrix @ components.covariance() @ matrix.T),
        ),
    )
    for part, other in zip(gaussian_parts(image), gaussian_parts(expected), strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-5, atol=1e-5)
    codes = np.float32(POINTS[:3])
    for kernel in (mmd.Energy(), mmd.SlicedGaussian(1.0), mmd.default_kernel(expected)):
        np.testing.assert_allclose(
            mmd.squared_mmd(codes, image, kernel),
            mmd.squared_mmd(codes, expected, kernel),
            rtol=1e-4,
        )
    values = []
    for prior in (image, expected):
        divergence = divergences.SlicedWasserstein(8)
        divergence.connect(prior, seed=0)
        values.append(divergence.compare(codes, seed=[0, 1]).encoder_loss)
    np.testing.assert_allclose(*values, rtol=1e-4)


@pytest.mark.thorough
def test_a_graph_has_the_values_and_the_gradient():
    kernel = mmd.Energy()
    points = tf.constant(POINTS)

    @tf.function(autograph=False)
    def embed(points):
        with tf.GradientTape() as tape:
            tape.watch(points)
            values = mmd.mean_embedding(_IMAGE, kernel, points)
        return values, tape.gradient(values, points)

    values, gradient = embed(points)
    np.testing.assert_allclose(values, mmd.mean_embedding(_IMAGE, kernel, POINTS), rtol=1e-6)
    step = np.array([1e-4, 0.0])
    ahead, behind = (mmd.mean_embedding(_IMAGE, kernel, POINTS + s) for s in (step, -step))
    np.testing.assert_allclose(gradient[:, 0], (ahead - behind) / 2e-4, rtol=1e-4, atol=1e-6)


_IMAGE = _turned(0.5)


def test_a_code_is_matched_to_an_image_without_samples():
    divergence = divergences.MMD()
    prior = tfd.TransformedDistribution(priors.uniform(2), tfb.Scale(3.0))
    models.Code(prior, divergence).connect(seed=0)
    codes = np.float32(POINTS)
    first, second = (divergence.compare(codes, seed=[0, i]).encoder_loss for i in range(2))
    assert float(first) == float(second)


@pytest.mark.parametrize(
    ("bijector", "message"),
    [
        # Its Jacobian is constant, and it is not affine.
        (tfb.RealNVP(1, shift_and_log_scale_fn=lambda x, n: (x**2, None)), "to be a chain of"),
        (tfb.Exp(), "to be a chain of tfb.Shift"),
        (tfb.Scale(np.array([1.0, 2.0])), "to scale all directions alike"),
    ],
)
def test_other_images_have_no_rule(bijector, message):
    image = tfd.TransformedDistribution(_box(), bijector)
    kernel = KERNELS["gaussian"][0]
    assert not mmd.has_mean_embedding(image, kernel)
    with pytest.raises(NotImplementedError, match=message):
        mmd.mean_embedding(image, kernel, POINTS)
    with pytest.raises(NotImplementedError, match="affine image of Gaussians under Fourier"):
        mmd.mean_embedding(image, mmd.FourierFeatures(kernel, 2, 8), POINTS)
