"""The interface of a posterior q(z|x): a layer from an encoder's features to codes."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_bool, check_dimension


class Posterior(keras.layers.Layer):
    """Base class of the layers that map an encoder's features to codes.

    A model connects its posterior once, to the width of the encoder's features and of the code;
    the layer then maps features to the parameters of q(z|x), and `sample` and `mean` map these
    to codes. Codes are float32 whatever the precision of the networks.

    With `normalize`, the mean and the standard deviation of each coordinate of the codes are the
    prior's from the first step on. The divergence then only has to match the shape of the
    coordinates' distributions and their dependence:

        z = prior mean + prior deviation * (c - mean of c) / sqrt(variance of c + 1e-5)

    c is the output of the head: the mean of q(z|x), or the code itself for a posterior without a
    mean. Mean and variance of c are those of the batch in training, and moving averages of them at
    any other time, so that a row's code then depends on that row alone. Every row of a batch counts
    once in them, whatever its sample weight. The variance of a batch of one row is zero: in
    training its code is the prior's mean, and the moving variance falls by a tenth. Drop a
    remainder of one row at the end of an epoch.

    To add a posterior: implement `build_head`, `call`, `sample` and `mean`, and register the
    class with `keras.saving.register_keras_serializable`. `call` or `sample` passes codes through
    `normalized`. Noise that is drawn by `replicas.draw_rows` is the same on several devices.

    Args:
        normalize: whether codes are normalised.
        name: name of the layer.

    Inputs:
        features: float [batch, feature_dim].

    Returns:
        dict of float32 tensors, [batch, ...]: the parameters of q(z|x).

    Raises:
        TypeError: if `normalize` is not a bool.

    References:
        Rustamov 2019, arXiv:1901.03227, section 4: batch normalisation of the code, without
        trained scale and offset. Differs: the code then gets the prior's moments, for priors of
        any scale.
    """

    def __init__(self, normalize: bool = False, name: str | None = None, **kwargs: Any) -> None:
        # float32 under any global policy, which would round the features before the head.
        super().__init__(name=name, **{"dtype": "float32", **kwargs})
        self.normalize = check_bool("normalize", normalize)
        # Set by `connect`.
        self.code_dim: Any = None
        self.normalization: Any = None

    def connect(
        self,
        feature_dim: int,
        code_dim: int,
        seed: int,
        loc: np.ndarray | None = None,
        scale: np.ndarray | None = None,
    ) -> None:
        """Creates the head's weights.

        Args:
            feature_dim: width of the encoder's features.
            code_dim: width of the code.
            seed: non-negative integer that fixes the initial weights.
            loc: float32 [code_dim], the mean that `normalize` gives the codes; None is 0.
            scale: float32 [code_dim], positive, their standard deviation; None is 1.

        Raises:
            ValueError: if this posterior already belongs to a model.
        """
        if self.code_dim is not None:
            raise ValueError(
                "Expected `posterior` not to belong to another model: its weights would be "
                f"shared. Received: posterior={self!r}."
            )
        self.code_dim = check_dimension("code_dim", code_dim)
        self.build_head(check_dimension("feature_dim", feature_dim), seed)
        if self.normalize:
            # The moving averages span about ten batches: with Keras' default of 0.99, half of the
            # initial values would remain after 70 steps. A small epsilon, since the scale of the
            # head is arbitrary.
            self.normalization = keras.layers.BatchNormalization(
                momentum=0.9,
                epsilon=1e-5,
                center=False,
                scale=False,
                dtype="float32",
                name="normalization",
            )
            self.normalization.build((None, self.code_dim))
            self._loc = np.float32(0.0 if loc is None else loc)
            self._scale = np.float32(1.0 if scale is None else scale)
        # Keras' `summary` shows shapes of layers that were built so.
        self.build((None, feature_dim))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """What `summary` shows: the shape of a code."""
        return (None, self.code_dim)

    def build_head(self, feature_dim: int, seed: int) -> None:
        """Creates and builds the layers of the head; `self.code_dim` is set."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `build_head`.")

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: `connect` has built the head."""

    def get_build_config(self) -> None:
        """Returns None: a loaded model connects its parts, before which they must not be built."""

    def normalized(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns codes with the moments of the prior, or `codes` if `normalize` is False.

        Args:
            codes: float32 [batch, code_dim].
            training: whether the batch's own statistics are used, and update the moving
                averages.

        Returns:
            float32 [batch, code_dim].
        """
        if self.normalization is None:
            return codes
        return self._loc + self._scale * self.normalization(codes, training=training)

    def sample(
        self, parameters: dict[str, tf.Tensor], seed: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Draws one code per row of `parameters`, differentiable in them.

        Args:
            parameters: what the layer returned.
            seed: integer [2], the seed of a stateless generator.
            training: what the layer was called with.

        Returns:
            float32 [batch, code_dim].
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `sample`.")

    def mean(self, parameters: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the mean of q(z|x), the code that a trained model encodes to.

        Args:
            parameters: what the layer returned.

        Returns:
            float32 [batch, code_dim].
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `mean`.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "normalize": self.normalize,
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }
