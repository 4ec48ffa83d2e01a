"""The adversarial autoencoder that tells style from label."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, posteriors, priors
from aae_tf.checks import check_bool, check_dimension
from aae_tf.models.arguments import check_prior
from aae_tf.models.base_aae import BaseAAE
from aae_tf.models.generative_model import draw_classes
from aae_tf.training.terms import Batch, Code, Tensors


@keras.saving.register_keras_serializable(package="aae_tf")
class SupervisedAAE(BaseAAE):
    """An `AAE` whose decoder is told the label, so that the code keeps the style.

    Each step is that of `AAE`, but for the decoder's input: the code z ~ q(z|x) and, beside it,
    the one-hot vector of the label. What the label says need not be in the code; matching all codes
    together to the prior does not forbid that it is. With `match_within_classes`, q(z|y) is matched
    to the prior for every class y, which does: style and label are independent then. The
    discriminator sees the one-hot label beside the code; with `divergence="mmd"` each class is
    compared by itself.

    Where a label is needed and not given, to reconstruct, it is the class whose reconstruction is
    the closest, which costs one decoder pass for each class.

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim].
        decoder: built Keras model from [batch, code_dim + num_classes], the code and the one-hot
            label, to outputs of the encoder's input shape.
        prior: any tfd.Distribution with event_shape [code_dim] and no batch shape.
        num_classes: number of classes.
        posterior: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        match_within_classes: whether the codes of each class are matched to the prior, and not
            only those of all classes together.
        seed: non-negative integer that fixes the initial weights of the head and of a default
            discriminator, noise and prior samples; None draws anew.
        name: name of the model.
        **kwargs: `extra_terms`, a list of `losses.LossTerm`, see `BaseModel`; and `dtype`.

    Inputs:
        inputs: float [batch, ...], of the encoder's input shape; beside them labels, integers
            [batch] in [0, num_classes), all known.

    Returns:
        float [batch, ...]: the closest of the reconstructions with each label.

    Logs:
        Those of `AAE`.

    Raises:
        TypeError: if a network, the prior, the posterior or the divergence is of a wrong type.
        ValueError: if the shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from aae_tf import networks, priors
    >>> model = SupervisedAAE(
    ...     encoder=networks.mlp_encoder((4,), units=(16,), seed=1),
    ...     decoder=networks.mlp_decoder((4,), code_dim=2 + 3, units=(16,), seed=2),
    ...     prior=priors.gaussian(2), num_classes=3, divergence="mmd", seed=0)
    >>> model.compile()
    >>> inputs, labels = np.random.default_rng(0).random((60, 4)), np.arange(60) % 3
    >>> history = model.fit(inputs, labels, verbose=0)
    >>> styles = model.encode(inputs[:1]).repeat(3, axis=0)
    >>> model.decode(styles, class_probabilities=np.eye(3)).shape
    (3, 4)

    References:
        Makhzani et al. 2016, section 4. Differs: `match_within_classes` is ours.
    """

    decoder_codes = ("latents", "class_probabilities")
    labels = "all"

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        num_classes: int,
        posterior: str | posteriors.Posterior = "deterministic",
        divergence: divergences.Identifier = "adversarial",
        match_within_classes: bool = False,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        num_classes = check_dimension("num_classes", num_classes)
        divergence = divergences.get(divergence)
        check_bool("match_within_classes", match_within_classes)
        check_prior("prior", prior)
        code = (
            Code(_copies(prior, num_classes), divergence, num_classes=num_classes)
            if match_within_classes
            else Code(prior, divergence)
        )
        super().__init__(
            encoder,
            decoder,
            prior,
            posterior,
            codes={"latent": code},
            num_classes=num_classes,
            seed=seed,
            name=name,
            **kwargs,
        )
        self.prior = prior
        self.divergence = divergence
        self.match_within_classes = match_within_classes
        # Labels are given, not encoded: they are drawn where none is given.
        self._class_prior = priors.categorical(num_classes)

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws z ~ q(z|x), and puts the label beside it."""
        one_hot = tf.one_hot(batch.labels, self.num_classes)
        return {**super().sample_codes(batch, seed, training), "class_probabilities": one_hot}

    def compare_arguments(self, code: str, batch: Batch) -> dict[str, tf.Tensor]:
        """Tells the divergence the labels, where codes are matched within classes."""
        return {"labels": batch.labels} if self.match_within_classes else {}

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws z ~ p(z), and a label of its own where none is given."""
        return {
            **super().seed_codes(seeds),
            "class_probabilities": draw_classes(self._class_prior, seeds, labels),
        }

    def complete_codes(self, inputs: tf.Tensor) -> Tensors:
        """Gives the mean code, and the label whose reconstruction is the closest."""
        latents = self.encode_codes(inputs)["latents"]
        errors = []
        for label in tf.unstack(tf.eye(self.num_classes)):
            one_hot = tf.tile(label[tf.newaxis], [tf.shape(latents)[0], 1])
            outputs = self.decode_codes({"latents": latents, "class_probabilities": one_hot})
            error = tf.math.squared_difference(tf.cast(inputs, tf.float32), outputs)
            errors.append(tf.reduce_sum(error, axis=tuple(range(1, len(error.shape)))))
        closest = tf.argmin(tf.stack(errors, axis=1), axis=1)
        return {
            "latents": latents,
            "class_probabilities": tf.one_hot(closest, self.num_classes),
        }


def _copies(prior: tfp.distributions.Distribution, count: int) -> tfp.distributions.Distribution:
    """Returns a mixture of one copy of the prior for each class, which is the prior again."""
    tfd = tfp.distributions
    probs = np.full(count, 1.0 / count, tf.as_dtype(prior.dtype).as_numpy_dtype)
    return tfd.MixtureSameFamily(tfd.Categorical(probs=probs), tfd.BatchBroadcast(prior, [count]))
