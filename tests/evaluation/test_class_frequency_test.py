import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from aae_tf import priors
from aae_tf.evaluation import class_frequency_test

PRIOR = np.array([0.5, 0.3, 0.2])


def test_labels_are_compared_as_scipy_does():
    labels = np.repeat([0, 1, 2, -1], [60, 30, 10, 7])
    result = class_frequency_test(labels, PRIOR)
    expected = stats.chisquare([60, 30, 10], 100 * PRIOR)
    assert result[:2] == pytest.approx(tuple(expected), rel=1e-5)
    np.testing.assert_allclose(result.frequencies, [0.6, 0.3, 0.1])
    np.testing.assert_allclose(result.prior, PRIOR, rtol=1e-6)
    assert result.total_variation == pytest.approx(0.1)


def test_one_hot_probabilities_are_labels():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    of_labels = class_frequency_test(labels, PRIOR)
    of_probabilities = class_frequency_test(tf.one_hot(labels, 3), PRIOR)
    assert of_probabilities[:2] == pytest.approx(of_labels[:2])


def test_probabilities_count_by_their_mean():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], size=500)
    result = class_frequency_test(probabilities, PRIOR)
    np.testing.assert_allclose(result.frequencies, probabilities.mean(axis=0), rtol=1e-5)
    expected = stats.chisquare(probabilities.sum(axis=0), 500 * PRIOR)
    assert result[:2] == pytest.approx(tuple(expected), rel=1e-4)


def test_prior_is_a_distribution_or_its_probabilities():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    expected = class_frequency_test(labels, PRIOR)
    result = class_frequency_test(labels, priors.categorical(3, PRIOR))
    assert result[:2] == pytest.approx(expected[:2], rel=1e-5)


def test_soft_probabilities_of_the_prior_alarm_less_often_than_the_level():
    rng = np.random.default_rng(0)
    below = [
        class_frequency_test(rng.dirichlet(5 * PRIOR, size=200), PRIOR).p_value < 0.05
        for _ in range(200)
    ]
    assert sum(below) <= 10


@pytest.mark.parametrize(
    ("classes", "prior", "error", "message"),
    [
        ([0.0, 1.0], PRIOR, TypeError, "`classes` to be an array of integers"),
        ([3, 0], PRIOR, ValueError, "`classes` to hold classes from 0 to 2"),
        ([-1, -1], PRIOR, ValueError, "`classes` to hold at least one known label"),
        ([[0.5, 0.5]], PRIOR, ValueError, r"the 3 classes of `prior`\. .*shape=\(1, 2\)"),
        ([[0.5, 0.5, 0.5]], PRIOR, ValueError, "`classes` to be probabilities"),
        ([0, 1], [0.5, 0.6], ValueError, "`prior` to be probabilities"),
        ([0, 1], [[0.5, 0.5]], ValueError, "`prior` to have rows of shape"),
    ],
)
def test_wrong_arguments_are_named(classes, prior, error, message):
    with pytest.raises(error, match=message):
        class_frequency_test(classes, prior)
