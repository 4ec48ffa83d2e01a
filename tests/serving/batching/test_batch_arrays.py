import numpy as np
import pytest

from aae_tf.serving.batching.batch_arrays import merge_inputs, split_outputs
from aae_tf.serving.errors import ServingError


def test_merge_keeps_names_order_and_types():
    first = {"x": np.float32([[1.0, 2.0]]), "n": np.int64([2**62])}
    second = {"n": np.int64([4, 5]), "x": np.float32([[3.0, 4.0], [5.0, 6.0]])}
    merged = merge_inputs([first, second], padding=2)
    np.testing.assert_array_equal(merged["x"], [[1, 2], [3, 4], [5, 6], [3, 4], [3, 4]])
    np.testing.assert_array_equal(merged["n"], [2**62, 4, 5, 4, 4])
    assert (merged["x"].dtype, merged["n"].dtype) == (np.float32, np.int64)


def test_merge_joins_strings_of_different_lengths():
    merged = merge_inputs([{"s": np.array([b"a"])}, {"s": np.array([b"bcd"])}])
    assert merged["s"].tolist() == [b"a", b"bcd"]
    mixed = merge_inputs([{"s": np.array([b"a"])}, {"s": np.array([b"bcd"], object)}])
    assert mixed["s"].tolist() == [b"a", b"bcd"]


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (([[7, 8]], [[1, 2, 3]]), [[7, 8, 7], [1, 2, 3]]),
        (([[[5]]], [[[1, 2], [3, 4]]]), [[[5, 5], [5, 5]], [[1, 2], [3, 4]]]),
        (([[1, 2]], [[]]), [[1, 2], [0, 0]]),  # no first element to copy
        (([[1, 2]], [[3, 4]]), [[1, 2], [3, 4]]),
    ],
)
def test_lengths_are_padded_with_the_first_element_of_the_request(arrays, expected):
    inputs = [{"x": np.array(array, np.int32)} for array in arrays]
    merged = merge_inputs(inputs, pad_lengths=True)["x"]
    np.testing.assert_array_equal(merged, expected)
    assert merged.dtype == np.int32


def test_missing_strings_are_padded_with_empty_ones():
    inputs = [{"s": np.array([[]], object)}, {"s": np.array([[b"a"]], object)}]
    assert merge_inputs(inputs, pad_lengths=True)["s"].tolist() == [[b""], [b"a"]]


def test_no_padding_joins_different_ranks():
    inputs = [{"x": np.ones([1, 2])}, {"x": np.ones([1, 2, 1])}]
    with pytest.raises(ServingError, match=r"FAILED_PRECONDITION: .*'x'.*their ranks differ"):
        merge_inputs(inputs, pad_lengths=True)


def test_split_gives_views_and_drops_the_rest():
    y = np.arange(10.0).reshape(5, 2)
    parts = list(split_outputs({"y": y}, [1, 0, 3]))
    assert [part["y"].shape for part in parts] == [(1, 2), (0, 2), (3, 2)]
    np.testing.assert_array_equal(parts[2]["y"], y[1:4])
    assert all(part["y"].base is y.base for part in parts)
