import base64
import json
import re

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework.types_pb2 import DataType

from aae_tf.serving.errors import ServingError
from aae_tf.serving.rest.json_values import dtype_name, echo, is_base64, to_array


def convert(value, dtype):
    return to_array(value, tf.as_dtype(dtype).as_datatype_enum)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "value", [0, -3, 2.5, 2**63, [], [[]], [[], []], [1, 2.5], [[[1], [2]], [[3], [4]]]]
)
def test_floats(value, dtype):
    array = convert(value, dtype)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, np.array(value, dtype))


def test_floats_beyond_the_range_of_float32():
    array = convert([1e39, -1e39, 1e-60, float("nan")], "float32")
    np.testing.assert_array_equal(array, [np.inf, -np.inf, 0.0, np.nan])
    assert convert([1e39], "float64") == [1e39]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("int32", -(2**31), 2**31 - 1),
        ("int64", -(2**63), 2**63 - 1),
        ("uint32", 0, 2**32 - 1),
        ("uint64", 0, 2**64 - 1),
    ],
)
def test_integers(dtype, low, high):
    array = convert([low, high], dtype)
    assert array.dtype == dtype
    assert array.tolist() == [low, high]
    for value in (low - 1, high + 1):
        with pytest.raises(ServingError, match=f"{value} Type: Number is not of .* type: {dtype}"):
            convert([0, value], dtype)
    assert convert([], dtype).shape == (0,)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8"])
def test_narrow_integers_wrap_and_have_the_range_of_int32(dtype):
    assert convert([300, -1], dtype).tolist() == np.array([300, -1]).astype(dtype).tolist()
    with pytest.raises(ServingError, match="is not of expected type"):
        convert([2**31], dtype)


def test_strings():
    array = convert([["é", {"b64": "AP8="}], [{"b64": "YQ"}, {"b64": " Y\nQ== "}]], "string")
    assert array.dtype == object
    assert array.tolist() == [["é".encode(), b"\x00\xff"], [b"a", b"a"]]
    assert convert("a", "string").shape == ()


def test_bools():
    array = convert([True, False], "bool")
    assert array.dtype == bool and array.tolist() == [True, False]


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ([1.0], "int64", "JSON Value: 1.0 Type: Number is not of expected type: int64"),
        ([True], "float32", "JSON Value: true Type: True is not of expected type: float"),
        ([False], "int32", "JSON Value: false Type: False is not of expected type: int32"),
        ([1, None], "float64", "JSON Value: null Type: Null is not of expected type: double"),
        (["1"], "float32", 'JSON Value: "1" Type: String is not of expected type: float'),
        ([{"b64": "AP8="}], "float32", "Type: Object is not of expected type: float"),
        ([1], "bool", "JSON Value: 1 Type: Number is not of expected type: bool"),
        ([1], "string", "JSON Value: 1 Type: Number is not of expected type: string"),
        ([float("nan")], "int32", "JSON Value: NaN Type: Number is not of expected type: int32"),
        ([{"b64": "?"}], "string", "Unable to base64 decode"),
        ([{"b64": "A"}], "string", "Unable to base64 decode"),
        ([{"b64": "é"}], "string", "Unable to base64 decode"),
        ([{"b64": 1}], "string", '{"b64": 1} not formatted correctly for base64 data'),
        ([{"a": "b"}], "string", '{"a": "b"} not formatted correctly for base64 data'),
        (["\ud800"], "string", "The surrogate pair in string is invalid"),
        ([10**400], "float32", "Number too big to be stored in double"),
        ([[1], 2], "float32", "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
                              "Expected at level: 2"),
        ([[1, 2], [3]], "float32", "Encountered list at unexpected size: 1 at level: 1 "
                                   "expected size: 2"),
        ([1, [2]], "float32", "Encountered list at unexpected level: 1 expected < 1"),
    ],
)  # fmt: skip
def test_values_refused(value, dtype, message):
    with pytest.raises(ServingError, match=re.escape(message)) as caught:
        convert(value, dtype)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "uint16"])
def test_dtypes_that_json_cannot_carry(dtype):
    with pytest.raises(ServingError, match=r"Conversion of JSON Value: 1\.5 to type:") as caught:
        convert([1.5], dtype)
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None)
@given(value=NESTED, dtype=st.sampled_from(["float32", "int32", "bool", "string"]))
def test_any_value_converts_as_numpy_does_or_is_refused(value, dtype):
    try:
        array = convert(value, dtype)
    except ServingError:
        return
    kind = object if dtype == "string" else dtype
    with np.errstate(over="ignore"):
        expected = np.array(value, kind)
    if dtype == "string":
        expected = np.array([text.encode() for text in expected.ravel()], object)
    assert array.dtype == kind
    np.testing.assert_array_equal(array.ravel(), expected.ravel())


@settings(derandomize=True, deadline=None)
@given(st.binary())
def test_base64_objects_carry_any_bytes(data):
    value = {"b64": base64.b64encode(data).decode()}
    assert convert(value, "string").item() == data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b64": "x"}, True),
        ({"b64": 1}, False),
        ({"b64": "x", "a": 1}, False),
        ({}, False),
        ("b64", False),
    ],
)
def test_is_base64(value, expected):
    assert is_base64(value) is expected


def test_echo_is_short_even_of_what_is_long():
    assert echo({"a": [1, float("nan")]}) == '{"a": [1, NaN]}'
    assert len(echo(list(range(10**6)))) == 256
    assert len(echo("a" * 1000)) == 256
    assert echo(json.loads("[" * 256 + "]" * 256)) == "[" * 256


def test_dtype_names_are_the_servers():
    assert [dtype_name(dtype) for dtype in (DataType.DT_FLOAT, DataType.DT_HALF)] == [
        "float",
        "half",
    ]
