"""Batches of labelled and unlabelled rows side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.checks import check_integer
from aae_tf.data.check_array import check_array
from aae_tf.data.check_labels import check_labels
from aae_tf.data.epoch_orders import epoch_orders
from aae_tf.data.gather_batches import gather_batches

if TYPE_CHECKING:
    import tensorflow as tf


def mix_labels(
    x: Any,
    y: Any,
    labelled: int = 100,
    unlabelled: int = 250,
    seed: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Make batches that always hold labelled rows, however few there are.

    A batch is `labelled` rows with their labels, then `unlabelled` rows of all the data, known
    labels or not, with label -1. An epoch shows every row once as unlabelled, in a new random
    order, but for the `n % unlabelled` last rows of that order: batches are all of one size. The
    labelled rows are shuffled and dealt out until fewer than `labelled` are left, then all are
    shuffled anew: no batch holds one of them twice.

    The order of an epoch is a function of the arguments and its number, so that a training goes on
    from any epoch as if it had not stopped; from any batch of it with `skip`. Rows are gathered
    from memory batch by batch, beside the training step; nothing is copied per epoch.

    Args:
        x: float array [n, ...], the inputs.
        y: integer array [n], the class of each row, -1 where it is unknown.
        labelled: int, number of labelled rows in a batch; at most the number of known labels.
        unlabelled: int, number of unlabelled rows in a batch; at most n.
        seed: int, fixes the order of every epoch, at least 0.
        first_epoch: int, number of the epoch that comes first, counted from 0.

    Returns:
        `tf.data.Dataset` of pairs: inputs, float32 [labelled + unlabelled, ...], and labels, int64
        [labelled + unlabelled]. Its cardinality is `n // unlabelled`, the batches of one epoch.
        tf.data tunes neither it nor what follows it.

    Raises:
        TypeError: if `x` holds no floats, `y` no integers, or another argument is no integer.
        ValueError: if no label is known, if there is not one label per row, or if a size is out of
            its range.

    Example:
        >>> x = np.arange(10.0).reshape(10, 1)
        >>> y = np.array([3, -1, 5, -1, -1, -1, -1, -1, -1, -1])
        >>> batches = mix_labels(x, y, labelled=2, unlabelled=4, seed=0)
        >>> len(batches)
        2
        >>> inputs, labels = next(iter(batches))
        >>> tuple(inputs.shape), sorted(labels.numpy()[:2].tolist()), labels.numpy()[2:].tolist()
        ((6, 1), [3, 5], [-1, -1, -1, -1])

    References:
        Miyato et al. 2018, *Virtual Adversarial Training* (arXiv:1704.03976), train on 100
        labelled and 250 unlabelled MNIST digits in every step.
    """
    import tensorflow as tf

    x = check_array(x, "x")
    y = check_labels(y, "y", required="some", size=len(x))
    known = np.flatnonzero(y >= 0)
    check_integer("labelled", labelled, minimum=1, maximum=len(known))
    check_integer("unlabelled", unlabelled, minimum=1, maximum=len(x))
    check_integer("seed", seed)
    check_integer("first_epoch", first_epoch)
    steps = len(x) // unlabelled

    def order(epoch: int) -> np.ndarray:
        rng = np.random.default_rng([seed, epoch])
        everything = rng.permutation(len(x))[: steps * unlabelled].reshape(steps, unlabelled)
        per_round = len(known) // labelled
        rounds = np.tile(known, (-(-steps // per_round), 1))
        dealt = rng.permuted(rounds, axis=1)[:, : per_round * labelled]
        return np.hstack([dealt.reshape(-1, labelled)[:steps], everything])

    # A tensor in the memory of the host, where the pipeline runs.
    with tf.device("CPU:0"):
        inputs, labels = tf.constant(x), tf.constant(y)

    def gather(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        without_label = tf.fill([unlabelled], tf.constant(-1, tf.int64))
        known_labels = tf.gather(labels, rows[:labelled])
        return tf.gather(inputs, rows), tf.concat([known_labels, without_label], axis=0)

    orders = epoch_orders(order, [steps, labelled + unlabelled], first_epoch)
    rows = orders.flat_map(tf.data.Dataset.from_tensor_slices)
    return gather_batches(rows, gather, steps)
