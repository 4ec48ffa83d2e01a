"""The components of a prior, and the distribution of a code given the label of its component."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.priors.arguments import check_labels_of
from aae_tf.priors.row_families import known_row_family, seeds_of_rows

tfd = tfp.distributions

# The class of instances: `tfd.MixtureSameFamily(...)` may return its private parent.
_MIXTURE: Any = tfd.MixtureSameFamily.__mro__[1]


def num_components(prior: Any) -> int | None:
    """Counts the components that labels of `conditional` and `sample_rows` refer to.

    Args:
        prior: `tfd.Distribution` with batch_shape [].

    Returns:
        The number of components of a `tfd.MixtureSameFamily` (of the outer mixture, if its
        components are mixtures), the number of classes of a `tfd.OneHotCategorical`, whose
        components are the one-hot vectors, and None for any other distribution.

    Example:

    >>> from aae_tf import priors
    >>> num_components(priors.ring_mixture(7)), num_components(priors.gaussian(2))
    (7, None)
    """
    if isinstance(prior, _MIXTURE):
        return int(prior.components_distribution.batch_shape[-1])
    if isinstance(prior, tfd.OneHotCategorical):
        return int(prior.event_shape[-1])
    return None


def check_components(argument: str, prior: Any) -> int:
    """Returns the number of components of `prior`, or raises ValueError naming `argument`."""
    count = num_components(prior)
    if count is None:
        raise ValueError(
            f"Expected `{argument}` to have components that labels can name: a "
            "tfd.MixtureSameFamily or a tfd.OneHotCategorical. "
            f"Received: {argument}={prior!r}."
        )
    return count


def split(prior: Any) -> tuple[tf.Tensor, Any]:
    """Returns the weights and the components of a mixture.

    Args:
        prior: `tfd.MixtureSameFamily` or `tfd.OneHotCategorical` with batch_shape [].

    Returns:
        The weights [K], and a distribution of batch_shape [K].
    """
    if isinstance(prior, _MIXTURE):
        return prior.mixture_distribution.probs_parameter(), prior.components_distribution
    weights = prior.probs_parameter()
    return weights, tfd.VectorDeterministic(tf.eye(weights.shape[-1], dtype=weights.dtype))


def conditional(prior: tfp.distributions.Distribution, labels: Any) -> Any:
    """Builds p(z | label): the component of each labelled row, and the whole prior of the others.

    A sample costs as much as one of a single component, a log density as much as all components.

    Args:
        prior: `tfd.MixtureSameFamily` with batch_shape [] and event_shape [d], whose component k
            belongs to class k; or `tfd.OneHotCategorical`, whose component k is the one-hot
            vector of class k.
        labels: integers [n], the class of each row, -1 where it is unknown. Other values raise
            ValueError; where a graph computes them as it runs, they count as -1.

    Returns:
        `tfd.Distribution` with batch_shape [n] and event_shape [d]: p(z | label). It works eagerly
        and in a `tf.function`, with XLA too; `log_prob` is differentiable.

    Raises:
        TypeError: if `labels` are not integers.
        ValueError: if the prior has no components, or `labels` have another shape or are out of
            range.

    Example:

    >>> from aae_tf import priors
    >>> prior = priors.ring_mixture(4, radius=9.0, radial_scale=0.1)
    >>> samples = conditional(prior, [1, 1, 2]).sample(seed=[0, 1])
    >>> samples.numpy().round().astype(int).tolist()
    [[0, 9], [0, 9], [-9, 0]]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 2.3 (arXiv:1511.05644).
    """
    count = check_components("prior", prior)
    return _Conditional(prior, check_labels_of("labels", labels, count))


class _Conditional(tfp.distributions.Distribution):
    """Mixtures of the same components; a label sets the weights of all other components to zero."""

    def __init__(self, prior: Any, labels: tf.Tensor) -> None:
        super().__init__(
            dtype=prior.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={"prior": prior, "labels": labels},
            name="Conditional",
        )
        self._prior, self._labels = prior, labels
        weights, self._components = split(prior)
        one_hot = tf.eye(weights.shape[-1], dtype=weights.dtype)
        weights_of_labels = tf.concat([weights[tf.newaxis], one_hot], axis=0)
        self._log_weights = tf.gather(tf.math.log(weights_of_labels), labels + 1)

    def _batch_shape(self) -> tf.TensorShape:
        return self._labels.shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._labels)

    def _event_shape(self) -> tf.TensorShape:
        return self._prior.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self._prior.event_shape_tensor()

    def _sample_n(self, n: Any, seed: Any) -> tf.Tensor:
        family = known_row_family(self._prior)
        shape = tf.concat([[n], tf.shape(self._labels)], axis=0)
        if family is not None:
            seeds = seeds_of_rows(shape, seed)
            labels = tf.reshape(tf.broadcast_to(self._labels, shape), [-1])
            rows = family.sample(tf.reshape(seeds, [-1]), labels)
            rows = tf.reshape(rows, tf.concat([shape, self._event_shape_tensor()], axis=0))
        else:
            component = tfd.Categorical(logits=self._log_weights).sample(n, seed=seed)
            samples = self._components.sample(shape, seed=tfp.random.split_seed(seed)[1])
            rows = tf.gather(samples, component, batch_dims=2)
        return tf.cast(rows, self.dtype)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        points = tf.cast(value, self._components.dtype)[..., tf.newaxis, :]
        log_probs = self._components.log_prob(points) + self._log_weights
        return tf.reduce_logsumexp(log_probs, axis=-1)
