"""What the replicas of a distributed training have to know of each other.

Under a `tf.distribute` strategy each replica sees some rows of a batch. The train step of every
model says which, and what this module does then makes the step that of one device on the whole
batch, whatever the shares of the replicas, none among them:

- a row gets the noise that it would get there (`draw_rows`);
- what depends on rows together is computed from all of them (`whole_batch`);
- means divide by the rows of all replicas, times the number of replicas (`row_mean`), so that the
  mean over replicas, which the gradients and the logs take, is that over rows.

On one device, and outside of a train step, each function does the plain thing.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

__all__ = ["draw_rows", "whole_batch"]

# A replica is traced by a thread of its own.
_local = threading.local()


class _Span(NamedTuple):
    """The rows of the batch that this replica has.

    Attributes:
        first: int32 scalar, number of the first one.
        count: int32 scalar.
        total: int32 scalar, the rows of all replicas.
        replicas: number of replicas.
    """

    first: tf.Tensor
    count: tf.Tensor
    total: tf.Tensor
    replicas: int

    def take(self, rows: tf.Tensor, axis: int = 0) -> tf.Tensor:
        """Takes the rows of this replica from those of the whole batch."""
        return rows[(slice(None),) * axis + (slice(self.first, self.first + self.count),)]


@contextlib.contextmanager
def spanning(rows: tf.Tensor) -> Iterator[None]:
    """Counts the rows of all replicas for what is called within; they follow in this order.

    Args:
        rows: [n, ...], those of this replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        yield
        return
    count, number = tf.shape(rows)[0], context.num_replicas_in_sync
    # As floats, which every kind of communication can add, up to 2^24 rows.
    own = tf.one_hot(context.replica_id_in_sync_group, number) * tf.cast(count, tf.float32)
    counts = tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, own), tf.int32)
    before = tf.range(number) < context.replica_id_in_sync_group
    first = tf.reduce_sum(tf.where(before, counts, 0))
    with _set(_Span(first, count, tf.reduce_sum(counts), number)):
        yield


def draw_rows(count: Any, draw: Callable[[Any], tf.Tensor], axis: int = 0) -> tf.Tensor:
    """Draws noise for rows, such that row i of a batch gets the same on any number of replicas.

    Args:
        count: integer or integer scalar tensor, the number of rows at hand.
        draw: gives noise for a number of rows; the same on all replicas, hence of one seed.
        axis: that of the rows in what it gives.

    Returns:
        `draw(count)` on one device; else the part of these rows in the noise of the whole batch.

    Example:

    >>> draw_rows(3, lambda n: tf.random.stateless_normal([n, 2], seed=[0, 1])).shape
    TensorShape([3, 2])
    """
    span = _span()
    return draw(count) if span is None else span.take(draw(span.total), axis)


@contextlib.contextmanager
def whole_batch(rows: Any) -> Iterator[Any]:
    """Gives the rows of all replicas, for what depends on several rows together.

    Every replica computes the same within, so that gradients need no further communication: to
    each its own rows.

    Args:
        rows: nested structure of tensors [n, ...], of 32 bits or less, and None. Integers must be
            below 2^24.

    Yields:
        The same structure of tensors [total, ...], in the order of one device. Within the block,
        noise is that of all rows, too.

    Example:

    >>> with whole_batch({"codes": tf.ones([3, 2]), "labels": None}) as rows:
    ...     print(rows["codes"].shape, rows["labels"])
    (3, 2) None
    """
    span = _span()
    if span is None:
        yield rows
        return
    leaves = tf.nest.flatten(rows)
    gathered = iter(_gather([leaf for leaf in leaves if leaf is not None], span))
    whole = tf.nest.pack_sequence_as(
        rows, [None if leaf is None else next(gathered) for leaf in leaves]
    )
    with _set(None):
        yield whole


def row_mean(values: tf.Tensor) -> tf.Tensor:
    """Averages over rows: [n, ...] to [...]; see the module for what a replica's part of it is."""
    span = _span()
    if span is None:
        return tf.reduce_mean(values, axis=0)
    return _divide(tf.reduce_sum(values, axis=0), tf.cast(span.total, values.dtype), span)


def weighted_share(total: tf.Tensor, mass: tf.Tensor) -> tf.Tensor:
    """Divides a weighted sum over rows by the sum of the weights, likewise; zero where that is."""
    span = _span()
    if span is None:
        return tf.math.divide_no_nan(total, mass)
    return _divide(total, replica_sum(mass), span)


def row_count(rows: tf.Tensor) -> tf.Tensor:
    """Gives the weight of a batch in the logs: its rows, int32; their mean over replicas, float."""
    span = _span()
    return tf.shape(rows)[0] if span is None else tf.cast(span.total, tf.float32) / span.replicas


def replica_sum(value: tf.Tensor) -> tf.Tensor:
    """Sums a value over replicas, without a gradient."""
    if _span() is None:
        return value
    context = tf.distribute.get_replica_context()
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(value))
    return tf.stop_gradient(total)


def replica_mean(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Averages values over replicas, without a gradient, in one exchange."""
    span = _span()
    if span is None or not values:
        return list(values)
    context = tf.distribute.get_replica_context()
    return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, list(values)))


def are_several() -> bool:
    """Tells whether a step on several replicas is under way."""
    return _span() is not None


def _divide(total: tf.Tensor, mass: tf.Tensor, span: _Span) -> tf.Tensor:
    return span.replicas * tf.math.divide_no_nan(total, mass)


def _gather(tensors: Sequence[tf.Tensor], span: _Span) -> list[tf.Tensor]:
    """Gathers rows in one exchange: all side by side, zeros in the place of others' rows."""
    context = tf.distribute.get_replica_context()

    @tf.custom_gradient
    def gather(rows: tf.Tensor) -> Any:
        rest = span.total - span.first - span.count
        padded = tf.pad(rows, [[span.first, rest], [0, 0]])
        whole = context.all_reduce(tf.distribute.ReduceOp.SUM, padded)
        # What the replicas compute is the same, and its mean over them is what counts.
        return whole, lambda slope: span.replicas * span.take(slope)

    flat = [tf.reshape(tf.cast(each, tf.float32), [span.count, _width(each)]) for each in tensors]
    parts = tf.split(gather(tf.concat(flat, axis=1)), [part.shape[1] for part in flat], axis=1)
    return [
        tf.cast(tf.reshape(part, [-1, *each.shape[1:]]), each.dtype)
        for part, each in zip(parts, tensors, strict=True)
    ]


def _width(rows: tf.Tensor) -> int:
    return int(tf.TensorShape(rows.shape[1:]).num_elements())


def _span() -> _Span | None:
    return getattr(_local, "span", None)


@contextlib.contextmanager
def _set(span: _Span | None) -> Iterator[None]:
    before = _span()
    _local.span = span
    try:
        yield
    finally:
        _local.span = before
