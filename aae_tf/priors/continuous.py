"""Gaussian priors, isotropic or fitted to codes, mixtures fitted to codes, uniform boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import (
    check_dimension,
    check_integer,
    check_number,
    check_positive,
    import_extra,
)

tfd = tfp.distributions


def gaussian(dim: int, scale: float = 1.0) -> tfp.distributions.Distribution:
    """Builds the isotropic Gaussian prior, N(0, scale^2 I).

    Args:
        dim: int, dimension of the code, at least 1.
        scale: float, standard deviation of every coordinate, positive. Makhzani et al. use 5 for
            the likelihood of MNIST and 1 for the style of semi-supervised models.

    Returns:
        `tfd.MultivariateNormalDiag`, float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:

    >>> prior = gaussian(dim=2, scale=5.0)
    >>> prior.stddev().numpy().tolist()
    [5.0, 5.0]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 3 (arXiv:1511.05644).
    """
    check_integer("dim", dim, minimum=1)
    check_positive("scale", scale)
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        return tfp.distributions.MultivariateNormalDiag(
            loc=np.zeros(dim, np.float32), scale_diag=np.full(dim, scale, np.float32)
        )


# Smaller eigenvalues of a correlation matrix are rounding errors of float32 codes.
_MIN_EIGENVALUE = 1e-10


def fit_gaussian(codes: Any) -> tfp.distributions.Distribution:
    """Builds the Gaussian with the mean and the full covariance of `codes`.

    For codes whose covariance other losses determine, such as supervised ones: under a prior of
    another covariance, a discriminator would tell them from prior samples at once.

    Args:
        codes: [n, d], finite numbers, n > d.

    Returns:
        `tfd.MultivariateNormalTriL`, float32, event_shape [d].

    Raises:
        TypeError: if `codes` are no numbers.
        ValueError: if they have another shape, are too few, are not finite in float32, or lie in
            fewer than d dimensions.

    Example:

    >>> codes = np.random.default_rng(0).normal([1.0, -1.0], [2.0, 0.5], size=[10_000, 2])
    >>> fit_gaussian(codes).stddev().numpy().round(1).tolist()
    [2.0, 0.5]
    """
    try:
        codes = np.asarray(codes, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"Expected `codes` to be numbers. Received: codes={codes!r}.") from None
    if codes.ndim != 2 or codes.shape[1] < 1:
        raise ValueError(
            f"Expected `codes` to have shape [n, d]. Received: codes.shape={codes.shape}."
        )
    if codes.shape[0] <= codes.shape[1]:
        raise ValueError(
            "Expected `codes` to have more rows than columns, so that their covariance is regular. "
            f"Received: codes.shape={codes.shape}."
        )
    finite = np.abs(codes) <= np.finfo(np.float32).max
    if not finite.all():
        raise ValueError(
            "Expected `codes` to be finite in float32. "
            f"Received: codes with {np.sum(~finite)} values that are not."
        )
    mean = codes.mean(axis=0)
    scale = codes.std(axis=0, ddof=1)
    # The deviation of a constant column is its rounding error.
    constant = scale <= np.finfo(np.float32).eps * np.abs(mean)
    standardized = (codes - mean) / np.where(constant, 1.0, scale)
    correlation = standardized.T @ standardized / (len(codes) - 1)
    smallest = 0.0 if constant.any() else np.linalg.eigvalsh(correlation)[0]
    if smallest < _MIN_EIGENVALUE:
        raise ValueError(
            "Expected `codes` to vary in all dimensions, also in every combination of columns. "
            f"Received: codes whose correlation matrix has the eigenvalue {smallest:.1g}."
        )
    factor = scale[:, np.newaxis] * np.linalg.cholesky(correlation)
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        return tfp.distributions.MultivariateNormalTriL(
            loc=mean.astype(np.float32), scale_tril=factor.astype(np.float32)
        )


def fit_mixture(
    codes: Any, num_components: int = 10, seed: int = 0
) -> tfp.distributions.Distribution:
    """Fits a mixture of Gaussians of full covariance to `codes`, by expectation maximisation.

    For sampling after a training, where codes have not met their prior: `model.decode` of its
    samples is the decoder at codes that it knows. It can be a prior, too, and has the closed forms
    of every mixture of Gaussians. Needs scikit-learn (`pip install "aae_tf[data]"`).

    Args:
        codes: [n, d], finite numbers, n > d and n >= `num_components`.
        num_components: number of Gaussians, positive.
        seed: integer that fixes the start, by k-means.

    Returns:
        `tfd.MixtureSameFamily` of `tfd.MultivariateNormalTriL`, float32, event_shape [d].

    Raises:
        TypeError: if `codes` are no numbers, or a number is no integer.
        ValueError: if they have another shape, are too few, are not finite in float32, or lie in
            fewer than d dimensions, or `num_components` is not positive.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> codes = rng.normal(size=[2000, 2]) + rng.choice([-5.0, 5.0], size=[2000, 1])
    >>> prior = fit_mixture(codes, num_components=2)
    >>> sorted(prior.components_distribution.mean().numpy()[:, 0].round().tolist())
    [-5.0, 5.0]

    References:
        Ghosh et al. 2020, *From variational to deterministic autoencoders*, section 3.2, for a
        density that is fitted to codes after the training.
    """
    check_dimension("num_components", num_components)
    check_integer("seed", seed)
    # Its checks and its scale: the mixture is fitted to codes of mean 0 and covariance I.
    whole = fit_gaussian(codes)
    codes = np.asarray(codes, np.float64)
    if len(codes) < num_components:
        raise ValueError(
            "Expected `codes` to have at least `num_components` rows. "
            f"Received: codes.shape={codes.shape}, num_components={num_components}."
        )
    mixture = import_extra("sklearn.mixture", "data", "`priors.fit_mixture`")
    centre, factor = (np.asarray(x, np.float64) for x in (whole.loc, whole.scale.to_dense()))
    white = scipy.linalg.solve_triangular(factor, (codes - centre).T, lower=True).T
    fitted = mixture.GaussianMixture(num_components, random_state=seed, max_iter=500).fit(white)
    # A product of lower triangular matrices is one, with a positive diagonal.
    factors = factor @ np.linalg.cholesky(fitted.covariances_)
    with tf.init_scope():
        return tfp.distributions.MixtureSameFamily(
            tfp.distributions.Categorical(probs=fitted.weights_.astype(np.float32)),
            tfp.distributions.MultivariateNormalTriL(
                loc=(centre + fitted.means_ @ factor.T).astype(np.float32),
                scale_tril=factors.astype(np.float32),
            ),
        )


def sphere(dim: int) -> tfp.distributions.Distribution:
    """Builds the uniform prior on the unit sphere, of codes that are directions.

    Its density is one with respect to area on the sphere, and `log_prob` is that constant for any
    point. Match codes to it by `divergence="mmd"`, `"energy"` or `"sliced"`, which see how far
    they are from the sphere; a discriminator tells codes beside the sphere from samples at once.

    Args:
        dim: int, dimension of the code, at least 2; the sphere has one less.

    Returns:
        `tfd.SphericalUniform`, float32, event_shape [dim].

    Raises:
        TypeError: if `dim` is no integer.
        ValueError: if `dim` is less than 2.

    Example:

    >>> samples = sphere(dim=3).sample(5, seed=[0, 1])
    >>> np.linalg.norm(samples, axis=1).round(5).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    check_integer("dim", dim, minimum=2)
    with tf.init_scope():
        return tfd.SphericalUniform(dim)


def uniform(dim: int, low: float = -1.0, high: float = 1.0) -> tfp.distributions.Distribution:
    """Builds the uniform prior on the box [low, high)^dim.

    Args:
        dim: int, dimension of the code, at least 1.
        low: float, lower edge of the box in every coordinate.
        high: float, upper edge, greater than `low` in float32.

    Returns:
        `tfd.Independent` of `tfd.Uniform`, float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:

    >>> prior = uniform(dim=2, low=0.0, high=4.0)
    >>> float(prior.prob([1.0, 3.0]))
    0.0625
    """
    check_integer("dim", dim, minimum=1)
    check_number("low", low)
    check_number("high", high)
    if not np.float32(low) < np.float32(high):
        raise ValueError(
            f"Expected `low` to be less than high in float32. Received: low={low!r}, high={high!r}."
        )
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        box = tfd.Uniform(low=np.full(dim, low, np.float32), high=np.full(dim, high, np.float32))
        return tfd.Independent(box, reinterpreted_batch_ndims=1)
