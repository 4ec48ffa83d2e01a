"""The end of a pipeline whose rows lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def gather_batches(
    rows: tf.data.Dataset, gather: Callable[[tf.Tensor], Any], steps: int
) -> tf.data.Dataset:
    """Gathers batches ahead of the training step.

    Args:
        rows: `tf.data.Dataset` of row numbers, int64 [batch_size].
        gather: from them to a batch, from memory.
        steps: number of batches in an epoch.

    Returns:
        `tf.data.Dataset` of batches, of that cardinality. What follows is not tuned either.
    """
    import tensorflow as tf

    # There is little to tune in a gather, and tuning costs: while it ran, the training step often
    # had one of TensorFlow's two threads at a time (benchmarks/NOTES.md).
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        rows.apply(tf.data.experimental.assert_cardinality(steps))
        .map(gather, num_parallel_calls=2)
        .prefetch(2)
        .with_options(options)
    )
