import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.priors import from_labels


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8])
def test_probabilities_are_the_frequencies_of_the_known_labels(dtype):
    labels = np.random.default_rng(0).choice(4, 1_000, p=[0.1, 0.2, 0.3, 0.4])
    expected = [np.mean(labels == k) for k in range(4)]
    prior = from_labels(labels.astype(dtype), 4)
    np.testing.assert_allclose(prior.mean(), expected, rtol=1e-6)
    if dtype != np.uint8:
        labels = np.insert(labels, [0, 5, 5], -1).astype(dtype)
        np.testing.assert_allclose(from_labels(labels, 4).mean(), expected, rtol=1e-6)


def test_is_a_float32_vector():
    prior = from_labels(tf.constant([0, 1, 2, 1]), 3)
    assert isinstance(prior, tfp.distributions.OneHotCategorical)
    assert prior.dtype == tf.float32
    assert prior.event_shape == [3]


@pytest.mark.parametrize(
    ("labels", "num_classes", "error", "message"),
    [
        ([0.0, 1.0], 2, TypeError, "Expected `labels` to be integers. .*dtype=float64"),
        ([True, False], 2, TypeError, "Expected `labels` to be integers. .*dtype=bool"),
        (["a", "b"], 2, TypeError, "Expected `labels` to be integers"),
        ([[0, 1]], 2, ValueError, r"Expected `labels` to have shape \[n\]"),
        ([], 2, ValueError, "Expected `labels` to have at least one that is known. .*: 0 labels"),
        ([-1, -1], 2, ValueError, "Expected `labels` to have at least one that is known"),
        ([0, 1, 2], 2, ValueError, "Expected `labels` to lie in -1 ... 1, .* from 0 to 2"),
        ([0, 1, -2], 2, ValueError, "Expected `labels` to lie in -1 ... 1, .* from -2 to 1"),
        ([0, 2], 4, ValueError, "Expected `labels` to contain every class, .* no label 1, 3"),
        ([0, 1], 1, ValueError, "Expected `num_classes` to be at least 2"),
        ([0, 1], 2.0, TypeError, "Expected `num_classes` to be an integer"),
    ],
)
def test_wrong_arguments_are_named(labels, num_classes, error, message):
    with pytest.raises(error, match=message):
        from_labels(labels, num_classes)
