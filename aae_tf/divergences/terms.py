"""What a divergence says of one batch."""

from typing import NamedTuple

import tensorflow as tf


class DivergenceTerms(NamedTuple):
    """The two sides of one comparison of codes with their prior.

    Attributes:
        encoder_loss: scalar; the encoder lowers it to move q towards the prior.
        discriminator_loss: scalar, or None where no discriminator is trained.
        discriminator_accuracy: share of codes and prior samples told apart, in [0, 1], or None.

    Example:

    >>> DivergenceTerms(encoder_loss=tf.constant(0.7)).discriminator_loss is None
    True
    """

    encoder_loss: tf.Tensor
    discriminator_loss: tf.Tensor | None = None
    discriminator_accuracy: tf.Tensor | None = None
