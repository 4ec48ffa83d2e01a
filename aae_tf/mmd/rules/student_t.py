"""Student's distribution, by coordinates and in many dimensions."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.mmd.arguments import Distribution, Kernel
from aae_tf.mmd.integrals import gamma_quadrature
from aae_tf.mmd.registry import MeanEmbedding, RegisterMeanEmbedding, embed
from aae_tf.mmd.rules.coordinates import Family, register_family
from aae_tf.mmd.rules.mixture import MixtureEmbedding
from aae_tf.mmd.rules.normal import Normal

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels


class StudentT(Family):
    """A normal whose precision is drawn from a gamma distribution: X | G ~ N(m, b^2 / G).

    G ~ Gamma(df / 2, df / 2), of mean 1, and the average over it is that of `gamma_quadrature`:
    E exp(-(z - X)^2 / (2 s)) is off by less than 1e-8, the norm by less than 2e-8.

    Parameters: m, and for the nodes g_i of G the variances b^2 / g_i and the weights, [..., i]. The
    time and memory of the norm grow with the square of the number of nodes, 31 for df = 5.
    """

    def __init__(self) -> None:
        self._normal = Normal()

    def log_embedding(
        self, points: tf.Tensor, squared_widths: tf.Tensor, *parameters: tf.Tensor
    ) -> tf.Tensor:
        """Gives log E exp(-(z - X)^2 / (2 s))."""
        loc, variances, weights = parameters
        points, squared_widths, loc = (x[..., tf.newaxis] for x in (points, squared_widths, loc))
        terms = self._normal.log_embedding(points, squared_widths, loc, variances)
        return tf.reduce_logsumexp(tf.math.log(weights) + terms, axis=-1)

    def norm(
        self,
        squared_widths: tf.Tensor,
        first: Sequence[tf.Tensor],
        second: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Gives E exp(-(X - Y)^2 / (2 s))."""
        (loc, variances, weights), (other_loc, other_variances, other_weights) = first, second
        terms = self._normal.norm(
            squared_widths[..., tf.newaxis, tf.newaxis],
            [loc[..., tf.newaxis, tf.newaxis], variances[..., tf.newaxis]],
            [other_loc[..., tf.newaxis, tf.newaxis], other_variances[..., tf.newaxis, :]],
        )
        over_second = tf.reduce_sum(terms * other_weights[..., tf.newaxis, :], axis=-1)
        return tf.reduce_sum(over_second * weights, axis=-1)

    def characteristic(self, frequencies: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Gives E exp(i w X)."""
        loc, variances, weights = parameters
        terms = self._normal.characteristic(
            frequencies[..., tf.newaxis], loc[..., tf.newaxis], variances
        )
        return tf.reduce_sum(tf.cast(weights, tf.complex128) * terms, axis=-1)


def _quadrature(df: tf.Tensor, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    known = tf.get_static_value(df)
    if known is None:
        raise NotImplementedError(
            "Expected the degrees of freedom of `distribution` to be known when the graph is "
            f"built: the number of nodes depends on them. Received: df={df!r}."
        )
    return gamma_quadrature(np.broadcast_to(0.5 * np.asarray(known, np.float64), shape))


def _family(student: Distribution) -> tuple[StudentT, Sequence[tf.Tensor]]:
    nodes, weights = _quadrature(student.df, student.batch_shape)
    variance = tf.square(tf.cast(student.scale, tf.float64))[..., tf.newaxis]
    return StudentT(), (student.loc, variance / nodes, tf.constant(weights))


register_family(tfd.StudentT, _family)


@RegisterMeanEmbedding(
    tfd.MultivariateStudentTLinearOperator, psd_kernels.PositiveSemidefiniteKernel
)
def _multivariate(distribution: Distribution, kernel: Kernel) -> MeanEmbedding:
    nodes, weights = _quadrature(distribution.df, distribution.batch_shape)
    shape = distribution.batch_shape + distribution.event_shape
    scale = distribution.scale.to_dense()[..., tf.newaxis, :, :]
    spreads = tf.cast(nodes**-0.5, scale.dtype)[..., tf.newaxis, tf.newaxis]
    normals = tfd.MultivariateNormalLinearOperator(
        tf.broadcast_to(distribution.loc, shape)[..., tf.newaxis, :],
        tf.linalg.LinearOperatorFullMatrix(scale * spreads),
    )
    return MixtureEmbedding(tf.constant(weights), embed(normals, kernel))
