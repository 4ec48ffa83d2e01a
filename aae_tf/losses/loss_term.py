"""The interface of a term of the loss."""

from typing import Any

import tensorflow as tf

from aae_tf.losses.weights import Weight, check_weight, deserialize_weight, serialize_weight


class LossTerm:
    """Base class of loss terms other than reconstruction and divergence.

    A term is called on tensors of one batch and returns a scalar. The model adds `weight` times
    that scalar to the encoder's loss, and logs the scalar itself under `log_key`.

    To add a term to any model: set `log_key`, implement `__call__`, register the class with
    `keras.saving.register_keras_serializable`, and give instances as the model's `extra_terms`.
    Constructor arguments beyond `weight` go into `get_config`. The parameters of `__call__` name
    what the term needs, and the model passes them by name:

    - `latents`, and whatever else `sample_codes` of the model gives: `class_probabilities` and
      `class_logits` where there are classes, `mean` and `log_variance` of a Gaussian posterior;
    - `inputs`, `targets` and `outputs`, float [batch, ...]: outputs cost a pass of the decoder in
      the regularization phase of the alternating schedule, and nothing in the joint one;
    - `labels`, int32 [batch], -1 where unknown, or None; `sample_weight`, float32 [batch] or None;
    - `seed`, int32 [2], for noise; `training`, a bool.

    It returns a float scalar, or one value for each example [batch], of which the model takes the
    mean, weighted by `sample_weight`. A term that compares rows with each other returns a scalar;
    on several replicas each has the rows of its own then, and the mean of theirs counts.

    Args:
        weight: factor of this term in the loss: a finite number, zero or more, or a
            `keras.optimizers.schedules.LearningRateSchedule`, a function of the training step.

    Attributes:
        log_key: name of the term in the logs; of the class, or set by its constructor.

    Raises:
        TypeError: if `weight` is neither a number nor a schedule.
        ValueError: if it is negative or not finite.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from aae_tf import AAE, losses, networks, priors
    >>> @keras.saving.register_keras_serializable(package="mine")
    ... class Sparsity(losses.LossTerm):
    ...     log_key = "sparsity"
    ...
    ...     def __call__(self, latents):
    ...         return tf.reduce_sum(tf.abs(latents), axis=1)
    >>> model = AAE(networks.mlp_encoder((4,), units=(16,), seed=1),
    ...             networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...             prior=priors.gaussian(2), seed=0, extra_terms=[Sparsity(weight=0.1)])
    >>> model.compile()
    >>> history = model.fit(np.random.default_rng(0).random((60, 4)), verbose=0)
    >>> "sparsity" in history.history
    True
    """

    log_key: str

    def __init__(self, weight: Weight = 1.0) -> None:
        self.weight: Weight = check_weight("weight", weight)

    def __call__(self, *args: Any, **kwargs: Any) -> tf.Tensor:
        """Returns the term on one batch, not weighted."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `__call__`.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"weight": serialize_weight(self.weight)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LossTerm":
        """Builds the term from what `get_config` returned."""
        return cls(**{**config, "weight": deserialize_weight(config["weight"])})
