"""How large the mean embedding of a mixture of Gaussians is on average."""

import numpy as np

from aae_tf.mmd.gaussian_kernels import heights_and_widths, stack_gaussians, terms_of
from aae_tf.mmd.gaussian_parts import GaussianParts
from aae_tf.mmd.types import Kernel


def num_entries(parts: GaussianParts, kernel: Kernel) -> int:
    """Returns how many numbers `mean_squared_embedding` factorises."""
    count, dimension = parts.locs.shape
    return count**3 * len(terms_of(kernel)) ** 2 * (2 * dimension) ** 2


def mean_squared_embedding(parts: GaussianParts, kernel: Kernel) -> float:
    """Computes E mu(X)^2, X drawn from a mixture of Gaussians, mu its mean embedding.

    E mu(X)^2 = E k(X, Y) k(X, Z) for independent X, Y, Z. With X from component i, Y from j and Z
    from l, and widths s_a, s_b, the vector u = ((X - Y) / sqrt(s_a), (X - Z) / sqrt(s_b)) is
    Gaussian, and with its mean m and its covariance C,

        E exp(-|u|^2 / 2) = |I + C|^(-1/2) exp(-m' (I + C)^(-1) m / 2)

    Args:
        parts: K Gaussians, as known values without a batch.
        kernel: Gaussian kernel or a sum of them, whose parameters are known values.

    Returns:
        Number in the unit of k^2.
    """
    gaussians, _ = stack_gaussians(terms_of(kernel))
    log_heights, squared_widths = (value.numpy() for value in heights_and_widths(gaussians))
    weights, locs, covariances = (value.numpy() for value in parts)
    count, dimension = locs.shape
    # One factor of the product: a width, and the component of Y or Z.
    scales = np.repeat(squared_widths**-0.5, count)
    factors = np.outer(np.exp(log_heights), weights).ravel()
    joint = np.empty((len(scales), len(scales), 2 * dimension, 2 * dimension))
    total = 0.0
    for weight, loc, covariance in zip(weights, locs, covariances, strict=True):
        blocks = np.tile(covariance + covariances, [len(squared_widths), 1, 1])
        blocks *= scales[:, np.newaxis, np.newaxis] ** 2
        shared = np.multiply.outer(np.outer(scales, scales), covariance)
        joint[..., :dimension, :dimension] = blocks[:, np.newaxis]
        joint[..., dimension:, dimension:] = blocks
        joint[..., :dimension, dimension:] = joint[..., dimension:, :dimension] = shared
        roots = np.linalg.cholesky(joint + np.eye(2 * dimension))
        means = np.tile(loc - locs, [len(squared_widths), 1]) * scales[:, np.newaxis]
        pairs = np.concatenate(
            np.broadcast_arrays(means[:, np.newaxis], means[np.newaxis]), axis=-1
        )
        whitened = np.linalg.solve(roots, pairs[..., np.newaxis])[..., 0]
        log_determinants = np.log(np.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)
        values = np.exp(-log_determinants - 0.5 * np.square(whitened).sum(axis=-1))
        total += weight * (factors @ values @ factors)
    return float(total)
