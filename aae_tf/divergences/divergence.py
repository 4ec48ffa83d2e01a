"""The interface of a divergence between the aggregated posterior and a prior."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.losses.weights import (
    Weight,
    check_weight,
    deserialize_weight,
    serialize_weight,
)

# Up to so many features default weights are constant, and beyond in proportion to their number:
# what a code explains of a sum over features grows with it there. See docs/training.md.
FEW_FEATURES = 1000


class DivergenceTerms(NamedTuple):
    """The losses of one batch of codes against their prior.

    Attributes:
        encoder_loss: scalar; the encoder minimises it, which draws q to the prior.
        discriminator_loss: scalar, or None where no discriminator is trained.
        discriminator_accuracy: share of codes and prior samples that the discriminator classifies
            correctly, in [0, 1], or None.

    Example:

    >>> DivergenceTerms(encoder_loss=tf.constant(0.7)).discriminator_loss is None
    True
    """

    encoder_loss: tf.Tensor
    discriminator_loss: tf.Tensor | None = None
    discriminator_accuracy: tf.Tensor | None = None


class Divergence(keras.layers.Layer):
    """Base class of divergences, which draw a code's aggregated posterior q(z) to its prior p(z).

    A model connects each divergence once, to the prior of its code. Every training step then
    calls `compare` on a batch of codes: the encoder minimises `weight * encoder_loss`, and a
    discriminator, if there is one, minimises `discriminator_loss`.

    To add a divergence: implement `compare`, and `prepare` if something depends on the prior, and
    register the class with `keras.saving.register_keras_serializable`.

    Args:
        weight: factor of this divergence in the encoder's loss: a number, zero or more, read when
            the model is compiled, or a `keras.optimizers.schedules.LearningRateSchedule` of the
            number of training steps; None takes `default_weight`.
        name: name of the layer.

    Raises:
        TypeError: if `weight` is neither a number nor a schedule.
        ValueError: if `weight` is negative or not finite.
    """

    def __init__(self, weight: Weight | None = 1.0, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.weight = None if weight is None else check_weight("weight", weight)
        # Set by `connect`.
        self.prior: Any = None
        self.num_classes: int | None = None
        self.has_gaussian_posterior = False
        self.network_width: int | None = None

    def default_weight(self, num_features: int) -> float:
        """Gives the weight that `weight=None` stands for.

        Args:
            num_features: how many features the reconstruction loss is summed over: 1 where it is
                their mean, or where nothing is reconstructed.
        """
        return 1.0

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """What `summary` shows: the shape of the encoder's loss, a scalar."""
        return ()

    @property
    def uses_posterior(self) -> bool:
        """Whether `compare` integrates over q(z|x), and takes one more argument, `posterior`.

        `posterior` is a dict of `mean` and `log_variance`, float32 [batch, code_dim], of the
        Gaussian that each code was drawn from. `prepare` raises ValueError where
        `has_gaussian_posterior` is false.
        """
        return False

    @property
    def is_row_wise(self) -> bool:
        """Whether `compare` averages over rows alone, as `losses.weighted_mean` does.

        In a training on several replicas, such a divergence compares the rows of each replica by
        themselves. Any other gets the codes of all replicas, and compares the whole batch on each.
        """
        return False

    @property
    def min_rows(self) -> int:
        """How many rows a batch needs for `compare` to tell anything."""
        return 1

    @property
    def has_discriminator(self) -> bool:
        """Whether `compare` returns a discriminator's loss, minimised by `trainable_variables`."""
        return False

    def connect(
        self,
        prior: tfp.distributions.Distribution,
        seed: int,
        num_classes: int | None = None,
        has_gaussian_posterior: bool = False,
        network_width: int | None = None,
    ) -> None:
        """Prepares the comparison with `prior`.

        Args:
            prior: distribution with event_shape [code_dim].
            seed: non-negative integer that fixes the initial weights, if there are any.
            num_classes: number of the prior's components, where `compare` will get labels; None
                without labels.
            has_gaussian_posterior: whether codes are samples of a `posteriors.Gaussian`, whose
                parameters `compare` can be given.
            network_width: number of the encoder's features, which a default discriminator
                follows; None without an encoder.

        Raises:
            ValueError: if this divergence already belongs to a code, or does not support these
                arguments.
        """
        if self.prior is not None:
            raise ValueError(
                "Expected `divergence` not to belong to another code or model: its state would "
                f"be shared. Received: divergence={self!r}."
            )
        self.num_classes = num_classes
        self.has_gaussian_posterior = has_gaussian_posterior
        self.network_width = network_width
        try:
            self.prepare(prior, seed)
        except BaseException:
            self.num_classes = None
            self.has_gaussian_posterior = False
            self.network_width = None
            raise
        self.prior = prior
        # Keras' `summary` shows shapes of layers that were built so.
        self.build((None, prior.event_shape[0]))

    def prepare(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Creates what depends on the prior, such as a discriminator, after all checks."""

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: `connect` has built the layer."""

    def get_build_config(self) -> None:
        """Returns None: a loaded model connects its parts, before which they must not be built."""

    def compare(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        labels: tf.Tensor | None = None,
        real: tf.Tensor | None = None,
    ) -> DivergenceTerms:
        """Compares a batch of codes with the prior.

        Args:
            codes: float32 [batch, code_dim], a sample of the aggregated posterior.
            seed: integer [2]; fixes the prior's samples and any noise.
            sample_weight: float32 [batch], zero or more: the weight of each code in q, or of each
                row of `real` where that is given; None counts every row once.
            training: whether noise and penalties of training are applied.
            labels: int32 [batch], where `num_classes` was given: a code of class k is compared
                with the k-th component of the prior, one of label -1 with the whole. Models
                without such labels do not pass the argument.
            real: float32 [batch, code_dim], compared with the codes in place of samples of the
                prior. Only models that match outputs to data pass it.

        Returns:
            `DivergenceTerms` of scalars.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `compare`.")

    def encoder_loss(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        **arguments: Any,
    ) -> tf.Tensor:
        """Computes the `encoder_loss` of `compare` alone, for a step of the encoder.

        A divergence with a discriminator can override it to leave out the discriminator's terms.

        Args:
            codes: as in `compare`.
            seed: as in `compare`.
            sample_weight: as in `compare`.
            training: as in `compare`.
            **arguments: further arguments of `compare`.

        Returns:
            Scalar.
        """
        return self.compare(codes, seed, sample_weight, training, **arguments).encoder_loss

    def sample_prior(
        self, like: tf.Tensor, seed: tf.Tensor, labels: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Draws a sample of the prior for each row of `like`, in its dtype; see `compare`."""
        samples = priors.sample(self.prior, tf.shape(like)[0], seed, labels)
        return tf.cast(samples, like.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "weight": serialize_weight(self.weight),
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Divergence":
        """Builds the divergence from what `get_config` returned."""
        return cls(**{**config, "weight": deserialize_weight(config["weight"])})
