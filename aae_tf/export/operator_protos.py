"""Messages of TensorFlow Serving's text files that its Python package leaves out.

`tensorflow-serving-api` ships the protocol's messages and those of models.config, but none for
batching, monitoring or the platform. They are declared here by the fields that operators write, in
a pool of their own, where they cannot collide with somebody else's.

References:
    TensorFlow Serving, servables/tensorflow/session_bundle_config.proto,
    servables/tensorflow/saved_model_bundle_source_adapter.proto, config/monitoring_config.proto.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.config import model_server_config_pb2, platform_config_pb2

_PACKAGE = "tensorflow.serving"
_FIELD = descriptor_pb2.FieldDescriptorProto
_INT64, _BOOL, _STRING = _FIELD.TYPE_INT64, _FIELD.TYPE_BOOL, _FIELD.TYPE_STRING
_INT64_VALUE, _BOOL_VALUE, _STRING_VALUE = (
    f"google.protobuf.{kind}Value" for kind in ("Int64", "Bool", "String")
)
_REPEATED_INT64 = (_INT64, _FIELD.LABEL_REPEATED)

# Message, field: number and type. Text files know no numbers; they are the real ones.
_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "BatchingParameters": {
        "max_batch_size": (1, _INT64_VALUE),
        "batch_timeout_micros": (2, _INT64_VALUE),
        "max_enqueued_batches": (3, _INT64_VALUE),
        "num_batch_threads": (4, _INT64_VALUE),
        "thread_pool_name": (5, _STRING_VALUE),
        "allowed_batch_sizes": (6, _REPEATED_INT64),
        "pad_variable_length_inputs": (7, _BOOL),
        "enable_large_batch_splitting": (8, _BOOL_VALUE),
        "max_execution_batch_size": (9, _INT64_VALUE),
    },
    "SessionBundleConfig": {
        "session_target": (1, _STRING),
        "session_config": (2, "tensorflow.ConfigProto"),
        "batching_parameters": (3, f"{_PACKAGE}.BatchingParameters"),
        "enable_model_warmup": (779, _BOOL),
    },
    "SavedModelBundleSourceAdapterConfig": {
        "legacy_config": (1000, f"{_PACKAGE}.SessionBundleConfig"),
    },
    "PrometheusConfig": {"enable": (1, _BOOL), "path": (2, _STRING)},
    "MonitoringConfig": {"prometheus_config": (1, f"{_PACKAGE}.PrometheusConfig")},
}


def parse_text(message: str, text: str) -> Message:
    """Reads a text file of TensorFlow Serving.

    Args:
        message: name of the message that the text is: "BatchingParameters", "MonitoringConfig",
            "ModelServerConfig", "PlatformConfigMap", or another of the package.
        text: the file's content.

    Raises:
        ValueError: if it is not one; says the message, the line and the field.

    Example:

    >>> config = parse_text("MonitoringConfig", "prometheus_config { enable: true }")
    >>> config.prometheus_config.enable
    True
    """
    try:
        return text_format.Parse(text, _message_class(message)(), descriptor_pool=_pool())
    except text_format.ParseError as error:
        raise ValueError(
            f"Expected a {message} in protobuf's text format. Received: {error}."
        ) from error


def make_message(message: str, **fields: Any) -> Message:
    """Makes one of the messages that `parse_text` reads.

    Example:

    >>> str(make_message("PrometheusConfig", enable=True)).strip()
    'enable: true'
    """
    return _message_class(message)(**fields)


def _message_class(message: str) -> type[Message]:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{message}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    known: set[str] = set()
    used = (wrappers_pb2, config_pb2, model_server_config_pb2, platform_config_pb2)
    for module in used:
        _add(pool, module.DESCRIPTOR, known)
    file = descriptor_pb2.FileDescriptorProto(
        name="aae_tf/operator_protos.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name, config_pb2.DESCRIPTOR.name],
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            entry = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, tuple):
                entry.type, entry.label = kind
            elif isinstance(kind, str):
                entry.type, entry.type_name = _FIELD.TYPE_MESSAGE, f".{kind}"
            else:
                entry.type = kind
    pool.Add(file)
    return pool


def _add(pool: descriptor_pool.DescriptorPool, file: FileDescriptor, known: set[str]) -> None:
    """Adds a file after those that it imports."""
    if file.name in known:
        return
    known.add(file.name)
    for dependency in file.dependencies:
        _add(pool, dependency, known)
    pool.AddSerializedFile(file.serialized_pb)
