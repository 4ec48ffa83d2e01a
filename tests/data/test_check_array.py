import numpy as np
import pytest
import tensorflow as tf

from aae_tf.data import check_array


@pytest.mark.parametrize(
    "x", [[[0.0, 1.0]], np.ones([3, 2]), np.ones([0, 2], np.float16), tf.ones([2, 2], tf.float64)]
)
def test_arrays_of_floats_become_float32(x):
    array = check_array(x, "x", shape=[2])
    assert type(array) is np.ndarray
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.asarray(x))


def test_what_is_right_already_is_not_copied():
    x = np.zeros([4, 3], np.float32)
    assert check_array(x, "x") is x


def test_any_size_fits_none():
    assert check_array(np.zeros([4, 7, 3]), "x", shape=[None, 3]).shape == (4, 7, 3)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2]], r"Expected `images` to be an array of floats .*type list, dtype=int64"),
        (np.zeros([1, 2], np.uint8), r"\(images: in \[0, 1\]\)\. Received: .*dtype=uint8"),
        (np.zeros([1, 2], np.uint8), r"dtype=uint8\. Scale 8-bit pixels: images / 255\.$"),
        (np.zeros([1, 2], np.int32), r"dtype=int32\.$"),
        (np.zeros([1, 2], bool), r"type ndarray, dtype=bool"),
        (np.zeros([1, 2], complex), r"dtype=complex128"),
        ("text", r"type str, dtype=<U4"),
        (None, r"type NoneType, dtype=object"),
        ([[1.0], [1.0, 2.0]], r"type list, dtype=object"),
    ],
)
def test_other_types_are_refused(x, message):
    with pytest.raises(TypeError, match=message):
        check_array(x, "images")


@pytest.mark.parametrize(
    ("shape", "row", "advice"),
    [
        ((), (28, 28), ""),
        ((5, 28), (28, 28), ""),
        ((5, 27, 28), (28, 28), ""),
        ((2, 2), (2, None), " This is a single row: pass images[None], or batch the data set."),
        ((5, 8, 8), (8, 8, 1), " Add the channel axis: images[..., None]."),
        ((5, 8, 8), (8, 8, 3), ""),
        ((3,), (1,), ""),
    ],
)
def test_other_shapes_are_refused(shape, row, advice):
    with pytest.raises(ValueError) as caught:
        check_array(np.zeros(shape), "images", shape=row)
    assert str(caught.value) == (
        f"Expected `images` to have rows of shape {row}. Received: images.shape={shape}.{advice}"
    )


def test_a_number_has_no_rows():
    with pytest.raises(
        ValueError, match=r"Expected `x` to have rows of any shape\. Received: x\.sh"
    ):
        check_array(1.0, "x")


@pytest.mark.parametrize(("value", "text"), [(np.nan, "nan"), (np.inf, "inf"), (-1e39, "-inf")])
def test_the_first_value_that_is_not_finite_is_named(value, text):
    x = np.zeros([4, 3])
    x[2, 1] = x[3, 0] = value
    with pytest.raises(ValueError) as caught:
        check_array(x, "images")
    message = f"Expected `images` to have finite values. Received: images[2, 1]={text}."
    assert str(caught.value) == message
