"""The adversarial divergence: a discriminator learns to tell codes from samples of the prior."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import networks, replicas
from aae_tf.checks import check_bool, check_choice, check_non_negative, check_rate, check_sizes
from aae_tf.divergences.divergence import FEW_FEATURES, Divergence, DivergenceTerms
from aae_tf.losses.weights import Weight, weighted_mean
from aae_tf.networks.mlp import is_spectral, spectral_discriminator
from aae_tf.priors.prior_moments import prior_moments

# Makhzani et al. 2016, appendix A.
_PAPER_WIDTH = 1000
# A discriminator of few inputs, behind a narrow encoder, still has this many units for each.
_PER_INPUT = 8


@keras.saving.register_keras_serializable(package="aae_tf")
class Adversarial(Divergence):
    """Trains a discriminator to tell codes from prior samples, and the encoder against it.

    One pass of the discriminator over codes and prior samples together gives the losses of both
    networks. Its inputs are first shifted and scaled by the prior's mean and standard deviation, so
    that training does not depend on the units of the code.

    Args:
        discriminator: built `keras.Model` from [batch, code_dim] to logits [batch, 1], not
            probabilities. With labels, its input is the code and, beside it, a one-hot vector of
            the classes and of "unknown": [batch, code_dim + num_classes + 1]. Positive integers
            are the widths of the hidden layers of a `networks.mlp_discriminator`: the paper's is
            (1000, 1000). None takes two layers that follow the model: as wide as the encoder's
            features, at least eight times the discriminator's input, and at most 1000.
        objective: "non_saturating" (binary cross-entropy; the encoder maximises log D),
            "least_squares", or "wasserstein" (which needs a `gradient_penalty`).
        label_smoothing: in [0, 1); the discriminator's target for prior samples is 1 minus this.
            Not for "wasserstein", which has no targets.
        input_noise: standard deviation of the Gaussian noise added to the discriminator's inputs
            in training, in standard deviations of the prior; zero or more.
        gradient_penalty: weight of the mean squared deviation from 1 of the gradient's norm at
            random points between prior samples and codes; zero or more.
        weight: factor of the encoder's adversarial loss in its total loss: a number, zero or more,
            or a Keras schedule of the number of training steps; None follows the number of
            features, see `default_weight`.
        spectral_normalization: whether the default discriminator divides each kernel by its largest
            singular value, so that the gradient of its logit is at most 1: codes close to samples
            of the prior then have similar logits. A discriminator that is passed must consist of
            `keras.layers.SpectralNormalization` layers itself.
        name: name of the layer.

    Logs:
        `<code>_divergence`: the encoder's loss, nats for "non_saturating"; ln 2 = 0.69 where the
        discriminator cannot tell codes from prior samples.
        `<code>_discriminator_loss`: the discriminator's loss with the gradient penalty, nats for
        "non_saturating"; there 2 ln 2 = 1.39.
        `<code>_discriminator_accuracy`: in [0, 1]; there 0.5.

    Raises:
        ValueError: if an argument is out of its range, or the discriminator's shapes do not fit.
        TypeError: if `discriminator` is not a Keras model.

    Example:

    >>> from aae_tf import networks
    >>> divergence = Adversarial(
    ...     networks.mlp_discriminator(2, units=(16,)), objective="least_squares", weight=0.5)
    >>> divergence.objective
    'least_squares'

    References:
        Makhzani et al. 2016, section 2; Goodfellow et al. 2014; Mao et al. 2017; Arjovsky et al.
        2017; Gulrajani et al. 2017, equation 3 (the penalty); Salimans et al. 2016, section 3.4
        (one-sided label smoothing); Miyato et al. 2018 (spectral normalisation). Differs: Makhzani
        et al. do not scale the discriminator's input; for a prior of standard deviation 5 its loss
        was then ten times as large in the first epochs.
    """

    def __init__(
        self,
        discriminator: keras.Model | Sequence[int] | None = None,
        objective: str = "non_saturating",
        label_smoothing: float = 0.0,
        input_noise: float = 0.0,
        gradient_penalty: float = 0.0,
        weight: Weight | None = None,
        spectral_normalization: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight=weight, name=name, **kwargs)
        is_model = isinstance(discriminator, keras.Model)
        if isinstance(discriminator, Sequence) and not isinstance(discriminator, str):
            discriminator = check_sizes("discriminator", discriminator)
        elif discriminator is not None and not is_model:
            raise TypeError(
                "Expected `discriminator` to be a keras.Model, widths of hidden layers, or None. "
                f"Received: discriminator={discriminator!r}."
            )
        self.objective = check_choice("objective", objective, tuple(_OBJECTIVES))
        self.label_smoothing = check_rate("label_smoothing", label_smoothing)
        if self.label_smoothing and objective == "wasserstein":
            raise ValueError(
                "Expected `label_smoothing` to be 0 with objective='wasserstein', which has no "
                f"targets to smooth. Received: label_smoothing={label_smoothing!r}."
            )
        self.input_noise = check_non_negative("input_noise", input_noise)
        self.gradient_penalty = check_non_negative("gradient_penalty", gradient_penalty)
        self.spectral_normalization = check_bool("spectral_normalization", spectral_normalization)
        if spectral_normalization and is_model and not is_spectral(discriminator):
            raise ValueError(
                "Expected `discriminator` to have keras.layers.SpectralNormalization layers, or to "
                "be None, with spectral_normalization=True. "
                f"Received: discriminator={discriminator!r}."
            )
        # Widths, and None for the default, until `connect` builds it.
        self.discriminator: Any = discriminator

    def default_weight(self, num_features: int) -> float:
        """Gives 1 for up to 1,000 features, and for more a thousandth of their number.

        The encoder's loss has a bounded slope, while the reconstruction loss is summed.
        """
        return max(1.0, num_features / FEW_FEATURES)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The discriminator, which `summary(expand_nested=True)` shows; empty until it is built."""
        return [self.discriminator] if isinstance(self.discriminator, keras.Model) else []

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """What `summary` shows: the shape of the logits."""
        return (None, 1)

    @property
    def is_row_wise(self) -> bool:
        """True: the discriminator maps each row by itself."""
        return True

    @property
    def has_discriminator(self) -> bool:
        """True: `trainable_variables` are the discriminator's."""
        return True

    def prepare(self, prior: tfp.distributions.Distribution, seed: int) -> None:
        """Builds the default discriminator if none was passed, and checks its shapes."""
        width = prior.event_shape[0]
        if self.num_classes is not None:
            width += self.num_classes + 1
        discriminator = self.discriminator
        if not isinstance(discriminator, keras.Model):
            build: Callable[..., keras.Model] = networks.mlp_discriminator
            if self.spectral_normalization:
                build = spectral_discriminator
            units = discriminator or 2 * (_default_width(width, self.network_width),)
            discriminator = build(width, units=units, seed=seed)
        shapes = (discriminator.input_shape, discriminator.output_shape)
        if shapes != ((None, width), (None, 1)):
            raise ValueError(
                f"Expected `discriminator` to map [batch, {width}] to logits [batch, 1]. "
                f"Received: discriminator with input_shape={shapes[0]}, output_shape={shapes[1]}."
            )
        self._location, self._scale = prior_moments(prior)
        self.discriminator = discriminator

    def compare(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        labels: tf.Tensor | None = None,
        real: tf.Tensor | None = None,
    ) -> DivergenceTerms:
        """Computes both losses and the accuracy from one pass of the discriminator."""
        prior_seed, noise_seed, penalty_seed = tf.unstack(tf.random.split(seed, 3))
        # The weights belong to the rows of the batch: `real` where that is passed, else codes.
        code_weight, real_weight = (sample_weight, None) if real is None else (None, sample_weight)
        if real is None:
            real = self.sample_prior(codes, prior_seed, labels)
        points = (tf.concat([real, codes], axis=0) - self._location) / self._scale
        if training and self.input_noise:
            points += self.input_noise * self._noise(points, noise_seed)
        logits = self._logits(points, labels, training)
        real_logits, code_logits = tf.split(logits, 2)

        losses = _OBJECTIVES[self.objective]
        discriminator_loss = weighted_mean(
            losses.real(real_logits, self.label_smoothing), real_weight
        ) + weighted_mean(losses.generated(code_logits), code_weight)
        if training and self.gradient_penalty:
            discriminator_loss += self.gradient_penalty * self._penalty(
                tf.stop_gradient(points), penalty_seed, sample_weight, labels
            )
        threshold = losses.threshold(real_logits, code_logits)
        accuracy = 0.5 * (
            weighted_mean(tf.cast(real_logits > threshold, tf.float32), real_weight)
            + weighted_mean(tf.cast(code_logits < threshold, tf.float32), code_weight)
        )
        encoder_loss = weighted_mean(losses.encoder(code_logits), code_weight)
        return DivergenceTerms(encoder_loss, discriminator_loss, accuracy)

    def encoder_loss(
        self,
        codes: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
        training: bool = False,
        **arguments: Any,
    ) -> tf.Tensor:
        """Computes the encoder's loss of `compare` from logits of the codes alone."""
        if any(isinstance(x, keras.layers.BatchNormalization) for x in self._flatten_layers()):
            # Batch normalisation uses the moments of codes and prior samples together.
            return super().encoder_loss(codes, seed, sample_weight, training, **arguments)
        _, noise_seed, _ = tf.unstack(tf.random.split(seed, 3))
        points = (codes - self._location) / self._scale
        if training and self.input_noise:
            both = tf.concat([points, points], axis=0)
            points += self.input_noise * tf.split(self._noise(both, noise_seed), 2)[1]
        logits = self._logits(points, arguments.get("labels"), training)
        weight = sample_weight if arguments.get("real") is None else None
        return weighted_mean(_OBJECTIVES[self.objective].encoder(logits), weight)

    @staticmethod
    def _noise(points: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws noise for `points`, which are two batches of the same rows."""
        noise = replicas.draw_rows(
            tf.shape(points)[0] // 2,
            lambda n: tf.random.stateless_normal([2, n, points.shape[1]], seed),
            axis=1,
        )
        return tf.reshape(noise, [-1, points.shape[1]])

    def _logits(self, points: tf.Tensor, labels: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Returns the logits [rows] of one or more batches of points, each with the same labels."""
        if labels is not None and self.num_classes is not None:
            classes = tf.where(labels < 0, self.num_classes, labels)
            one_hot = tf.one_hot(classes, self.num_classes + 1, dtype=points.dtype)
            batches = tf.shape(points)[0] // tf.shape(one_hot)[0]
            points = tf.concat([points, tf.tile(one_hot, [batches, 1])], axis=1)
        return tf.cast(self.discriminator(points, training=training)[:, 0], tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the discriminator that is in use."""
        return {
            **super().get_config(),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "objective": self.objective,
            "label_smoothing": self.label_smoothing,
            "input_noise": self.input_noise,
            "gradient_penalty": self.gradient_penalty,
            "spectral_normalization": self.spectral_normalization,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Divergence:
        """Builds the divergence from what `get_config` returned."""
        discriminator = config["discriminator"]
        if isinstance(discriminator, dict):
            discriminator = keras.saving.deserialize_keras_object(discriminator)
        return super().from_config({**config, "discriminator": discriminator})

    def _penalty(
        self,
        points: tf.Tensor,
        seed: tf.Tensor,
        sample_weight: tf.Tensor | None,
        labels: tf.Tensor | None,
    ) -> tf.Tensor:
        real, codes = tf.split(points, 2)
        fraction = replicas.draw_rows(
            tf.shape(codes)[0], lambda n: tf.random.stateless_uniform([n, 1], seed)
        )
        between = codes + fraction * (real - codes)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = self._logits(between, labels, training=True)
        squared_norm = tf.reduce_sum(tf.square(tape.gradient(logits, between)), axis=1)
        # The square root has no finite gradient at zero, and a ReLU network can be constant.
        norm = tf.sqrt(squared_norm + np.finfo("float32").eps)
        return weighted_mean(tf.square(norm - 1.0), sample_weight)


def _default_width(input_width: int, network_width: int | None) -> int:
    """Gives the width of a default discriminator's layers: that of the networks around it."""
    return min(max(network_width or 0, _PER_INPUT * input_width), _PAPER_WIDTH)


class _Losses(NamedTuple):
    """The losses of an adversarial objective, as functions of the discriminator's logits.

    Real rows are samples of the prior, with large logits, and generated rows are codes, with small
    ones. Every function maps logits [batch] to the loss of each row, [batch].

    Attributes:
        real: (logits of prior samples, label smoothing) -> the discriminator's losses on them.
        generated: logits of codes -> the discriminator's losses on them.
        encoder: logits of codes -> the encoder's losses.
        threshold: (real logits, generated logits) -> the logit above which a row counts as real.
    """

    real: Callable[[tf.Tensor, float], tf.Tensor]
    generated: Callable[[tf.Tensor], tf.Tensor]
    encoder: Callable[[tf.Tensor], tf.Tensor]
    threshold: Callable[[tf.Tensor, tf.Tensor], tf.Tensor | float]


def _midpoint(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    means = replicas.replica_mean([replicas.row_mean(real), replicas.row_mean(generated)])
    return 0.5 * tf.add_n(means)


_OBJECTIVES = {
    # Goodfellow et al. 2014, section 3: the encoder maximises log D(z). softplus(-l) is
    # -log sigmoid(l) without overflow.
    "non_saturating": _Losses(
        real=lambda logits, smoothing: tf.nn.softplus(-logits) + smoothing * logits,
        generated=tf.nn.softplus,
        encoder=lambda logits: tf.nn.softplus(-logits),
        threshold=lambda real, generated: 0.0,
    ),
    # Mao et al. 2017, equation 9: targets 1 for real, 0 for generated, 1 for the encoder.
    "least_squares": _Losses(
        real=lambda logits, smoothing: 0.5 * tf.square(logits - (1.0 - smoothing)),
        generated=lambda logits: 0.5 * tf.square(logits),
        encoder=lambda logits: 0.5 * tf.square(logits - 1.0),
        threshold=lambda real, generated: 0.5,
    ),
    # Arjovsky et al. 2017, section 3. A critic has no threshold: the midpoint of the two batch
    # means serves as one.
    "wasserstein": _Losses(
        real=lambda logits, smoothing: -logits,
        generated=lambda logits: logits,
        encoder=lambda logits: -logits,
        threshold=_midpoint,
    ),
}
