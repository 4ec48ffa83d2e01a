"""The deterministic posterior: q(z|x) has all its mass on one code."""

import keras
import tensorflow as tf

from aae_tf.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="aae_tf")
class Deterministic(Posterior):
    """Encodes every input to one code: z = W h(x) + b.

    The randomness of the aggregated posterior comes from the data alone.

    Args:
        normalize: whether codes get the prior's mean and standard deviation, by the batch's
            statistics in training and by moving averages otherwise: see `Posterior`.
        name: name of the layer.

    Inputs:
        features: float [batch, feature_dim].

    Returns:
        dict with `mean`, float32 [batch, code_dim].

    Raises:
        TypeError: if `normalize` is not a bool.

    Example:

    >>> import numpy as np
    >>> posterior = Deterministic()
    >>> posterior.connect(feature_dim=4, code_dim=2, seed=0)
    >>> sorted(posterior(np.ones((3, 4))))
    ['mean']

    References:
        Makhzani et al. 2016, section 2, "Deterministic"; Rustamov 2019, section 4 (`normalize`).
    """

    def build_head(self, feature_dim: int, seed: int) -> None:
        """Creates the linear head."""
        self.mean_layer = keras.layers.Dense(
            self.code_dim,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            dtype="float32",
            name="mean",
        )
        self.mean_layer.build((None, feature_dim))

    def call(self, features: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        return {"mean": self.normalized(self.mean_layer(features), training)}

    def sample(
        self, parameters: dict[str, tf.Tensor], seed: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Returns the code of each row; `seed` is not used."""
        return parameters["mean"]

    def mean(self, parameters: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the code of each row."""
        return parameters["mean"]
