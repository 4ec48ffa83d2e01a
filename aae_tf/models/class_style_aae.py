"""What the variants share that split the code into a class and a style."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, losses, posteriors, replicas
from aae_tf.checks import check_integer, resolve
from aae_tf.losses.weights import Weight, check_weight
from aae_tf.models.arguments import check_class_prior
from aae_tf.models.base_aae import BaseAAE
from aae_tf.models.generative_model import draw_classes
from aae_tf.models.weight_seeds import weight_seeds
from aae_tf.training.terms import Batch, Code, ExtraTerm, Tensors

# Class and names of each term that needs no label.
_TERMS: dict[str, tuple[type, dict[str, type]]] = {
    "consistency": (
        losses.VirtualAdversarial,
        {"virtual_adversarial": losses.VirtualAdversarial},
    ),
    "information": (losses.MutualInformation, {"mutual_information": losses.MutualInformation}),
}


class ClassStyleAAE(BaseAAE):
    """Two codes of an input: a class y ~ q(y|x), a softmax, and a style z ~ q(z|x).

    The aggregated posterior of each is drawn to a prior of its own: q(y) to a categorical, so that
    the softmax comes close to one-hot vectors of the right frequencies, and q(z) to the style
    prior. Both come from the same features of the encoder. A variant says how the decoder
    receives them, and whether labels are looked at (`labels`).

    Args:
        encoder: built Keras model from inputs [batch, ...] to features [batch, feature_dim].
        decoder: built Keras model to outputs of the encoder's input shape.
        style_prior: prior of the style, event_shape [style_dim].
        num_classes: number of classes, at least 2.
        class_prior: tfd.OneHotCategorical of float32 with `num_classes` outcomes; None is uniform.
        posterior: of the style, as in `AAE`.
        style_divergence: "adversarial", "mmd", or what else `divergences.get` takes; also several.
        class_divergence: the same for the class; None matches the class code to nothing.
        classification_weight: factor of the cross-entropy where labels are known.
        consistency: "virtual_adversarial", a `losses.VirtualAdversarial`, or None.
        information: "mutual_information", a `losses.MutualInformation`, or None.
        seed: non-negative integer that fixes weights, noise and prior samples; None draws anew.
        name: name of the model.
    """

    decoder_codes: tuple[str, ...] = ("latents", "class_probabilities")
    classifies = True
    # The argument that says how many classes there are.
    classes_argument = "num_classes"

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        style_prior: tfp.distributions.Distribution,
        num_classes: int,
        class_prior: tfp.distributions.Distribution | None,
        posterior: str | posteriors.Posterior,
        style_divergence: divergences.Identifier,
        class_divergence: divergences.Identifier | None,
        classification_weight: Weight,
        consistency: str | losses.VirtualAdversarial | None,
        information: str | losses.MutualInformation | None,
        seed: int | None,
        name: str | None,
        **kwargs: Any,
    ) -> None:
        num_classes = check_integer(self.classes_argument, num_classes, minimum=2)
        class_prior = check_class_prior(class_prior, num_classes, self.classes_argument)
        style_divergence = divergences.get(style_divergence, "style_divergence")
        if class_divergence is not None:
            class_divergence = divergences.get(class_divergence, "class_divergence")
        given = {"consistency": consistency, "information": information}
        terms = {
            name: None if term is None else resolve(name, term, *_TERMS[name])
            for name, term in given.items()
        }
        check_weight("classification_weight", classification_weight)
        super().__init__(
            encoder,
            decoder,
            style_prior,
            posterior,
            codes={
                "style": Code(style_prior, style_divergence, output=self.posterior_output),
                "class": Code(class_prior, class_divergence, output="class_probabilities"),
            },
            prior_argument="style_prior",
            num_classes=num_classes,
            seed=seed,
            name=name,
            **kwargs,
        )
        self.style_prior = style_prior
        self.class_prior = class_prior
        self.style_divergence = style_divergence
        self.class_divergence = class_divergence
        self.classification_weight = classification_weight
        self.consistency = terms["consistency"]
        self.information = terms["information"]
        self.class_head = keras.layers.Dense(
            num_classes,
            kernel_initializer=keras.initializers.GlorotUniform(seed=weight_seeds(seed).class_head),
            dtype="float32",
            name="class_head",
        )
        self.class_head.build((None, encoder.output_shape[1]))
        self._has_noise = any(v.name == "seed_generator_state" for v in encoder.variables)

    def encode_codes(self, inputs: tf.Tensor) -> Tensors:
        """Gives the mean style, and q(y|x)."""
        features = self.features(inputs)
        return {
            "latents": self.posterior.mean(self.posterior(features, training=False)),
            "class_probabilities": tf.nn.softmax(self.class_head(features)),
        }

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws a style z ~ q(z|x), and gives the parameters of q(z|x) and q(y|x) with logits."""
        features = self.features(batch.inputs, training)
        logits = self.class_head(features)
        parameters = self.posterior(features, training=training)
        return {
            **parameters,
            "latents": self.posterior.sample(parameters, seed, training),
            "class_probabilities": tf.nn.softmax(logits),
            "class_logits": logits,
        }

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws a style from its prior, and a class where none is given."""
        return {
            **super().seed_codes(seeds),
            "class_probabilities": draw_classes(self.class_prior, seeds, labels),
        }

    def prior_log_prob(self, codes: Tensors) -> tf.Tensor:
        """Gives log p(z) + sum_k q(y = k|x) log p(y = k), nats."""
        return super().prior_log_prob(codes) + self.class_prior.log_prob(
            codes["class_probabilities"]
        )

    def extra_terms(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, ExtraTerm]:
        """Measures the cross-entropy of known labels, and the terms that need none."""
        logits, weight = codes["class_logits"], batch.sample_weight
        terms = {}
        if batch.labels is not None:
            with replicas.whole_batch((logits, batch.labels, weight)) as rows:
                loss, count = losses.cross_entropy(*rows)
                terms["classification_loss"] = ExtraTerm(loss, self.classification_weight, count)
                share, count = losses.accuracy(*rows)
                terms["accuracy"] = ExtraTerm(share, rows=count)
        if self.consistency is not None:
            # What differs between its passes counts as an effect of the disturbance.
            noisy = training and self._has_noise
            loss = self.consistency(
                lambda inputs: self._logits_alone(inputs, training),
                batch.inputs,
                self._logits_alone(batch.inputs, training) if noisy else logits,
                seed,
                weight,
            )
            terms[self.consistency.log_key] = ExtraTerm(loss, self.consistency.weight)
        if self.information is not None:
            with replicas.whole_batch((logits, weight)) as rows:
                loss = self.information(*rows)
            terms[self.information.log_key] = ExtraTerm(loss, self.information.weight)
        return terms

    def _logits_alone(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        # Disturbed inputs are normalised as a batch of their own and leave no trace in the moving
        # averages, which are those of the data; noise layers draw the same for every disturbance.
        with keras.StatelessScope():
            return self.class_head(self.features(inputs, training))
