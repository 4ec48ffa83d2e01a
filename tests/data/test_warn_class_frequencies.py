import re
import warnings

import numpy as np
import pytest
from scipy import stats

from aae_tf.data import warn_class_frequencies

THIRDS = np.full(3, 1 / 3, "float32")


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
    p_value = float(re.search(r"p = (\S+)\)", message)[1])
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


def test_false_alarms_are_as_rare_as_stated():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            warn_class_frequencies(rng.integers(0, 3, 300), THIRDS)
        alarms += len(record)
    assert alarms <= 6  # One is expected; more than six have a probability of 1e-4.
