"""The workers that train one run together, as TF_CONFIG lists them, and their collective calls."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from aae_tf.checks import check_choice
from aae_tf.runs.errors import UserError, as_user_error

if TYPE_CHECKING:
    import tensorflow as tf

STRATEGIES = ("one", "mirrored", "multi-worker")
# Exit code of a worker that a scheduler should start again, as in sysexits.h.
EX_TEMPFAIL = 75
_EXAMPLE = (
    '{"cluster": {"worker": ["host-0:2222", "host-1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class TFConfig(NamedTuple):
    """The place of this process in a cluster of workers.

    Attributes:
        addresses: host:port of every worker, the chief first.
        worker_index: index of this process in `addresses`.
    """

    addresses: tuple[str, ...]
    worker_index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.worker_index == 0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> TFConfig:
        """Reads and checks TF_CONFIG.

        Args:
            environment: environment variables by name.

        Raises:
            ValueError: if TF_CONFIG is missing, or does not describe a cluster of workers.

        Example:

        >>> TFConfig.read({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, '
        ...                             '"task": {"type": "worker", "index": 1}}'}).is_chief
        False
        """
        text = environment.get("TF_CONFIG")
        if text is None:
            raise ValueError(
                "Expected TF_CONFIG in the environment with --strategy multi-worker, such as "
                f"{_EXAMPLE}, with another index on each worker. Received: none."
            )
        try:
            config = json.loads(text)
        except json.JSONDecodeError as error:
            raise _wrong(f"JSON, such as {_EXAMPLE}", text, f": {error}") from error
        workers = {
            kind: _addresses(text, addresses)
            for kind, addresses in _mapping(text, config, "cluster").items()
        }
        if not workers or not workers.keys() <= {"chief", "worker"}:
            raise _wrong("with a cluster of `worker` and perhaps one `chief` alone", text)
        if len(workers.get("chief", ["one"])) != 1:
            raise _wrong("with at most one `chief`", text)
        addresses = [*workers.get("chief", []), *workers.get("worker", [])]
        if len(set(addresses)) < len(addresses):
            raise _wrong("with an address of its own for each worker", text)
        task = _mapping(text, config, "task")
        kind, index = task.get("type"), task.get("index")
        if kind not in workers or type(index) is not int or index not in range(len(workers[kind])):
            raise _wrong(
                "with the `task` of this process, a type and an index in its cluster", text
            )
        before = len(workers.get("chief", [])) if kind == "worker" else 0
        return cls(tuple(addresses), before + index)


def check_strategy(strategy: str) -> None:
    """Checks the name of a strategy, and TF_CONFIG if it needs one; imports no TensorFlow.

    Raises:
        ValueError: if the name is unknown, or TF_CONFIG is missing or wrong.
    """
    if check_choice("strategy", strategy, STRATEGIES) == "multi-worker":
        TFConfig.read(os.environ)


class Cluster:
    """The workers and devices that train one run.

    These are this process with one device, this process with several, or all the workers that
    TF_CONFIG names, each a process that runs the same program. Every worker has to make each
    collective call below; the chief alone writes files.

    A cluster has to be made before TensorFlow is used for anything else.

    Args:
        strategy: "one" device, "mirrored" over the GPUs of this machine, or "multi-worker" over
            those of the machines in TF_CONFIG.

    Attributes:
        strategy: the `tf.distribute.Strategy`; None for one device.
        is_chief: whether this process writes the run.

    Raises:
        UserError: if TF_CONFIG is missing or wrong, or a worker is lost.
    """

    def __init__(self, strategy: str = "one") -> None:
        import tensorflow as tf

        self.strategy: Any = None
        self.is_chief = True
        self._has_workers = strategy == "multi-worker"
        if strategy == "mirrored":
            self.strategy = tf.distribute.MirroredStrategy()
        if self._has_workers:
            with as_user_error(ValueError):
                config = TFConfig.read(os.environ)
            self.is_chief = config.is_chief
            addresses = ", ".join(config.addresses)
            print(f"Worker {config.worker_index} waits for all of {addresses}", flush=True)
            with self.report_lost_worker():
                self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
            self._all_reduce = tf.function(
                self._all_reduce_on_devices, autograph=False, reduce_retracing=True
            )
        if self.strategy is not None:
            print(f"Training on {self.num_replicas} replicas", flush=True)

    @property
    def num_replicas(self) -> int:
        """Number of devices that share a batch."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Opens the scope of the strategy, in which the model has to be built."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def check_divisible(self, sizes: Mapping[str, int]) -> None:
        """Checks that a batch can be divided equally among the replicas.

        Args:
            sizes: numbers of rows that make up the batch, by the names of their fields.

        Raises:
            ValueError: if it cannot.
        """
        if sum(sizes.values()) % self.num_replicas:
            given = ", ".join(f"{name}={size}" for name, size in sizes.items())
            raise ValueError(
                f"Expected {' + '.join(f'`{name}`' for name in sizes)} to be divisible by the "
                "number of replicas, so that each has as much to do. "
                f"Received: {given}, replicas={self.num_replicas}."
            )

    def shard(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Sets the sharding policy DATA: each worker takes its rows of every batch."""
        if self.strategy is None:
            return batches
        import tensorflow as tf

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        return batches.with_options(options)

    def all_reduce_sum(self, values: Sequence[float]) -> list[float]:
        """Returns the sums of numbers over all workers; each worker passes its own."""
        if not self._has_workers:
            return list(values)
        import tensorflow as tf

        total = self._all_reduce(tf.constant(values, tf.float32))
        return self.strategy.experimental_local_results(total)[0].numpy().tolist()

    def _all_reduce_on_devices(self, values: tf.Tensor) -> Any:
        import tensorflow as tf

        devices = len(self.strategy.extended.worker_devices)

        def add(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # The first device of a worker contributes its values, and the others zeros.
            is_first = tf.equal(context.replica_id_in_sync_group % devices, 0)
            own = tf.where(is_first, values, 0.0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        return self.strategy.run(add, args=(values,))

    def barrier(self) -> None:
        """Waits until every worker has made this call."""
        self.all_reduce_sum([0.0])

    def barrier_before_exit(self, is_finished: Callable[[], bool]) -> None:
        """Waits for every worker before this process ends, and its connections with it.

        Args:
            is_finished: tells whether the run is complete, in which case a worker that has ended
                already is no failure.
        """
        try:
            self.barrier()
        except _lost_worker_errors():
            if not is_finished():
                raise

    def any(self, flag: bool) -> bool:
        """Tells whether the flag of any worker is set."""
        return self.all_reduce_sum([float(flag)])[0] > 0.0

    def broadcast_from_chief(self, flag: bool) -> bool:
        """Returns the flag of the chief on every worker."""
        return self.any(flag and self.is_chief)

    def all_equal(self, number: int) -> bool:
        """Tells whether all workers pass the same number."""
        # In two halves, since a float32 does not hold every integer of 32 bits.
        high, low = divmod(number, 2**12)
        workers = self.all_reduce_sum([1.0])[0]
        total = self.all_reduce_sum([float(high), float(low)])
        return not self.any(total != [workers * high, workers * low])

    def run_on_chief(self, function: Callable[[], None]) -> None:
        """Calls a function on the chief; if it fails there, raises on every worker.

        Raises:
            UserError: on the chief the error of the function, on other workers one that refers to
                it.
        """
        error = None
        if self.is_chief:
            try:
                function()
            except UserError as raised:
                error = raised
        if self.any(error is not None):
            raise error or UserError(
                "Expected the first worker to begin. Received: it could not, see its message."
            )

    @contextlib.contextmanager
    def report_lost_worker(self) -> Iterator[None]:
        """Raises `UserError` for the errors of TensorFlow that mean that a worker is lost."""
        try:
            yield
        except _lost_worker_errors() as error:
            if not self._has_workers:
                raise
            first, *_ = str(error).strip().splitlines() or [""]
            raise UserError(
                "Expected all workers to stay. Received: a worker is lost. The same command on "
                f"every worker goes on from the last backup. TensorFlow says: {first}",
                exit_code=EX_TEMPFAIL,
            ) from error


def _lost_worker_errors() -> tuple[type[Exception], ...]:
    """Gives the errors that TensorFlow raises in a worker whose peers are gone."""
    import tensorflow as tf

    return (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    )


def _mapping(text: str, config: Any, name: str) -> dict[str, Any]:
    value = config.get(name) if isinstance(config, dict) else None
    if not isinstance(value, dict):
        raise _wrong(f"with `{name}`, such as {_EXAMPLE}", text)
    return value


def _addresses(text: str, addresses: Any) -> list[str]:
    if not isinstance(addresses, list) or not addresses or not all(map(_is_address, addresses)):
        raise _wrong("with lists of host:port", text)
    return addresses


def _is_address(address: Any) -> bool:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _wrong(expected: str, text: str, detail: str = "") -> ValueError:
    return ValueError(f"Expected TF_CONFIG to be {expected}{detail}. Received: TF_CONFIG={text!r}.")
