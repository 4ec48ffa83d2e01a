"""Orders of rows that depend on the number of the epoch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def epoch_orders(
    order: Callable[[int], np.ndarray], shape: Sequence[int], first_epoch: int
) -> tf.data.Dataset:
    """Gives the order of one epoch each time that it is run through.

    Args:
        order: from the number of an epoch, counted from 0, to row numbers, int64 of `shape`.
        shape: of an order.
        first_epoch: number of the epoch that comes first.

    Returns:
        `tf.data.Dataset` of one element, the order of the next epoch.
    """
    import tensorflow as tf

    # Counted here, as a tf.data pipeline does not know how often it was run through. Its own
    # shuffling would depend on TensorFlow's global seed, too. An iterator that nobody asks for an
    # element, which Keras makes at the end of every epoch, does not start the generator.
    epochs = itertools.count(first_epoch)

    def next_order() -> Iterator[np.ndarray]:
        yield order(next(epochs))

    return tf.data.Dataset.from_generator(
        next_order, output_signature=tf.TensorSpec(shape, tf.int64)
    )
