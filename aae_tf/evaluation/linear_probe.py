"""The accuracy of a linear classifier that predicts classes from codes."""

from typing import Any

import numpy as np

from aae_tf import data
from aae_tf.checks import check_dimension, check_positive, import_extra
from aae_tf.evaluation.arguments import check_entries


def linear_probe(
    codes: Any,
    y: Any,
    test_codes: Any,
    test_y: Any,
    penalty: float = 1.0,
    max_iterations: int = 1000,
) -> float:
    """Fits a multinomial logistic regression to codes and returns its accuracy on other codes.

    All codes are standardised by the mean and standard deviation of `codes`, so that neither
    their scale nor their offset matters.

    Args:
        codes: float [n, code_dim], codes to fit to.
        y: integer [n], their classes; rows of unknown class, -1, only help to standardise.
        test_codes: float [m, code_dim], codes to predict, at least one.
        test_y: integer [m], their classes, all known.
        penalty: weight of half the squared coefficients against the sum of the cross-entropies,
            positive.
        max_iterations: of L-BFGS; scikit-learn warns when they do not suffice.

    Returns:
        Share of `test_codes` that are classified correctly.

    Raises:
        TypeError: if codes are no floats or classes no integers, or `penalty` is no number.
        ValueError: if an array is empty, not finite, or of another shape than its partner, `y`
            holds fewer than two classes, `penalty` is not positive, or `max_iterations` is no
            positive integer.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> codes = np.array([[0.0, 5.0], [1.0, 7.0], [0.1, 9.0], [0.9, 1.0]])
    >>> linear_probe(codes, [0, 1, 0, 1], [[0.2, 3.0], [0.8, 3.0]], [0, 1])
    1.0

    References:
        Alain and Bengio 2016, *Understanding Intermediate Layers Using Linear Classifier Probes*
        (arXiv:1610.01644).
    """
    linear_model = import_extra("sklearn.linear_model", "data", "linear_probe")
    preprocessing = import_extra("sklearn.preprocessing", "data", "linear_probe")
    codes, y = _check_pair("codes", codes, "y", y, "some")
    test_codes, test_y = _check_pair("test_codes", test_codes, "test_y", test_y, "all")
    if test_codes.shape[1] != codes.shape[1]:
        raise ValueError(
            "Expected `test_codes` to have the width of `codes`. "
            f"Received: test_codes.shape={test_codes.shape}, codes.shape={codes.shape}."
        )
    known = y >= 0
    if len(np.unique(y[known])) < 2:
        raise ValueError(
            f"Expected `y` to hold at least two classes. Received: y of class {y[known][0]} alone."
        )
    check_positive("penalty", penalty)
    check_dimension("max_iterations", max_iterations)
    # In float32, L-BFGS would stop before it has converged.
    scaler = preprocessing.StandardScaler().fit(codes.astype(np.float64))
    probe = linear_model.LogisticRegression(C=1.0 / penalty, max_iter=max_iterations)
    probe.fit(scaler.transform(codes.astype(np.float64))[known], y[known])
    predictions = probe.predict(scaler.transform(test_codes.astype(np.float64)))
    return float(np.mean(predictions == test_y))


def _check_pair(
    argument: str, codes: Any, labels_argument: str, labels: Any, required: str
) -> tuple[np.ndarray, np.ndarray]:
    codes = check_entries(argument, codes, (None,))
    labels = data.check_labels(labels, labels_argument, required=required, size=len(codes))
    return codes, labels
