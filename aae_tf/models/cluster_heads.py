"""The heads of clusters in an embedding."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class ClusterHeads(keras.layers.Layer):
    """Maps cluster probabilities y to y W, W [num_clusters, dim] having a head in each row.

    Args:
        num_clusters: number of heads.
        dim: width of the embedding.
        heads: float32 [num_clusters, dim], held constant; None learns heads that start from a
            normal distribution.
        scale: its standard deviation.
        seed: non-negative integer that fixes the start.

    Raises:
        ValueError: if `heads` is given with another shape.
    """

    def __init__(
        self, num_clusters: int, dim: int, heads: np.ndarray | None, scale: float, seed: int
    ) -> None:
        super().__init__(name="cluster_heads", dtype="float32")
        shape = (num_clusters, dim)
        if heads is not None and heads.shape != shape:
            raise ValueError(
                f"Expected `heads` to have the shape (num_clusters, width of the style) {shape}. "
                f"Received: heads.shape={heads.shape}."
            )
        self.heads = self.add_weight(
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=scale, seed=seed)
            if heads is None
            else keras.initializers.Constant(heads),
            trainable=heads is None,
            name="heads",
        )
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the constructor has made the heads."""

    def call(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Returns the heads' mean under `probabilities`, [batch, dim]."""
        return tf.matmul(probabilities, self.heads)
