"""The test of a model's predicted classes against its class prior."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow_probability as tfp

from aae_tf import data
from aae_tf.data.class_frequencies import multinomial_test
from aae_tf.evaluation.check_probabilities import check_probabilities


class ClassFrequencyTest(NamedTuple):
    """The answer of `class_frequency_test`.

    Attributes:
        statistic: Pearson's chi-square, zero or more; infinite where a class occurs that the prior
            never draws.
        p_value: in [0, 1], how often a sample of the prior would be as far from it, or farther.
        frequencies: float64 [k], the frequency of each class.
        prior: float64 [k], the probability of each class.

    Example:

    >>> result = ClassFrequencyTest(18.0, 2e-5, np.array([0.8, 0.2]), np.array([0.5, 0.5]))
    >>> round(result.total_variation, 6)
    0.3
    """

    statistic: float
    p_value: float
    frequencies: np.ndarray
    prior: np.ndarray

    @property
    def total_variation(self) -> float:
        """The distance sum |q - p| / 2, in [0, 1]: the share of examples in a wrong class."""
        return 0.5 * float(np.abs(self.frequencies - self.prior).sum())


def class_frequency_test(classes: Any, prior: Any) -> ClassFrequencyTest:
    """Tests whether classes are as frequent as the class prior says.

    Pearson's chi-square test. Of probabilities it compares their mean, the aggregated posterior
    q(y); as probabilities vary less from row to row than classes drawn from them, the p-value is
    then an upper bound. Where a class is expected fewer than five times, the p-value comes from
    9,999 draws of the prior, and is at least 1e-4.

    With many examples any difference is significant: read `total_variation` beside `p_value`.

    Args:
        classes: q(y|x), float [n, k], rows that sum to one, as `classify` of a model gives; or
            integer [n], classes 0 to k - 1, -1 where the class is unknown.
        prior: `tfd.OneHotCategorical` of k classes, or their probabilities, float [k].

    Returns:
        `ClassFrequencyTest`.

    Raises:
        TypeError: if `classes` are neither floats nor integers.
        ValueError: if `classes` are no probabilities, are of another number of classes, or none is
            known; if `prior` are no probabilities.

    Example:

    >>> labels = np.repeat([0, 1], [80, 20])
    >>> result = class_frequency_test(labels, [0.5, 0.5])
    >>> result.statistic, result.p_value < 1e-8, result.frequencies.tolist()
    (36.0, True, [0.8, 0.2])
    """
    if isinstance(prior, tfp.distributions.Distribution):
        prior = np.asarray(prior.mean())
    probs = check_probabilities("prior", np.asarray(prior, np.float64)[np.newaxis])[0]
    probs = probs.astype(np.float64) / probs.sum(dtype=np.float64)
    counts = _counts(classes, len(probs))
    statistic, p_value = multinomial_test(counts, probs)
    return ClassFrequencyTest(statistic, p_value, counts / counts.sum(), probs)


def _counts(classes: Any, num_classes: int) -> np.ndarray:
    if np.ndim(classes) == 1:
        labels = data.check_labels(classes, "classes", num_classes, "some", every_class=False)
        return np.bincount(labels[labels >= 0], minlength=num_classes).astype(np.float64)
    probabilities = check_probabilities("classes", classes)
    if probabilities.shape[1] != num_classes:
        raise ValueError(
            f"Expected `classes` to have the {num_classes} classes of `prior`. "
            f"Received: classes.shape={probabilities.shape}."
        )
    return probabilities.sum(axis=0, dtype=np.float64)
