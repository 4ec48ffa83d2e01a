"""How coordinates of codes stand to the factors behind the data (MIG, DCI), and to one another."""

from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats
from scipy.spatial import distance

from aae_tf import data
from aae_tf.checks import check_dimension, check_integer, import_extra
from aae_tf.evaluation.arguments import check_entries

# Penalties that `predictability` chooses from, in units of the kernel's value at one point.
_PENALTIES = np.geomspace(1e-3, 1e5, 17)


def mutual_information_gap(codes: Any, y: Any, bins: int = 20) -> float:
    """Measures whether one coordinate of the codes, and no other, tells each factor.

        mean over factors v of (I(z_first; v) - I(z_second; v)) / H(v)

    where z_first and z_second are the two coordinates with most information about v. Information is
    that of the table of counts of v and of equally wide bins of a coordinate. It is biased upwards,
    by about (bins - 1) (classes - 1) / 2n nats, which the difference cancels in part.

    Differs: the source takes I from q(z|x); bins of codes are what Locatello et al. took.

    Args:
        codes: float [n, code_dim], at least two coordinates.
        y: integers [n], the class of each row, or [n, factors]; all known, each factor with two
            classes at least.
        bins: of each coordinate, from its least to its largest value; at least two.

    Returns:
        The gap, in [0, 1]: 1 where each factor is a function of one coordinate that tells it alone.

    Raises:
        TypeError: if `codes` holds no floats, or `y` or `bins` no integers.
        ValueError: if `codes` is no matrix of finite numbers with two columns, `y` has another
            length or a factor of one class, or `bins` is below two.

    Example:

    >>> y = np.arange(400) % 4
    >>> noise = np.random.default_rng(0).normal(size=400)
    >>> round(mutual_information_gap(np.stack([y + 0.1 * noise, noise], axis=1), y), 1)
    1.0

    References:
        Chen et al. 2018, *Isolating Sources of Disentanglement in Variational Autoencoders*,
        equation 6; Locatello et al. 2019, *Challenging Common Assumptions in the Unsupervised
        Learning of Disentangled Representations*, appendix C.
    """
    codes, factors = _check_pair("codes", codes, "y", y)
    check_integer("bins", bins, 2)
    gaps = []
    for factor in factors.T:
        information = [_information(_bin(z, bins), factor) for z in codes.T]
        second, first = np.sort(information)[-2:]
        gaps.append((first - second) / stats.entropy(np.bincount(factor)))
    return float(np.mean(gaps))


def dci(
    codes: Any, y: Any, test_codes: Any, test_y: Any, trees: int = 50, seed: int = 0
) -> dict[str, Any]:
    """Measures disentanglement, completeness and informativeness of codes.

    For each factor a forest of trees is fitted that predicts it from the codes; each tree sees
    rows drawn with replacement, and all coordinates. Its importances, the mean decrease of the
    impurity, are column j of a matrix R.

    Args:
        codes: float [n, code_dim], at least two coordinates, to fit the forests to.
        y: integers [n], the class of each row, or [n, factors]; all known, each factor with two
            classes at least.
        test_codes: float [m, code_dim], on which the forests predict.
        test_y: integers [m] or [m, factors].
        trees: of each forest.
        seed: non-negative integer that fixes the forests.

    Returns:
        Ready for JSON, each but the last in [0, 1]:

        - `disentanglement`: 1 where each coordinate matters for one factor. The mean over
          coordinates of 1 - H(R_i) / log(factors), R_i the shares of row i, weighted by the sum of
          the row; None for a single factor;
        - `completeness`: 1 where each factor is told by one coordinate. The mean over factors of
          1 - H / log(code_dim), H the entropy of the shares of column j;
        - `informativeness`: share of `test_y` that is predicted correctly. Differs: the source
          reports an error;
        - `importances`: R, code_dim rows of as many numbers as there are factors; columns sum to
          one, or to zero where no coordinate tells the factor.

    Raises:
        TypeError: if codes are no floats, or classes no integers.
        ValueError: if an array is empty, not finite or of another shape than its partner, a class
            is unknown, or a factor of `y` has one class.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> factors = rng.integers(3, size=(300, 2))
    >>> codes = factors[:, ::-1] + 0.1 * rng.normal(size=(300, 2))
    >>> scores = dci(codes[:200], factors[:200], codes[200:], factors[200:], 9)
    >>> scores["disentanglement"] > 0.9, scores["completeness"] > 0.9, scores["informativeness"]
    (True, True, 1.0)

    References:
        Eastwood and Williams 2018, *A Framework for the Quantitative Evaluation of Disentangled
        Representations*, section 2.
    """
    ensemble = import_extra("sklearn.ensemble", "data", "dci")
    codes, factors = _check_pair("codes", codes, "y", y)
    test_codes, test_factors = _check_pair("test_codes", test_codes, "test_y", test_y, least=1)
    for name, array, partner, of in (
        ("test_codes", test_codes, "codes", codes),
        ("test_y", test_factors, "y", factors),
    ):
        if array.shape[1] != of.shape[1]:
            raise ValueError(
                f"Expected `{name}` to have as many columns as `{partner}`. "
                f"Received: {name}.shape={array.shape}, {partner}.shape={of.shape}."
            )
    check_dimension("trees", trees)
    check_integer("seed", seed)
    importances, hits = np.zeros([codes.shape[1], factors.shape[1]]), []
    for j, factor in enumerate(factors.T):
        # Splits among few coordinates would make others matter that tell nothing.
        forest = ensemble.RandomForestClassifier(trees, max_features=None, random_state=seed)
        forest.fit(codes, factor)
        importances[:, j] = forest.feature_importances_
        hits.append(np.mean(forest.predict(test_codes) == test_factors[:, j]))
    rows = importances.sum(axis=1)
    return {
        "disentanglement": (
            float(rows @ _concentration(importances) / max(rows.sum(), 1e-12))
            if len(hits) > 1
            else None
        ),
        "completeness": float(_concentration(importances.T).mean()),
        "informativeness": float(np.mean(hits)),
        "importances": importances.tolist(),
    }


def predictability(codes: Any) -> np.ndarray:
    """Measures how well each coordinate of codes is predicted from the others, without labels.

    The predictor is a kernel ridge regression with a Gaussian kernel, whose width is the median
    distance of rows; the result is its R^2 on rows that it was not fitted to, each row in turn.
    Its penalty is the best of 17 by that measure. Codes without redundancy have values near zero.

    A zero does not prove that coordinates are independent: those of points on a ring have mean zero
    given each other. `mmd.goodness_of_fit` sees that.

    Args:
        codes: float [n, code_dim], at least three rows and two coordinates. The time grows as
            code_dim n^3: of 500 rows 0.05 s for each coordinate.

    Returns:
        float64 [code_dim], in [0, 1]; zero for a coordinate that does not vary.

    Raises:
        TypeError: if `codes` holds no floats.
        ValueError: if it is no matrix of finite numbers with three rows and two columns.

    Example:

    >>> a, b, noise = np.random.default_rng(0).normal(size=(3, 200))
    >>> predictability(np.stack([a, np.sin(a) + 0.1 * noise, b], axis=1)).round(1)
    array([0.9, 1. , 0. ])

    References:
        Schmidhuber 1992, *Learning Factorial Codes by Predictability Minimization*, section 3: a
        predictor for each code from the others. Rasmussen and Williams 2006, *Gaussian Processes
        for Machine Learning*, equation 5.12: the residuals of rows left out.
    """
    codes = _check_codes("codes", codes, least=3)
    codes = codes - codes.mean(axis=0)
    deviations = codes.std(axis=0)
    codes = codes / np.where(deviations > 0.0, deviations, 1.0)
    return np.array(
        [
            _explained_share(np.delete(codes, j, axis=1), codes[:, j]) if deviations[j] else 0.0
            for j in range(codes.shape[1])
        ]
    )


def _check_codes(argument: str, codes: Any, least: int) -> np.ndarray:
    codes = check_entries(argument, codes, (None,)).astype(np.float64)
    if codes.shape[1] < 2 or len(codes) < least:
        raise ValueError(
            f"Expected `{argument}` to have at least {least} rows and two columns. "
            f"Received: {argument}.shape={codes.shape}."
        )
    return codes


def _check_pair(
    argument: str, codes: Any, labels_argument: str, labels: Any, least: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes as float64 [n, code_dim] and labels as integers [n, factors]."""
    codes = _check_codes(argument, codes, least)
    columns = np.asarray(labels)
    columns = columns[:, np.newaxis] if columns.ndim == 1 else columns
    if columns.ndim != 2 or not columns.size:
        raise ValueError(
            f"Expected `{labels_argument}` to have shape [n] or [n, factors]. "
            f"Received: {labels_argument}.shape={columns.shape}."
        )
    factors = np.stack(
        [
            data.check_labels(column, labels_argument, required="all", size=len(codes))
            for column in columns.T
        ],
        axis=1,
    )
    constant = (factors == factors[0]).all(axis=0)
    if least > 1 and constant.any():
        raise ValueError(
            f"Expected `{labels_argument}` to hold at least two classes of each factor. "
            f"Received: {labels_argument} of class {factors[0, constant][0]} alone."
        )
    return codes, factors


def _bin(values: np.ndarray, bins: int) -> np.ndarray:
    """Returns the number of the bin of each value."""
    edges = np.linspace(values.min(), values.max(), bins + 1)
    return np.digitize(values, edges[1:-1])


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Computes the mutual information of two columns of integers, nats."""
    counts = np.zeros([a.max() + 1, b.max() + 1])
    np.add.at(counts, (a, b), 1.0)
    return float(
        stats.entropy(counts.sum(axis=0))
        + stats.entropy(counts.sum(axis=1))
        - stats.entropy(counts.ravel())
    )


def _concentration(importances: np.ndarray) -> np.ndarray:
    """Computes 1 - H / log(columns) of the shares of each row; zero for a row of zeros."""
    rows, columns = importances.shape
    used = importances.sum(axis=1) > 0.0
    result = np.zeros(rows)
    result[used] = 1.0 - stats.entropy(importances[used], axis=1) / np.log(columns)
    return result


def _explained_share(inputs: np.ndarray, target: np.ndarray) -> float:
    """Computes the R^2, on rows left out, of a kernel ridge regression; zero if it is negative."""
    distances = distance.pdist(inputs)
    width = np.median(distances)
    if width == 0.0:
        return 0.0
    gram = distance.squareform(np.exp(-0.5 * np.square(distances / width)))
    np.fill_diagonal(gram, 1.0)
    # By Eigen: threads of LAPACK wait for one another for seconds where other processes run.
    values, vectors = (part.numpy() for part in tf.linalg.eigh(gram))
    projected, squares = vectors.T @ target, np.square(vectors)
    errors = [
        # The residual of a row left out is (K^-1 y)_i / (K^-1)_ii, K with the penalty.
        np.square((vectors @ (projected / scale)) / (squares @ (1.0 / scale))).mean()
        for scale in (np.maximum(values, 0.0) + penalty for penalty in _PENALTIES)
    ]
    return float(max(0.0, 1.0 - min(errors) / np.square(target).mean()))
