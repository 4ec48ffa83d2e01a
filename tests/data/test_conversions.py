"""Array-likes and pipelines of other libraries, as NumPy arrays."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf.data import check_array
from aae_tf.data.conversions import collect_pairs, is_pipeline, to_numpy
from tests.models.small import Batches

X = np.arange(12, dtype="float32").reshape(6, 2)
Y = np.arange(6) % 3


def _dataset(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(4)


def _pairs():
    return ((X[i : i + 2], Y[i : i + 2]) for i in (0, 2, 4))


@pytest.mark.parametrize(
    "x",
    [
        X.tolist(),
        tf.constant(X),
        tf.constant(X, tf.bfloat16),
        keras.Variable(X),
        pd.DataFrame(X),
        pd.DataFrame(X).astype("Float32"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_array_likes_keep_their_values(x):
    array = to_numpy(x)
    assert array.dtype.kind == "f"
    np.testing.assert_array_equal(array, X)


@pytest.mark.parametrize("make", [lambda: _dataset(X, Y), lambda: Batches(X, Y, size=2), _pairs])
def test_pipelines_are_collected(make):
    assert is_pipeline(make())
    np.testing.assert_array_equal(check_array(make(), "x", [2]), X)
    x, y = collect_pairs(make())
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_what_is_no_pair_has_no_labels():
    assert collect_pairs(X, Y)[1] is Y
    assert collect_pairs(_dataset(X))[1] is None
    both = {"targets": X, "labels": Y}
    np.testing.assert_array_equal(collect_pairs(_dataset(X, both))[1], Y)


def test_a_pipeline_must_end_and_yield():
    with pytest.raises(ValueError, match=r"`x` to end, .* without an end"):
        check_array(_dataset(X).repeat(), "x")
    for collect in (collect_pairs, lambda x: check_array(x, "x")):
        with pytest.raises(ValueError, match="`x` to yield batches"):
            collect(batch for batch in ())
