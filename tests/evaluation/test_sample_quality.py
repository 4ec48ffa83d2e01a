"""Distances of feature sets against SciPy, scikit-learn, and small cases by hand."""

import numpy as np
import pytest
import scipy.linalg
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from aae_tf.evaluation import frechet_distance, kid, kid_interval, prdc

RNG = np.random.default_rng(0)
A = RNG.normal(size=(300, 6)) @ RNG.normal(size=(6, 6))
B = RNG.normal(size=(250, 6)) @ RNG.normal(size=(6, 6)) + 0.5


def test_frechet_distance_is_that_of_the_matrix_root():
    first, second = np.cov(A, rowvar=False), np.cov(B, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    gap = A.mean(axis=0) - B.mean(axis=0)
    expected = gap @ gap + np.trace(first + second - 2.0 * root)
    assert frechet_distance(A, B) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(A, A) == pytest.approx(0.0, abs=1e-5)


def test_frechet_distance_of_a_stretch_is_known():
    # Deviations of 1 and 3 along one axis, whose means differ by 2, with a constant beside it.
    x = np.linspace(-1.0, 1.0, 101)
    x = (x - x.mean()) / x.std(ddof=1)
    a = np.stack([x, np.ones_like(x)], axis=1)
    b = np.stack([3.0 * x + 2.0, np.ones_like(x)], axis=1)
    assert frechet_distance(a, b) == pytest.approx(2.0**2 + (3.0 - 1.0) ** 2, rel=1e-5)


def test_kid_is_an_unbiased_mmd_of_polynomial_kernels():
    def values(x, y):
        return polynomial_kernel(x, y, degree=3, gamma=1 / 6, coef0=1.0)

    apart = [values(x, x)[~np.eye(len(x), dtype=bool)].mean() for x in (A, B)]
    assert kid(A, B) == pytest.approx(sum(apart) - 2.0 * values(A, B).mean(), rel=1e-4)


def test_kid_by_hand():
    # Kernel values (x y + 1)^2: 1 within a, 9 within b, and 1, 1, 1, 1 across.
    assert kid([[0.0], [0.0]], [[1.0], [2.0]], degree=2) == pytest.approx(1.0 + 9.0 - 2.0)


def test_the_interval_holds_what_the_whole_set_says():
    value, error = kid_interval(A, B, subsets=200, size=60)
    assert abs(value - kid(A, B)) < 3.0 * error
    same, error = kid_interval(A[:150], A[150:], subsets=200, size=60)
    assert abs(same) < 3.0 * error
    assert kid_interval(A, B, subsets=5, seed=3) == kid_interval(A, B, subsets=5, seed=3)


@pytest.mark.parametrize("k", [1, 4])
def test_prdc_is_that_of_nearest_neighbours(k):
    def radii(x):
        return NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, -1]

    across = np.linalg.norm(A[:, np.newaxis] - B, axis=-1)
    inside_real = across < radii(A)[:, np.newaxis]
    expected = {
        "precision": inside_real.any(axis=0).mean(),
        "recall": (across < radii(B)).any(axis=1).mean(),
        "density": inside_real.sum() / (k * len(B)),
        "coverage": inside_real.any(axis=1).mean(),
    }
    assert prdc(A, B, k) == pytest.approx(expected)


def test_prdc_on_a_line_by_hand():
    # Balls of the real rows: (-1, 1), (0, 2), (2, 4), (3, 5) with k = 1 and gaps of 1, 2, 1.
    real = [[0.0], [1.0], [3.0], [4.0]]
    scores = prdc(real, [[0.5], [0.6], [9.0]], k=1)
    assert scores == pytest.approx(
        {"precision": 2 / 3, "recall": 0.75, "density": 4 / 3, "coverage": 0.5}
    )


def test_equal_distributions_have_density_one_and_known_coverage():
    real, generated = np.random.default_rng(1).normal(size=(2, 2000, 3))
    scores = prdc(real, generated)
    assert scores["density"] == pytest.approx(1.0, abs=0.05)
    assert scores["coverage"] == pytest.approx(1.0 - 2.0**-5, abs=0.02)


@pytest.mark.parametrize("measure", [frechet_distance, kid, kid_interval, prdc])
def test_sets_that_do_not_fit_are_refused(measure):
    first, second = ("real", "generated") if measure is prdc else ("a", "b")
    with pytest.raises(ValueError, match=f"`{second}` to have as many columns as `{first}`"):
        measure(A, B[:, :3])
    with pytest.raises(ValueError, match=f"`{second}` to have at least [26] rows"):
        measure(A, B[:1])
    with pytest.raises(ValueError, match=f"`{first}` to have finite values"):
        measure(np.full_like(A, np.nan), B)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`k`"):
        prdc(A, B, k=0)
    with pytest.raises(ValueError, match="`degree`"):
        kid(A, B, degree=0)
    with pytest.raises(ValueError, match="`size`"):
        kid_interval(A, B, size=251)
    with pytest.raises(ValueError, match="`subsets`"):
        kid_interval(A, B, subsets=1)
