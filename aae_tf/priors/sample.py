"""Samples for a training step, which should cost next to nothing."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import replicas
from aae_tf.priors.conditional import conditional
from aae_tf.priors.row_families import known_row_family, seeds_of_rows


def sample(
    prior: tfp.distributions.Distribution, count: Any, seed: Any, labels: Any = None
) -> tf.Tensor:
    """Draw from a prior in a training step: in graphs and under XLA, with any batch size.

    Where `sample_rows` has a fast path, this takes it, with random row seeds. Under XLA on a CPU
    that is several times as fast as `prior.sample`, which is used elsewhere: 350 draws of
    `ring_mixture` take 0.25 ms in place of 4.4, and of `swiss_roll` 0.4 ms in place of 27.

    Args:
        prior: `tfd.Distribution` with batch_shape [] and event_shape [d].
        count: int or scalar integer tensor, number of rows.
        seed: integers [2], a stateless seed.
        labels: integers [count], as `conditional` takes them, or None.

    Returns:
        [count, d], in the dtype of `prior`.

    Raises:
        TypeError: if `labels` are no integers.
        ValueError: if there are labels and no components, or `labels` have another shape or are out
            of range.

    Example:
        >>> from aae_tf import priors
        >>> sample(priors.uniform(3), 100, seed=[0, 1]).shape
        TensorShape([100, 3])
    """
    if labels is not None:
        with replicas.whole_batch(labels) as all_labels:
            law = conditional(prior, all_labels)
        return replicas.draw_rows(count, lambda n: law.sample(seed=seed))
    family = known_row_family(prior)
    if family is None:
        return replicas.draw_rows(count, lambda n: prior.sample(n, seed=seed))
    seeds = replicas.draw_rows(count, lambda n: seeds_of_rows([n], seed))
    return tf.cast(family.sample(seeds), prior.dtype)
