"""TensorFlow Serving's messages, and tensors and signatures in them as NumPy arrays and dicts.

The messages are declared here, in a descriptor pool of their own: tensorflow-serving-api's import
TensorFlow, and declare the same names in the default pool. On the wire only the numbers of fields
count, so names that differ from TensorFlow's, and fields left out, do no harm.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Signatures: TypeAlias = dict[str, dict[str, dict[str, dict[str, Any]]]]

# A field is "[repeated | map] type name = number"; the keys of a map are strings.
_MESSAGES = {
    "Dim": ["int64 size = 1"],
    "TensorShape": ["repeated Dim dim = 2", "bool unknown_rank = 3"],
    "TensorProto": [
        "DataType dtype = 1",
        "TensorShape tensor_shape = 2",
        "bytes tensor_content = 4",
        "repeated float float_val = 5",
        "repeated double double_val = 6",
        "repeated int32 int_val = 7",
        "repeated bytes string_val = 8",
        "repeated float scomplex_val = 9",
        "repeated int64 int64_val = 10",
        "repeated bool bool_val = 11",
        "repeated double dcomplex_val = 12",
        "repeated int32 half_val = 13",
        "repeated uint32 uint32_val = 16",
        "repeated uint64 uint64_val = 17",
    ],
    "TensorInfo": ["DataType dtype = 2", "TensorShape tensor_shape = 3"],
    "SignatureDef": ["map TensorInfo inputs = 1", "map TensorInfo outputs = 2"],
    "SignatureDefMap": ["map SignatureDef signature_def = 1"],
    "Version": ["int64 value = 1"],
    "ModelSpec": [
        "string name = 1",
        "Version version = 2",
        "string signature_name = 3",
        "string version_label = 4",
    ],
    "PredictRequest": [
        "ModelSpec model_spec = 1",
        "map TensorProto inputs = 2",
        "repeated string output_filter = 3",
    ],
    "PredictResponse": ["map TensorProto outputs = 1", "ModelSpec model_spec = 2"],
    "GetModelMetadataRequest": ["ModelSpec model_spec = 1", "repeated string metadata_field = 2"],
    "Any": ["string type_url = 1", "bytes value = 2"],
    "GetModelMetadataResponse": ["ModelSpec model_spec = 1", "map Any metadata = 2"],
    "GetModelStatusRequest": ["ModelSpec model_spec = 1"],
    "ModelVersionStatus": ["int64 version = 1", "int32 state = 2"],
    "GetModelStatusResponse": ["repeated ModelVersionStatus model_version_status = 1"],
}
_DATA_TYPE_NAMES = """
    INVALID FLOAT DOUBLE INT32 UINT8 INT16 INT8 STRING COMPLEX64 INT64 BOOL QINT8 QUINT8
    QINT32 BFLOAT16 QINT16 QUINT16 UINT16 COMPLEX128 HALF RESOURCE VARIANT UINT32 UINT64
    FLOAT8_E5M2 FLOAT8_E4M3FN FLOAT8_E4M3FNUZ FLOAT8_E4M3B11FNUZ FLOAT8_E5M2FNUZ INT4
    UINT4 INT2 UINT2 FLOAT4_E2M1FN
"""
_DATA_TYPES = _DATA_TYPE_NAMES.split()
_STATES = {
    0: "UNKNOWN",
    10: "START",
    20: "LOADING",
    30: "AVAILABLE",
    40: "UNLOADING",
    50: "END",
}


def _message_classes() -> dict[str, Any]:
    """Returns the class of each message by its name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="aae_tf/serving.proto", package="aae_tf", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto

    def add_field(message: Any, kind: str, name: str, number: int, repeated: bool) -> None:
        label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, label=label)
        if kind == "DataType" or kind.partition(".")[0] in _MESSAGES:
            field.type = kinds.TYPE_ENUM if kind == "DataType" else kinds.TYPE_MESSAGE
            field.type_name = f".aae_tf.{kind}"
        else:
            field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")

    data_type = file.enum_type.add(name="DataType")
    for number, name in enumerate(_DATA_TYPES):
        data_type.value.add(name=f"DT_{name}", number=number)
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for declaration in fields:
            *label, kind, name, _, field_number = declaration.split()
            if label == ["map"]:
                entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
                entry.options.map_entry = True
                add_field(entry, "string", "key", 1, repeated=False)
                add_field(entry, kind, "value", 2, repeated=False)
                kind = f"{message_name}.{entry.name}"
            add_field(message, kind, name, int(field_number), repeated=bool(label))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"aae_tf.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _message_classes()
GetModelMetadataRequest = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse = _CLASSES["GetModelMetadataResponse"]
GetModelStatusRequest = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse = _CLASSES["GetModelStatusResponse"]
ModelSpec = _CLASSES["ModelSpec"]
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
SignatureDefMap = _CLASSES["SignatureDefMap"]
TensorProto = _CLASSES["TensorProto"]

_NAMES = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}
_DTYPE_NAMES = {
    number: _NAMES.get(name, name.lower()) for number, name in enumerate(_DATA_TYPES) if number
}
_NUMBERS = {name: number for number, name in _DTYPE_NAMES.items()}
# The field of a TensorProto that carries the values of each dtype, and the dtype that they have
# there, where it is another.
_FIELDS: dict[str, tuple[str, str | None]] = {
    "float32": ("float_val", None),
    "float64": ("double_val", None),
    "float16": ("half_val", "uint16"),
    "bfloat16": ("half_val", "uint16"),
    "int64": ("int64_val", None),
    "uint32": ("uint32_val", None),
    "uint64": ("uint64_val", None),
    "bool": ("bool_val", None),
    "complex64": ("scomplex_val", "float32"),
    "complex128": ("dcomplex_val", "float64"),
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), ("int_val", None)),
}
_MAX_BYTES = 2**31


def dtype_name(data_type: int) -> str:
    """Returns NumPy's name of a `DataType`, "string" for bytes.

    Example:

        >>> dtype_name(1), dtype_name(7)
        ('float32', 'string')
    """
    return _DTYPE_NAMES.get(data_type, f"type {data_type}")


def numpy_dtype(name: str) -> np.dtype:
    """Returns the dtype of arrays that hold values of the `dtype_name` given.

    Raises:
        ModuleNotFoundError: for bfloat16 where ml_dtypes is not installed.
        TypeError: NumPy has none.
    """
    if name == "string":
        return np.dtype(object)
    if name == "bfloat16":
        import ml_dtypes  # comes with TensorFlow, and is needed for nothing else

        return np.dtype(ml_dtypes.bfloat16)
    if name not in _FIELDS:
        raise TypeError(f"Expected a dtype that NumPy has. Received: {name}.")
    return np.dtype(name)


def write_tensor(array: np.ndarray) -> Any:
    """Returns the `TensorProto` of an array.

    Args:
        array: Numbers, bools, or strings: bytes or `str`, which is sent as UTF-8.

    Raises:
        TypeError: no tensor has this dtype, or what should be a string is none.
        ValueError: the array has 2 GiB or more.

    Example:

        >>> read_tensor(write_tensor(np.array([[1, 2]])))
        array([[1, 2]])
    """
    is_string = array.dtype.kind in "OSU"
    name = "string" if is_string else array.dtype.name
    if not is_string and name not in _FIELDS:
        raise TypeError(f"Expected an array that a tensor can carry. Received: dtype={name}.")
    proto = TensorProto(dtype=_NUMBERS[name])
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if not array.shape:
        proto.tensor_shape.SetInParent()
    if is_string:
        proto.string_val.extend([_to_bytes(value) for value in array.ravel().tolist()])
        return proto
    if array.nbytes >= _MAX_BYTES:
        raise ValueError("Cannot create a tensor proto whose content is larger than 2GB.")
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    proto.tensor_content = array.tobytes()
    return proto


def read_tensor(proto: Any) -> np.ndarray:
    """Returns the array of a `TensorProto`; strings are object arrays of bytes.

    Values come as `tensor_content` or in the field of their dtype; fewer than the shape asks for
    are filled up with the last, as the protocol has it.

    Raises:
        TypeError: NumPy has no such dtype.
    """
    name = dtype_name(proto.dtype)
    dtype = numpy_dtype(name)
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if name == "string":
        strings = list(proto.string_val)
        strings += (strings[-1:] or [b""]) * (math.prod(shape) - len(strings))
        array = np.empty(len(strings), dtype=object)
        array[:] = strings
        return array.reshape(shape)
    if proto.tensor_content:
        return (
            np.frombuffer(proto.tensor_content, dtype.newbyteorder("<"))
            .astype(dtype)
            .reshape(shape)
        )
    field, stored = _FIELDS[name]
    sent = getattr(proto, field)
    values = np.fromiter(sent, stored or dtype, len(sent)).view(dtype)
    if not values.size:
        return np.zeros(shape, dtype)
    missing = math.prod(shape) - values.size
    return (np.pad(values, (0, missing), "edge") if missing else values).reshape(shape)


def describe_signatures(signatures: Mapping[str, Any]) -> Signatures:
    """Returns signatures as dicts.

    Args:
        signatures: `SignatureDef` messages by the signature's name.

    Returns:
        Dicts by the signature's name, whose "inputs" and "outputs" hold for each array its
        "dtype", as NumPy names it ("string" for bytes), and its "shape", a tuple with None for
        sizes that are free, or None if the rank is. What initialises the model is left out.

    Example:

        >>> message = SignatureDefMap()
        >>> message.signature_def["encode"].inputs["x"].dtype = 1
        >>> describe_signatures(message.signature_def)
        {'encode': {'inputs': {'x': {'dtype': 'float32', 'shape': ()}}, 'outputs': {}}}
    """
    return {
        name: {
            "inputs": {key: _describe(signature.inputs[key]) for key in sorted(signature.inputs)},
            "outputs": {
                key: _describe(signature.outputs[key]) for key in sorted(signature.outputs)
            },
        }
        for name, signature in sorted(signatures.items())
        # This one is the exporter's, of no use to a client.
        if name != "__saved_model_init_op"
    }


def state_name(state: int) -> str:
    """Returns the name of a version's state, such as "AVAILABLE"."""
    return _STATES.get(state, str(state))


def _describe(info: Any) -> dict[str, Any]:
    sizes = (None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    shape = None if info.tensor_shape.unknown_rank else tuple(sizes)
    return {"dtype": dtype_name(info.dtype), "shape": shape}


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise TypeError(f"Expected strings or bytes in an array of objects. Received: {value!r}.")
    return value
