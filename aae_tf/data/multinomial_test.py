"""Pearson's test of class frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np

# Cochran's rule. At the level 0.001 the chi-square distribution then rejected 0.0009 to 0.0012 of
# true hypotheses; with an expected count of one, up to 0.0022.
_SMALLEST_EXPECTED = 5.0
_NUM_DRAWS = 9_999
_SIGNIFICANCE = 1e-3
_RELEVANCE = 0.01


def multinomial_test(counts: Any, probs: Any) -> tuple[float, float]:
    """Tests whether counts come from a multinomial distribution.

    The p-value is that of the chi-square distribution where each class is expected at least five
    times, and otherwise comes from 9,999 multinomial draws, always the same ones.

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
    # Equal counts have statistics that differ in rounding.
    reached = _statistics(draws, probs * total) >= statistic * (1.0 - 1e-9)
    return statistic, (1 + int(reached.sum())) / (1 + _NUM_DRAWS)


def frequency_contradiction(counts: Any, probs: Any) -> str | None:
    """Says how class frequencies contradict a class prior, where it matters.

    Two things must hold. `multinomial_test` has a p-value below 0.001, so that one of a thousand
    runs that do follow the prior is reported by mistake. And the total variation distance is at
    least 1%: with enough rows any difference is significant, but this distance is the share of
    examples that an encoder must put into a wrong class to match the prior, and a discriminator
    that sees nothing but the class is right in (1 + distance) / 2 of all cases, 50.5%.

    Args:
        counts: float [k], zero or more, of positive sum.
        probs: float [k], zero or more, of sum one.

    Returns:
        The end of a sentence that begins with whose frequencies they are; None where they agree.

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
        f"class frequencies {_listed(frequencies)}, the class prior has {_listed(probs)} "
        f"(chi-square test: p = {p_value:.1e}; total variation distance {distance:.1%})."
    )


def _listed(frequencies: np.ndarray) -> str:
    return "[" + ", ".join(f"{frequency:.3f}" for frequency in frequencies) + "]"


def _statistics(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return (np.square(counts - expected) / expected).sum(axis=-1)
