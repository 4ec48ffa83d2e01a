import itertools
import math
import re
import warnings

import numpy as np
import pytest
from scipy import stats

from aae_tf.data import warn_class_frequencies
from aae_tf.data.class_frequencies import multinomial_test

THIRDS = np.full(3, 1 / 3, "float32")


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


def test_disagreement_is_told_with_both_frequencies_and_the_p_value():
    labels = np.repeat([0, 1, 2, -1], [60, 30, 10, 400])
    with pytest.warns(UserWarning) as record:
        warn_class_frequencies(labels, THIRDS)
    (warning,) = record
    message = str(warning.message)
    assert "The 100 known labels have the class frequencies [0.600, 0.300, 0.100]" in message
    assert "the class prior has [0.333, 0.333, 0.333]" in message
    assert "priors.from_labels(labels, num_classes)" in message
    # The statistic by hand: sum (observed - expected)^2 / expected, two degrees of freedom.
    statistic = sum((count - 100 / 3) ** 2 / (100 / 3) for count in (60, 30, 10))
    p_value = float(re.search(r"p = (\S+);", message)[1])
    np.testing.assert_allclose(p_value, stats.chi2.sf(statistic, df=2), rtol=0.05)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("labels", "probs"),
    [
        (np.repeat([0, 1, 2], 50), THIRDS),
        (np.repeat([0, 1, 2], [60, 30, 10]), [0.6, 0.3, 0.1]),
        # Too few to tell.
        (np.repeat([0, 1, 2], [6, 3, 1]), THIRDS),
        (np.full(20, -1), THIRDS),
        # Chosen to be balanced: nothing is said of the frequencies of the data.
        (np.repeat([0, 1, 2, -1], [500, 500, 500, 1]), [0.8, 0.1, 0.1]),
        # Significant with a million labels, but of no effect: a distance of 0.5%.
        (np.repeat([0, 1], [505_000, 495_000]), [0.5, 0.5]),
        # A class that the prior never draws, and that never occurs.
        (np.repeat([0, 1], 50), [0.5, 0.5, 0.0]),
        (np.repeat([0], 50), [1.0, 0.0]),
    ],
)
def test_agreement_is_silent(labels, probs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_class_frequencies(labels, probs)


def test_class_that_the_prior_never_draws_is_told():
    with pytest.warns(UserWarning, match=r"\[0.500, 0.500, 0.000\] \(chi-square test: p = 0.0e"):
        warn_class_frequencies([0, 1, 2], [0.5, 0.5, 0.0])


def test_what_is_both_significant_and_relevant_is_told():
    message = r"p = \d\.\de-\d+.* total variation distance 1\.5%\)\..* `data\.balance_classes`"
    with pytest.warns(UserWarning, match=message):
        warn_class_frequencies(np.repeat([0, 1], [515_000, 485_000]), [0.5, 0.5])
    # All labels are known: nobody has chosen them.
    with pytest.warns(UserWarning, match="class frequencies"):
        warn_class_frequencies(np.repeat([0, 1, 2], 500), [0.8, 0.1, 0.1])
    with pytest.warns(UserWarning, match=r"p = 0\.0e"):
        warn_class_frequencies([0, 1, -1], [1.0, 0.0])


def test_few_labels_are_tested_by_draws_of_the_prior():
    # Of 12 labels, three are of a class that comes once in a hundred: p = 2.1e-4 (binomial).
    probs = [0.99, 0.01]
    with pytest.warns(UserWarning, match=r"p = [12345]\.\de-04;"):
        warn_class_frequencies(np.repeat([0, 1], [9, 3]), probs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # p = 0.009. The chi-square distribution would say 2e-25.
        warn_class_frequencies(np.repeat([0, 1], [8, 1]), [0.999, 0.001])


def test_labels_of_no_class_are_refused():
    with pytest.raises(ValueError, match="`labels` to hold classes from 0 to 2"):
        warn_class_frequencies([0, 3], THIRDS)


def test_false_alarms_are_as_rare_as_stated():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            warn_class_frequencies(rng.integers(0, 3, 300), THIRDS)
        alarms += len(record)
    assert alarms <= 6  # One is expected; more than six have a probability of 1e-4.
