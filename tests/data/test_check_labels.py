import numpy as np
import pytest
import tensorflow as tf

from aae_tf.data import check_label_spec, check_labels

Y = [0, 2, -1, 1]


@pytest.mark.parametrize(
    "labels",
    [Y, tuple(Y), np.array(Y, np.int8), np.array(Y, np.int64), tf.constant(Y)],
)
def test_labels_come_back_as_int64(labels):
    checked = check_labels(labels, "y", 3, required="some", size=4)
    assert checked.dtype == np.int64
    np.testing.assert_array_equal(checked, Y)


def test_unsigned_labels_are_known_labels():
    assert check_labels(np.array([0, 2], np.uint8), "y", 3, required="all").tolist() == [0, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"labels": [-1, -1]},
        {"labels": [7, -1]},
        {"labels": np.zeros(0, int)},
        {"labels": [0, 1], "num_classes": 3},
        {"labels": [0, -1], "num_classes": 3, "required": "some", "every_class": False},
        {"labels": [0, 1], "num_classes": 3, "required": "all"},
    ],
)
def test_no_more_is_asked_than_was_required(arguments):
    check_labels(name="y", **arguments)


@pytest.mark.parametrize(
    ("labels", "arguments", "error", "message"),
    [
        ([0.0, 1.0], {}, TypeError, r"`y` to be an array of integers.* type list, dtype=float64\."),
        ([True], {}, TypeError, r"Received: y of type list, dtype=bool\."),
        (None, {}, TypeError, r"Received: y of type NoneType, dtype=object\."),
        ([[0], [0, 1]], {}, TypeError, r"Received: y of type list, dtype=object\."),
        (np.eye(4, dtype=int), {"size": 4}, ValueError, r"shape \(4,\), .* y.shape=\(4, 4\)\."),
        (
            np.eye(4),
            {},
            TypeError,
            r"float64\. These are one-hot vectors: pass y\.argmax\(axis=1\)",
        ),
        (
            np.eye(4, dtype=int),
            {},
            ValueError,
            r"\(4, 4\)\. These are one-hot vectors: pass y\.argm",
        ),
        (np.zeros([4, 2]), {}, TypeError, r"dtype=float64\.$"),
        (np.array([[0], [1]]), {}, ValueError, r"\(2, 1\)\. This is a column: pass y\[:, 0\]\.$"),
        (
            [0.0, -1.0],
            {},
            TypeError,
            r"float64\. These are whole numbers: pass y\.astype\(int\)\.$",
        ),
        ([0.5, 1.0], {}, TypeError, r"dtype=float64\.$"),
        ([np.nan, 1.0], {}, TypeError, r"-1: pass numpy\.nan_to_num\(y, nan=-1\)\.astype\(int\)"),
        (["cat", "dog"], {}, TypeError, r"y, names = pandas\.factorize\(y\).*StringLookup"),
        (Y, {"size": 5}, ValueError, r"`y` to have shape \(5,\), .* Received: y.shape=\(4,\)\."),
        (3, {}, ValueError, r"`y` to have shape \(n,\), .* Received: y.shape=\(\)\."),
        ([0, 3], {"num_classes": 3}, ValueError, r"from 0 to 2, or -1 .* Received: y\[1\]=3\."),
        ([-2, 0], {}, ValueError, r"classes from 0, or -1 .* Received: y\[0\]=-2\."),
        ([-1], {"required": "some"}, ValueError, r"one known label\. .* known labels=0\."),
        (Y, {"required": "all"}, ValueError, r"label of every row\. .* 4 rows, 1 of them unknown"),
        (
            Y,
            {"num_classes": 5, "required": "some"},
            ValueError,
            r"of each of the 5 classes\. Received: y without a label of 3, 4\.",
        ),
        (
            [0, 1],
            {"num_classes": 3, "required": "all", "every_class": True},
            ValueError,
            r"Received: y without a label of 2\.",
        ),
        (Y, {"required": "few"}, ValueError, r"`required` to be one of 'any', 'some', 'all'"),
    ],
)
def test_wrong_labels_are_named(labels, arguments, error, message):
    with pytest.raises(error, match=message):
        check_labels(labels, "y", **arguments)


def _spec(labels, *more):
    slices = tf.data.Dataset.from_tensor_slices((np.zeros((4, 2)), labels, *more))
    return slices.batch(2).element_spec


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_pipelines_with_labels_pass(dtype):
    check_label_spec(_spec(np.zeros(4, dtype)), "x")
    check_label_spec(_spec(np.zeros(4, dtype), np.ones(4)), "x")
    check_label_spec((tf.TensorSpec(None), tf.TensorSpec(None, dtype)), "x")


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (tf.TensorSpec([None, 2]), ValueError, r"`x` to yield pairs \(inputs, labels\)\. Received"),
        ((tf.TensorSpec([None, 2]),), ValueError, r"`x` to yield pairs \(inputs, labels\)"),
        (_spec(np.zeros(4)), TypeError, r"`y` to be an array of integers.* dtype=float64\.$"),
        (
            _spec({"y": [0, 1, 2, 3]}),
            TypeError,
            r"`y` to be one tensor of integers\. .*=\{'y': Tensor",
        ),
        (
            _spec(np.eye(4, dtype=int)),
            ValueError,
            r"`y` to have shape \(n,\).*\(None, 4\).* y\.argmax\(axis=1\)",
        ),
    ],
)
def test_pipelines_without_labels_are_refused(spec, error, message):
    with pytest.raises(error, match=message):
        check_label_spec(spec, "x")
