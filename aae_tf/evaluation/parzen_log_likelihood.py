"""Log-likelihood under a Gaussian Parzen window on samples of a model."""

from typing import Any

import numpy as np

from aae_tf.checks import check_positive
from aae_tf.evaluation.check_entries import check_entries
from aae_tf.evaluation.gaussian_windows import Samples, log_mean_windows


def parzen_log_likelihood(x: Any, samples: Samples, sigma: float) -> np.ndarray:
    """Computes the log-density of each input under Gaussian windows on samples.

        log p(x_i) = log( (1/m) sum_j N(x_i; s_j, sigma^2 I) )

    Memory depends on the size of a chunk and not on the number of samples m, so ten million
    samples are a matter of time only. Distances are matrix products in single precision, or in
    double where rounding could move one window's logarithm by 0.1 nat.

    Args:
        x: float [n, ...], inputs, at least one.
        samples: float [m, ...], m > 0, s_j of the shape of one x_i; or an iterable of such
            arrays, or a function without arguments that returns one. Lists are arrays.
        sigma: standard deviation of the window, positive, in the units of `x`; see
            `parzen_bandwidth`.

    Returns:
        float64 [n], nats.

    Raises:
        TypeError: if `x` or a chunk of `samples` is no array of floats, `samples` is neither
            array, iterable nor function, or `sigma` is no number.
        ValueError: if an array is not finite, `samples` have another shape than `x`, there is
            no input or no sample, or `sigma` is not positive.

    Example:

    >>> samples = np.array([[0.0], [2.0]])
    >>> parzen_log_likelihood(np.array([[1.0]]), samples, sigma=1.0).round(4)
    array([-1.4189])
    >>> parzen_log_likelihood(np.array([[1.0]]), lambda: (s[None] for s in samples), 1.0).round(4)
    array([-1.4189])

    References:
        Breuleux, Bengio and Vincent 2011, *Quickly Generating Representative Samples from an
        RBM-Derived Process*, section 4; Makhzani et al. 2016, *Adversarial Autoencoders*,
        section 3 (arXiv:1511.05644). On what the number is not good for: Theis et al. 2016, *A
        Note on the Evaluation of Generative Models*, section 3.2 (arXiv:1511.01844).
    """
    x = check_entries("x", x)
    return log_mean_windows(x, samples, np.array([check_positive("sigma", sigma)]))[0]
