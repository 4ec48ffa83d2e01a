"""Batches of arrays in an order that seed and epoch fix, with or without a share of labels."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from aae_tf.checks import check_dimension, check_integer
from aae_tf.data.check_arrays import check_array
from aae_tf.data.check_labels import check_labels
from aae_tf.data.stored_rows import StoredRows

if TYPE_CHECKING:
    import tensorflow as tf


def shuffled_batches(
    x: Any, y: Any = None, batch_size: int = 100, seed: int = 0, first_epoch: int = 0
) -> tf.data.Dataset:
    """Makes batches in a new random order per epoch, each order a function of seed and epoch.

    `fit` shuffles arrays by the state of the model that it trains. These batches are the same for
    every model, from any epoch on, and with `Dataset.skip` from any batch of an epoch.

    An epoch shows every row once; its last batch holds the remaining rows. Rows are gathered from
    memory batch by batch while the previous step runs; nothing is copied per epoch.

    Args:
        x: float array [n, ...], the inputs, at least one; or the `x_train` of a table that
            `data.load` streams, of whose rows 64 blocks of 1,024 are shuffled together.
        y: integer array [n], the class of each row, -1 where it is unknown; with None, batches
            hold inputs alone.
        batch_size: int, number of rows in a batch, at least 1.
        seed: int, fixes the order of every epoch, at least 0.
        first_epoch: int, number of the first epoch, counted from 0.

    Returns:
        `tf.data.Dataset` of inputs, float32 [batch_size, ...], or of pairs (inputs, labels), labels
        int64 [batch_size]. Its cardinality is the number of batches of one epoch. The autotuning of
        tf.data is off for it and for transformations of it.

    Raises:
        TypeError: if `x` holds no floats, `y` no integers, or another argument is no integer.
        ValueError: if there is no row, if `y` is not one label per row, or if an argument is out of
            its range.

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
    x = x if isinstance(x, StoredRows) else check_array(x, "x")
    if not len(x):
        raise ValueError(f"Expected `x` to have at least one row. Received: x.shape={x.shape}.")
    check_dimension("batch_size", batch_size)
    check_integer("seed", seed)
    check_integer("first_epoch", first_epoch)
    columns = x if y is None else (x, check_labels(y, "y", size=len(x)))
    generator = functools.partial(_generator, seed)
    return array_batches(columns, batch_size, generator, first_epoch=first_epoch)


def array_batches(
    arrays: Any,
    batch_size: int,
    generator: Callable[[int], np.random.Generator],
    shuffle: bool | Literal["batch"] = True,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Makes batches of arrays in memory; `shuffled_batches`, for any structure and order.

    Args:
        arrays: structure of arrays [n, ...], of the same number of rows.
        batch_size: number of rows in a batch.
        generator: function from the number of an epoch to what shuffles it; called as it starts.
        shuffle: True for all rows in a new order per epoch; "batch" for batches of the same rows
            in the same order, each in a new order per epoch; False for rows as they are.
        first_epoch: number of the first epoch.

    Returns:
        `tf.data.Dataset` of structures of `arrays`, of known cardinality, without autotuning.
    """
    import tensorflow as tf

    takers = tf.nest.map_structure(_taker, arrays)
    first = tf.nest.flatten(arrays)[0]
    n, permute = len(first), _permutation(first)
    steps = -(-n // batch_size)
    starts = tf.data.Dataset.range(0, n, batch_size)

    def gather(rows: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda take: take(rows), takers)

    if not shuffle:
        ranges = starts.map(lambda start: tf.range(start, tf.minimum(start + batch_size, n)))
        return _gather_batches(ranges, gather, steps)

    def order(epoch: int) -> np.ndarray:
        if shuffle != "batch":
            return permute(generator(epoch))
        parts = np.split(np.arange(n), range(batch_size, n, batch_size))
        return np.concatenate([*map(generator(epoch).permutation, parts)])

    def batches(rows: tf.Tensor) -> tf.data.Dataset:
        return starts.map(lambda start: rows[start : start + batch_size])

    orders = epoch_orders(order, [n], first_epoch)
    return _gather_batches(orders.flat_map(batches), gather, steps)


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng([seed, epoch])


def mix_labels(
    x: Any,
    y: Any,
    labelled: int = 100,
    unlabelled: int = 250,
    seed: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Makes batches that each hold labelled rows, however few there are.

    A batch is `labelled` rows with their labels, then `unlabelled` rows drawn from all rows,
    labelled or not, with label -1. An epoch shows every row once among the unlabelled, in a new
    random order; the last `n % unlabelled` rows of that order are left out, so that all batches
    have one size. The labelled rows are shuffled and dealt out until fewer than `labelled` remain,
    then all are shuffled again, so that no batch holds one of them twice.

    The order of an epoch is a function of the arguments and of its number, so that a training
    resumes at any epoch as if it had not stopped, and with `Dataset.skip` at any batch. Rows are
    gathered from memory batch by batch while the previous step runs; nothing is copied per epoch.

    Args:
        x: float array [n, ...], the inputs, or rows that are streamed, see `shuffled_batches`.
        y: integer array [n], the class of each row, -1 where it is unknown.
        labelled: int, number of labelled rows in a batch; at most the number of known labels.
        unlabelled: int, number of unlabelled rows in a batch; at most n.
        seed: int, fixes the order of every epoch, at least 0.
        first_epoch: int, number of the first epoch, counted from 0.

    Returns:
        `tf.data.Dataset` of pairs: inputs, float32 [labelled + unlabelled, ...], and labels, int64
        [labelled + unlabelled]. Its cardinality is `n // unlabelled`, the batches of one epoch. The
        autotuning of tf.data is off for it and for transformations of it.

    Raises:
        TypeError: if `x` holds no floats, `y` no integers, or another argument is no integer.
        ValueError: if no label is known, if `y` is not one label per row, or if a size is out of
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

    x = x if isinstance(x, StoredRows) else check_array(x, "x")
    y = check_labels(y, "y", required="some", size=len(x))
    known = np.flatnonzero(y >= 0)
    check_integer("labelled", labelled, minimum=1, maximum=len(known))
    check_integer("unlabelled", unlabelled, minimum=1, maximum=len(x))
    check_integer("seed", seed)
    check_integer("first_epoch", first_epoch)
    steps, permute = len(x) // unlabelled, _permutation(x)

    def order(epoch: int) -> np.ndarray:
        rng = _generator(seed, epoch)
        everything = permute(rng)[: steps * unlabelled].reshape(steps, unlabelled)
        per_round = len(known) // labelled
        rounds = np.tile(known, (-(-steps // per_round), 1))
        dealt = rng.permuted(rounds, axis=1)[:, : per_round * labelled]
        return np.hstack([dealt.reshape(-1, labelled)[:steps], everything])

    take_inputs, take_labels = _taker(x), _taker(y)

    def gather(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        without_label = tf.fill([unlabelled], tf.constant(-1, tf.int64))
        known_labels = take_labels(rows[:labelled])
        return take_inputs(rows), tf.concat([known_labels, without_label], axis=0)

    orders = epoch_orders(order, [steps, labelled + unlabelled], first_epoch)
    rows = orders.flat_map(tf.data.Dataset.from_tensor_slices)
    return _gather_batches(rows, gather, steps)


def epoch_orders(
    order: Callable[[int], np.ndarray], shape: Sequence[int], first_epoch: int
) -> tf.data.Dataset:
    """Makes a data set whose n-th iteration yields the order of the n-th epoch.

    Args:
        order: function from the number of an epoch, counted from 0, to row numbers, int64 of
            `shape`.
        shape: shape of an order.
        first_epoch: number of the first epoch.

    Returns:
        `tf.data.Dataset` of one element, the order of the next epoch.
    """
    import tensorflow as tf

    # Epochs are counted in Python, as a tf.data pipeline does not know how often it was iterated,
    # and its own shuffling depends on TensorFlow's global seed. The iterator that Keras creates at
    # the end of every epoch and never reads does not call the function.
    #
    # `Dataset.from_generator` would do, too, but under Python 3.11 and later it sets a threshold of
    # glibc's allocator for the whole process: memory of 128 kB and more then goes back to the
    # kernel when it is freed, and a training step, which frees tens of megabytes, takes 1.5 times
    # as long (docs/benchmarks.md).
    epochs = itertools.count(first_epoch)

    def next_order(_: np.ndarray) -> np.ndarray:
        return order(next(epochs))

    def draw(number: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(next_order, [number], tf.int64), shape)

    return tf.data.Dataset.range(1).map(draw)


def _permutation(x: Any) -> Callable[[np.random.Generator], np.ndarray]:
    """Makes a function that draws an order of rows, int64 [n].

    TensorFlow keeps what a `tf.numpy_function` calls while the process lives: of an array, that is
    the number of rows, and not the rows.
    """
    if isinstance(x, StoredRows):
        return x.order
    n = len(x)
    return lambda rng: rng.permutation(n)


def _taker(x: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function from row numbers to rows, of an array or of what is stored in a file."""
    import tensorflow as tf

    if isinstance(x, StoredRows):
        return x.take
    # A tensor in the memory of the host, where the pipeline runs.
    with tf.device("CPU:0"):
        tensor = tf.constant(x)
    return lambda rows: tf.gather(tensor, rows)


def _gather_batches(
    rows: tf.data.Dataset, gather: Callable[[tf.Tensor], Any], steps: int
) -> tf.data.Dataset:
    """Gathers batches from memory, two ahead of the training step.

    Args:
        rows: `tf.data.Dataset` of row numbers, int64 [batch_size].
        gather: function from row numbers to a batch.
        steps: number of batches in an epoch.

    Returns:
        `tf.data.Dataset` of batches, of cardinality `steps`, without autotuning.
    """
    import tensorflow as tf

    # Autotuning gains little on a gather, and it costs: while it ran, the training step often had
    # one of TensorFlow's two threads (benchmarks/NOTES.md).
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        rows.apply(tf.data.experimental.assert_cardinality(steps))
        .map(gather, num_parallel_calls=2)
        .prefetch(2)
        .with_options(options)
    )
