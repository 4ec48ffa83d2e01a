import itertools
import math

import numpy as np
import pytest
from scipy import stats

from aae_tf.data.multinomial_test import multinomial_test


@pytest.mark.parametrize("probs", [[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
def test_large_counts_are_tested_as_scipy_does(probs):
    counts = [60, 30, 10]
    expected = stats.chisquare(counts, 100 * np.array(probs))
    np.testing.assert_allclose(multinomial_test(counts, probs), tuple(expected), rtol=1e-9)


@pytest.mark.parametrize(
    ("counts", "probs"), [([0, 3, 1], [0.5, 0.3, 0.2]), ([6, 0, 2], [0.9, 0.05, 0.05])]
)
def test_small_counts_have_the_exact_p_value_within_noise(counts, probs):
    total = sum(counts)

    def statistic(outcome):
        return sum((n - total * p) ** 2 / (total * p) for n, p in zip(outcome, probs, strict=True))

    exact = 0.0
    for outcome in itertools.product(range(total + 1), repeat=3):
        if sum(outcome) == total and statistic(outcome) >= statistic(counts) - 1e-9:
            ways = math.factorial(total) / math.prod(map(math.factorial, outcome))
            exact += ways * math.prod(p**n for n, p in zip(outcome, probs, strict=True))
    value, p_value = multinomial_test(counts, probs)
    assert value == pytest.approx(statistic(counts))
    tolerance = 5 * np.sqrt(exact * (1 - exact) / 9999)
    assert p_value == pytest.approx(exact, abs=tolerance)
    # The chi-square distribution would have said something else.
    assert abs(stats.chi2.sf(value, 2) - exact) > 2 * tolerance


def test_p_value_of_draws_is_never_zero():
    assert multinomial_test([0, 0, 10], [0.6, 0.39, 0.01])[1] == 1e-4


def test_what_the_prior_never_draws():
    assert multinomial_test([5, 5, 1], [0.5, 0.5, 0.0]) == (np.inf, 0.0)
    statistic, p_value = multinomial_test([60, 40, 0], [0.5, 0.5, 0.0])
    assert (statistic, p_value) == pytest.approx(tuple(stats.chisquare([60, 40])))
    assert multinomial_test([7, 0], [1.0, 0.0]) == (0.0, 1.0)


def test_nothing_says_nothing():
    assert multinomial_test([0, 0], [0.5, 0.5]) == (0.0, 1.0)
