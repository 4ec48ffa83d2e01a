"""The KL divergence of Gaussian posteriors from a prior: a value per row, and a loss term."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.losses.loss_term import LossTerm
from aae_tf.losses.weights import weighted_mean

tfd = tfp.distributions


def gaussian_kl(
    mean: tf.Tensor,
    log_variance: tf.Tensor,
    prior: tfp.distributions.Distribution,
    samples: tf.Tensor,
) -> tf.Tensor:
    """Computes KL(q(z|x) || p(z)) of q(z|x) = N(mean, diag(exp(log_variance))).

    Exact where TensorFlow Probability knows the pair (Gaussian priors); otherwise estimated
    without bias from one sample, log q(z|x) - log p(z), infinite where p(z) is zero.

    Args:
        mean: float32 [batch, code_dim].
        log_variance: float32 [batch, code_dim].
        prior: distribution with event_shape [code_dim].
        samples: float32 [batch, code_dim], z drawn from q(z|x) by reparameterisation; used only
            where the KL is estimated.

    Returns:
        float32 [batch], nats, summed over the code. An estimate may be negative.

    Example:

    >>> import tensorflow as tf
    >>> from aae_tf import priors
    >>> mean = tf.constant([[3.0, 4.0]])
    >>> gaussian_kl(mean, tf.zeros([1, 2]), priors.gaussian(2), samples=mean).numpy().tolist()
    [12.5]

    References:
        Kingma and Welling 2014, *Auto-Encoding Variational Bayes* (arXiv:1312.6114), equations 3
        and 10, appendix B.
    """
    scale = tf.exp(0.5 * log_variance)
    posterior = tfd.MultivariateNormalDiag(mean, scale)
    # Closed forms may be registered for either class of the same distribution.
    for distribution in (posterior, tfd.Independent(tfd.Normal(mean, scale), 1)):
        try:
            return tfd.kl_divergence(distribution, prior)
        except NotImplementedError:
            continue
    return posterior.log_prob(samples) - prior.log_prob(samples)


@keras.saving.register_keras_serializable(package="aae_tf")
class KullbackLeibler(LossTerm):
    """The mean over the batch of KL(q(z|x) || p(z)) for Gaussian posteriors q(z|x), nats.

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
