"""Distances between two sets of features: Frechet, kernel (KID), precision and recall (PRDC)."""

from typing import Any

import numpy as np
from scipy.spatial import distance

from aae_tf.checks import check_dimension, check_integer
from aae_tf.evaluation.arguments import check_entries

_CHUNK = 1000


def frechet_distance(a: Any, b: Any) -> float:
    """Computes the Frechet distance between Gaussians of the means and covariances of two sets.

        |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    This is the squared 2-Wasserstein distance of the two Gaussians. On features of a classifier of
    images it is known as FID. It is biased upwards: sets of one distribution have a distance above
    zero that falls as 1 / n and grows with the number of features. Compare values of equal n alone.

    Args:
        a: float [n, d], features such as the outputs of a layer of any Keras model, or codes.
        b: float [m, d].

    Returns:
        The distance, zero or more, in the unit of the squared features.

    Raises:
        TypeError: if an argument holds no floats.
        ValueError: if an argument is no matrix of finite numbers with at least two rows, or the
            two have different widths.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 2000, 3))
    >>> round(frechet_distance(a, b + 1.0))
    3

    References:
        Heusel et al. 2017, *GANs trained by a two time-scale update rule converge to a local Nash
        equilibrium*, equation 6; Binkowski et al. 2018 for the bias.
    """
    a, b = _pair("a", a, "b", b, least=2)
    difference = a.mean(axis=0) - b.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    # The eigenvalues of S_a S_b are those of R' S_b R with S_a = R R', which is symmetric.
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    products = np.maximum(np.linalg.eigvalsh(root.T @ second @ root), 0.0)
    spread = np.trace(first) + np.trace(second) - 2.0 * np.sqrt(products).sum()
    return float(difference @ difference + max(spread, 0.0))


def kid(a: Any, b: Any, degree: int = 3) -> float:
    """Estimates the squared MMD of two sets under the kernel (x'y / d + 1)^degree, without bias.

    The kernel inception distance, on any features. Its mean does not depend on the sizes of the
    sets; it is zero for sets of one distribution, and about half of such values are negative.

    Args:
        a: float [n, d], features.
        b: float [m, d].
        degree: of the polynomial, positive.

    Returns:
        The estimate.

    Raises:
        TypeError: if an argument holds no floats, or `degree` is no integer.
        ValueError: if an argument is no matrix of finite numbers with at least two rows, the two
            have different widths, or `degree` is not positive.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 500, 3))
    >>> abs(kid(a, b)) < 0.1, kid(a, b + 1.0) > 1.0
    (True, True)

    References:
        Binkowski et al. 2018, *Demystifying MMD GANs*, section 4; Gretton et al. 2012, lemma 6.
    """
    return _kid(*_pair("a", a, "b", b, least=2), check_dimension("degree", degree))


def kid_interval(
    a: Any, b: Any, subsets: int = 100, size: int | None = None, degree: int = 3, seed: int = 0
) -> tuple[float, float]:
    """Estimates `kid` on random subsets, and gives the mean and the standard error of the whole.

    Args:
        a: float [n, d], features.
        b: float [m, d].
        subsets: number of subsets, at least two.
        size: rows of each subset of `a` and of `b`; None takes half of the smaller set.
        degree: of the polynomial, positive.
        seed: integer that fixes the subsets.

    Returns:
        The mean over subsets, and its standard error: that of one subset divided by the square
        root of the number of disjoint subsets that the smaller set holds.

    Raises:
        TypeError: as `kid`.
        ValueError: as `kid`; if there are fewer than two subsets, or `size` is not from 2 to the
            rows of the smaller set.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> value, error = kid_interval(*rng.normal(size=(2, 400, 3)), subsets=50, size=100)
    >>> abs(value) < 4.0 * error
    True
    """
    a, b = _pair("a", a, "b", b, least=2)
    check_integer("subsets", subsets, 2)
    rows = min(len(a), len(b))
    size = check_integer("size", max(2, rows // 2) if size is None else size, 2, rows)
    check_dimension("degree", degree)
    rng = np.random.default_rng(seed)

    def draw(x: np.ndarray) -> np.ndarray:
        return x[rng.choice(len(x), size, replace=False)]

    values = [_kid(draw(a), draw(b), degree) for _ in range(subsets)]
    return float(np.mean(values)), float(np.std(values, ddof=1) / (rows / size) ** 0.5)


def prdc(real: Any, generated: Any, k: int = 5) -> dict[str, float]:
    """Measures how well generated features lie among real ones, and cover them.

    A row's ball reaches to its k-th nearest neighbour of its own set.

    Args:
        real: float [n, d], features, n > k.
        generated: float [m, d], m > k.
        k: the neighbour, positive.

    Returns:
        Shares of rows, each in [0, 1] but for the density, which can exceed 1:

        - `precision`: generated rows within the ball of a real row;
        - `recall`: real rows within the ball of a generated row;
        - `density`: balls of real rows around a generated row, over k: on average 1 where both
          sets have one distribution;
        - `coverage`: real rows whose ball holds a generated row. For equal distributions and
          n = m it is about 1 - 2^-k.

    Raises:
        TypeError: if an argument holds no floats, or `k` is no integer.
        ValueError: if an argument is no matrix of finite numbers with more than `k` rows, or the
            two have different widths.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> real, generated = rng.normal(size=(2, 500, 2))
    >>> scores = prdc(real, 0.2 * generated)
    >>> scores["precision"] > 0.95, scores["coverage"] < 0.5
    (True, True)

    References:
        Kynkaanniemi et al. 2019 for precision and recall; Naeem et al. 2020, *Reliable fidelity
        and diversity metrics for generative models*, for density and coverage.
    """
    check_dimension("k", k)
    real, generated = _pair("real", real, "generated", generated, least=k + 1)
    real_radii, radii = _radii(real, k), _radii(generated, k)
    balls, nearest, recalled = np.zeros(len(generated)), [], []
    for start in range(0, len(real), _CHUNK):
        rows = slice(start, start + _CHUNK)
        distances = distance.cdist(real[rows], generated)
        balls += (distances < real_radii[rows, np.newaxis]).sum(axis=0)
        recalled.append((distances < radii).any(axis=1))
        nearest.append(distances.min(axis=1))
    return {
        "precision": float((balls > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(balls.mean() / k),
        "coverage": float((np.concatenate(nearest) < real_radii).mean()),
    }


def _pair(first: str, a: Any, second: str, b: Any, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sets of features as float64; raises if they do not fit, or have few rows."""
    a, b = check_entries(first, a, (None,)), check_entries(second, b, (None,))
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"Expected `{second}` to have as many columns as `{first}`. Received: "
            f"{first}.shape={a.shape}, {second}.shape={b.shape}."
        )
    for name, x in ((first, a), (second, b)):
        if len(x) < least:
            raise ValueError(
                f"Expected `{name}` to have at least {least} rows. Received: "
                f"{name}.shape={x.shape}."
            )
    return a.astype(np.float64), b.astype(np.float64)


def _kid(a: np.ndarray, b: np.ndarray, degree: int) -> float:
    def within(x: np.ndarray) -> float:
        values = (x @ x.T / x.shape[1] + 1.0) ** degree
        return (values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))

    across = (a @ b.T / a.shape[1] + 1.0) ** degree
    return float(within(a) + within(b) - 2.0 * across.mean())


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Returns the distance of each row to its k-th nearest neighbour."""
    return np.concatenate(
        [
            # The nearest of all is the row itself.
            np.partition(distance.cdist(x[start : start + _CHUNK], x), k, axis=1)[:, k]
            for start in range(0, len(x), _CHUNK)
        ]
    )
