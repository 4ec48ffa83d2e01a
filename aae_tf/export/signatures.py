"""The functions that an export serves, as graphs of tensors.

Every signature takes and gives float32 and int64, works for any batch size, computes row i from
row i alone, asserts nothing about values, and asks for no device and no XLA.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from aae_tf.models import Codec

Tensors = dict[str, tf.Tensor]


class Signature(NamedTuple):
    """One function to export.

    Attributes:
        function: keyword tensors to a dict of tensors.
        inputs: specification of each input; the first dimension is the batch.
    """

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]


def encoder_signatures(model: Codec) -> dict[str, Signature]:
    """Returns the signatures of the encoder: `encode`.

    Args:
        model: the model to export.

    Returns:
        Signatures by name, the default first.
    """
    return {"encode": Signature(lambda inputs: model.mean_codes(inputs), _inputs_spec(model))}


def decoder_signatures(model: Codec) -> dict[str, Signature]:
    """Returns the signatures of the decoder: `decode` and `sample`.

    Args:
        model: the model to export.

    Returns:
        Signatures by name, the default first.
    """

    def sample(seed: tf.Tensor) -> Tensors:
        codes = model.seed_codes(seed)
        return {"outputs": model.decode_codes(codes), **codes}

    return {
        "decode": Signature(
            lambda **codes: {"outputs": model.decode_codes(codes)},
            {
                name: tf.TensorSpec([None, *spec.shape[1:]], tf.float32, name)
                for name, spec in _code_specs(model).items()
            },
        ),
        "sample": Signature(sample, {"seed": tf.TensorSpec([None], tf.int64, "seed")}),
    }


def model_signatures(model: Codec) -> dict[str, Signature]:
    """Returns every signature: those of the encoder and decoder, `reconstruct` and `score`.

    `score` gives what tells an anomaly: `reconstruction_error`, half the squared distance
    |x - x'|^2, float32 [batch], and `prior_log_prob`, the log density of the code under the prior
    in nats, float32 [batch], left out where the prior has no density.

    Args:
        model: the model to export.

    Returns:
        Signatures by name, the default, `reconstruct`, first.
    """
    has_density = _has_density(model)

    def reconstruct(inputs: tf.Tensor) -> Tensors:
        return {"outputs": model.decode_codes(model.mean_codes(inputs))}

    def score(inputs: tf.Tensor) -> Tensors:
        codes = model.mean_codes(inputs)
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


def _inputs_spec(model: Codec) -> dict[str, tf.TensorSpec]:
    shape = [None, *model.encoder.input_shape[1:]]
    return {"inputs": tf.TensorSpec(shape, tf.float32, "inputs")}


def _code_specs(model: Codec) -> dict[str, tf.Tensor]:
    graph = tf.function(model.seed_codes).get_concrete_function(tf.TensorSpec([None], tf.int64))
    return graph.structured_outputs


def _has_density(model: Codec) -> bool:
    try:
        model.prior_log_prob(model.seed_codes(tf.zeros([1], tf.int64)))
    except NotImplementedError:
        return False
    return True
