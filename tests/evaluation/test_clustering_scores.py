import itertools
import json

import numpy as np
import pytest

from aae_tf.evaluation import clustering_scores

RNG = np.random.default_rng(0)


def soft(clusters, count, confidence=0.9):
    """Probabilities whose largest is at the given cluster."""
    rest = (1.0 - confidence) / (count - 1)
    return np.where(np.eye(count, dtype=bool)[clusters], confidence, rest)


def random_case(num_clusters, num_classes=4, size=300):
    q = RNG.dirichlet(np.full(num_clusters, 0.3), size)
    y = (q.argmax(axis=1) + (RNG.random(size) < 0.3)) % num_classes
    return q, y


def test_the_exemplar_names_its_cluster():
    # Cluster 0 holds two examples of class 2, but the one it is surest of is of class 1.
    q = [[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]]
    scores = clustering_scores(q, [2, 2, 1, 0, 2], q, [2, 2, 1, 0, 2])
    assert scores["exemplars"] == [2, 3, 4]
    assert scores["cluster_labels"] == [1, 0, 2]
    assert scores["exemplar_error"] == pytest.approx(2 / 5)
    assert scores["majority_error"] == pytest.approx(1 / 5)
    # Of clusters 0 and 2 only one can be matched with class 2, which has two of its votes in 0.
    assert scores["hungarian_accuracy"] == pytest.approx(3 / 5)
    assert scores["num_clusters_used"] == 3
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.parametrize("num_clusters", [3, 4, 6])
def test_agrees_with_the_definitions(num_clusters):
    (q, y), (exemplar_q, exemplar_y) = random_case(num_clusters), random_case(num_clusters)
    scores = clustering_scores(q, y, exemplar_q, exemplar_y)
    clusters, exemplar_clusters = q.argmax(axis=1), exemplar_q.argmax(axis=1)

    def error(mapping):
        return np.mean([mapping[k] != label for k, label in zip(clusters, y, strict=True)])

    by_exemplar = [exemplar_y[exemplar_q[:, k].argmax()] for k in range(num_clusters)]
    votes = [np.bincount(exemplar_y[exemplar_clusters == k]) for k in range(num_clusters)]
    assert scores["exemplar_error"] == pytest.approx(error(by_exemplar))
    assert scores["majority_error"] == pytest.approx(error([v.argmax() for v in votes]))
    # Every one-to-one matching; -1 stands for none.
    best, accuracy = -1, None
    for mapping in set(itertools.permutations([0, 1, 2, 3, *[-1] * num_clusters], num_clusters)):
        agreed = np.sum(np.array(mapping)[exemplar_clusters] == exemplar_y)
        if agreed > best:
            best, accuracy = agreed, 1.0 - error(mapping)
    assert scores["hungarian_accuracy"] == pytest.approx(accuracy)


def test_indices_are_those_of_the_contingency_table():
    q, y = random_case(5)
    scores = clustering_scores(q, y, q, y)
    table = np.zeros([5, 4])
    np.add.at(table, (q.argmax(axis=1), y), 1)

    def entropy(counts):
        share = counts[counts > 0] / len(y)
        return -np.sum(share * np.log(share))

    def pairs(counts):
        return np.sum(counts * (counts - 1) / 2)

    rows, columns = table.sum(axis=1), table.sum(axis=0)
    information = entropy(rows) + entropy(columns) - entropy(table.ravel())
    mean = (entropy(rows) + entropy(columns)) / 2
    assert scores["normalized_mutual_information"] == pytest.approx(information / mean)
    expected = pairs(rows) * pairs(columns) / pairs(np.array([len(y)]))
    index = (pairs(table) - expected) / ((pairs(rows) + pairs(columns)) / 2 - expected)
    assert scores["adjusted_rand_index"] == pytest.approx(index)


def test_perfect_clusters_have_perfect_scores_under_any_names():
    y = np.arange(30) % 3
    q = soft(np.array([2, 0, 1])[y], 3)
    scores = clustering_scores(q, y, q[:6], y[:6])
    assert (scores["exemplar_error"], scores["majority_error"]) == (0.0, 0.0)
    assert scores["hungarian_accuracy"] == 1.0
    assert scores["normalized_mutual_information"] == pytest.approx(1.0)
    assert scores["adjusted_rand_index"] == pytest.approx(1.0)


def test_clusters_beyond_the_classes_are_wrong_in_a_matching_only():
    # Class 0 is split evenly over clusters 0 and 1.
    y = np.array([0, 0, 0, 0, 1, 1])
    q = soft(np.array([0, 0, 1, 1, 2, 2]), 4)
    scores = clustering_scores(q, y, q, y)
    assert (scores["exemplar_error"], scores["majority_error"]) == (0.0, 0.0)
    assert scores["hungarian_accuracy"] == pytest.approx(4 / 6)
    assert scores["num_clusters_used"] == 3


def test_a_cluster_that_no_validation_example_falls_in_takes_its_exemplar():
    # Test examples fall in cluster 2; the validation example that comes closest is of class 1.
    exemplar_q = [[0.9, 0.1, 0.0], [0.0, 0.6, 0.4], [0.1, 0.8, 0.1]]
    q = soft(np.array([2, 2, 0]), 3)
    scores = clustering_scores(q, [1, 1, 0], exemplar_q, [0, 1, 2])
    assert scores["cluster_labels"] == [0, 2, 1]
    assert (scores["exemplar_error"], scores["majority_error"]) == (0.0, 0.0)
    # No validation example agrees with a match of cluster 2.
    assert scores["hungarian_accuracy"] == pytest.approx(1 / 3)


def test_refuses_arguments():
    q, y = soft(np.array([0, 1, 2]), 3), [0, 1, 2]
    with pytest.raises(ValueError, match="Expected `exemplar_probabilities` to have as many clus"):
        clustering_scores(q, y, soft(np.array([0, 1, 0]), 2), y)
    with pytest.raises(ValueError, match="Expected `probabilities` to be probabilities: not neg"):
        clustering_scores(q - 0.5, y, q, y)
    with pytest.raises(ValueError, match=r"Received: exemplar_probabilities\[1\]=\[0\.1 .* 1\.8\]"):
        clustering_scores(q, y, q * [[1], [2], [1]] + [[0] * 3, [0, -1.7, 1.7], [0] * 3], y)
    with pytest.raises(ValueError, match="Expected `probabilities` to have at least one entry"):
        clustering_scores(q[:0], [], q, y)
    with pytest.raises(TypeError, match="Expected `exemplar_probabilities` to be an array of fl"):
        clustering_scores(q, y, np.eye(3, dtype=int), y)
    with pytest.raises(ValueError, match="Expected `y` to hold the label of every row"):
        clustering_scores(q, [0, 1, -1], q, y)
    with pytest.raises(ValueError, match=r"Expected `exemplar_y` to have shape \(3,\)"):
        clustering_scores(q, y, q, y[:2])
