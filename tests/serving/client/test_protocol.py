import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from aae_tf.serving.client import protocol
from aae_tf.serving.models.tensor_proto import from_array
from tests.serving.models.test_tensor_proto import ARRAYS

OFFICIAL = {
    "TensorProto": tensor_pb2.TensorProto,
    "TensorShape": tensor_shape_pb2.TensorShapeProto,
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
    "TensorInfo": meta_graph_pb2.TensorInfo,
    "SignatureDef": meta_graph_pb2.SignatureDef,
    "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
}
WRAPPERS = {
    "Version": model_pb2.ModelSpec.DESCRIPTOR.fields_by_name["version"].message_type,
    "Any": get_model_metadata_pb2.GetModelMetadataResponse.DESCRIPTOR.fields_by_name["metadata"]
    .message_type.fields_by_name["value"]
    .message_type,
}


def test_fields_have_tensorflows_numbers_and_types():
    descriptors = {name: message.DESCRIPTOR for name, message in OFFICIAL.items()} | WRAPPERS
    assert set(protocol._CLASSES) == set(descriptors)
    for name, message in protocol._CLASSES.items():
        for field in message.DESCRIPTOR.fields:
            other = descriptors[name].fields_by_name[field.name]
            assert (field.number, field.is_repeated) == (other.number, other.is_repeated)
            # Enums are read as the integers that they are on the wire.
            is_enum = other.type == other.TYPE_ENUM and field.type == field.TYPE_INT32
            assert is_enum or field.type == other.type, f"{name}.{field.name}"


def test_names_of_dtypes_and_states_are_tensorflows():
    for name, number in types_pb2.DataType.items():
        if number == types_pb2.DT_INVALID or number > 100:  # references, never in a signature
            continue
        assert protocol._CLASSES["TensorInfo"](dtype=name).dtype == number
        if name not in ("DT_RESOURCE", "DT_VARIANT"):  # which have no NumPy counterpart
            assert protocol.dtype_name(number) == tf.as_dtype(number).name
    for name, number in get_model_status_pb2.ModelVersionStatus.State.items():
        assert protocol.state_name(number) == name
    assert protocol.state_name(60) == "60"


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_tensors_are_written_and_read_as_tensorflow_does(array):
    array = np.asarray(array)
    written = tensor_pb2.TensorProto.FromString(protocol.write_tensor(array).SerializeToString())
    as_content, as_fields = tf.make_tensor_proto(array), from_array(array)
    for official in (written, as_content, as_fields):
        own = protocol.TensorProto.FromString(official.SerializeToString())
        for read in (tf.make_ndarray(official), protocol.read_tensor(own)):
            assert read.dtype == array.dtype and read.shape == array.shape
            np.testing.assert_array_equal(read, array)
            assert read.flags.writeable


def test_strings_of_any_kind_are_sent_as_bytes():
    for array in (np.array(["a", "\u00e9"]), np.array([b"a", "\u00e9".encode()])):
        assert protocol.read_tensor(protocol.write_tensor(array)).tolist() == [b"a", b"\xc3\xa9"]
    with pytest.raises(TypeError, match=r"Expected strings or bytes .* Received: 1\."):
        protocol.write_tensor(np.array(["a", 1], object))


def test_the_byte_order_of_an_array_is_not_sent():
    array = np.array([1.0, 2.5], ">f4")
    np.testing.assert_array_equal(protocol.read_tensor(protocol.write_tensor(array)), array)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dtype": 1, "float_val": [1.0, 2.0]}, np.float32([[1, 2], [2, 2]])),
        ({"dtype": 1}, np.zeros([2, 2], np.float32)),
        ({"dtype": 7, "string_val": [b"a"]}, np.full([2, 2], b"a", object)),
        ({"dtype": 14, "half_val": [0x3F80]}, np.ones([2, 2], ml_dtypes.bfloat16)),
    ],
)
def test_a_short_field_is_filled_with_its_last_value(fields, expected):
    official = tensor_pb2.TensorProto(**fields)
    for size in expected.shape:
        official.tensor_shape.dim.add(size=size)
    own = protocol.read_tensor(protocol.TensorProto.FromString(official.SerializeToString()))
    np.testing.assert_array_equal(own, expected)
    np.testing.assert_array_equal(own, tf.make_ndarray(official))


def test_dtypes_without_a_tensor_are_refused():
    with pytest.raises(TypeError, match=r"a tensor can carry\. Received: dtype=datetime"):
        protocol.write_tensor(np.zeros(1, "datetime64[s]"))
    with pytest.raises(TypeError, match=r"dtype that NumPy has\. Received: variant"):
        protocol.read_tensor(protocol.TensorProto(dtype=21))
