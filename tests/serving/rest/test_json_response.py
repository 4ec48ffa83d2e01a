import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from aae_tf.serving.errors import ServingError
from aae_tf.serving.rest.json_response import write_outputs


def columns(**outputs) -> str:
    return write_outputs(outputs, row_form=False).decode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(1 / 3), "0.333333343"),
        (np.float32(0.1), "0.1"),
        (np.float32(9_000_000), "9e+06"),
        (np.float32(0.00003), "3e-05"),
        (np.float32(123456), "123456.0"),
        (np.float32(1234567), "1234567.0"),
        (np.float32(-0.0), "-0.0"),
        (np.float32(2), "2.0"),
        (np.finfo(np.float32).max, "3.40282347e+38"),
        (np.float64(1 / 3), "0.33333333333333331"),
        (np.float64(0.1), "0.1"),
        (np.float64(1e300), "1e+300"),
        (np.float32("nan"), "NaN"),
        (np.float64("inf"), "Infinity"),
        (np.float32("-inf"), "-Infinity"),
        (np.int64(-(2**63)), "-9223372036854775808"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.int8(-1), "-1"),
        (np.bool_(True), "true"),
        (np.bool_(False), "false"),
        (np.array(b'a"\n\xc3\xa9', object), '"a\\"\\né"'),
    ],
)
def test_numbers_and_strings(value, text):
    assert columns(y=np.asarray(value)) == f'{{"outputs": {text}}}'


def test_strings_that_are_not_utf8_pass_through():
    outputs = {"y": np.array([b"\xff"], object)}
    assert write_outputs(outputs, row_form=False) == b'{"outputs": ["\xff"]}'


def test_names_that_end_in_bytes():
    array = np.array([b"\xff", b"a"], object)
    assert columns(y_bytes=array) == '{"outputs": [{"b64": "/w=="}, {"b64": "YQ=="}]}'
    assert columns(y_bytes=np.float32([1.0])) == '{"outputs": [1.0]}'


@settings(derandomize=True, deadline=None)
@given(
    st_numpy.arrays(
        st.sampled_from([np.float32, np.float64]),
        st_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
        elements=st.floats(width=32),
    )
)
def test_floats_read_back_exactly(array):
    values = np.array(json.loads(columns(y=array))["outputs"], array.dtype)
    np.testing.assert_array_equal(values.ravel(), array.ravel())
    if array.size:
        assert values.shape == array.shape


def by_the_rule(value: np.floating) -> str:
    """The rule for one finite number, word for word."""
    text = f"{value:.6g}"
    if type(value)(text) != value:
        text = f"{value:.9g}" if type(value) is np.float32 else f"{value:.17g}"
    return text if "." in text or "e" in text else f"{text}.0"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_digits_follow_the_rule(dtype):
    generator = np.random.default_rng(0)
    mantissas = generator.integers(-(10**7), 10**7, 3000)
    info = np.finfo(dtype)
    powers = 10.0 ** generator.integers(int(np.log10(info.tiny)), int(np.log10(info.max)) - 6, 3000)
    values = np.concatenate(
        [
            (mantissas * powers).astype(dtype),  # 7 digits at most, of any magnitude
            generator.normal(size=3000).astype(dtype),
            10.0 ** np.arange(-30, 30, dtype=dtype),
            np.arange(-5, 5) * info.smallest_subnormal,
            [info.max, info.tiny, 0.0, -0.0, 999999.5, 0.1, 1 / 3],
        ]
    ).astype(dtype)
    tokens = columns(y=values).removeprefix('{"outputs": [').removesuffix("]}").split(", ")
    assert tokens == [by_the_rule(value) for value in values]


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0), (2, 0, 3), (1, 2, 3)])
def test_nesting(shape):
    array = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    assert json.loads(columns(y=array)) == {"outputs": array.tolist()}
    rows = json.loads(write_outputs({"y": array}, row_form=True))
    assert rows == {"predictions": array.tolist()}


def test_two_outputs():
    outputs = {"a": np.int32([[1, 2], [3, 4]]), 'b"': np.float32([0.5, 1.0])}
    assert json.loads(write_outputs(outputs, row_form=False)) == {
        "outputs": {"a": [[1, 2], [3, 4]], 'b"': [0.5, 1.0]}
    }
    assert json.loads(write_outputs(outputs, row_form=True)) == {
        "predictions": [{"a": [1, 2], 'b"': 0.5}, {"a": [3, 4], 'b"': 1.0}]
    }


@pytest.mark.parametrize(
    ("outputs", "row_form", "message"),
    [
        ({}, False, "Cannot convert empty tensor map to JSON"),
        ({"y": np.float32(1)}, True, "Tensor name: y has no shape information"),
        (
            {"y": np.zeros(2), "z": np.zeros(3)},
            True,
            "Tensor name: z has inconsistent batch size: 3 expecting: 2",
        ),
        ({"y": np.float16([1])}, False, "Failed to write JSON value for tensor type: half"),
        ({"y": np.zeros(1, ml_dtypes.bfloat16)}, False, "for tensor type: bfloat16"),
        ({"y": np.complex64([1])}, False, "for tensor type: complex64"),
        ({"y": np.uint16([1])}, True, "for tensor type: uint16"),
    ],
)
def test_outputs_refused(outputs, row_form, message):
    with pytest.raises(ServingError, match=f"^INVALID_ARGUMENT: .*{message}"):
        write_outputs(outputs, row_form)
