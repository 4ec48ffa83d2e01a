"""Scores of class probabilities: against true classes, as clusters, and against a class prior."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow_probability as tfp
from scipy import optimize

from aae_tf import data
from aae_tf.checks import import_extra
from aae_tf.data.class_frequencies import multinomial_test
from aae_tf.evaluation.arguments import check_probabilities


def classification_scores(probabilities: Any, y: Any) -> dict[str, Any]:
    """Compares class probabilities with the true classes; the likeliest class is predicted.

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


def clustering_scores(
    probabilities: Any, y: Any, exemplar_probabilities: Any, exemplar_y: Any
) -> dict[str, Any]:
    """Scores clusters of a test set by the classes that validation data assign to them.

    An example falls in the cluster of its largest q(y|x). The class of a cluster is chosen on the
    validation data in three ways, and never on the test set:

    - by its exemplar, the one validation example with the largest q(cluster|x), even where this
      example falls in another cluster. This is the paper's protocol;
    - by the majority of the validation examples that fall in it, the smaller label where classes
      tie. A cluster that none falls in takes its exemplar's label;
    - by the one-to-one matching of clusters to classes that most validation examples agree with
      (the Hungarian method). With more clusters than classes some clusters match no class, and
      every example in them counts as wrong: of a class that is split over two clusters, only the
      examples in one of them can count as right. A match that no validation example agrees with
      is left out.

    Args:
        probabilities: float [n, k], q(y|x) of the test set.
        y: integer [n], its classes, all known.
        exemplar_probabilities: float [m, k], q(y|x) of the validation data.
        exemplar_y: integer [m], its classes, all known.

    Returns:
        Ready for JSON:

        - `exemplar_error`, `majority_error`: share of the test set that is not of the class of
          its cluster;
        - `hungarian_accuracy`: share that is of the class matched with its cluster. Differs: the
          literature matches on the test set itself, which never gives a lower accuracy;
        - `normalized_mutual_information`: of clusters and classes, over the mean of their
          entropies, in [0, 1]; `adjusted_rand_index`: 0 on average by chance, 1 for a perfect
          agreement. Both fall when a class is split over two clusters;
        - `num_clusters_used`: clusters that at least one test example falls in;
        - `exemplars`: rows of the validation data, one for each cluster, and `cluster_labels`,
          their classes.

    Raises:
        TypeError: if probabilities are no floats, or classes no integers.
        ValueError: if an argument is empty, not finite or of another length or number of clusters
            than its partner, if `probabilities` are no probabilities, or if a class is unknown.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> q = np.eye(3)[[0, 0, 1, 2]]
    >>> scores = clustering_scores(q, [1, 1, 0, 0], q, [1, 1, 0, 0])
    >>> scores["cluster_labels"], scores["exemplar_error"], scores["hungarian_accuracy"]
    ([1, 0, 0], 0.0, 0.75)

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 6 (arXiv:1511.05644): the
        exemplars. Kuhn 1955, *The Hungarian Method for the Assignment Problem*. Vinh, Epps and
        Bailey 2010, *Information Theoretic Measures for Clusterings Comparison*: the indices.
    """
    metrics = import_extra("sklearn.metrics", "data", "clustering_scores")
    probabilities, y = _check_pair("probabilities", probabilities, "y", y)
    exemplar_probabilities, exemplar_y = _check_pair(
        "exemplar_probabilities", exemplar_probabilities, "exemplar_y", exemplar_y
    )
    if probabilities.shape[1] != exemplar_probabilities.shape[1]:
        raise ValueError(
            "Expected `exemplar_probabilities` to have as many clusters as `probabilities`. "
            f"Received: exemplar_probabilities.shape={exemplar_probabilities.shape}, "
            f"probabilities.shape={probabilities.shape}."
        )
    clusters = probabilities.argmax(axis=1)
    exemplars = exemplar_probabilities.argmax(axis=0)
    labels = exemplar_y[exemplars]
    # counts[k, c]: the number of validation examples of class c that fall in cluster k.
    counts = np.zeros([probabilities.shape[1], exemplar_y.max() + 1], int)
    np.add.at(counts, (exemplar_probabilities.argmax(axis=1), exemplar_y), 1)
    majority = np.where(counts.any(axis=1), counts.argmax(axis=1), labels)
    return {
        "exemplar_error": float(np.mean(labels[clusters] != y)),
        "majority_error": float(np.mean(majority[clusters] != y)),
        "hungarian_accuracy": float(np.mean(_match(counts)[clusters] == y)),
        "normalized_mutual_information": float(metrics.normalized_mutual_info_score(y, clusters)),
        "adjusted_rand_index": float(metrics.adjusted_rand_score(y, clusters)),
        "num_clusters_used": len(np.unique(clusters)),
        "exemplars": exemplars.tolist(),
        "cluster_labels": labels.tolist(),
    }


def _check_pair(
    argument: str, probabilities: Any, labels_argument: str, labels: Any
) -> tuple[np.ndarray, np.ndarray]:
    probabilities = check_probabilities(argument, probabilities)
    labels = data.check_labels(labels, labels_argument, required="all", size=len(probabilities))
    return probabilities, labels


def _match(counts: np.ndarray) -> np.ndarray:
    """Returns the class that each cluster is matched with, or -1."""
    matched, classes = optimize.linear_sum_assignment(counts, maximize=True)
    labels = np.full(len(counts), -1)
    labels[matched] = np.where(counts[matched, classes] > 0, classes, -1)
    return labels


class ClassFrequencyTest(NamedTuple):
    """The result of `class_frequency_test`.

    Attributes:
        statistic: Pearson's chi-square, zero or more; infinite where a class occurs that the prior
            never draws.
        p_value: in [0, 1], the probability that a sample of the prior is as far from it, or
            farther.
        frequencies: float64 [k], the frequency of each class.
        prior: float64 [k], the probability of each class.

    Example:

    >>> result = ClassFrequencyTest(18.0, 2e-5, np.array([0.8, 0.2]), np.array([0.5, 0.5]))
    >>> round(result.total_variation, 6)
    0.3
    """

    statistic: float
    p_value: float
    frequencies: np.ndarray
    prior: np.ndarray

    @property
    def total_variation(self) -> float:
        """The distance sum |q - p| / 2, in [0, 1]: the share of examples in a wrong class."""
        return 0.5 * float(np.abs(self.frequencies - self.prior).sum())


def class_frequency_test(classes: Any, prior: Any) -> ClassFrequencyTest:
    """Tests whether classes are as frequent as the class prior says.

    This is Pearson's chi-square test. If `classes` are probabilities, their mean, the aggregated
    posterior q(y), is compared with the prior; as probabilities vary less from row to row than
    classes drawn from them, the p-value is then an upper bound. If a class is expected fewer than
    five times, the p-value comes from 9,999 draws of the prior, and is at least 1e-4.

    With many examples any difference is significant: read `total_variation` beside `p_value`.

    Args:
        classes: q(y|x), float [n, k], rows that sum to one, as `classify` of a model gives; or
            integer [n], classes 0 to k - 1, -1 where the class is unknown.
        prior: `tfd.OneHotCategorical` of k classes, or their probabilities, float [k].

    Returns:
        `ClassFrequencyTest`.

    Raises:
        TypeError: if `classes` are neither floats nor integers.
        ValueError: if `classes` are no probabilities, have another number of classes than
            `prior`, or none is known; if `prior` are no probabilities.

    Example:

    >>> labels = np.repeat([0, 1], [80, 20])
    >>> result = class_frequency_test(labels, [0.5, 0.5])
    >>> result.statistic, result.p_value < 1e-8, result.frequencies.tolist()
    (36.0, True, [0.8, 0.2])
    """
    if isinstance(prior, tfp.distributions.Distribution):
        prior = np.asarray(prior.mean())
    probs = check_probabilities("prior", np.asarray(prior, np.float64)[np.newaxis])[0]
    probs = probs.astype(np.float64) / probs.sum(dtype=np.float64)
    counts = _counts(classes, len(probs))
    statistic, p_value = multinomial_test(counts, probs)
    return ClassFrequencyTest(statistic, p_value, counts / counts.sum(), probs)


def _counts(classes: Any, num_classes: int) -> np.ndarray:
    if np.ndim(classes) == 1:
        labels = data.check_labels(classes, "classes", num_classes, "some", every_class=False)
        return np.bincount(labels[labels >= 0], minlength=num_classes).astype(np.float64)
    probabilities = check_probabilities("classes", classes)
    if probabilities.shape[1] != num_classes:
        raise ValueError(
            f"Expected `classes` to have the {num_classes} classes of `prior`. "
            f"Received: classes.shape={probabilities.shape}."
        )
    return probabilities.sum(axis=0, dtype=np.float64)
