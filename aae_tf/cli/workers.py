"""The devices and processes that train one run together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
import typer

from aae_tf.cli.errors import CommandError, bad_input
from aae_tf.cli.tf_config import TFConfig

# What a scheduler takes for a reason to start the worker again: EX_TEMPFAIL of sysexits.h.
_TRY_AGAIN = 75
# What TensorFlow raises in a worker whose peers are gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class Workers:
    """One process, or all those of TF_CONFIG, with their devices.

    Every worker does the same, so that each meeting below has all of them; the chief alone
    writes.

    Args:
        strategy: "one" device, "mirrored": all GPUs of this machine, or "multi-worker": those of
            the machines in TF_CONFIG. To be made before TensorFlow does anything else.

    Attributes:
        strategy: the `tf.distribute.Strategy`; None for one device.
        is_chief: whether this process writes the run.

    Raises:
        CommandError: if TF_CONFIG is missing or wrong.
    """

    def __init__(self, strategy: str = "one") -> None:
        self.strategy: Any = None
        self.is_chief = True
        self._is_cluster = strategy == "multi-worker"
        if strategy == "mirrored":
            self.strategy = tf.distribute.MirroredStrategy()
        if self._is_cluster:
            with bad_input(ValueError):
                config = TFConfig.read(os.environ)
            self.is_chief = config.is_chief
            typer.echo(f"Worker {config.number} waits for all of {', '.join(config.addresses)}")
            with self.held_together():
                self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if self.strategy is not None:
            typer.echo(f"Training on {self.num_replicas} replicas")

    @property
    def num_replicas(self) -> int:
        """Number of devices that share a batch."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Opens the scope in which a model is made to be trained by all."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def check_batch(self, sizes: Mapping[str, int]) -> None:
        """Refuses a batch that gives replicas unequal parts.

        Args:
            sizes: the numbers of its rows, by name.

        Raises:
            ValueError: if it is so.
        """
        if sum(sizes.values()) % self.num_replicas:
            given = ", ".join(f"{name}={size}" for name, size in sizes.items())
            raise ValueError(
                f"Expected {' + '.join(f'`{name}`' for name in sizes)} to be divisible by the "
                "number of replicas, so that each has as much to do. "
                f"Received: {given}, replicas={self.num_replicas}."
            )

    def share_out(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Says that each worker takes its rows of every batch, whatever the batches come from."""
        if self.strategy is None:
            return batches
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        return batches.with_options(options)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Adds up numbers of all workers; waits until each has given its own."""
        if not self._is_cluster:
            return list(values)
        total = self._add(tf.constant(values, tf.float32))
        return self.strategy.experimental_local_results(total)[0].numpy().tolist()

    @tf.function(autograph=False, reduce_retracing=True)
    def _add(self, values: tf.Tensor) -> Any:
        devices = len(self.strategy.extended.worker_devices)

        def add(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # Of the devices of a worker the first one speaks.
            speaks = tf.equal(context.replica_id_in_sync_group % devices, 0)
            own = tf.where(speaks, values, 0.0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        return self.strategy.run(add, args=(values,))

    def wait(self) -> None:
        """Waits until all workers have come here."""
        self.sum([0.0])

    def part(self, is_done: Callable[[], bool]) -> None:
        """Waits for all before this process ends, and with it its connections.

        Args:
            is_done: tells whether the run is complete: others may then have ended first.
        """
        try:
            self.wait()
        except _LOST:
            if not is_done():
                raise

    def any(self, flag: bool) -> bool:
        """Tells whether a flag is set on any worker."""
        return self.sum([float(flag)])[0] > 0.0

    def follow(self, flag: bool) -> bool:
        """Gives the flag of the chief to all workers."""
        return self.any(flag and self.is_chief)

    def agree(self, number: int) -> bool:
        """Tells whether all workers have the same number."""
        # Two halves, since a float32 holds no integer of 32 bits.
        high, low = divmod(number, 2**12)
        workers = self.sum([1.0])[0]
        total = self.sum([float(high), float(low)])
        return not self.any(total != [workers * high, workers * low])

    def let_chief(self, act: Callable[[], None]) -> None:
        """Lets the chief do something, and all workers end where it cannot.

        Raises:
            CommandError: on the chief what `act` has raised.
        """
        error = None
        if self.is_chief:
            try:
                act()
            except CommandError as raised:
                error = raised
        if self.any(error is not None):
            raise error or CommandError(
                "Expected the first worker to begin. Received: it could not, see its message."
            )

    @contextlib.contextmanager
    def held_together(self) -> Iterator[None]:
        """Turns what TensorFlow raises where another worker is lost into a `CommandError`."""
        try:
            yield
        except _LOST as error:
            if not self._is_cluster:
                raise
            first, *_ = str(error).strip().splitlines() or [""]
            raise CommandError(
                "Expected all workers to stay. Received: a worker is lost. The same command on "
                f"every worker goes on from the last backup. TensorFlow says: {first}",
                exit_code=_TRY_AGAIN,
            ) from error
