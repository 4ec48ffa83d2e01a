"""Batches in which every class has a given share, and subsets of labels that are balanced."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.checks import check_integer
from aae_tf.data.batches import epoch_orders
from aae_tf.data.check_arrays import check_array, check_training_data
from aae_tf.data.check_labels import check_label_spec, check_labels

if TYPE_CHECKING:
    import tensorflow as tf


def balance_classes(
    x: Any,
    y: Any = None,
    *,
    num_classes: int,
    target: Any = None,
    batch_size: int = 100,
    buffer_size: int = 1000,
    seed: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Makes batches in which every class has its share, whatever its share of the data.

    An epoch has as many rows as the data. It leaves out some rows of a class that is too frequent,
    different ones in each epoch, and repeats the rows of a rare class, all of them equally often to
    within one. The counts of an epoch are exact: `target` times the number of known labels, rounded
    so that they add up. Each row of unknown class occurs once.

    Arrays are gathered by index from memory, in a new random order per epoch. A data set is read
    once at the call, to count its classes, and once per epoch. No row is decoded to be dropped, as
    happens with `tf.data.Dataset.sample_from_datasets` over one filtered copy per class, and with
    `rejection_resample`. The data set must yield the same rows in each epoch, in any order; cache
    a large one (`Dataset.cache`) rather than decode it twice.

    Args:
        x: float array [n, ...], or a finite `tf.data.Dataset` of `(inputs, labels)` or `(inputs,
            labels, sample_weight)`, of single examples or of batches of any size.
        y: integer array [n], the class of each row, -1 where it is unknown; None with a data set.
        num_classes: int, number of classes K, at least 2; each needs a known label.
        target: float [K], the share of each class among the known labels: positive, of sum 1. By
            default all are equal.
        batch_size: int, rows in a batch; the last one of an epoch may have fewer.
        buffer_size: int, number of rows of a data set that its shuffling holds in memory, so that
            copies of a row do not follow each other; arrays are shuffled as a whole.
        seed: int, fixes the rows and the order of every epoch, at least 0; the order of a data
            set depends on its own order too.
        first_epoch: int, number of the first epoch, counted from 0, with which a resumed
            training sees the batches of an uninterrupted one.

    Returns:
        `tf.data.Dataset` of batches of the structure of `x`, or of (float32 [batch, ...], int64
        [batch]) for arrays, with the cardinality of one epoch.

    Raises:
        TypeError: if inputs are no floats, labels no integers, or a size no integer.
        ValueError: if a class has no known label or is out of range, `target` are no shares, a
            size is out of range, all rows of an array are equal, or a data set is infinite or comes
            with `y`.

    Warns:
        UserWarning: if an array looks like pixels in [0, 255], or equal rows have different labels.

    Example:

    >>> x, y = np.arange(10.0).reshape(10, 1), [0, 0, 0, 0, 0, 0, 1, 1, -1, -1]
    >>> batches = balance_classes(x, y, num_classes=2, batch_size=10)
    >>> inputs, labels = next(iter(batches))
    >>> sorted(labels.numpy().tolist())
    [-1, -1, 0, 0, 0, 0, 1, 1, 1, 1]
    >>> sorted(inputs.numpy()[labels.numpy() == 1, 0].tolist())
    [6.0, 6.0, 7.0, 7.0]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders* (arXiv:1511.05644), section 5, balance
        the classes of MNIST.
    """
    import tensorflow as tf

    check_integer("num_classes", num_classes, minimum=2)
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("buffer_size", buffer_size, minimum=1)
    check_integer("seed", seed)
    check_integer("first_epoch", first_epoch)
    shares = _check_target(target, num_classes)
    if not isinstance(x, tf.data.Dataset):
        return _balance_arrays(x, y, shares, batch_size, seed, first_epoch)
    if y is not None:
        raise ValueError(
            "Expected `y` to be None with a data set, which yields labels itself. "
            f"Received: y of type {type(y).__name__}."
        )
    return _balance_dataset(x, shares, batch_size, buffer_size, seed, first_epoch)


def labelled_subset(y: Any, num_labels: int, seed: int = 0) -> np.ndarray:
    """Keeps a random, class-balanced subset of the labels and set the others to -1.

    Every class keeps `num_labels / num_classes` labels. With the same seed, a smaller subset is a
    part of a larger one.

    Args:
        y: integer array [n], classes 0, 1, ...; -1 where a label is unknown already.
        num_labels: int, number of labels to keep, a multiple of the number of classes in `y`.
        seed: int, seed of the choice, at least 0.

    Returns:
        int64 [n], with -1 where the label is not kept.

    Raises:
        TypeError: if `y` holds no integers, or another argument is no integer.
        ValueError: if `y` is no vector with known labels, if a class has too few of them, or if
            `num_labels` cannot be shared equally.

    Example:

    >>> labelled_subset([0, 0, 1, 1, 1], num_labels=2, seed=0).tolist()
    [0, -1, -1, -1, 1]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 5 (arXiv:1511.05644).
    """
    y = check_labels(y, "y", required="some")
    check_integer("num_labels", num_labels)
    check_integer("seed", seed)
    classes, counts = np.unique(y[y >= 0], return_counts=True)
    per_class, remainder = divmod(num_labels, len(classes))
    if remainder or per_class > counts.min():
        raise ValueError(
            f"Expected `num_labels` to be a multiple of the {len(classes)} classes, and at most "
            f"{len(classes) * counts.min()}, as the smallest class has {counts.min()} labels. "
            f"Received: num_labels={num_labels}."
        )
    rng = np.random.default_rng(seed)
    subset = np.full(y.shape, -1, np.int64)
    for label in classes:
        subset[rng.permutation(np.flatnonzero(y == label))[:per_class]] = label
    return subset


def _balance_arrays(
    x: Any, y: Any, shares: np.ndarray, batch_size: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    import tensorflow as tf

    x = check_array(x, "x")
    y = check_labels(y, "y", len(shares), required="some", size=len(x))
    check_training_data(x, y, "x", stacklevel=4)
    groups = [np.flatnonzero(y == label) for label in range(len(shares))]
    counts = _apportion(int((y >= 0).sum()), shares)

    def order(epoch: int) -> np.ndarray:
        rng = np.random.default_rng([seed, epoch])
        chosen = [np.flatnonzero(y < 0)]
        for rows, count in zip(groups, counts, strict=True):
            copies, remainder = divmod(count, len(rows))
            chosen += [np.tile(rows, copies), rng.permutation(rows)[:remainder]]
        return rng.permutation(np.concatenate(chosen))

    # A tensor in the memory of the host, where the pipeline runs.
    with tf.device("CPU:0"):
        inputs, labels = tf.constant(x), tf.constant(y)
    return (
        epoch_orders(order, [len(x)], first_epoch)
        .flat_map(lambda rows: tf.data.Dataset.from_tensor_slices(rows).batch(batch_size))
        .apply(tf.data.experimental.assert_cardinality(-(-len(x) // batch_size)))
        .map(
            lambda rows: (tf.gather(inputs, rows), tf.gather(labels, rows)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def _balance_dataset(
    dataset: tf.data.Dataset,
    shares: np.ndarray,
    batch_size: int,
    buffer_size: int,
    seed: int,
    first_epoch: int,
) -> tf.data.Dataset:
    import tensorflow as tf

    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("Expected `x` to be a finite data set. Received: an infinite one.")
    spec = dataset.element_spec
    if isinstance(spec, tuple) and len(spec) > 1 and getattr(spec[1], "shape", None) == []:
        dataset = dataset.batch(batch_size)
    check_label_spec(dataset.element_spec, "x")
    # Rows of unknown class are the last group.
    available = _count_groups(dataset, len(shares))
    wanted = np.append(_apportion(int(available[:-1].sum()), shares), available[-1])
    groups = len(available)
    num_rows = int(available.sum())
    # An unused group must not divide by zero.
    available = np.maximum(available, 1)

    def numbers(epoch: int) -> np.ndarray:
        rng = np.random.default_rng([seed, epoch])
        factors = [_coprime(size, rng) for size in available]
        return np.concatenate([factors, rng.integers(available), [rng.integers(2**31)]])

    def resample(drawn: tf.Tensor) -> tf.data.Dataset:
        factors, offsets, shuffling_seed = drawn[:groups], drawn[groups:-1], drawn[-1]
        # Sets the seed of this graph alone. The order depends on `seed` and on no global seed; with
        # a global seed of 0, TensorFlow would compare `shuffling_seed`, a tensor, with 0 in Python.
        tf.random.set_seed(1)

        # T rows are drawn from a group of N. Row i gets the place (factor * i + offset) % N, which
        # is a permutation, as the factor is coprime to N. The row occurs T // N times, and once
        # more where its place is below T % N: T rows in all, each equally likely.
        def repeat(seen: tf.Tensor, element: Any) -> tuple[tf.Tensor, Any]:
            labels = tf.cast(element[1], tf.int64)
            group = tf.where(labels < 0, tf.constant(groups - 1, tf.int64), labels)
            members = tf.one_hot(group, groups, dtype=tf.int64)
            row = tf.reduce_sum(members * (seen + tf.cumsum(members, exclusive=True)), axis=1)
            size, target = tf.gather(available, group), tf.gather(wanted, group)
            place = (tf.gather(factors, group) * row + tf.gather(offsets, group)) % size
            copies = target // size + tf.cast(place < target % size, tf.int64)
            kept = tf.repeat(tf.range(tf.size(copies)), copies)
            repeated = tf.nest.map_structure(lambda part: tf.gather(part, kept), element)
            return seen + tf.reduce_sum(members, axis=0), repeated

        rows = dataset.scan(tf.zeros([groups], tf.int64), repeat).unbatch()
        return rows.shuffle(buffer_size, seed=shuffling_seed, reshuffle_each_iteration=False)

    return (
        epoch_orders(numbers, [2 * groups + 1], first_epoch)
        .flat_map(resample)
        .batch(batch_size)
        .apply(tf.data.experimental.assert_cardinality(-(-num_rows // batch_size)))
        .prefetch(tf.data.AUTOTUNE)
    )


def _coprime(size: int, rng: np.random.Generator) -> int:
    while True:
        factor = int(rng.integers(1, size + 1))
        if math.gcd(factor, size) == 1:
            return factor


def _count_groups(dataset: tf.data.Dataset, num_classes: int) -> np.ndarray:
    counts = np.zeros(num_classes + 1, np.int64)
    for labels in dataset.map(lambda *element: element[1]).as_numpy_iterator():
        labels = check_labels(labels, "labels of x", num_classes)
        # -1 becomes the last group.
        counts += np.bincount(labels % (num_classes + 1), minlength=num_classes + 1)
    missing = np.flatnonzero(counts[:-1] == 0)
    if len(missing):
        raise ValueError(
            f"Expected `x` to yield a known label of each of the {num_classes} classes. "
            f"Received: x without a label of {', '.join(map(str, missing))}."
        )
    return counts


def _apportion(total: int, shares: np.ndarray) -> np.ndarray:
    """Distributes rows over classes by the largest remainders; int64 [K] of sum `total`."""
    quotas = total * shares
    counts = np.floor(quotas).astype(np.int64)
    counts[np.argsort(counts - quotas, kind="stable")[: total - counts.sum()]] += 1
    return counts


def _check_target(target: Any, num_classes: int) -> np.ndarray:
    if target is None:
        return np.full(num_classes, 1.0 / num_classes)
    shares = np.asarray(target, np.float64)
    # float32 probabilities, such as a prior's, sum to one within rounding.
    if shares.shape != (num_classes,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-5:
        raise ValueError(
            f"Expected `target` to be {num_classes} positive shares of sum 1. "
            f"Received: target={target!r}."
        )
    return shares / shares.sum()
