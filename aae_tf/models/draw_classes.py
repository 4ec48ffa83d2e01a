"""Class codes of samples: given by a label, or drawn from the class prior."""

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors

# Folded into the seeds of rows, so that a row's class tells nothing of its style.
_STREAM = 1


def draw_classes(
    class_prior: tfp.distributions.Distribution, seeds: tf.Tensor, labels: tf.Tensor | None
) -> tf.Tensor:
    """Gives one-hot class codes, float32 [batch, num_classes], row by row.

    Args:
        class_prior: what to draw from.
        seeds: int64 [batch]; a drawn class is a function of its seed alone.
        labels: int64 [batch]; one outside of the classes, and every one if None, is drawn.
    """
    return priors.sample_rows(class_prior, priors.fold_rows(seeds, _STREAM), labels)
