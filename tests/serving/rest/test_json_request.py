import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from aae_tf.serving.errors import ServingError
from aae_tf.serving.rest.json_request import parse_document, read_inputs, read_signature_name

DT_FLOAT, DT_HALF = 1, 19


def signature(**dtypes) -> SignatureDef:
    signature = SignatureDef()
    for name, dtype in dtypes.items():
        signature.inputs[name].dtype = dtype
    return signature


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_a_document_or_refused(body):
    try:
        document = parse_document(body)
    except ServingError:
        return
    assert isinstance(document, dict)


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(st.text(), st.none() | st.floats(allow_nan=False) | st.lists(st.text())))
def test_a_document_is_what_was_written(document):
    assert parse_document(json.dumps(document).encode()) == document


def test_the_first_of_repeated_keys_counts_at_any_depth():
    assert parse_document(b'{"a": {"b": 1, "b": 2}, "a": 3}') == {"a": {"b": 1}}


def nested(depth: int, value: str = "1") -> bytes:
    """A document of `depth` lists and objects in turn."""
    half = depth // 2
    lists = '{"a": [' * half + value + "]}" * half
    return (f'{{"a": {lists}}}' if depth % 2 else lists).encode()


STRING = json.dumps('[[[{{{\\"[')


@pytest.mark.parametrize("depth", [1, 2, 255, 256])
@pytest.mark.parametrize("value", ["1", STRING])
def test_depth_allowed(depth, value):
    assert list(parse_document(nested(depth, value))) == ["a"]


@pytest.mark.parametrize("depth", [257, 1000, 200_000])
def test_depth_refused(depth):
    with pytest.raises(ServingError, match="are nested more than 256 deep"):
        parse_document(nested(depth, STRING))


def test_many_lists_beside_each_other_are_not_deep():
    document = parse_document(json.dumps({"a": [[i] for i in range(1000)]}).encode())
    assert len(document["a"]) == 1000


@pytest.mark.parametrize("text", ['"' + '\\"' * 500_000, '"' * 1_000_001, '"\\' * 300_000])
def test_strings_without_an_end_take_linear_time(text):
    start = time.process_time()
    with pytest.raises(ServingError, match="JSON Parse error"):
        parse_document(f'{{"a": {text}'.encode())
    assert time.process_time() - start < 2.0


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
