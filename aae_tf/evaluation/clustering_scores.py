"""How well clusters that were found without labels agree with the classes."""

from typing import Any

import numpy as np
from scipy import optimize

from aae_tf import data
from aae_tf.evaluation.check_probabilities import check_probabilities


def clustering_scores(
    probabilities: Any, y: Any, exemplar_probabilities: Any, exemplar_y: Any
) -> dict[str, Any]:
    """Scores clusters of a test set; validation data give the clusters their class.

    An example falls in the cluster of its largest q(y|x). What a cluster means is chosen on the
    validation data in three ways, and never on the test set:

    - by its exemplar, the one validation example with the largest q(cluster|x), even where this
      example falls in another cluster. This is the paper's protocol;
    - by the majority of the validation examples that fall in it, the smaller label where classes
      tie. A cluster that none falls in takes its exemplar's label;
    - by a one-to-one matching of clusters to classes, the one that most validation examples agree
      with (the Hungarian method). With more clusters than classes the others match none, and
      all that falls in them is wrong: a class that two clusters share can score no more than
      the larger of them. A match that no validation example agrees with is none.

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
          literature matches on the test set itself, which is never lower;
        - `normalized_mutual_information`: of clusters and classes, over the mean of their
          entropies, in [0, 1]; `adjusted_rand_index`: 0 on average by chance, 1 for a perfect
          agreement. Both count a class split in two as a fault;
        - `num_clusters_used`: clusters that at least one test example falls in;
        - `exemplars`: rows of the validation data, one for each cluster, and `cluster_labels`,
          their classes.

    Raises:
        TypeError: if probabilities are no floats, or classes no integers.
        ValueError: if an argument is empty, not finite or of another length or number of clusters
            than its partner, no probabilities, or a class is unknown.

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
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

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
    # How many validation examples of each class fall in each cluster.
    counts = np.zeros([probabilities.shape[1], exemplar_y.max() + 1], int)
    np.add.at(counts, (exemplar_probabilities.argmax(axis=1), exemplar_y), 1)
    majority = np.where(counts.any(axis=1), counts.argmax(axis=1), labels)
    return {
        "exemplar_error": float(np.mean(labels[clusters] != y)),
        "majority_error": float(np.mean(majority[clusters] != y)),
        "hungarian_accuracy": float(np.mean(_match(counts)[clusters] == y)),
        "normalized_mutual_information": float(normalized_mutual_info_score(y, clusters)),
        "adjusted_rand_index": float(adjusted_rand_score(y, clusters)),
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
    """Gives each cluster the class it is matched with, or -1."""
    matched, classes = optimize.linear_sum_assignment(counts, maximize=True)
    labels = np.full(len(counts), -1)
    labels[matched] = np.where(counts[matched, classes] > 0, classes, -1)
    return labels
