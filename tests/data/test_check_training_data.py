import warnings

import numpy as np
import pytest

from aae_tf.data.check_arrays import check_training_data, has_8_bit_range

X = np.random.default_rng(0).random((60, 2, 3), dtype="float32")
Y = np.arange(60) % 3


def _check(x, y=None):
    check_training_data(np.asarray(x, np.float32), y, "images")


def test_sound_data_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _check(X)
        _check(X, Y)
        _check(X[:1])
        _check(X[:0])
        _check(np.zeros([1, 3]))
        # Differences from the mean are no pixels, nor are a table's numbers.
        _check(200.0 * (X - 0.5))
        _check(200.0 * X[:, 0])
        _check(3.0 * np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_equal_rows_are_refused(value):
    with pytest.raises(ValueError) as caught:
        _check(np.full([5, 2, 3], value))
    assert str(caught.value) == (
        "Expected `images` to have rows that differ. Received: images of 5 equal rows."
    )
    rows = np.full([5, 2, 3], value)
    rows[4, 1, 2] += 0.1
    _check(rows)


@pytest.mark.parametrize("x", [255.0 * X, np.rint(255.0 * X[:, 0]), 140.0 + X])
def test_pixels_of_8_bits_are_told(x):
    with pytest.warns(UserWarning, match=r"`images` lie in \[0, 255\].* images / 255\."):
        _check(x)


def test_labels_that_contradict_each_other_are_counted():
    x = np.concatenate([X, X[:5]])
    y = np.concatenate([Y, (Y[:5] + np.array([0, 1, 2, 1, 0])) % 3])
    with pytest.warns(UserWarning, match="^3 labelled rows of `images` equal an earlier row"):
        _check(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _check(x, np.concatenate([Y, Y[:5]]))
        _check(x, np.where(np.arange(65) < 60, -1, y))


def test_range_of_pixels():
    assert has_8_bit_range(np.array([[0.0, 255.0]]))
    assert not has_8_bit_range(np.array([[0.0, 256.0]]))
    assert not has_8_bit_range(np.array([[-1.0, 255.0]]))
    assert not has_8_bit_range(np.zeros([0, 3]))
