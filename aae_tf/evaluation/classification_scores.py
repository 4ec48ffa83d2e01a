"""How good class probabilities are."""

from typing import Any

import numpy as np

from aae_tf import data
from aae_tf.evaluation.check_probabilities import check_probabilities


def classification_scores(probabilities: Any, y: Any) -> dict[str, Any]:
    """Compares class probabilities with the true classes; the prediction is the likeliest class.

    Args:
        probabilities: float [n, k], q(y|x), what `classify` of a model gives.
        y: integer [n], the classes, all known, below k.

    Returns:
        Ready for JSON:

        - `error`, `accuracy`: shares of wrong and of right predictions;
        - `negative_log_likelihood`: mean of -log q(y|x), nats. A probability that float32 cannot
          tell from zero counts as its smallest normal number, 87.3 nats;
        - `class_errors`: k shares of wrong predictions among each class, None where `y` has no
          example of it;
        - `confusion_matrix`: k rows of k counts, of class i that were predicted as j.

    Raises:
        TypeError: if `probabilities` are no floats, or `y` no integers.
        ValueError: if `probabilities` are no probabilities, there are none, or `y` is of another
            length or not of their classes.

    Example:

    >>> scores = classification_scores([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], [0, 1, 1])
    >>> round(scores["negative_log_likelihood"], 4), scores["confusion_matrix"]
    (0.3406, [[1, 0], [1, 1]])
    """
    probabilities = check_probabilities("probabilities", probabilities)
    count, num_classes = probabilities.shape
    y = data.check_labels(y, "y", num_classes, required="all", size=count)
    confusion = np.zeros([num_classes, num_classes], int)
    np.add.at(confusion, (y, probabilities.argmax(axis=1)), 1)
    likelihoods = np.maximum(probabilities[np.arange(count), y], np.finfo(np.float32).tiny)
    hits, totals = np.diag(confusion), confusion.sum(axis=1)
    wrong = count - int(hits.sum())
    return {
        "error": wrong / count,
        "accuracy": (count - wrong) / count,
        "negative_log_likelihood": float(0.0 - np.log(likelihoods, dtype=np.float64).mean()),
        "class_errors": [
            float((total - hit) / total) if total else None
            for hit, total in zip(hits, totals, strict=True)
        ],
        "confusion_matrix": confusion.tolist(),
    }
