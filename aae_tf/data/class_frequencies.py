"""The test whether class frequencies follow a class prior, and the warning where they do not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from aae_tf.data.check_labels import check_labels

# Cochran's rule. With at least this many rows expected in each class, the chi-square distribution
# rejected 0.0009 to 0.0012 of true hypotheses at the level 0.001; with one, up to 0.0022.
_SMALLEST_EXPECTED = 5.0
_NUM_DRAWS = 9_999
_SIGNIFICANCE = 1e-3
_RELEVANCE = 0.01


def multinomial_test(counts: Any, probs: Any) -> tuple[float, float]:
    """Tests by Pearson's statistic whether counts come from a multinomial distribution.

    The p-value comes from the chi-square distribution where each class is expected at least five
    times, and otherwise from 9,999 multinomial draws of a fixed seed.

    Args:
        counts: float [k], zero or more; fractions where rows belong to classes in part.
        probs: float [k], zero or more, of sum one.

    Returns:
        The statistic sum (observed - expected)^2 / expected, infinite where a class of probability
        zero occurs, and the p-value.

    Example:

    >>> statistic, p_value = multinomial_test([60, 30, 10], [0.5, 0.3, 0.2])
    >>> round(statistic, 2), round(p_value, 4)
    (7.0, 0.0302)

    References:
        Cochran 1952, *The chi-square test of goodness of fit*; Davison and Hinkley 1997,
        *Bootstrap Methods and their Application*, section 4.2, Monte Carlo tests.
    """
    # Imported here, since scipy.stats takes a second to import.
    from scipy.stats import chi2

    counts, probs = np.asarray(counts, np.float64), np.asarray(probs, np.float64)
    possible = probs > 0.0
    if counts[~possible].any():
        return float("inf"), 0.0
    counts, probs = counts[possible], probs[possible]
    total = counts.sum()
    if not total or len(probs) == 1:
        return 0.0, 1.0
    statistic = float(_statistics(counts, probs * total))
    if total * probs.min() >= _SMALLEST_EXPECTED:
        return statistic, float(chi2.sf(statistic, len(probs) - 1))
    draws = np.random.default_rng(0).multinomial(round(total), probs, size=_NUM_DRAWS)
    # Statistics of equal counts differ in rounding.
    reached = _statistics(draws, probs * total) >= statistic * (1.0 - 1e-9)
    return statistic, (1 + int(reached.sum())) / (1 + _NUM_DRAWS)


def frequency_contradiction(counts: Any, probs: Any) -> str | None:
    """Describes by how much class frequencies contradict a class prior, if they do.

    They contradict it if two conditions hold. `multinomial_test` has a p-value below 0.001, so that
    one of a thousand data sets that do follow the prior is reported by mistake. And the total
    variation distance is at least 1%: with enough rows any difference is significant, but this
    distance is the share of examples that an encoder must put into a wrong class to match the
    prior, and a discriminator that sees nothing but the class is right in (1 + distance) / 2 of all
    cases, 50.5%.

    Args:
        counts: float [k], zero or more, of positive sum.
        probs: float [k], zero or more, of sum one.

    Returns:
        The end of a sentence, to be put after whose frequencies they are; None if they agree.

    Example:

    >>> frequency_contradiction([505, 495], [0.5, 0.5])
    >>> print(frequency_contradiction([600, 400], [0.5, 0.5]))
    class frequencies [0.600, 0.400], the class prior has [0.500, 0.500] (chi-square test: ...).
    """
    _, p_value = multinomial_test(counts, probs)
    frequencies = np.asarray(counts) / np.sum(counts)
    distance = 0.5 * np.abs(frequencies - probs).sum()
    if p_value >= _SIGNIFICANCE or distance < _RELEVANCE:
        return None
    return (
        f"class frequencies {_format(frequencies)}, the class prior has {_format(probs)} "
        f"(chi-square test: p = {p_value:.1e}; total variation distance {distance:.1%})."
    )


def warn_class_frequencies(labels: Any, probs: Any, stacklevel: int = 2) -> None:
    """Warns if the known labels contradict the class prior.

    They contradict it if Pearson's test of the class frequencies has a p-value below 0.001 and the
    total variation distance sum |q - p| / 2 is at least 1%; see `frequency_contradiction`. Where a
    class is expected fewer than five times, the p-value comes from multinomial draws.

    Labels that were chosen to be balanced (see `labelled_subset`) say nothing about the
    frequencies in the data: they pass under any prior that gives each class a probability. They are
    recognised by equal counts together with unknown labels.

    Args:
        labels: integer array [n], classes 0 to K - 1; -1 where a label is unknown.
        probs: float array [K], the class prior.
        stacklevel: int, as in `warnings.warn`.

    Raises:
        TypeError: if `labels` holds no integers.
        ValueError: if `labels` has another shape, or a class out of range.

    Warns:
        UserWarning: with both frequencies and the p-value.

    Example:

    >>> warn_class_frequencies([0, 1, 1, 0, -1], [0.5, 0.5])

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders* (arXiv:1511.05644), section 5, balance
        the classes: an encoder that is to match other frequencies must mix classes up.
    """
    probs = np.asarray(probs, np.float64)
    probs = probs / probs.sum()
    labels = check_labels(labels, "labels", len(probs))
    counts = np.bincount(labels[labels >= 0], minlength=len(probs))
    total = counts.sum()
    if not total or _is_balanced_choice(counts, len(labels), probs):
        return
    contradiction = frequency_contradiction(counts, probs)
    if contradiction:
        warnings.warn(
            f"The {total} known labels have the {contradiction} An encoder that matches this prior "
            "puts at least that share of the examples into a wrong class. Pass "
            "`class_prior=priors.from_labels(labels, num_classes)`, or balance the classes with "
            "`data.balance_classes`.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _is_balanced_choice(counts: np.ndarray, num_rows: int, probs: np.ndarray) -> bool:
    equal = len(np.unique(counts)) == 1
    return equal and bool((probs > 0.0).all()) and counts.sum() < num_rows


def _format(frequencies: np.ndarray) -> str:
    return "[" + ", ".join(f"{frequency:.3f}" for frequency in frequencies) + "]"


def _statistics(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return (np.square(counts - expected) / expected).sum(axis=-1)
