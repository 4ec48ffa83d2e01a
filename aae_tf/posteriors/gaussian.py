"""The Gaussian posterior: q(z|x) = N(mean(x), diag(exp(log_variance(x))))."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_positive
from aae_tf.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="aae_tf")
class Gaussian(Posterior):
    """Encodes every input to a Gaussian with diagonal covariance, sampled by reparameterisation.

        z = mean(x) + exp(log_variance(x) / 2) * noise,  noise ~ N(0, I)

    Both heads are linear. A scaled tanh bounds the log-variance to
    [-max_log_variance, max_log_variance], so that codes never overflow.

    Args:
        max_log_variance: positive bound of |log_variance|, nats; 10 keeps the standard deviation
            in [0.0067, 148].
        normalize: whether the means get the prior's mean and standard deviation, by the batch's
            statistics in training and by moving averages otherwise: see `Posterior`. The noise is
            added to them, so that the variance of codes exceeds the prior's until it is small.
        name: name of the layer.

    Inputs:
        features: float [batch, feature_dim].

    Returns:
        dict with `mean` and `log_variance`, float32 [batch, code_dim].

    Raises:
        ValueError: if `max_log_variance` is not a positive number.
        TypeError: if `normalize` is not a bool.

    Example:

    >>> import numpy as np
    >>> posterior = Gaussian()
    >>> posterior.connect(feature_dim=4, code_dim=2, seed=0)
    >>> parameters = posterior(np.ones((3, 4)))
    >>> tuple(posterior.sample(parameters, seed=[0, 1]).shape)
    (3, 2)

    References:
        Makhzani et al. 2016, section 2, "Gaussian posterior"; Kingma and Welling 2014, section
        2.4; Rustamov 2019, section 4 (`normalize`). Differs: the log-variance is bounded.
    """

    def __init__(
        self,
        max_log_variance: float = 10.0,
        normalize: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(normalize=normalize, name=name, **kwargs)
        self.max_log_variance = check_positive("max_log_variance", max_log_variance)

    def build_head(self, feature_dim: int, seed: int) -> None:
        """Creates the two linear heads."""
        seeds = np.random.SeedSequence(seed).generate_state(2) >> 1
        self.mean_layer, self.log_variance_layer = (
            keras.layers.Dense(
                self.code_dim,
                kernel_initializer=keras.initializers.GlorotUniform(seed=int(head_seed)),
                dtype="float32",
                name=name,
            )
            for name, head_seed in zip(("mean", "log_variance"), seeds, strict=True)
        )
        self.mean_layer.build((None, feature_dim))
        self.log_variance_layer.build((None, feature_dim))

    def call(self, features: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        bound = self.max_log_variance
        return {
            "mean": self.normalized(self.mean_layer(features), training),
            "log_variance": bound * tf.tanh(self.log_variance_layer(features) / bound),
        }

    def sample(
        self, parameters: dict[str, tf.Tensor], seed: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Draws one code per row."""
        mean, log_variance = parameters["mean"], parameters["log_variance"]
        noise = replicas.draw_rows(
            tf.shape(mean)[0], lambda n: tf.random.stateless_normal([n, mean.shape[1]], seed)
        )
        return mean + tf.exp(0.5 * log_variance) * noise

    def mean(self, parameters: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the mean of each row's Gaussian."""
        return parameters["mean"]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "max_log_variance": self.max_log_variance}
