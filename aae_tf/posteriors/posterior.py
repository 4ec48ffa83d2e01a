"""The interface of q(z|x): from the encoder's features to codes."""

from typing import Any

import keras
import tensorflow as tf

from aae_tf.checks import check_dimension


class Posterior(keras.layers.Layer):
    """Base class of the heads that turn an encoder's features into codes.

    A model connects its posterior once, to the width of the encoder's features and of the code;
    the layer then maps features to the parameters of q(z|x), and `sample` and `mean` map these
    to codes. Codes are float32 whatever the precision of the networks.

    To add a posterior: implement `build_head`, `call`, `sample` and `mean`, and register the
    class with `keras.saving.register_keras_serializable`.

    Args:
        name: name of the layer.

    Inputs:
        features: float [batch, feature_dim].

    Returns:
        dict of float32 tensors, [batch, ...]: the parameters of q(z|x).
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        # Known once connected.
        self.code_dim: Any = None

    def connect(self, feature_dim: int, code_dim: int, seed: int) -> None:
        """Creates the head's weights.

        Args:
            feature_dim: width of the encoder's features.
            code_dim: width of the code.
            seed: non-negative integer that fixes the initial weights.

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
        self.built = True

    def build_head(self, feature_dim: int, seed: int) -> None:
        """Creates and builds the layers of the head; `self.code_dim` is known."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `build_head`.")

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: `connect` has built the head."""

    def sample(self, parameters: dict[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """Draws one code per row of `parameters`, differentiable in them.

        Args:
            parameters: what the layer returned.
            seed: integer [2], the seed of a stateless generator.

        Returns:
            float32 [batch, code_dim].
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `sample`.")

    def mean(self, parameters: dict[str, tf.Tensor]) -> tf.Tensor:
        """Gives the mean of q(z|x): what a trained model encodes to.

        Args:
            parameters: what the layer returned.

        Returns:
            float32 [batch, code_dim].
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `mean`.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"name": self.name, "dtype": keras.saving.serialize_keras_object(self.dtype_policy)}
