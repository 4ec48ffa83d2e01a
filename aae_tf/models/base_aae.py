"""A model with an encoder: what the variants of the adversarial autoencoder share."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import data, posteriors, priors
from aae_tf.export.exportable import Signature
from aae_tf.export.nan_rows import nan_rows
from aae_tf.models.arguments import check_network, check_prior
from aae_tf.models.base_model import BaseModel
from aae_tf.models.weight_seeds import weight_seeds
from aae_tf.priors.prior_moments import prior_moments
from aae_tf.training.terms import Batch, Code, Tensors

# What `score` gives.
SCORES = ("reconstruction_error", "prior_log_prob")


class BaseAAE(BaseModel):
    """A `BaseModel` with an encoder: latents z ~ q(z|x), their prior, and what a variant adds.

    As it stands, the decoder receives the latents alone. A variant overrides what differs for it:
    `encode_codes` and `seed_codes` where there are codes beside the latents, `decoder_codes` where
    the decoder receives these, and the hooks of `BaseModel`.

    Args:
        encoder: built Keras model, [batch, ...] to features [batch, feature_dim]; the posterior's
            head comes on top.
        decoder: built Keras model from what it receives to outputs of the encoder's input shape.
        prior: distribution of the latents, event_shape [code_dim].
        posterior: "deterministic", "gaussian", "universal", or an instance of
            `aae_tf.posteriors`.
        codes: what is matched, as in `BaseModel`.
        prior_argument: name of the prior among the variant's arguments, for messages.
        num_classes: how many classes or clusters the model knows; None if it knows none.
        seed: non-negative integer that fixes weights, noise and prior samples; None draws anew.
        name: name of the model.

    Attributes:
        latent_prior: the argument `prior`, whatever a variant calls it.

    Raises:
        TypeError: if a network, the prior or the posterior is of a wrong type.
        ValueError: if a network is not built, or the shapes do not fit.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: tfp.distributions.Distribution,
        posterior: str | posteriors.Posterior,
        codes: dict[str, Code],
        prior_argument: str = "prior",
        num_classes: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        width = code_dim = check_prior(prior_argument, prior)
        posterior = posteriors.get(posterior)
        check_network("encoder", encoder)
        check_network("decoder", decoder)
        if "float" not in encoder.inputs[0].dtype:
            raise ValueError(
                "Expected `encoder` to take floats. "
                f"Received: encoder with inputs of dtype={encoder.inputs[0].dtype}."
            )
        if len(encoder.output_shape) != 2:
            raise ValueError(
                "Expected `encoder` to give features [batch, feature_dim]; add a Flatten layer. "
                f"Received: encoder with output_shape={encoder.output_shape}."
            )
        if decoder.output_shape != encoder.input_shape:
            raise ValueError(
                "Expected `decoder` to give outputs of the shape that `encoder` takes, "
                f"{encoder.input_shape}. Received: decoder with output_shape="
                f"{decoder.output_shape}."
            )
        received = f"{prior_argument} with event_shape={tuple(prior.event_shape)}"
        if num_classes is not None and "class_probabilities" in self.decoder_codes:
            width += num_classes
            received += f" and {num_classes} classes"
        if decoder.input_shape != (None, width):
            raise ValueError(
                f"Expected `decoder` to take what this model gives it, [batch, {width}]. "
                f"Received: decoder with input_shape={decoder.input_shape}, {received}."
            )
        is_gaussian = isinstance(posterior, posteriors.Gaussian)
        codes = {
            key: code._replace(
                is_gaussian=is_gaussian and code.output == self.posterior_output,
                network_width=encoder.output_shape[1],
            )
            for key, code in codes.items()
        }
        # What may be refused comes first, so that an instance can be given again.
        super().__init__(decoder, codes, num_classes=num_classes, seed=seed, name=name, **kwargs)
        moments = prior_moments(prior) if posterior.normalize else ()
        posterior.connect(encoder.output_shape[1], code_dim, weight_seeds(seed).posterior, *moments)
        self.encoder = encoder
        self.posterior = posterior
        self.latent_prior = prior

    # The hooks.

    # Where `sample_codes` gives the posterior's sample.
    posterior_output: str = "latents"

    def encode_codes(self, inputs: tf.Tensor) -> Tensors:
        """Encodes inputs to the mean of their codes, by the names of the signature's outputs."""
        parameters = self.posterior(self.features(inputs), training=False)
        return {"latents": self.posterior.mean(parameters)}

    def complete_codes(self, inputs: tf.Tensor) -> Tensors:
        """Encodes inputs to everything that the decoder needs to reconstruct them."""
        return self.encode_codes(inputs)

    def prior_log_prob(self, codes: Tensors) -> tf.Tensor:
        """Gives the log density of complete codes under the priors, nats, [batch]."""
        return self.latent_prior.log_prob(codes["latents"])

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Draws one code z ~ q(z|x) per input, and gives the parameters of q(z|x)."""
        parameters = self.posterior(self.features(batch.inputs, training), training=training)
        return {**parameters, "latents": self.posterior.sample(parameters, seed, training)}

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws z ~ p(z), row i from seeds[i] alone."""
        return {"latents": priors.sample_rows(self.latent_prior, seeds)}

    # What users call.

    @nan_rows
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Reconstructs inputs from the mean of their codes; training takes another way.

        A row with NaN or infinity, which `predict` does not refuse, gives NaN.
        """
        return self._reconstruct(inputs)

    def encode(self, x: Any, batch_size: int = 1024) -> np.ndarray:
        """Encodes inputs to the mean of their latents.

        Args:
            x: float [n, ...], finite, of the encoder's input shape, in any form that `fit` takes.
            batch_size: rows encoded at a time.

        Returns:
            float32 [n, code_dim].

        Raises:
            ValueError: if `x` is not finite, or its shape is not the encoder's.
        """
        rows = [self.check_inputs(x)]
        return self.map_rows("encode", lambda i: self.encode_codes(i)["latents"], rows, batch_size)

    def classify(self, x: Any, batch_size: int = 1024) -> np.ndarray:
        """Gives the probability of each class, on models with a classifier.

        Args:
            x: float [n, ...], finite, of the encoder's input shape, in any form that `fit` takes.
            batch_size: rows at a time.

        Returns:
            float32 [n, num_classes], rows that sum to one.

        Raises:
            NotImplementedError: if this model has no classifier.
            ValueError: if `x` is not finite, or its shape is not the encoder's.
        """
        if not self.classifies:
            raise NotImplementedError(
                f"{type(self).__name__} has no classifier: it learns no probabilities of classes."
            )
        rows = [self.check_inputs(x)]
        return self.map_rows(
            "classify", lambda i: self.encode_codes(i)["class_probabilities"], rows, batch_size
        )

    # Whether `encode_codes` gives class probabilities.
    classifies: bool = False

    def reconstruct(self, x: Any, batch_size: int = 1024) -> Any:
        """Encodes inputs to the mean of their codes, and decodes these.

        Args:
            x: float [n, ...], finite, of the encoder's input shape, in any form that `fit` takes.
            batch_size: rows at a time.

        Returns:
            float32 [n, ...]; of a table a dict of columns, as `decode` gives them.

        Raises:
            ValueError: if `x` is not finite, or its shape is not the encoder's.
        """
        rows = [self.check_inputs(x)]
        return self.map_rows(
            "reconstruct", lambda i: self.columns_or_outputs(self._reconstruct(i)), rows, batch_size
        )

    def score(self, x: Any, batch_size: int = 1024) -> dict[str, np.ndarray]:
        """Scores inputs: what is unlike the training data has a large error or a rare code.

        Args:
            x: float [n, ...], finite, of the encoder's input shape, in any form that `fit` takes.
            batch_size: rows at a time.

        Returns:
            What the exported signature `score` gives. `reconstruction_error`, float32 [n]: half
            the squared distance |x - x'|^2 to the reconstruction; of a table the sum of its
            `losses.ColumnLosses`, and of a decoder that restores units that of its
            `losses.StandardizedError`. `prior_log_prob`, float32 [n]:
            the log density of the code under the prior, nats; left out where the prior has no
            density.

        Raises:
            ValueError: if `x` is not finite, or its shape is not the encoder's.

        Example:

        >>> from aae_tf import AAE, networks, priors
        >>> model = AAE(networks.mlp_encoder((4,), units=(16,), seed=1),
        ...             networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
        ...             prior=priors.gaussian(2), seed=0)
        >>> scores = model.score(np.random.default_rng(0).random((5, 4)))
        >>> {name: values.shape for name, values in scores.items()}
        {'reconstruction_error': (5,), 'prior_log_prob': (5,)}
        """
        return self.map_rows("score", self._score, [self.check_inputs(x)], batch_size)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns of `column_errors`: "0", "1", ... for the features of an array.

        Of windows whose loss has names they are "load[0]", "heat[0]", "load[1]", ..., by step.
        """
        names, shape = getattr(self.column_losses, "names", None), self.encoder.input_shape[1:]
        if names is None:
            return tuple(map(str, range(math.prod(shape))))
        if self.table is None and len(shape) == 2 and shape[1] == len(names):
            return tuple(f"{name}[{step}]" for step in range(shape[0]) for name in names)
        return tuple(names)

    def column_errors(self, x: Any, batch_size: int = 1024) -> np.ndarray:
        """Measures the error of the reconstruction of each column.

        Args:
            x: float [n, ...], finite, of the encoder's input shape, in any form that `fit` takes.
            batch_size: rows at a time.

        Returns:
            float32 [n, columns], zero or more, in the order of `column_names`: what
            `per_column(targets, outputs)` of the reconstruction loss gives, if it has such a
            method; else 0.5 (x - x')^2 of each feature, whose sum is `reconstruction_error`.

        Raises:
            ValueError: if `x` is not finite, or its shape is not the encoder's.

        Example:

        >>> from aae_tf import AAE, networks, priors
        >>> model = AAE(networks.mlp_encoder((4,), units=(16,), seed=1),
        ...             networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
        ...             prior=priors.gaussian(2), seed=0)
        >>> x = np.random.default_rng(0).random((5, 4))
        >>> model.column_names, model.column_errors(x).shape
        (('0', '1', '2', '3'), (5, 4))
        """
        rows = [self.check_inputs(x)]
        return self.map_rows("score_terms", self.score_terms, rows, batch_size)["column_errors"]

    def score_terms(self, inputs: tf.Tensor) -> Tensors:
        """Gives what a score of anomalies is made of; for use in a graph.

        Args:
            inputs: float32 [batch, ...].

        Returns:
            `column_errors`, float32 [batch, columns]; what `score` gives; and the complete codes
            by their names.
        """
        codes = self.complete_codes(inputs)
        outputs, loss = self.decode_codes(codes), self.column_losses
        error = 0.5 * tf.math.squared_difference(inputs, outputs)
        axes = tuple(range(1, len(error.shape)))
        if loss is None:
            columns = tf.reshape(error, [-1, math.prod(error.shape[1:])])
        else:
            columns = tf.cast(loss.per_column(inputs, outputs), tf.float32)
        if self.table is None and not self.restores_units:
            error = tf.reduce_sum(error, axis=axes)
        else:
            # Outputs are means and logits, or columns in units of their own, whose distance to
            # inputs tells nothing.
            error = tf.reduce_sum(columns, axis=1)
        terms = {**codes, "column_errors": columns, "reconstruction_error": error}
        if self._has_density():
            terms["prior_log_prob"] = tf.cast(self.prior_log_prob(codes), tf.float32)
        return terms

    def signatures(self) -> dict[str, Signature]:
        """Returns the functions that an export serves, by name, `reconstruct` first.

        They are `reconstruct`, `encode`, `classify` where there is a classifier, `decode`,
        `sample`, and `score`, which gives what the method `score` does.
        """

        def reconstruct(inputs: tf.Tensor) -> Tensors:
            return self.named_outputs(self._reconstruct(inputs))

        def classify(inputs: tf.Tensor) -> Tensors:
            probabilities = self.encode_codes(inputs)["class_probabilities"]
            class_id = tf.argmax(probabilities, axis=1, output_type=tf.int64)
            answer = {"class_probabilities": probabilities, "class_id": class_id}
            if self.class_names is not None:
                answer["class_name"] = tf.gather(tf.constant(self.class_names), class_id)
            return answer

        signatures = {
            "reconstruct": self.input_signature(reconstruct),
            "encode": self.input_signature(lambda inputs: self.encode_codes(inputs)),
        }
        if self.classifies:
            signatures["classify"] = self.input_signature(classify)
        return {**signatures, **super().signatures(), "score": self.input_signature(self._score)}

    def input_signature(self, function: Callable[[tf.Tensor], Tensors]) -> Signature:
        """Makes a signature of a function of `inputs`; of a table its inputs are the columns."""
        table = self.table_inputs
        if table is None:
            shape = [None, *self.encoder.input_shape[1:]]
            return Signature(function, {"inputs": tf.TensorSpec(shape, tf.float32, "inputs")})
        return Signature(
            lambda **columns: function(self.features_of(columns)),
            table.specs(),
            examples=table.examples(),
        )

    def features_of(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Gives what networks take from the inputs of a signature: `inputs`, or columns."""
        if self.table_inputs is None:
            return inputs["inputs"]
        return self.table_inputs.layer({name: inputs[name] for name in self.table_inputs.names})

    def _reconstruct(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.decode_codes(self.complete_codes(inputs))

    def _score(self, inputs: tf.Tensor) -> Tensors:
        terms = self.score_terms(inputs)
        return {name: terms[name] for name in SCORES if name in terms}

    def _has_density(self) -> bool:
        # In eager mode, so that a prior without a density leaves nothing in the graph of `score`.
        with tf.init_scope():
            try:
                self.prior_log_prob(self.seed_codes(tf.zeros([1], tf.int64)))
            except NotImplementedError:
                return False
        return True

    def features(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Gives the encoder's features, which the heads of all codes share."""
        return self.encoder(inputs, training=training)

    def check_inputs(self, x: Any) -> np.ndarray:
        """Checks inputs in any form that `fit` takes, and gives what networks take of them."""
        if self.table_inputs is not None:
            x = self.table_inputs.features(x)
        return data.check_array(x, "x", self.encoder.input_shape[1:])
