import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto

from aae_tf.serving.errors import ServingError
from aae_tf.serving.models.tensor_proto import declared_shape, from_array, to_array


def read(proto: TensorProto) -> np.ndarray:
    return to_array("x", proto, declared_shape("x", proto))


ARRAYS = [
    *(
        np.array([[0, 1, 2], [3, 4, 5]], dtype)
        for dtype in (
            *("float32", "float64", "float16", ml_dtypes.bfloat16, "int8", "int16", "int32"),
            *("int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"),
        )
    ),
    np.complex64([1 + 2j, 3 - 4j]),
    np.float16([1.5, np.nan, np.inf]),
    np.int64([-(2**63), 2**63 - 1]),
    np.uint64([2**64 - 1]),
    np.array([b"a\0", b"\xff"], object),
    np.array(b"a", object),
    np.float32(1.5),
    np.zeros([0, 3], np.float32),
    np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_typed_fields_read_back(array):
    array = np.asarray(array)
    proto = from_array(array)
    assert proto.tensor_content == b""
    for back in (read(proto), tf.make_ndarray(proto)):
        assert back.dtype == array.dtype and back.shape == array.shape
        np.testing.assert_array_equal(back, array)
    assert proto.HasField("tensor_shape")  # that of a scalar too


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_what_tensorflow_writes_is_read(array):
    np.testing.assert_array_equal(read(tf.make_tensor_proto(array)), array)


def shape(*sizes) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def test_a_short_field_is_filled_with_its_last_value():
    proto = TensorProto(dtype=1, tensor_shape=shape(2, 2), float_val=[1.0, 2.0])
    np.testing.assert_array_equal(read(proto), np.float32([[1, 2], [2, 2]]))


def test_of_a_long_field_the_first_values_count():
    for fields, expected in (
        ({"dtype": 1, "float_val": [1.0, 2.0, 3.0]}, np.float32([1, 2])),
        (
            {"dtype": 8, "scomplex_val": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]},
            np.complex64([1 + 2j, 3 + 4j]),
        ),
        ({"dtype": 7, "string_val": [b"a", b"b", b"c"]}, np.array([b"a", b"b"], object)),
        ({"dtype": 19, "half_val": [0, 0x3C00, 5]}, np.float16([0, 1])),
    ):
        np.testing.assert_array_equal(read(TensorProto(tensor_shape=shape(2), **fields)), expected)


@pytest.mark.parametrize(
    "proto",
    [
        TensorProto(dtype=0, tensor_shape=shape(1), float_val=[1.0]),
        TensorProto(dtype=1, tensor_shape=shape(2), tensor_content=b"123"),
        TensorProto(dtype=1, tensor_shape=shape(2), tensor_content=b"1234"),
        TensorProto(dtype=1, tensor_shape=shape(-1), float_val=[1.0]),
        TensorProto(dtype=1, tensor_shape=TensorShapeProto(unknown_rank=True), float_val=[1.0]),
        TensorProto(dtype=20, tensor_shape=shape()),
        TensorProto(dtype=21, tensor_shape=shape()),
        TensorProto(dtype=101, tensor_shape=shape(1), float_val=[1.0]),
        TensorProto(dtype=999, tensor_shape=shape(1), float_val=[1.0]),
        TensorProto(dtype=1, tensor_shape=shape(*[1] * 300), float_val=[1.0]),
    ],
    ids=lambda proto: str(proto.dtype),
)
def test_tensors_refused(proto):
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: tensor parsing error: x: "):
        read(proto)


def test_an_output_without_a_field_is_refused():
    with pytest.raises(ServingError, match=r"output that a tensor can carry\. Received: .*float8"):
        from_array(np.zeros(1, ml_dtypes.float8_e5m2))
