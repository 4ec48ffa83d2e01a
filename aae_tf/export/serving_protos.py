"""Messages of TensorFlow Serving that exports write and that operators' text files hold.

`tensorflow-serving-api` has no messages for batching, monitoring or the platform, and an export
does not need that package for its warm-up requests. The messages are declared here, with the
fields that are used, in a descriptor pool of their own, where they cannot collide with others.

References:
    TensorFlow Serving, servables/tensorflow/session_bundle_config.proto,
    servables/tensorflow/saved_model_bundle_source_adapter.proto, config/monitoring_config.proto,
    apis/prediction_log.proto, apis/predict.proto, apis/model.proto.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2

from aae_tf.checks import import_extra

_PACKAGE = "tensorflow.serving"
_FIELD = descriptor_pb2.FieldDescriptorProto
_INT64, _BOOL, _STRING = _FIELD.TYPE_INT64, _FIELD.TYPE_BOOL, _FIELD.TYPE_STRING
_INT64_VALUE, _BOOL_VALUE, _STRING_VALUE = (
    f"google.protobuf.{kind}Value" for kind in ("Int64", "Bool", "String")
)


class _Repeated(NamedTuple):
    type: int


class _MapFromString(NamedTuple):
    message: str


# Messages, with the number and the type of each field: a scalar type, or the name of a message.
# Text files do not hold the numbers; they are those of TensorFlow Serving.
_MESSAGES: dict[str, dict[str, tuple[int, int | str | _Repeated | _MapFromString]]] = {
    "BatchingParameters": {
        "max_batch_size": (1, _INT64_VALUE),
        "batch_timeout_micros": (2, _INT64_VALUE),
        "max_enqueued_batches": (3, _INT64_VALUE),
        "num_batch_threads": (4, _INT64_VALUE),
        "thread_pool_name": (5, _STRING_VALUE),
        "allowed_batch_sizes": (6, _Repeated(_INT64)),
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
    "SSLConfig": {
        "server_key": (1, _STRING),
        "server_cert": (2, _STRING),
        "custom_ca": (3, _STRING),
        "client_verify": (4, _BOOL),
    },
    "MonitoringConfig": {"prometheus_config": (1, f"{_PACKAGE}.PrometheusConfig")},
}
_WARMUP_MESSAGES: dict[str, dict[str, tuple[int, int | str | _Repeated | _MapFromString]]] = {
    "ModelSpec": {"name": (1, _STRING), "signature_name": (3, _STRING)},
    "PredictRequest": {
        "model_spec": (1, f"{_PACKAGE}.ModelSpec"),
        "inputs": (2, _MapFromString("tensorflow.TensorProto")),
    },
    "PredictLog": {"request": (1, f"{_PACKAGE}.PredictRequest")},
    "PredictionLog": {"predict_log": (6, f"{_PACKAGE}.PredictLog")},
}


def parse_text(message: str, text: str) -> Message:
    """Reads a text file of TensorFlow Serving.

    Args:
        message: name of the message that the text is: "BatchingParameters", "MonitoringConfig",
            "SSLConfig", "ModelServerConfig", "PlatformConfigMap", or another of the package. The
            latter two need the extra `serving`.
        text: the file's content.

    Raises:
        ValueError: if the text is not such a message; says the message, the line and the field.

    Example:

    >>> config = parse_text("MonitoringConfig", "prometheus_config { enable: true }")
    >>> config.prometheus_config.enable
    True
    """
    pool = _text_pool() if message in _MESSAGES else _config_pool()
    try:
        return text_format.Parse(text, _message_class(pool, message)(), descriptor_pool=pool)
    except text_format.ParseError as error:
        raise ValueError(
            f"Expected a {message} in protobuf's text format. Received: {error}."
        ) from error


def make_message(message: str, **fields: Any) -> Message:
    """Makes one of the messages that are declared here.

    Example:

    >>> str(make_message("PrometheusConfig", enable=True)).strip()
    'enable: true'
    """
    pool = _warmup_pool() if message in _WARMUP_MESSAGES else _text_pool()
    return _message_class(pool, message)(**fields)


def _message_class(pool: descriptor_pool.DescriptorPool, message: str) -> type[Message]:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message}"))


@functools.cache
def _text_pool() -> descriptor_pool.DescriptorPool:
    """A pool of the messages of `_MESSAGES`."""
    return _make_pool(_MESSAGES, wrappers_pb2, config_pb2)


@functools.cache
def _config_pool() -> descriptor_pool.DescriptorPool:
    """A pool of the same and of the server's configurations, which may hold one of the former."""
    configs = (
        import_extra(f"tensorflow_serving.config.{name}_pb2", "serving", "TensorFlow Serving")
        for name in ("model_server_config", "platform_config")
    )
    return _make_pool(_MESSAGES, wrappers_pb2, config_pb2, *configs)


@functools.cache
def _warmup_pool() -> descriptor_pool.DescriptorPool:
    """A pool of the messages of a warm-up file."""
    return _make_pool(_WARMUP_MESSAGES, tensor_pb2)


def _make_pool(
    messages: dict[str, dict[str, tuple[int, int | str | _Repeated | _MapFromString]]],
    *modules: Any,
) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for module in modules:
        _add_file(pool, module.DESCRIPTOR, added)
    file = descriptor_pb2.FileDescriptorProto(
        name="aae_tf/serving_protos.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[module.DESCRIPTOR.name for module in modules],
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            entry = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, _Repeated):
                entry.type, entry.label = kind.type, _FIELD.LABEL_REPEATED
            elif isinstance(kind, _MapFromString):
                pair = message.nested_type.add(name=f"{field.capitalize()}Entry")
                pair.options.map_entry = True
                pair.field.add(
                    name="key", number=1, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_STRING
                )
                value = pair.field.add(name="value", number=2, label=_FIELD.LABEL_OPTIONAL)
                value.type, value.type_name = _FIELD.TYPE_MESSAGE, f".{kind.message}"
                entry.type, entry.label = _FIELD.TYPE_MESSAGE, _FIELD.LABEL_REPEATED
                entry.type_name = f".{_PACKAGE}.{name}.{pair.name}"
            elif isinstance(kind, str):
                entry.type, entry.type_name = _FIELD.TYPE_MESSAGE, f".{kind}"
            else:
                entry.type = kind
    pool.Add(file)
    return pool


def _add_file(pool: descriptor_pool.DescriptorPool, file: FileDescriptor, added: set[str]) -> None:
    """Adds a file to a pool, after the files that it imports."""
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add_file(pool, dependency, added)
    pool.AddSerializedFile(file.serialized_pb)
