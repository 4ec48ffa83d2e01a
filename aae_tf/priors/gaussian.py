"""The isotropic Gaussian prior."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_integer, check_positive


def gaussian(dim: int, scale: float = 1.0) -> tfp.distributions.Distribution:
    """Build the isotropic Gaussian prior, N(0, scale^2 I).

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
    # Constants even where this runs inside a tf.function.
    with tf.init_scope():
        return tfp.distributions.MultivariateNormalDiag(
            loc=np.zeros(dim, np.float32), scale_diag=np.full(dim, scale, np.float32)
        )
