"""The variance of the squared MMD where samples come from the distribution itself."""

import functools
import itertools
import operator

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.mmd.arguments import (
    Distribution,
    Kernel,
    check_distribution,
    check_kernel,
    check_weights,
)
from aae_tf.mmd.estimators import squared_mmd
from aae_tf.mmd.gaussian_kernels import heights_and_widths, stack_gaussians, terms_of
from aae_tf.mmd.gaussian_parts import GaussianParts, gaussian_parts
from aae_tf.mmd.pairs import kernel_matrix
from aae_tf.mmd.registry import MeanEmbedding, embed, has_mean_embedding

# Draws whose pairs estimate the variance without any closed form.
_NUM_PAIRED_SAMPLES = 2048
# Draws that estimate E (mu(X) - c)^2, and how many of them are evaluated at a time.
_NUM_SAMPLES = 16384
_CHUNK = 1024
# Largest closed form that is evaluated: it takes a fraction of a second on one core.
_MAX_ENTRIES = 4_000_000
# Variances below this share of E k^2 are rounding errors of float64.
_ROUNDING = 1e-14


def null_variance(distribution: Distribution, kernel: Kernel, seed: int = 0) -> float:
    """Computes V = E h(X, Y)^2: the unbiased `squared_mmd` of n draws has variance 2 V / (n(n-1)).

    h(x, y) = k(x, y) - mu(x) - mu(y) + c, with X and Y drawn from `distribution` and
    c = E k(X, Y), is the kernel centred by its mean embedding. The unbiased estimate of MMD^2 from
    n samples of `distribution` itself is the average of h over their pairs; divided by
    sqrt(2 V / (n(n-1))), it is in standard deviations. As E mu(X) = c,

        V = E k(X, Y)^2 - c^2 - 2 E (mu(X) - c)^2

    The accuracy of V:

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
        Number in the unit of k^2, not negative; zero where the terms differ by rounding errors
        only, as for a distribution on one point.

    Raises:
        TypeError: if an argument is no distribution or no kernel.
        ValueError: if a shape is another, or a parameter of the kernel is not positive.

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
    square = _squared_kernel(kernel)
    if square is None or not has_mean_embedding(distribution, kernel):
        return _u_centred(distribution, kernel, seed)
    embedding = embed(distribution, kernel)
    second, norm = float(embed(distribution, square).norm()), float(embedding.norm())
    parts = gaussian_parts(distribution)
    if parts is None or _num_entries(parts, kernel) > _MAX_ENTRIES:
        spread = _sampled_spread(distribution, embedding, norm, seed)
    else:
        spread = _mean_squared_embedding(parts, kernel) - norm**2
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
    draws = distribution.sample(_NUM_PAIRED_SAMPLES, seed=[0, seed])
    draws = tf.cast(draws, kernel.dtype or tf.float32)
    values = kernel_matrix(kernel, draws, draws).numpy().astype(np.float64)
    np.fill_diagonal(values, 0.0)
    rows = values.sum(axis=1) / (_NUM_PAIRED_SAMPLES - 2)
    total = values.sum() / ((_NUM_PAIRED_SAMPLES - 1) * (_NUM_PAIRED_SAMPLES - 2))
    centred = values - rows[:, np.newaxis] - rows + total
    np.fill_diagonal(centred, 0.0)
    return float(np.sum(np.square(centred)) / (_NUM_PAIRED_SAMPLES * (_NUM_PAIRED_SAMPLES - 3)))


def standardized_mmd(
    samples: tf.Tensor,
    distribution: Distribution,
    kernel: Kernel,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Estimates MMD^2 in units of its standard deviation where samples and distribution agree.

        unbiased MMD^2 / sqrt(2 V / (n(n-1)))

    V is `null_variance`. If the n samples come from `distribution`, this has expectation zero and
    variance one. Its distribution is skewed, with more mass far above zero than a normal one: a
    value below 2 is noise for any kernel and distribution, and a few percent of the values are
    above 2 by chance. With weights w, the factor 2 / (n(n-1)) becomes
    2 sum w_i^2 w_j^2 / (sum w_i w_j)^2, with sums over pairs i != j.

    While a `tf.function` is traced, V is computed once; the number of samples may be unknown.

    Args:
        samples: float32 or float64 [n, d], at least two.
        distribution: `tfd.Distribution` with event_shape [d] and batch_shape [] whose parameters
            are known values.
        kernel: kernel of `tfp.math.psd_kernels` with feature_ndims 1 and batch_shape [], such as
            `default_kernel(distribution)`.
        weights: [n], not negative: how often each sample counts. None counts each once. Where
            no pair has weight, the value is zero.

    Returns:
        Scalar of the dtype of `samples`, in standard deviations.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if shapes do not fit, there are too few samples, known values are not finite
            or negative (`weights`), or V is zero.
        NotImplementedError: if no rule is registered for the two types.

    Example:

    >>> from aae_tf import priors
    >>> from aae_tf.mmd import default_kernel
    >>> normal = priors.gaussian(2)
    >>> samples, kernel = normal.sample(200, seed=[0, 1]), default_kernel(normal)
    >>> bool(standardized_mmd(samples, normal, kernel) < 2.0)
    True
    >>> bool(standardized_mmd(samples + 1.0, normal, kernel) > 50.0)
    True

    References:
        Gretton et al. 2012, theorem 12; the standardisation is that of Rustamov 2019,
        arXiv:1901.03227.
    """
    estimate = squared_mmd(samples, distribution, kernel, weights=weights)
    variance = null_variance(distribution, kernel)
    if variance == 0.0:
        raise ValueError(
            "Expected `distribution` to draw points that differ under `kernel`. "
            f"Received: distribution={distribution!r}, kernel={kernel!r}, whose noise is zero."
        )
    samples = tf.convert_to_tensor(samples)
    if weights is not None:
        weights = check_weights("weights", weights, samples)
    return estimate * inverse_noise(samples, weights) / variance**0.5


def inverse_noise(samples: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Computes 1 / s, where s sqrt(V) is the standard deviation of the unbiased MMD^2 under q = p.

    The estimate is an average over pairs i != j with weights w_i w_j, so that
    s^2 = 2 sum w_i^2 w_j^2 / (sum w_i w_j)^2; without weights s^2 = 2 / (n(n-1)). V is
    `null_variance`.

    Args:
        samples: floating point [n, d].
        weights: [n] of the same dtype, not negative; None counts each sample once.

    Returns:
        Scalar of the dtype of `samples`; zero where no pair has weight.
    """
    weights = tf.ones_like(samples[:, 0]) if weights is None else weights
    first, second, fourth = (tf.reduce_sum(weights**power) for power in (1, 2, 4))
    pairs, squared_pairs = first**2 - second, second**2 - fourth
    return tf.math.divide_no_nan(pairs, tf.sqrt(2.0 * squared_pairs))


def _num_entries(parts: GaussianParts, kernel: Kernel) -> int:
    """Returns the number of matrix entries that `_mean_squared_embedding` factorises."""
    count, dimension = parts.locs.shape
    return count**3 * len(terms_of(kernel)) ** 2 * (2 * dimension) ** 2


def _mean_squared_embedding(parts: GaussianParts, kernel: Kernel) -> float:
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
    # Each factor of the product is a width and a component of Y or Z.
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


def _squared_kernel(kernel: Kernel) -> Kernel | None:
    """Makes the kernel k(x, y)^2 of a Gaussian kernel or a sum of them: the sum of all products.

        h_a exp(-r^2 / (2 s_a)) h_b exp(-r^2 / (2 s_b)) = h_a h_b exp(-r^2 (1/s_a + 1/s_b) / 2)

    Args:
        kernel: kernel of batch shape [], whose parameters are known values.

    Returns:
        Sum of Gaussian kernels in float64 (or the only one), with each product of two different
        terms counted twice; None if a term of `kernel` is no Gaussian.

    Raises:
        ValueError: if a parameter of a Gaussian kernel is not positive.
    """
    gaussians, others = stack_gaussians(terms_of(kernel))
    if gaussians is None or others:
        return None
    log_heights, squared_widths = heights_and_widths(gaussians)
    terms = list(zip(tf.unstack(log_heights), tf.unstack(squared_widths), strict=True))
    return functools.reduce(
        operator.add,
        [
            tfp.math.psd_kernels.ExponentiatedQuadratic(
                tf.exp(0.5 * (log_height + other_height)) * (1.0 if a == b else 2.0**0.5),
                tf.math.rsqrt(1.0 / squared_width + 1.0 / other_width),
            )
            for (a, (log_height, squared_width)), (b, (other_height, other_width)) in (
                itertools.combinations_with_replacement(enumerate(terms), 2)
            )
        ],
    )
