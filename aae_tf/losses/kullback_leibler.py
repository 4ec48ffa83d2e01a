"""The VAE's divergence of each posterior from the prior."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.losses.gaussian_kl import gaussian_kl
from aae_tf.losses.loss_term import LossTerm
from aae_tf.losses.weighted_mean import weighted_mean


@keras.saving.register_keras_serializable(package="aae_tf")
class KullbackLeibler(LossTerm):
    """Draws each Gaussian posterior to the prior: the mean of KL(q(z|x) || p(z)), nats.

    Args:
        weight: factor of this term in the loss, a number (the beta of a beta-VAE) or a schedule
            (a warm-up).

    Raises:
        TypeError: if `weight` is neither a number nor a schedule.
        ValueError: if it is negative or not finite.

    Example:

    >>> import tensorflow as tf
    >>> from aae_tf import priors
    >>> mean = tf.constant([[3.0], [1.0]])
    >>> float(KullbackLeibler()(mean, tf.zeros([2, 1]), priors.gaussian(1), samples=mean))
    2.5

    References:
        Kingma and Welling 2014, *Auto-Encoding Variational Bayes* (arXiv:1312.6114), equation 3.
    """

    log_key = "latent_divergence"

    def __call__(
        self,
        mean: tf.Tensor,
        log_variance: tf.Tensor,
        prior: tfp.distributions.Distribution,
        samples: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the mean of `gaussian_kl` over the batch, a float32 scalar, nats."""
        return weighted_mean(gaussian_kl(mean, log_variance, prior, samples), sample_weight)
