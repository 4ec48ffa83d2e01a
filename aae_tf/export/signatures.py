"""The functions that an export serves, as graphs of tensors.

Every signature takes and gives float32 and int64, works for any batch size, computes row i from
row i alone, asserts nothing about values, and asks for no device and no XLA.
"""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from aae_tf.models import BaseAAE, Generator

Tensors = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Signature:
    """One function to export.

    Args:
        function: keyword tensors to a dict of tensors.
        inputs: specification of each input; the first dimension is the batch.
    """

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]

    @functools.cached_property
    def graph(self) -> tf.types.experimental.ConcreteFunction:
        """The function as a graph, for batches of any size; traced once."""
        return tf.function(self.function, autograph=False).get_concrete_function(**self.inputs)


def encoder_signatures(model: BaseAAE) -> dict[str, Signature]:
    """Returns the signatures of the encoder: `encode`, and `classify` where there is a classifier.

    Args:
        model: the model to export.

    Returns:
        Signatures by name, the default first.
    """
    inputs = _inputs_spec(model)
    signatures = {"encode": Signature(lambda inputs: model.encode_codes(inputs), inputs)}
    if model.classifies:

        def classify(inputs: tf.Tensor) -> Tensors:
            probabilities = model.encode_codes(inputs)["class_probabilities"]
            return {
                "class_probabilities": probabilities,
                "class_id": tf.argmax(probabilities, axis=1, output_type=tf.int64),
            }

        signatures["classify"] = Signature(classify, inputs)
    return signatures


def decoder_signatures(model: Generator) -> dict[str, Signature]:
    """Returns the signatures of the decoder: `decode` and `sample`.

    Args:
        model: the model to export.

    Returns:
        Signatures by name, the default first.
    """

    def sample(seed: tf.Tensor, label: tf.Tensor | None = None) -> Tensors:
        codes = model.seed_codes(seed, label)
        return {"outputs": model.decode_codes(codes), **codes}

    rows = {"seed": tf.TensorSpec([None], tf.int64, "seed")}
    if model.num_classes is not None:
        rows["label"] = tf.TensorSpec([None], tf.int64, "label")
    return {
        "decode": Signature(
            lambda **codes: {"outputs": model.decode_codes(codes)},
            {
                name: tf.TensorSpec([None, width], tf.float32, name)
                for name, width in model.code_widths().items()
            },
        ),
        "sample": Signature(sample, rows),
    }


def model_signatures(model: Generator) -> dict[str, Signature]:
    """Returns every signature: those of encoder and decoder, `reconstruct` and `score`.

    `score` gives what tells an anomaly: `reconstruction_error`, half the squared distance
    |x - x'|^2, float32 [batch], and `prior_log_prob`, the log density of the code under the prior
    in nats, float32 [batch], left out where the prior has no density. A model without an encoder
    has the decoder's signatures alone.

    Args:
        model: the model to export.

    Returns:
        Signatures by name, the default first: `reconstruct` where there is an encoder.
    """
    if not isinstance(model, BaseAAE):
        return decoder_signatures(model)
    has_density = _has_density(model)

    def reconstruct(inputs: tf.Tensor) -> Tensors:
        return {"outputs": model.decode_codes(model.complete_codes(inputs))}

    def score(inputs: tf.Tensor) -> Tensors:
        codes = model.complete_codes(inputs)
        error = tf.math.squared_difference(inputs, model.decode_codes(codes))
        scores = {
            "reconstruction_error": 0.5
            * tf.reduce_sum(error, axis=tuple(range(1, len(error.shape))))
        }
        if has_density:
            scores["prior_log_prob"] = tf.cast(model.prior_log_prob(codes), tf.float32)
        return scores

    inputs = _inputs_spec(model)
    return {
        "reconstruct": Signature(reconstruct, inputs),
        **encoder_signatures(model),
        **decoder_signatures(model),
        "score": Signature(score, inputs),
    }


def _inputs_spec(model: BaseAAE) -> dict[str, tf.TensorSpec]:
    shape = [None, *model.encoder.input_shape[1:]]
    return {"inputs": tf.TensorSpec(shape, tf.float32, "inputs")}


def _has_density(model: BaseAAE) -> bool:
    try:
        model.prior_log_prob(model.seed_codes(tf.zeros([1], tf.int64)))
    except NotImplementedError:
        return False
    return True
