"""The interface of a term of the loss."""

from typing import Any, ClassVar

import tensorflow as tf

from aae_tf.losses.weights import Weight, check_weight, deserialize_weight, serialize_weight


class LossTerm:
    """Base class of loss terms on codes, other than reconstruction and divergence.

    A term is called on tensors of one batch and returns a scalar. The model adds `weight` times
    that scalar to the encoder's loss, and logs the scalar itself under `log_key`.

    To add a term: set `log_key`, implement `__call__`, and register the class with
    `keras.saving.register_keras_serializable`. Constructor arguments beyond `weight` go into
    `get_config`.

    Args:
        weight: factor of this term in the loss: a finite number, zero or more, or a
            `keras.optimizers.schedules.LearningRateSchedule`, a function of the training step.

    Raises:
        TypeError: if `weight` is neither a number nor a schedule.
        ValueError: if it is negative or not finite.
    """

    log_key: ClassVar[str]

    def __init__(self, weight: Weight = 1.0) -> None:
        self.weight: Weight = check_weight("weight", weight)

    def __call__(self, *args: Any, **kwargs: Any) -> tf.Tensor:
        """Returns the term on one batch, a float32 scalar, not weighted."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `__call__`.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"weight": serialize_weight(self.weight)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LossTerm":
        """Builds the term from what `get_config` returned."""
        return cls(**{**config, "weight": deserialize_weight(config["weight"])})
