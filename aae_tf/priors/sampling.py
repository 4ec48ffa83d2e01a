"""Samples of a prior: one per seed for exported functions, or a batch for a training step."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import replicas
from aae_tf.priors import counter_based
from aae_tf.priors.arguments import check_labels
from aae_tf.priors.components import conditional, num_components, split
from aae_tf.priors.row_families import (
    cumulate,
    draw_class,
    has_symbolic_parameters,
    known_row_family,
    label_or_drawn,
    seeds_of_rows,
)

tfd = tfp.distributions


def sample_rows(distribution: Any, seeds: Any, labels: Any = None) -> tf.Tensor:
    """Draws one sample per seed; row i depends on seeds[i] and labels[i] alone, to the last bit.

    A seed gives the same row by itself and at any place of any batch, eagerly and inside a
    SavedModel. A label chooses the component and changes nothing else: with one seed, samples of
    two components of a mixture of Gaussians have the same noise, and differ in location and scale.

    Gaussians (`tfd.MultivariateNormal*` with a location and a scale), `tfd.Independent` and
    `tfd.Sample` of `tfd.Normal`, `tfd.Uniform` or `tfd.Bernoulli`, `tfd.OneHotCategorical`, and
    `tfd.MixtureSameFamily` of any of these, also nested, take a fast path of element-wise
    operations, with noise from a hash of the seed (see `counter_based`). Its bits are the same on
    every device, unless XLA contracts a product and a sum. TensorFlow Probability samples any other
    distribution row by row, in a loop, with the hash of the seed as stateless seed; the last bits
    may then differ between devices.

    Args:
        distribution: `tfd.Distribution` with event_shape [dim] and batch_shape [], whose parameters
            are constants.
        seeds: int64 [n], any values; n may be 0.
        labels: integers [n], the component of `distribution` that each row comes from (for a
            `tfd.OneHotCategorical`, the class). Where a label is outside 0 ... K - 1, such as -1,
            the seed determines the component; None stands for such labels in all rows.

    Returns:
        float32 [n, dim].

    Raises:
        TypeError: if `distribution` is no `tfd.Distribution`, or `labels` are not integers.
        ValueError: if the distribution has another event or batch shape, or has variables or
            symbolic tensors for parameters, or has no components to which `labels` could belong;
            if there are not as many labels as seeds.

    Example:

    >>> import tensorflow_probability as tfp
    >>> prior = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), [2])
    >>> together = sample_rows(prior, [7, 8])
    >>> bool(tf.reduce_all(sample_rows(prior, [8]) == together[1]))
    True
    """
    if not isinstance(distribution, tfd.Distribution):
        raise TypeError(
            "Expected `distribution` to be a tfd.Distribution. "
            f"Received: distribution={distribution!r}."
        )
    # A joint distribution has a structure of shapes instead of a shape.
    ranks = [getattr(s, "rank", None) for s in (distribution.event_shape, distribution.batch_shape)]
    if ranks != [1, 0]:
        raise ValueError(
            "Expected `distribution` to have event_shape [dim] and batch_shape []. Received: "
            f"event_shape={distribution.event_shape}, batch_shape={distribution.batch_shape}."
        )
    if distribution.variables:
        raise ValueError(
            "Expected `distribution` to have constant parameters, because an exported function "
            f"contains them. Received: variables={distribution.variables!r}."
        )
    if has_symbolic_parameters(distribution):
        raise ValueError(
            "Expected `distribution` to be built outside of tf.function and of graphs. "
            f"Received: distribution={distribution!r}, with symbolic parameters."
        )
    seeds = tf.convert_to_tensor(seeds, tf.int64)
    if labels is not None:
        labels = check_labels("labels", labels)
        if num_components(distribution) is None:
            raise ValueError(
                "Expected `labels` to be None for a distribution without components. "
                f"Received: labels={labels!r}, distribution={distribution!r}."
            )
        if not labels.shape.is_compatible_with(seeds.shape):
            raise ValueError(
                "Expected `labels` to have one entry per seed. "
                f"Received: labels.shape={labels.shape}, seeds.shape={seeds.shape}."
            )
    family = known_row_family(distribution)
    if family is not None:
        return family.sample(seeds, labels)
    if num_components(distribution) is None:
        return _sample_each_row(distribution, seeds)
    return _sample_each_component(distribution, seeds, labels)


def _sample_each_component(distribution: Any, seeds: tf.Tensor, labels: Any) -> tf.Tensor:
    """Samples all components of a mixture for each seed, and returns one of them per row."""
    with tf.init_scope():
        weights, components = split(distribution)
        cumulative = cumulate(weights)
    rows = _sample_each_row(components, seeds)
    bits = counter_based.random_bits(seeds, 2)
    drawn = draw_class(counter_based.uniform(bits[:, 1:]), cumulative)
    if labels is not None:
        drawn = label_or_drawn(labels, drawn, cumulative.shape[-1] + 1)
    return tf.gather(rows, drawn, batch_dims=1)


def _sample_each_row(distribution: Any, seeds: tf.Tensor) -> tf.Tensor:
    # In a loop, each row is computed separately, with shapes that do not depend on n.
    shape = distribution.batch_shape + distribution.event_shape
    row = tf.TensorSpec(shape, tf.float32)

    @tf.function(autograph=False)
    def sample_all(pairs: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda pair: tf.cast(distribution.sample(seed=pair), tf.float32),
            pairs,
            fn_output_signature=row,
        )

    return sample_all(tf.bitcast(counter_based.random_bits(seeds, 1)[:, 0], tf.int32))


def sample(
    prior: tfp.distributions.Distribution, count: Any, seed: Any, labels: Any = None
) -> tf.Tensor:
    """Draws a batch of samples in a training step: in graphs and under XLA, of any size.

    Where `sample_rows` has a fast path, it is used with random row seeds; any other prior is
    sampled by `prior.sample`. Under XLA on a CPU the fast path is several times as fast: 350 draws
    of `ring_mixture` take 0.25 ms instead of 4.4, and of `swiss_roll` 0.4 ms instead of 27.

    Args:
        prior: `tfd.Distribution` with batch_shape [] and event_shape [d].
        count: int or scalar integer tensor, number of rows.
        seed: integers [2], a stateless seed.
        labels: integers [count], as `conditional` takes them, or None.

    Returns:
        [count, d], in the dtype of `prior`.

    Raises:
        TypeError: if `labels` are not integers.
        ValueError: if there are labels and no components, or `labels` have another shape or are out
            of range.

    Example:

    >>> from aae_tf import priors
    >>> sample(priors.uniform(3), 100, seed=[0, 1]).shape
    TensorShape([100, 3])
    """
    if labels is not None:
        with replicas.whole_batch(labels) as all_labels:
            distribution = conditional(prior, all_labels)
        return replicas.draw_rows(count, lambda n: distribution.sample(seed=seed))
    family = known_row_family(prior)
    if family is None:
        return replicas.draw_rows(count, lambda n: prior.sample(n, seed=seed))
    seeds = replicas.draw_rows(count, lambda n: seeds_of_rows([n], seed))
    return tf.cast(family.sample(seeds), prior.dtype)
