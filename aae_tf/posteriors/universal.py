"""The universal posterior: q(z|x) is the distribution of f(x, noise), of any shape."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.checks import check_dimension, check_sizes
from aae_tf.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="aae_tf")
class Universal(Posterior):
    """Encodes an input and a noise vector together: z = f(h(x), noise), noise ~ N(0, I).

    f is a small fully connected network on the features and the noise side by side, so that q(z|x)
    can have any shape, not only that of a Gaussian. It has samples but no density, which suits an
    adversary or an MMD but no KL term. `mean` averages f over `num_mean_samples` fixed noise
    vectors in antithetic pairs, the same for every input, so that encoding is deterministic and
    row i depends on row i alone.

    Args:
        noise_dim: width of the noise.
        units: width of each hidden layer of f.
        activation: Keras name of the hidden activation.
        num_mean_samples: even number of noise vectors that `mean` averages over.
        normalize: whether the samples get the prior's mean and standard deviation, by the
            batch's statistics in training and by moving averages otherwise: see `Posterior`.
            `mean` always uses the moving averages.
        name: name of the layer.

    Inputs:
        features: float [batch, feature_dim].

    Returns:
        dict with `features`, float32 [batch, units[0]]: the features' part of f's first layer.

    Raises:
        ValueError: if a size is not a positive integer, or `num_mean_samples` is odd.
        TypeError: if `normalize` is not a bool.

    Example:

    >>> import numpy as np
    >>> posterior = Universal(noise_dim=3, units=(8,))
    >>> posterior.connect(feature_dim=4, code_dim=2, seed=0)
    >>> tuple(posterior.mean(posterior(np.ones((5, 4)))).shape)
    (5, 2)

    References:
        Makhzani et al. 2016, section 2, "Universal approximator posterior"; Rustamov 2019, section
        4 (`normalize`). Differs: the noise is an input beside the encoder's features instead of
        beside x, so that any encoder can be used.
    """

    def __init__(
        self,
        noise_dim: int = 10,
        units: Sequence[int] = (256,),
        activation: str = "relu",
        num_mean_samples: int = 32,
        normalize: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(normalize=normalize, name=name, **kwargs)
        self.noise_dim = check_dimension("noise_dim", noise_dim)
        self.units = check_sizes("units", units)
        self.activation_function = keras.activations.get(activation)
        self.activation = activation
        self.num_mean_samples = check_dimension("num_mean_samples", num_mean_samples)
        if self.num_mean_samples % 2:
            raise ValueError(
                "Expected `num_mean_samples` to be even, for antithetic pairs. "
                f"Received: num_mean_samples={num_mean_samples!r}."
            )

    def build_head(self, feature_dim: int, seed: int) -> None:
        """Creates the layers of f; the first one in two parts, for features and for noise."""
        seeds = (np.random.SeedSequence(seed).generate_state(len(self.units) + 2) >> 1).tolist()

        def dense(inputs: int, width: int, name: str, use_bias: bool = True) -> keras.layers.Dense:
            initializer = keras.initializers.GlorotUniform(seed=seeds.pop())
            layer = keras.layers.Dense(
                width, None, use_bias, initializer, dtype="float32", name=name
            )
            layer.build((None, inputs))
            return layer

        self.feature_layer = dense(feature_dim, self.units[0], "features")
        self.noise_layer = dense(self.noise_dim, self.units[0], "noise", use_bias=False)
        widths = (*self.units, self.code_dim)
        self.head_layers = [
            dense(inputs, width, f"head_{index}")
            for index, (inputs, width) in enumerate(itertools.pairwise(widths))
        ]
        # The noise does not depend on the seed: models of one architecture share it.
        half = np.random.default_rng(0).standard_normal(
            (self.num_mean_samples // 2, self.noise_dim)
        )
        self._mean_noise = np.concatenate([half, -half]).astype("float32")

    def call(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"features": self.feature_layer(features)}

    def sample(
        self, parameters: dict[str, tf.Tensor], seed: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Draws one code per row."""
        features = parameters["features"]
        noise = replicas.draw_rows(
            tf.shape(features)[0], lambda n: tf.random.stateless_normal([n, self.noise_dim], seed)
        )
        return self.normalized(self._head(features, noise), training)

    def mean(self, parameters: dict[str, tf.Tensor]) -> tf.Tensor:
        """Averages f over the fixed noise vectors, row by row."""
        codes = self._head(parameters["features"][:, tf.newaxis], self._mean_noise)
        return self.normalized(tf.reduce_mean(codes, axis=1))

    def _head(self, features: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        codes = features + self.noise_layer(noise)
        for layer in self.head_layers:
            codes = layer(self.activation_function(codes))
        return codes

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "noise_dim": self.noise_dim,
            "units": self.units,
            "activation": self.activation,
            "num_mean_samples": self.num_mean_samples,
        }
