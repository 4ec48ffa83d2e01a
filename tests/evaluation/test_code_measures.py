"""Measures of codes against scikit-learn, refitted regressions, and small cases by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from aae_tf.evaluation import dci, mutual_information_gap, predictability

RNG = np.random.default_rng(0)
FACTORS = RNG.integers([2, 5, 3], size=(400, 3))
CODES = FACTORS @ RNG.normal(size=(3, 4)) + 0.3 * RNG.normal(size=(400, 4))


def test_mutual_information_gap_is_that_of_scikit_learn():
    gaps = []
    for factor in FACTORS.T:
        scores = sorted(
            mutual_info_score(np.digitize(z, np.histogram(z, 7)[1][:-1]), factor) for z in CODES.T
        )
        gaps.append((scores[-1] - scores[-2]) / mutual_info_score(factor, factor))
    assert mutual_information_gap(CODES, FACTORS, bins=7) == pytest.approx(np.mean(gaps))
    assert mutual_information_gap(CODES, FACTORS[:, 1], bins=7) == pytest.approx(gaps[1])


def test_mutual_information_gap_by_hand():
    # The first coordinate tells all of y, the second one half of the classes from the other.
    y = np.array([0, 1, 2, 3])
    codes = np.stack([y, y // 2], axis=1).astype(float)
    assert mutual_information_gap(codes, y, bins=4) == pytest.approx(0.5)
    # Two coordinates that tell the same leave no gap.
    assert mutual_information_gap(codes[:, [0, 0, 1]], y) == pytest.approx(0.0)


def test_dci_is_that_of_its_importances():
    scores = dci(CODES[:300], FACTORS[:300], CODES[300:], FACTORS[300:], trees=20)
    importances = np.array(scores["importances"])
    np.testing.assert_allclose(importances.sum(axis=0), 1.0)
    rows = [1.0 - stats.entropy(row / row.sum(), base=3) for row in importances]
    weights = importances.sum(axis=1) / importances.sum()
    assert scores["disentanglement"] == pytest.approx(np.dot(weights, rows))
    columns = [1.0 - stats.entropy(column, base=4) for column in importances.T]
    assert scores["completeness"] == pytest.approx(np.mean(columns))
    assert 0.6 < scores["informativeness"] <= 1.0
    again = dci(CODES[:300], FACTORS[:300], CODES[300:], FACTORS[300:], trees=20)
    assert again == scores


def test_dci_of_codes_that_are_the_factors():
    # A coordinate for each factor, in another order, and one that never changes.
    codes = np.concatenate([FACTORS[:, [2, 0, 1]], np.zeros([400, 1])], axis=1).astype(float)
    scores = dci(codes[:300], FACTORS[:300], codes[300:], FACTORS[300:], trees=10)
    assert scores["disentanglement"] > 0.95
    assert scores["completeness"] > 0.95
    assert scores["informativeness"] == 1.0
    assert scores["importances"][3] == [0.0, 0.0, 0.0]
    # One factor: nothing to disentangle it from, and both of the coordinates share what tells it.
    y = FACTORS[:, 1]
    scores = dci(codes[:300, [2, 2]], y[:300], codes[300:, [2, 2]], y[300:])
    assert scores["disentanglement"] is None
    assert scores["completeness"] < 0.1
    # Codes that tell nothing at all, as those of a model that has collapsed.
    scores = dci(0.0 * codes[:300], FACTORS[:300], 0.0 * codes[300:], FACTORS[300:], trees=1)
    assert scores["disentanglement"] == scores["completeness"] == 0.0
    np.testing.assert_array_equal(scores["importances"], np.zeros([4, 3]))


def test_predictability_is_that_of_regressions_refitted_without_each_row():
    codes = CODES[:12, :3]
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    expected = []
    for j in range(3):
        inputs, target = np.delete(codes, j, axis=1), codes[:, j]
        pairs = np.linalg.norm(inputs[:, np.newaxis] - inputs, axis=-1)[np.triu_indices(12, 1)]
        width = np.median(pairs)
        gram = np.exp(-0.5 * ((inputs[:, np.newaxis] - inputs) ** 2).sum(axis=-1) / width**2)
        shares = []
        for penalty in np.geomspace(1e-3, 1e5, 17):
            errors = []
            for i in range(12):
                rest = np.arange(12) != i
                fitted = gram[np.ix_(rest, rest)] + penalty * np.eye(11)
                weights = np.linalg.solve(fitted, target[rest])
                errors.append((gram[i, rest] @ weights - target[i]) ** 2)
            shares.append(1.0 - np.mean(errors) / target.var())
        expected.append(max(0.0, *shares))
    np.testing.assert_allclose(predictability(CODES[:12, :3]), expected, rtol=1e-5)


def test_predictability_of_known_codes():
    a, b, c = RNG.normal(size=(3, 300))
    assert (predictability(np.stack([a, b, c], axis=1)) < 0.05).all()
    # A correlation of 0.8 explains 0.64 of the variance, in any unit.
    pair = np.stack([1e3 * a, 0.8 * a + 0.6 * b + 7.0, c], axis=1)
    np.testing.assert_allclose(predictability(pair), [0.64, 0.64, 0.0], atol=0.1)
    np.testing.assert_array_equal(predictability(np.stack([a, np.ones(300)], axis=1)), 0.0)


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`codes` to have at least 2 rows and two columns"):
        mutual_information_gap(CODES[:, :1], FACTORS)
    with pytest.raises(ValueError, match="`codes` to have at least 3 rows and two columns"):
        predictability(CODES[:2])
    with pytest.raises(ValueError, match="`codes` to have finite values"):
        predictability(CODES * np.nan)
    with pytest.raises(ValueError, match=r"`y` to hold at least two classes.* class 1 alone"):
        mutual_information_gap(CODES, np.ones(400, int))
    with pytest.raises(ValueError, match=r"`y` to have shape \[n\] or \[n, factors\]"):
        mutual_information_gap(CODES, FACTORS[np.newaxis])
    with pytest.raises(ValueError, match=r"`y` to have shape \(400,\)"):
        mutual_information_gap(CODES, FACTORS[:9])
    with pytest.raises(TypeError, match="`y` to be an array of integers"):
        mutual_information_gap(CODES, FACTORS + 0.5)
    with pytest.raises(ValueError, match="`bins` to be at least 2"):
        mutual_information_gap(CODES, FACTORS, bins=1)
    with pytest.raises(ValueError, match="`test_codes` to have as many columns as `codes`"):
        dci(CODES, FACTORS, CODES[:, :2], FACTORS)
    with pytest.raises(ValueError, match="`test_y` to have as many columns as `y`"):
        dci(CODES, FACTORS, CODES, FACTORS[:, :2])
    with pytest.raises(ValueError, match="`trees`"):
        dci(CODES, FACTORS, CODES, FACTORS, trees=0)
    with pytest.raises(ValueError, match="`seed`"):
        dci(CODES, FACTORS, CODES, FACTORS, seed=-1)
