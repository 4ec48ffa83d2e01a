"""How the squared MMD varies where both sides agree."""

import numpy as np
import tensorflow as tf

from aae_tf import priors
from aae_tf.mmd.arguments import check_distribution, check_kernel
from aae_tf.mmd.embedding import MeanEmbedding
from aae_tf.mmd.gaussian_parts import gaussian_parts
from aae_tf.mmd.kernel_matrix import kernel_matrix
from aae_tf.mmd.mean_squared_embedding import mean_squared_embedding, num_entries
from aae_tf.mmd.registry import embed, has_mean_embedding
from aae_tf.mmd.squared_kernel import squared_kernel
from aae_tf.mmd.types import Distribution, Kernel

_NUM_PAIRED = 2048
_NUM_SAMPLES = 16384
_CHUNK = 1024
# A fraction of a second on one core.
_MAX_ENTRIES = 4_000_000
# Of E k^2, what the differences of float64 numbers leave.
_ROUNDING = 1e-14


def null_variance(distribution: Distribution, kernel: Kernel, seed: int = 0) -> float:
    """Computes V = E h(X, Y)^2, with which the noise of `squared_mmd` has variance 2 V / (n(n-1)).

    h(x, y) = k(x, y) - mu(x) - mu(y) + c, c = E k(X, Y), X and Y drawn from `distribution`: the
    kernel with the mean embedding taken out. The unbiased estimate of MMD^2 from n samples of
    `distribution` itself averages h over their pairs; divided by sqrt(2 V / (n(n-1))), it is in
    standard deviations. As E mu(X) = c,

        V = E k(X, Y)^2 - c^2 - 2 E (mu(X) - c)^2

    How exact V is:

    - For a Gaussian or a mixture of Gaussians, and a Gaussian kernel or a sum of them, all terms
      have a closed form: V is exact up to the rounding of the difference, about 1e-15 E k^2.
    - For other distributions with a closed form under such kernels, and for mixtures of so many
      components that the closed form would take seconds (beyond 25 in two dimensions under four
      widths), the last term is an average over 16,384 draws. Its standard error is at most about
      one hundredth of V, and far less under narrow kernels, where the first term outweighs it.
    - In all other cases V is estimated without bias from 2048 draws, by the U-centred kernel
      matrix; the standard error is about a hundredth of V.

    Args:
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [] that can be
            sampled. Its parameters are known values: call outside a `tf.function`.
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [].
        seed: integer that fixes the draws.

    Returns:
        Number in the unit of k^2, not negative; zero where the exact terms leave nothing but
        rounding, as for a distribution on one point.

    Raises:
        TypeError: if an argument is no distribution or no kernel.
        ValueError: if its shapes are others, or a parameter of the kernel is not positive.

    Example:

    >>> import tensorflow_probability as tfp
    >>> normal = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), 2)
    >>> kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    >>> round(null_variance(normal, kernel), 4)
    0.0611

    References:
        Gretton et al. 2012, theorem 12; Szekely and Rizzo 2014, proposition 1 (U-centring).
    """
    check_distribution(distribution)
    check_kernel(kernel)
    with tf.init_scope():
        return _variance(distribution, kernel, seed)


# AutoGraph would turn the float64 numbers below into float32 tensors.
@tf.autograph.experimental.do_not_convert
def _variance(distribution: Distribution, kernel: Kernel, seed: int) -> float:
    square = squared_kernel(kernel)
    if square is None or not has_mean_embedding(distribution, kernel):
        return _u_centred(distribution, kernel, seed)
    embedding = embed(distribution, kernel)
    second, norm = float(embed(distribution, square).norm()), float(embedding.norm())
    parts = gaussian_parts(distribution)
    if parts is None or num_entries(parts, kernel) > _MAX_ENTRIES:
        spread = _sampled_spread(distribution, embedding, norm, seed)
    else:
        spread = mean_squared_embedding(parts, kernel) - norm**2
    variance = second - norm**2 - 2.0 * spread
    return variance if variance > _ROUNDING * second else 0.0


def _sampled_spread(
    distribution: Distribution, embedding: MeanEmbedding, norm: float, seed: int
) -> float:
    """Averages (mu(X) - c)^2 over draws."""
    draws = tf.cast(priors.sample(distribution, _NUM_SAMPLES, seed=[0, seed]), tf.float64)
    values = [
        embedding.evaluate(chunk).numpy() for chunk in tf.split(draws, _NUM_SAMPLES // _CHUNK)
    ]
    return float(np.square(np.concatenate(values) - norm).mean())


def _u_centred(distribution: Distribution, kernel: Kernel, seed: int) -> float:
    draws = distribution.sample(_NUM_PAIRED, seed=[0, seed])
    draws = tf.cast(draws, kernel.dtype or tf.float32)
    values = kernel_matrix(kernel, draws, draws).numpy().astype(np.float64)
    np.fill_diagonal(values, 0.0)
    rows = values.sum(axis=1) / (_NUM_PAIRED - 2)
    total = values.sum() / ((_NUM_PAIRED - 1) * (_NUM_PAIRED - 2))
    centred = values - rows[:, np.newaxis] - rows + total
    np.fill_diagonal(centred, 0.0)
    return float(np.sum(np.square(centred)) / (_NUM_PAIRED * (_NUM_PAIRED - 3)))
