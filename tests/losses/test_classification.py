import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from sklearn import metrics

from aae_tf.losses import accuracy, cross_entropy

LOGITS = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
LABELS = np.array([0, -1, 3, 2, -1, 1])
WEIGHT = np.array([1.0, 9.0, 0.5, 2.0, 9.0, 0.0])
KNOWN = LABELS >= 0


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_values_are_those_of_scikit_learn_on_the_labelled_rows(dtype, weight):
    labels = tf.constant(LABELS, dtype)
    known_weight = None if weight is None else weight[KNOWN]
    expected = {
        cross_entropy: metrics.log_loss(
            LABELS[KNOWN], special.softmax(LOGITS[KNOWN], axis=1), sample_weight=known_weight
        ),
        accuracy: metrics.accuracy_score(
            LABELS[KNOWN], LOGITS[KNOWN].argmax(axis=1), sample_weight=known_weight
        ),
    }
    for function, value in expected.items():
        mean, count = function(tf.constant(LOGITS), labels, weight)
        np.testing.assert_allclose(mean, value, rtol=1e-5)
        assert count == (4.0 if weight is None else 3.5)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    ("labels", "weight"), [(np.full(6, -1), None), (np.full(6, -1), WEIGHT), (LABELS, np.zeros(6))]
)
def test_batch_without_labels_is_zero_without_slope(jit_compile, labels, weight):
    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            terms = cross_entropy(logits, tf.constant(labels), weight)
        return *terms, tape.gradient(terms[0], logits), *accuracy(logits, labels, weight)

    for value in run(tf.constant(1e4 * LOGITS)):
        np.testing.assert_array_equal(value, np.zeros(value.shape))


def test_rows_without_a_label_have_no_slope():
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        mean, _ = cross_entropy(logits, tf.constant(LABELS))
    expected = (special.softmax(LOGITS, axis=1) - np.eye(4)[LABELS]) / 4
    expected[~KNOWN] = 0.0
    np.testing.assert_allclose(tape.gradient(mean, logits), expected, atol=1e-6)


def test_half_precision_is_computed_in_float32():
    logits, labels = tf.constant([[6e4, -6e4]], tf.float16), tf.constant([1])
    mean, _ = cross_entropy(logits, labels)
    assert mean.dtype == tf.float32
    np.testing.assert_allclose(mean, 1.2e5, rtol=1e-3)
