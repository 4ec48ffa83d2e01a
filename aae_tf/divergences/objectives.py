"""The two players' losses as functions of a discriminator's logits.

Real = samples of the prior, large logits; generated = codes, small logits. Every function takes
logits [batch] and returns per-example losses [batch]; the caller averages.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from aae_tf import replicas


class Objective(NamedTuple):
    """The losses of one adversarial game.

    Attributes:
        real: (logits of prior samples, label smoothing) -> the discriminator's losses on them.
        generated: logits of codes -> the discriminator's losses on them.
        encoder: logits of codes -> the encoder's losses.
        threshold: (real logits, generated logits) -> the logit above which a row is called real.
    """

    real: Callable[[tf.Tensor, float], tf.Tensor]
    generated: Callable[[tf.Tensor], tf.Tensor]
    encoder: Callable[[tf.Tensor], tf.Tensor]
    threshold: Callable[[tf.Tensor, tf.Tensor], tf.Tensor | float]


def _midpoint(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    means = replicas.replica_mean([replicas.row_mean(real), replicas.row_mean(generated)])
    return 0.5 * tf.add_n(means)


OBJECTIVES = {
    # Goodfellow et al. 2014, section 3: the encoder maximises log D(z). softplus(-l) is
    # -log sigmoid(l) without overflow. At a draw the discriminator's loss is 2 ln 2 nats.
    "non_saturating": Objective(
        real=lambda logits, smoothing: tf.nn.softplus(-logits) + smoothing * logits,
        generated=tf.nn.softplus,
        encoder=lambda logits: tf.nn.softplus(-logits),
        threshold=lambda real, generated: 0.0,
    ),
    # Mao et al. 2017, equation 9: targets 1 for real, 0 for generated, 1 for the encoder.
    "least_squares": Objective(
        real=lambda logits, smoothing: 0.5 * tf.square(logits - (1.0 - smoothing)),
        generated=lambda logits: 0.5 * tf.square(logits),
        encoder=lambda logits: 0.5 * tf.square(logits - 1.0),
        threshold=lambda real, generated: 0.5,
    ),
    # Arjovsky et al. 2017, section 3. A critic has no threshold of its own: the midpoint of the
    # two batch means tells the sides apart.
    "wasserstein": Objective(
        real=lambda logits, smoothing: -logits,
        generated=lambda logits: logits,
        encoder=lambda logits: -logits,
        threshold=_midpoint,
    ),
}
