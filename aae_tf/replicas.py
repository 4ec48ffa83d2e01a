"""Everything that `tf.distribute` asks of a training on several replicas.

Under a strategy each replica sees some rows of a batch, perhaps none. The train step of every model
counts them (`spanning`), and the functions of this module then make the step the same as on one
device with the whole batch:

- a row gets the noise that it would get there (`draw_rows`);
- what depends on rows together is computed from all of them (`whole_batch`);
- means divide by the rows of all replicas, times the number of replicas (`row_mean`), so that the
  mean over replicas, which gradients and logs take, is the mean over rows;
- gradients are averaged before the guard and clipping look at them (`mean_gradients`,
  `averaged_gradients`), and updates in branches are made where replicas may merge (`switch`).

On one device, and outside of a train step, each function does the plain thing.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np
import tensorflow as tf

__all__ = ["draw_rows", "whole_batch"]

_Made = TypeVar("_Made")
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


# Gradients and updates.


def mean_gradients(gradients: Sequence[Any]) -> list[Any]:
    """Averages gradients over replicas, before the guard or clipping looks at them.

    Keras sums them last, in the optimizer's step, so that what looks at them before would see those
    of one replica's rows.

    Args:
        gradients: tensors, `tf.IndexedSlices` or None.
    """
    if _span() is None:
        return list(gradients)
    context = tf.distribute.get_replica_context()
    known = [gradient for gradient in gradients if gradient is not None]
    means = iter(context.all_reduce(tf.distribute.ReduceOp.MEAN, known) if known else [])
    return [None if gradient is None else next(means) for gradient in gradients]


@contextlib.contextmanager
def averaged_gradients(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Keeps an optimizer from summing over replicas what is averaged, within this context."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        yield
        return
    # The threads of replicas enter and leave in turns; each sets it anew before its `apply`.
    vars(optimizer)["_all_reduce_sum_gradients"] = list
    try:
        yield
    finally:
        vars(optimizer).pop("_all_reduce_sum_gradients", None)


def switch(
    choice: tf.Tensor, factors: Sequence[Any], apply: Callable[..., None], *args: Any
) -> None:
    """Calls `apply(factor, *args)` in a branch of the graph, with the factor that is chosen.

    Args:
        choice: integer scalar, the same on all replicas.
        factors: what to choose from; None calls nothing.
        apply: an update of variables.
        *args: further arguments, of each replica its own.
    """
    if _span() is None:
        _switch(choice, factors, lambda factor: apply(factor, *args))
        return

    # Optimizers merge the replicas to move variables, which no branch within a replica may do.
    def merged(strategy: Any, choice: Any, factors: Any, args: Any) -> None:
        def on_each(factor: Any) -> None:
            strategy.extended.call_for_each_replica(apply, args=(factor, *args))

        _switch(strategy.experimental_local_results(choice)[0], factors, on_each)

    tf.distribute.get_replica_context().merge_call(merged, args=(choice, factors, args))


def _switch(choice: tf.Tensor, factors: Sequence[Any], apply: Callable[[Any], None]) -> None:
    def branch(factor: Any) -> Callable[[], tf.Tensor]:
        def run() -> tf.Tensor:
            if factor is not None:
                apply(factor)
            return tf.zeros(())

        return run

    tf.switch_case(choice, [branch(factor) for factor in factors])


# Variables and metrics.


def state_variable(values: Any, name: str, per_replica: bool = False) -> keras.Variable:
    """Makes a float32 variable that is no weight of any layer.

    Args:
        values: array of initial values.
        name: name of the variable.
        per_replica: whether each replica has values of its own, whose sum is read; else all have
            the same.
    """
    return keras.Variable(
        np.asarray(values, np.float32),
        trainable=False,
        autocast=False,
        aggregation="sum" if per_replica else "only_first_replica",
        synchronization="on_read" if per_replica else "auto",
        name=name,
    )


def replica_count() -> int:
    """Gives the number of replicas of the strategy at hand."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def make_variables(make: Callable[[], _Made]) -> _Made:
    """Calls `make`, which makes variables, outside of graphs, and once for all replicas.

    A `tf.function` that finds variables made while it is traced is traced a second time, those of
    `tf.init_scope` included. It sees those of its own thread alone.
    """

    def merged(strategy: Any) -> _Made:
        def make_in_scope() -> _Made:
            with strategy.scope():
                return make()

        return _in_thread(make_in_scope)

    context = tf.distribute.get_replica_context()
    if context is not None and tf.distribute.has_strategy():
        return context.merge_call(merged)
    return make() if tf.executing_eagerly() else _in_thread(make)


def _in_thread(make: Callable[[], _Made]) -> _Made:
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(make).result()


class Count(keras.metrics.Sum):
    """A sum over steps of what all replicas know, of which each would add its own."""

    def result(self) -> tf.Tensor:
        """Returns the sum, which within a step is that of one replica, times their number."""
        own = super().result()
        if tf.distribute.in_cross_replica_context():
            return own
        return own * tf.distribute.get_strategy().num_replicas_in_sync

    def add(self, flags: Sequence[tf.Tensor]) -> None:
        """Adds the number of flags that are set."""
        number = tf.add_n([tf.cast(flag, tf.float32) for flag in flags])
        self.update_state(number / tf.distribute.get_strategy().num_replicas_in_sync)


def reducible_logs(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Gives logs a shape that Keras can average over workers.

    Keras 3.15 averages over an axis that scalars do not have (tensorflow issue 72388).
    """
    if not _has_several_workers(tf.distribute.get_strategy()):
        return logs
    return {key: tf.reshape(value, [1]) for key, value in logs.items()}


# When a model is compiled.


def check_strategy(
    strategy: tf.distribute.Strategy,
    jit_compile: bool | str,
    steps_per_execution: int,
    seed: int | None,
) -> None:
    """Refuses what several replicas cannot do, or would not do alike.

    Args:
        strategy: that of the model.
        jit_compile: the argument of `compile`.
        steps_per_execution: the argument of `compile`.
        seed: that of the model.

    Raises:
        ValueError: if the arguments do not fit the strategy.
    """
    replicas = strategy.num_replicas_in_sync
    if jit_compile is True and replicas > 1:
        raise ValueError(
            "Expected `jit_compile` to be False or 'auto' with several replicas: Keras would "
            "compile their communication too. "
            f"Received: jit_compile=True, replicas={replicas}."
        )
    if steps_per_execution != 1 and replicas > 1:
        raise ValueError(
            "Expected `steps_per_execution` to be 1 with several replicas: the loop that Keras "
            "3.15 makes of them does not run. Received: "
            f"steps_per_execution={steps_per_execution!r}, replicas={replicas}."
        )
    if _has_several_workers(strategy) and seed is None:
        raise ValueError(
            "Expected the model to have a `seed` with several workers: each would draw "
            "another. Received: seed=None."
        )


def synchronize_batch_normalization(
    layers: Iterable[keras.layers.Layer], strategy: tf.distribute.Strategy
) -> None:
    """Lets batch normalisation see the batches of all replicas, if there are several."""
    for layer in layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = strategy.num_replicas_in_sync > 1


def _has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    cluster = strategy.cluster_resolver.cluster_spec()
    return sum(map(cluster.num_tasks, cluster.jobs)) > 1


# Communication.


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
