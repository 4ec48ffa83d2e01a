"""What several replicas ask of a model beyond its step."""

import contextlib
from typing import Any

import keras
import tensorflow as tf

from aae_tf import replicas
from aae_tf.models.guarded_game import GuardedGame


class ReplicatedGame(GuardedGame):
    """A `GuardedGame` whose step is the same on one device and on several.

    Args:
        *args: those of `Objective`.
        **kwargs: those of `Objective`.
    """

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one step on a batch, of which each replica may have a part."""
        with self._spanning(data):
            return self._reducible(super().train_step(data))

    @property
    def _num_replicas(self) -> int:
        return self.distribute_strategy.num_replicas_in_sync

    @property
    def _has_several_workers(self) -> bool:
        strategy = self.distribute_strategy
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return False
        cluster = strategy.cluster_resolver.cluster_spec()
        return sum(map(cluster.num_tasks, cluster.jobs)) > 1

    def _check_replicas(self, jit_compile: bool | str, steps_per_execution: int) -> None:
        """Refuses what several replicas cannot do, or would not do alike."""
        if jit_compile is True and self._num_replicas > 1:
            raise ValueError(
                "Expected `jit_compile` to be False or 'auto' with several replicas: Keras would "
                "compile their communication too. "
                f"Received: jit_compile=True, replicas={self._num_replicas}."
            )
        if steps_per_execution != 1 and self._num_replicas > 1:
            raise ValueError(
                "Expected `steps_per_execution` to be 1 with several replicas: the loop that Keras "
                "3.15 makes of them does not run. Received: "
                f"steps_per_execution={steps_per_execution!r}, replicas={self._num_replicas}."
            )
        if self._has_several_workers and self.seed is None:
            raise ValueError(
                "Expected the model to have a `seed` with several workers: each would draw "
                "another. Received: seed=None."
            )

    def _synchronize(self) -> None:
        """Lets batch normalisation see the batches of all replicas, if there are several."""
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = self._num_replicas > 1

    @staticmethod
    def _spanning(data: Any) -> contextlib.AbstractContextManager[None]:
        return replicas.spanning(keras.utils.unpack_x_y_sample_weight(data)[0])

    def _reducible(self, logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # Keras 3.15 averages what workers log over an axis that scalars do not have (tensorflow
        # issue 72388).
        if not self._has_several_workers:
            return logs
        return {key: tf.reshape(value, [1]) for key, value in logs.items()}

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # All is built. Keras would average a batch over replicas, which may have unequal parts.
        pass
