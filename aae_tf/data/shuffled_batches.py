"""Batches in an order that is known for every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.checks import check_dimension, check_integer
from aae_tf.data.check_array import check_array
from aae_tf.data.check_labels import check_labels
from aae_tf.data.epoch_orders import epoch_orders
from aae_tf.data.gather_batches import gather_batches

if TYPE_CHECKING:
    import tensorflow as tf


def shuffled_batches(
    x: Any, y: Any = None, batch_size: int = 100, seed: int = 0, first_epoch: int = 0
) -> tf.data.Dataset:
    """Make batches in a new random order per epoch, each order a function of seed and epoch.

    Keras shuffles arrays as well, but in an order that depends on how many random numbers were
    drawn before: a training that goes on in a new process would see other batches. These are the
    same from any epoch on, and from any batch of it with `skip`. On a processor of several threads
    steps are also faster than on arrays, see docs/data.md.

    An epoch shows every row once; its last batch holds what is left. Rows are gathered from memory
    batch by batch, beside the training step; nothing is copied per epoch.

    Args:
        x: float array [n, ...], the inputs, at least one.
        y: integer array [n], the class of each row, -1 where it is unknown; None gives inputs
            alone.
        batch_size: int, number of rows in a batch, at least 1.
        seed: int, fixes the order of every epoch, at least 0.
        first_epoch: int, number of the epoch that comes first, counted from 0.

    Returns:
        `tf.data.Dataset` of inputs, float32 [batch_size, ...], or of pairs of them and labels,
        int64 [batch_size]. Its cardinality is the number of batches of one epoch. tf.data tunes
        neither it nor what follows it.

    Raises:
        TypeError: if `x` holds no floats, `y` no integers, or another argument is no integer.
        ValueError: if there is no row, not one label per row, or an argument is out of its range.

    Example:
        >>> x = np.arange(5.0).reshape(5, 1)
        >>> batches = shuffled_batches(x, batch_size=2, seed=0)
        >>> epochs = [[batch.ravel().tolist() for batch in batches.as_numpy_iterator()]
        ...           for _ in range(2)]
        >>> [len(batch) for batch in epochs[0]], epochs[0] == epochs[1]
        ([2, 2, 1], False)
        >>> later = shuffled_batches(x, batch_size=2, seed=0, first_epoch=1)
        >>> epochs[1] == [batch.ravel().tolist() for batch in later.as_numpy_iterator()]
        True
    """
    import tensorflow as tf

    x = check_array(x, "x")
    if not len(x):
        raise ValueError(f"Expected `x` to have at least one row. Received: x.shape={x.shape}.")
    check_dimension("batch_size", batch_size)
    check_integer("seed", seed)
    check_integer("first_epoch", first_epoch)
    columns = [x] if y is None else [x, check_labels(y, "y", size=len(x))]
    steps = -(-len(x) // batch_size)

    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(x))

    def batches(rows: tf.Tensor) -> tf.data.Dataset:
        starts = tf.data.Dataset.range(0, len(x), batch_size)
        return starts.map(lambda start: rows[start : start + batch_size])

    # Tensors in the memory of the host, where the pipeline runs.
    with tf.device("CPU:0"):
        tensors = [tf.constant(column) for column in columns]

    def gather(rows: tf.Tensor) -> Any:
        gathered = tuple(tf.gather(tensor, rows) for tensor in tensors)
        return gathered if len(gathered) > 1 else gathered[0]

    orders = epoch_orders(order, [len(x)], first_epoch)
    return gather_batches(orders.flat_map(batches), gather, steps)
