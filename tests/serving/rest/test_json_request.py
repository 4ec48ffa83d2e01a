import numpy as np
import pytest
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.serving.errors import ServingError
from aae_tf.serving.rest.json_request import read_inputs, read_signature_name

DT_FLOAT, DT_HALF = 1, 19


def signature(**dtypes) -> SignatureDef:
    signature = SignatureDef()
    for name, dtype in dtypes.items():
        signature.inputs[name].dtype = dtype
    return signature


def test_signature_name():
    assert read_signature_name({}) == ""
    assert read_signature_name({"signature_name": "encode"}) == "encode"


def test_rows_and_columns_agree():
    infos = signature(a=DT_FLOAT, b=DT_FLOAT)
    rows = {"instances": [{"a": [1, 2], "b": 3}, {"b": 6, "a": [4, 5]}]}
    columns = {"inputs": {"a": [[1, 2], [4, 5]], "b": [3, 6]}}
    by_row, row_form = read_inputs(rows, "", infos)
    by_column, column_form = read_inputs(columns, "", infos)
    assert row_form and not column_form
    for name, expected in {"a": [[1, 2], [4, 5]], "b": [3, 6]}.items():
        np.testing.assert_array_equal(by_row[name], np.float32(expected))
        np.testing.assert_array_equal(by_column[name], np.float32(expected))


def test_a_row_of_an_unsupported_dtype_is_named():
    # The real server wraps every row's error, UNIMPLEMENTED too, in INVALID_ARGUMENT.
    message = "^INVALID_ARGUMENT: Failed to process element: 0 of .* Error: UNIMPLEMENTED: "
    with pytest.raises(ServingError, match=message):
        read_inputs({"instances": [1.0]}, "", signature(x=DT_HALF))


def test_default_signature_without_inputs():
    with pytest.raises(ServingError, match="Failed to get input map for signature: DEFAULT"):
        read_inputs({"inputs": 1}, "", signature())


def test_the_odd_row_is_named_among_many():
    rows = [[1.0, 2.0]] * 1000
    for index, row, message in (
        (700, [1.0], "Expecting tensor size: 2 but got: 1"),
        (999, [[1.0], [2.0]], r"Expecting shape \[2\] but got: \[2, 1\]"),
        (256, [1.0, "x"], "not of expected type: float"),
    ):
        odd = [*rows[:index], row, *rows[index + 1 :]]
        with pytest.raises(ServingError, match=f"process element: {index} of .* {message}"):
            read_inputs({"instances": odd}, "", signature(x=DT_FLOAT))
