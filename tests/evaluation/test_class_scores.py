import itertools
import json

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn import metrics

from aae_tf import priors
from aae_tf.evaluation import class_frequency_test, classification_scores, clustering_scores

RNG = np.random.default_rng(0)
PRIOR = np.array([0.5, 0.3, 0.2])


def soft(clusters, count, confidence=0.9):
    """Probabilities whose largest is at the given cluster."""
    rest = (1.0 - confidence) / (count - 1)
    return np.where(np.eye(count, dtype=bool)[clusters], confidence, rest)


def random_case(num_clusters, num_classes=4, size=300):
    q = RNG.dirichlet(np.full(num_clusters, 0.3), size)
    y = (q.argmax(axis=1) + (RNG.random(size) < 0.3)) % num_classes
    return q, y


class TestClassificationScores:
    def test_agrees_with_scikit_learn(self):
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

    def test_a_class_without_examples_has_no_error(self):
        scores = classification_scores(np.eye(3), [1, 1, 2])
        assert scores["class_errors"] == [None, 0.5, 0.0]
        assert scores["confusion_matrix"] == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]

    def test_a_probability_of_zero_counts_as_the_smallest_number(self):
        scores = classification_scores([[1.0, 0.0], [1.0, 0.0]], [1, 0])
        expected = -np.log(np.finfo(np.float32).tiny) / 2
        assert scores["negative_log_likelihood"] == pytest.approx(expected)

    def test_probabilities_may_come_from_sixteen_bits(self):
        q = RNG.dirichlet(np.ones(100), 50).astype(np.float16)
        assert 0.0 <= classification_scores(q, np.zeros(50, int))["error"] <= 1.0

    def test_refuses_arguments(self):
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
        with pytest.raises(ValueError, match=r"Expected `probabilities` to have rows of shape \(N"):
            classification_scores(np.ones(3), [0, 1, 2])
        with pytest.raises(ValueError, match="Expected `probabilities` to have finite values"):
            classification_scores(np.full((3, 2), np.nan), [0, 1, 1])


class TestClusteringScores:
    def test_the_exemplar_names_its_cluster(self):
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
    def test_agrees_with_the_definitions(self, num_clusters):
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
        for mapping in set(
            itertools.permutations([0, 1, 2, 3, *[-1] * num_clusters], num_clusters)
        ):
            agreed = np.sum(np.array(mapping)[exemplar_clusters] == exemplar_y)
            if agreed > best:
                best, accuracy = agreed, 1.0 - error(mapping)
        assert scores["hungarian_accuracy"] == pytest.approx(accuracy)

    def test_indices_are_those_of_the_contingency_table(self):
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

    def test_perfect_clusters_have_perfect_scores_under_any_names(self):
        y = np.arange(30) % 3
        q = soft(np.array([2, 0, 1])[y], 3)
        scores = clustering_scores(q, y, q[:6], y[:6])
        assert (scores["exemplar_error"], scores["majority_error"]) == (0.0, 0.0)
        assert scores["hungarian_accuracy"] == 1.0
        assert scores["normalized_mutual_information"] == pytest.approx(1.0)
        assert scores["adjusted_rand_index"] == pytest.approx(1.0)

    def test_clusters_beyond_the_classes_are_wrong_in_a_matching_only(self):
        # Class 0 is split evenly over clusters 0 and 1.
        y = np.array([0, 0, 0, 0, 1, 1])
        q = soft(np.array([0, 0, 1, 1, 2, 2]), 4)
        scores = clustering_scores(q, y, q, y)
        assert (scores["exemplar_error"], scores["majority_error"]) == (0.0, 0.0)
        assert scores["hungarian_accuracy"] == pytest.approx(4 / 6)
        assert scores["num_clusters_used"] == 3

    def test_a_cluster_that_no_validation_example_falls_in_takes_its_exemplar(self):
        # Test examples fall in cluster 2; the validation example that comes closest is of class 1.
        exemplar_q = [[0.9, 0.1, 0.0], [0.0, 0.6, 0.4], [0.1, 0.8, 0.1]]
        q = soft(np.array([2, 2, 0]), 3)
        scores = clustering_scores(q, [1, 1, 0], exemplar_q, [0, 1, 2])
        assert scores["cluster_labels"] == [0, 2, 1]
        assert (scores["exemplar_error"], scores["majority_error"]) == (0.0, 0.0)
        # No validation example agrees with a match of cluster 2.
        assert scores["hungarian_accuracy"] == pytest.approx(1 / 3)

    def test_refuses_arguments(self):
        q, y = soft(np.array([0, 1, 2]), 3), [0, 1, 2]
        with pytest.raises(ValueError, match="Expected `exemplar_probabilities` to have as many"):
            clustering_scores(q, y, soft(np.array([0, 1, 0]), 2), y)
        with pytest.raises(ValueError, match="Expected `probabilities` to be probabilities"):
            clustering_scores(q - 0.5, y, q, y)
        with pytest.raises(ValueError, match=r"exemplar_probabilities\[1\]=\[0\.1 .* 1\.8\]"):
            clustering_scores(q, y, q * [[1], [2], [1]] + [[0] * 3, [0, -1.7, 1.7], [0] * 3], y)
        with pytest.raises(ValueError, match="`probabilities` to have at least one entry"):
            clustering_scores(q[:0], [], q, y)
        with pytest.raises(TypeError, match="Expected `exemplar_probabilities` to be an array"):
            clustering_scores(q, y, np.eye(3, dtype=int), y)
        with pytest.raises(ValueError, match="Expected `y` to hold the label of every row"):
            clustering_scores(q, [0, 1, -1], q, y)
        with pytest.raises(ValueError, match=r"Expected `exemplar_y` to have shape \(3,\)"):
            clustering_scores(q, y, q, y[:2])


class TestClassFrequencyTest:
    def test_labels_are_compared_as_scipy_does(self):
        labels = np.repeat([0, 1, 2, -1], [60, 30, 10, 7])
        result = class_frequency_test(labels, PRIOR)
        expected = stats.chisquare([60, 30, 10], 100 * PRIOR)
        assert result[:2] == pytest.approx(tuple(expected), rel=1e-5)
        np.testing.assert_allclose(result.frequencies, [0.6, 0.3, 0.1])
        np.testing.assert_allclose(result.prior, PRIOR, rtol=1e-6)
        assert result.total_variation == pytest.approx(0.1)

    def test_one_hot_probabilities_are_labels(self):
        labels = np.repeat([0, 1, 2], [60, 30, 10])
        of_labels = class_frequency_test(labels, PRIOR)
        of_probabilities = class_frequency_test(tf.one_hot(labels, 3), PRIOR)
        assert of_probabilities[:2] == pytest.approx(of_labels[:2])

    def test_probabilities_count_by_their_mean(self):
        probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], size=500)
        result = class_frequency_test(probabilities, PRIOR)
        np.testing.assert_allclose(result.frequencies, probabilities.mean(axis=0), rtol=1e-5)
        expected = stats.chisquare(probabilities.sum(axis=0), 500 * PRIOR)
        assert result[:2] == pytest.approx(tuple(expected), rel=1e-4)

    def test_prior_is_a_distribution_or_its_probabilities(self):
        labels = np.repeat([0, 1, 2], [60, 30, 10])
        expected = class_frequency_test(labels, PRIOR)
        result = class_frequency_test(labels, priors.categorical(3, PRIOR))
        assert result[:2] == pytest.approx(expected[:2], rel=1e-5)

    def test_soft_probabilities_of_the_prior_alarm_less_often_than_the_level(self):
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
    def test_wrong_arguments_are_named(self, classes, prior, error, message):
        with pytest.raises(error, match=message):
            class_frequency_test(classes, prior)
