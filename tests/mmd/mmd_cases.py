"""Pairs of a distribution and a kernel, each beside an oracle that knows nothing of TFP."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
tfb = tfp.bijectors
ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic

COVARIANCE = np.array([[1.5, -0.6], [-0.6, 0.5]])
LOC = np.array([0.5, -1.0])
NUM_COMPONENTS = 10
_ANGLES = 2.0 * np.pi * np.arange(NUM_COMPONENTS) / NUM_COMPONENTS
_ROTATIONS = np.moveaxis(
    np.array([[np.cos(_ANGLES), -np.sin(_ANGLES)], [np.sin(_ANGLES), np.cos(_ANGLES)]]), -1, 0
)
# A ring of components that are long along the radius, with unequal weights.
RING_LOCS = 3.0 * _ROTATIONS[:, :, 0]
RING_SCALES = _ROTATIONS * np.array([0.6, 0.3])
RING_WEIGHTS = np.arange(1.0, 11.0) / 55.0

# (amplitude, length scale) of the terms of each kernel.
SINGLE = ((1.0, 0.7),)
SUM = ((0.8, 0.4), (0.5, 1.3), (1.2, 5.0))


def make_kernel(terms: tuple[tuple[float, float], ...], dtype: str = "float64"):
    """Sums Gaussian kernels with nested `+`, their widths given in either way."""
    kernels = [
        ExponentiatedQuadratic(np.array(a, dtype), np.array(w, dtype))
        if i % 2 == 0
        else ExponentiatedQuadratic(
            np.array(a, dtype), inverse_length_scale=np.array(1.0 / w, dtype)
        )
        for i, (a, w) in enumerate(terms)
    ]
    return kernels[0] if len(kernels) == 1 else kernels[0] + (kernels[1] + kernels[2])


def gaussian_density(loc: np.ndarray, covariance: np.ndarray) -> Callable:
    return scipy.stats.multivariate_normal(loc, covariance).pdf


def ring_density(points: np.ndarray) -> np.ndarray:
    return sum(
        weight * scipy.stats.multivariate_normal(loc, scale @ scale.T).pdf(points)
        for weight, loc, scale in zip(RING_WEIGHTS, RING_LOCS, RING_SCALES, strict=True)
    )


def box_density(points: np.ndarray) -> np.ndarray:
    """Uniform on [-1, 2] x [0.5, 1], the range of the quadrature."""
    return np.full(points.shape[:-1], 1.0 / 1.5)


def two_boxes_density(points: np.ndarray) -> np.ndarray:
    """0.3 of the mass on [-2, 0] x [0, 1], 0.7 on [0, 2] x [0, 2]; the range is cut at both."""
    x, y = points[..., 0], points[..., 1]
    return np.where(x < 0.0, np.where(y < 1.0, 0.15, 0.0), 0.175)


def check_gradient(function: Callable, *arguments: np.ndarray, traced: bool = False) -> None:
    """Compares the derivative along one random direction with a central difference."""
    rng, step = np.random.default_rng(0), 1e-5
    directions = [rng.normal(size=np.shape(argument)) for argument in arguments]
    evaluate = tf.function(
        lambda *values: tfp.math.value_and_gradient(function, values), autograph=False
    )
    gradients = (evaluate if traced else evaluate.python_function)(*map(tf.constant, arguments))[1]
    slope = sum(np.sum(g * d) for g, d in zip(gradients, directions, strict=True))
    above, below = (
        function(*[a + sign * step * d for a, d in zip(arguments, directions, strict=True)])
        for sign in (1.0, -1.0)
    )
    assert abs(slope) > 1e-3
    np.testing.assert_allclose(slope, float(above - below) / (2.0 * step), rtol=1e-5)


@dataclass(frozen=True)
class Case:
    """A 2-D distribution, its density, and where to integrate, panel by panel."""

    make: Callable[[str], tfd.Distribution]
    density: Callable[[np.ndarray], np.ndarray]
    panels: tuple = field(default=((-9.0, 0.0, 9.0), (-9.0, 0.0, 9.0)))

    def quadrature(self, terms, points: np.ndarray) -> tuple[np.ndarray, float]:
        """Integrates k(z, x) p(x) and p(x) k(x, y) p(y) by Gauss-Legendre rules.

        Gaussian kernels are products over the two axes, so no sum runs over pairs of nodes.
        """
        (x, x_weights), (y, y_weights) = map(_gauss_legendre, self.panels)
        mass = self.density(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
        mass = mass * x_weights[:, None] * y_weights
        np.testing.assert_allclose(mass.sum(), 1.0, rtol=1e-9)
        embedding, norm = np.zeros(len(points)), 0.0
        for amplitude, width in terms:

            def factor(a, b, width=width):
                return np.exp(-((a[:, None] - b) ** 2) / (2.0 * width**2))

            across = (factor(points[:, 0], x) @ mass) * factor(points[:, 1], y)
            embedding += amplitude**2 * across.sum(axis=1)
            norm += amplitude**2 * np.sum(mass * (factor(x, x) @ mass @ factor(y, y)))
        return embedding, norm


@dataclass(frozen=True)
class FiniteCase:
    """A distribution on finitely many points of the plane, and their probabilities."""

    make: Callable[[str], tfd.Distribution]
    support: np.ndarray
    probs: np.ndarray

    def quadrature(self, terms, points: np.ndarray) -> tuple[np.ndarray, float]:
        """Sums k(z, x) p(x) and p(x) k(x, y) p(y)."""

        def kernel(x, y):
            squares = ((x[:, None] - y) ** 2).sum(axis=-1)
            return sum(a**2 * np.exp(-squares / (2.0 * width**2)) for a, width in terms)

        embedding = kernel(points, self.support) @ self.probs
        return embedding, self.probs @ kernel(self.support, self.support) @ self.probs


def _gauss_legendre(edges: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns nodes and weights of 70-point rules between all neighbouring `edges`."""
    nodes, weights = np.polynomial.legendre.leggauss(70)
    starts, sides = np.array(edges[:-1])[:, None], np.diff(edges)[:, None]
    return (starts + sides * (nodes + 1.0) / 2.0).ravel(), (sides * weights / 2.0).ravel()


def _components(dtype: str) -> tfd.Categorical:
    return tfd.Categorical(probs=RING_WEIGHTS.astype(dtype))


# The corners in the order of binary numbers.
_SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
NESTED_LOCS = np.array([[[0.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [-3.0, -1.0]]])
_BOX_PANELS = ((-1.0, 2.0), (0.5, 1.0))

CASES = {
    "MultivariateNormalTriL": Case(
        lambda dtype: tfd.MultivariateNormalTriL(
            LOC.astype(dtype), np.linalg.cholesky(COVARIANCE).astype(dtype)
        ),
        gaussian_density(LOC, COVARIANCE),
    ),
    "MultivariateNormalLinearOperator": Case(
        lambda dtype: tfd.MultivariateNormalLinearOperator(
            LOC.astype(dtype),
            tf.linalg.LinearOperatorFullMatrix(
                (np.linalg.cholesky(COVARIANCE) @ _ROTATIONS[1]).astype(dtype)
            ),
        ),
        gaussian_density(LOC, COVARIANCE),
    ),
    "MultivariateNormalDiagPlusLowRankCovariance": Case(
        lambda dtype: tfd.MultivariateNormalDiagPlusLowRankCovariance(
            LOC.astype(dtype), np.array([0.5, 0.3], dtype), np.array([[0.6], [-0.4]], dtype)
        ),
        gaussian_density(LOC, np.array([[0.86, -0.24], [-0.24, 0.46]])),
    ),
    "affine image of Sample(Normal)": Case(
        lambda dtype: tfd.TransformedDistribution(
            tfd.Sample(tfd.Normal(np.array(0.0, dtype), np.array(1.0, dtype)), 2),
            tfb.Chain(
                [
                    tfb.Shift(LOC.astype(dtype)),
                    tfb.Permute([1, 0]),
                    tfb.ScaleMatvecTriL(np.linalg.cholesky(COVARIANCE[::-1, ::-1]).astype(dtype)),
                ]
            ),
        ),
        gaussian_density(LOC, COVARIANCE),
    ),
    "MultivariateNormalDiag": Case(
        lambda dtype: tfd.MultivariateNormalDiag(scale_diag=np.array([0.5, 1.0], dtype)),
        gaussian_density(np.zeros(2), np.diag([0.25, 1.0])),
    ),
    "Independent(Normal)": Case(
        lambda dtype: tfd.Independent(
            tfd.Normal(LOC.astype(dtype), np.array(0.75, dtype)), reinterpreted_batch_ndims=1
        ),
        gaussian_density(LOC, 0.75**2 * np.eye(2)),
    ),
    "Sample(Normal)": Case(
        lambda dtype: tfd.Sample(tfd.Normal(np.array(0.5, dtype), np.array(0.75, dtype)), 2),
        gaussian_density(np.full(2, 0.5), 0.75**2 * np.eye(2)),
    ),
    "Independent of a vector": Case(
        lambda dtype: tfd.Independent(
            tfd.MultivariateNormalDiag(scale_diag=np.array([0.5, 1.0], dtype)),
            reinterpreted_batch_ndims=0,
        ),
        gaussian_density(np.zeros(2), np.diag([0.25, 1.0])),
    ),
    "Sample of a vector": Case(
        lambda dtype: tfd.Sample(
            tfd.MultivariateNormalDiag(scale_diag=np.array([0.5, 1.0], dtype)), ()
        ),
        gaussian_density(np.zeros(2), np.diag([0.25, 1.0])),
    ),
    "ring of 10 MultivariateNormalTriL": Case(
        lambda dtype: tfd.MixtureSameFamily(
            _components(dtype),
            tfd.MultivariateNormalTriL(
                RING_LOCS.astype(dtype),
                np.linalg.cholesky(RING_SCALES @ RING_SCALES.transpose(0, 2, 1)).astype(dtype),
            ),
        ),
        ring_density,
    ),
    "mixture of Independent(Normal)": Case(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(logits=np.log(np.array([0.25, 0.75], dtype))),
            tfd.Independent(
                tfd.Normal(np.array([[-1.0, 0.0], [2.0, 1.0]], dtype), np.array(0.5, dtype)),
                reinterpreted_batch_ndims=1,
            ),
        ),
        lambda points: (
            0.25 * gaussian_density([-1.0, 0.0], 0.25 * np.eye(2))(points)
            + 0.75 * gaussian_density([2.0, 1.0], 0.25 * np.eye(2))(points)
        ),
    ),
    "mixture of Sample(Normal)": Case(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.array([0.25, 0.75], dtype)),
            tfd.Sample(tfd.Normal(np.array([-1.0, 2.0], dtype), np.array([0.5, 1.0], dtype)), [2]),
        ),
        lambda points: (
            0.25 * gaussian_density([-1.0, -1.0], 0.25 * np.eye(2))(points)
            + 0.75 * gaussian_density([2.0, 2.0], np.eye(2))(points)
        ),
    ),
    "Independent(Uniform)": Case(
        lambda dtype: tfd.Independent(
            tfd.Uniform(np.array([-1.0, 0.5], dtype), np.array([2.0, 1.0], dtype)),
            reinterpreted_batch_ndims=1,
        ),
        box_density,
        _BOX_PANELS,
    ),
    "Sample(Uniform)": Case(
        lambda dtype: tfd.Sample(tfd.Uniform(np.array(-1.0, dtype), np.array(2.0, dtype)), [2]),
        lambda points: np.full(points.shape[:-1], 1.0 / 9.0),
        ((-1.0, 2.0), (-1.0, 2.0)),
    ),
    "mixture of boxes": Case(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.array([0.3, 0.7], dtype)),
            tfd.Independent(
                tfd.Uniform(
                    np.array([[-2.0, 0.0], [0.0, 0.0]], dtype),
                    np.array([[0.0, 1.0], [2.0, 2.0]], dtype),
                ),
                reinterpreted_batch_ndims=1,
            ),
        ),
        two_boxes_density,
        ((-2.0, 0.0, 2.0), (0.0, 1.0, 2.0)),
    ),
    "mixture of mixtures": Case(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=tf.constant([0.25, 0.75], dtype)),
            tfd.MixtureSameFamily(
                tfd.Categorical(probs=tf.constant([[0.2, 0.8], [0.5, 0.5]], dtype)),
                tfd.MultivariateNormalDiag(NESTED_LOCS.astype(dtype), np.full(2, 0.5, dtype)),
            ),
        ),
        lambda points: sum(
            weight * gaussian_density(loc, 0.25 * np.eye(2))(points)
            for weight, loc in zip(
                [0.05, 0.2, 0.375, 0.375], NESTED_LOCS.reshape(4, 2), strict=True
            )
        ),
    ),
    "mixture of equal mixtures of mixtures": Case(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=tf.constant([0.25, 0.75], dtype)),
            tfd.MixtureSameFamily(
                tfd.Categorical(probs=tf.constant([1.0], dtype)),
                tfd.MixtureSameFamily(
                    tfd.Categorical(probs=tf.constant([0.2, 0.8], dtype)),
                    tfd.MultivariateNormalDiag(
                        NESTED_LOCS[:, np.newaxis].astype(dtype), np.full(2, 0.5, dtype)
                    ),
                ),
            ),
        ),
        lambda points: sum(
            weight * gaussian_density(loc, 0.25 * np.eye(2))(points)
            for weight, loc in zip([0.05, 0.2, 0.15, 0.6], NESTED_LOCS.reshape(4, 2), strict=True)
        ),
    ),
    "VectorDeterministic": FiniteCase(
        lambda dtype: tfd.VectorDeterministic(LOC.astype(dtype)), LOC[np.newaxis], np.ones(1)
    ),
    "OneHotCategorical": FiniteCase(
        lambda dtype: tfd.OneHotCategorical(probs=tf.constant([0.3, 0.7], dtype), dtype=dtype),
        np.eye(2),
        np.array([0.3, 0.7]),
    ),
    "mixture of OneHotCategorical": FiniteCase(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=tf.constant([0.25, 0.75], dtype)),
            tfd.OneHotCategorical(
                logits=tf.math.log(tf.constant([[0.2, 0.8], [0.5, 0.5]], dtype)), dtype=dtype
            ),
        ),
        np.eye(2),
        np.array([0.425, 0.575]),
    ),
    "Independent(Bernoulli)": FiniteCase(
        lambda dtype: tfd.Independent(
            tfd.Bernoulli(probs=tf.constant([0.2, 0.5], dtype), dtype=dtype), 1
        ),
        _SQUARE,
        np.array([0.4, 0.4, 0.1, 0.1]),
    ),
    "Independent(Bernoulli), one certain": FiniteCase(
        lambda dtype: tfd.Independent(
            tfd.Bernoulli(probs=tf.constant([0.0, 0.5], dtype), dtype=dtype), 1
        ),
        _SQUARE,
        np.array([0.5, 0.5, 0.0, 0.0]),
    ),
    "Sample(Bernoulli)": FiniteCase(
        lambda dtype: tfd.Sample(
            tfd.Bernoulli(logits=tf.constant(np.log(3.0), dtype), dtype=dtype), 2
        ),
        _SQUARE,
        np.array([1.0, 3.0, 3.0, 9.0]) / 16.0,
    ),
    "mixture of Independent(Bernoulli)": FiniteCase(
        lambda dtype: tfd.MixtureSameFamily(
            tfd.Categorical(probs=tf.constant([0.5, 0.5], dtype)),
            tfd.Independent(
                tfd.Bernoulli(probs=tf.constant([[0.2, 0.5], [0.9, 0.5]], dtype), dtype=dtype), 1
            ),
        ),
        _SQUARE,
        np.array([0.225, 0.225, 0.275, 0.275]),
    ),
}
