import json

import numpy as np
import pytest
from sklearn import metrics

from aae_tf.evaluation import classification_scores

RNG = np.random.default_rng(0)


def test_agrees_with_scikit_learn():
    q = RNG.dirichlet(np.ones(5), 400)
    y = np.where(RNG.random(400) < 0.5, q.argmax(axis=1), RNG.integers(5, size=400))
    scores = classification_scores(q, y)
    predictions = q.argmax(axis=1)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(y, predictions))
    assert scores["error"] == pytest.approx(1.0 - scores["accuracy"])
    assert scores["negative_log_likelihood"] == pytest.approx(metrics.log_loss(y, q), rel=1e-5)
    assert scores["confusion_matrix"] == metrics.confusion_matrix(y, predictions).tolist()
    recalls = metrics.recall_score(y, predictions, average=None)
    np.testing.assert_allclose(scores["class_errors"], 1.0 - recalls)
    assert json.loads(json.dumps(scores)) == scores


def test_a_class_without_examples_has_no_error():
    scores = classification_scores(np.eye(3), [1, 1, 2])
    assert scores["class_errors"] == [None, 0.5, 0.0]
    assert scores["confusion_matrix"] == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_a_probability_of_zero_counts_as_the_smallest_number():
    scores = classification_scores([[1.0, 0.0], [1.0, 0.0]], [1, 0])
    expected = -np.log(np.finfo(np.float32).tiny) / 2
    assert scores["negative_log_likelihood"] == pytest.approx(expected)


def test_probabilities_may_come_from_sixteen_bits():
    q = RNG.dirichlet(np.ones(100), 50).astype(np.float16)
    assert 0.0 <= classification_scores(q, np.zeros(50, int))["error"] <= 1.0


def test_refuses_arguments():
    with pytest.raises(ValueError, match="Expected `y` to hold classes from 0 to 2"):
        classification_scores(np.eye(3), [0, 1, 3])
    with pytest.raises(ValueError, match="Expected `y` to hold the label of every row"):
        classification_scores(np.eye(3), [0, 1, -1])
    with pytest.raises(ValueError, match=r"Expected `y` to have shape \(3,\)"):
        classification_scores(np.eye(3), [0])
    with pytest.raises(TypeError, match="Expected `y` to be an array of integers"):
        classification_scores(np.eye(3), [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"rows that sum to one. Received: probabilities\[0\]"):
        classification_scores(np.log(np.eye(3) + 1.0), [0, 1, 2])
    with pytest.raises(ValueError, match=r"Expected `probabilities` to have rows of shape \(None"):
        classification_scores(np.ones(3), [0, 1, 2])
    with pytest.raises(ValueError, match="Expected `probabilities` to have finite values"):
        classification_scores(np.full((3, 2), np.nan), [0, 1, 1])
