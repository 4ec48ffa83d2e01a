"""The interface of a divergence between the aggregated posterior and a prior."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_non_negative
from aae_tf.divergences.terms import DivergenceTerms


class Divergence(keras.layers.Layer):
    """Base class of what draws a code's aggregated posterior q(z) to its prior p(z).

    A model connects each divergence once, to the prior of its code. Every training step then
    calls `compare` on a batch of codes: the encoder lowers `weight * encoder_loss`; if there is
    a discriminator, it lowers `discriminator_loss`.

    To add a divergence: implement `compare` (and `prepare` for what depends on the prior), and
    register the class with `keras.saving.register_keras_serializable`.

    Args:
        weight: factor of this divergence in the encoder's loss, zero or more; read when the model
            is compiled.
        name: name of the layer.

    Raises:
        ValueError: if `weight` is negative or not finite.
    """

    def __init__(self, weight: float = 1.0, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.weight = check_non_negative("weight", weight)
        # Known once connected; until then there is nothing to compare with.
        self.prior: Any = None

    @property
    def has_discriminator(self) -> bool:
        """Whether `compare` gives a discriminator's loss, and `trainable_variables` lowers it."""
        return False

    def connect(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Prepares the comparison with `prior`.

        Args:
            prior: distribution with event_shape [code_dim].
            seed: non-negative integer that fixes the initial weights, if there are any.

        Raises:
            ValueError: if this divergence already belongs to a code.
        """
        if self.prior is not None:
            raise ValueError(
                "Expected `divergence` not to belong to another code or model: its state would "
                f"be shared. Received: divergence={self!r}."
            )
        self.prepare(prior, seed)
        self.prior = prior
        self.built = True

    def prepare(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Creates what depends on the prior, a discriminator for one; checks before it changes."""

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: `connect` has built what there is."""

    def compare(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
    ) -> DivergenceTerms:
        """Compares a batch of codes with the prior.

        Args:
            codes: float32 [batch, code_dim], a sample of the aggregated posterior.
            seed: integer [2]; fixes the prior's samples and any noise.
            sample_weight: float32 [batch], zero or more: the mass of each code in q; None
                counts every code once.
            training: whether noise and penalties that belong to training are applied.

        Returns:
            `DivergenceTerms` of scalars.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `compare`.")

    def sample_prior(self, like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws as many prior samples as there are rows in `like`, in the same dtype."""
        return tf.cast(self.prior.sample(tf.shape(like)[0], seed=seed), like.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "weight": self.weight,
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }
