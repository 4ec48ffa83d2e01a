"""`RecordDecoder`: decodes records of TFRecord files to rows of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework.tensor_pb2 import TensorProto

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class RecordDecoder:
    """Decodes batches of serialised records in the format of a given record.

    A record is a `tf.train.Example`, or the content of a feature without one. The content is

    - numbers: a float_list or an int64_list with every number of the row;
    - or bytes: the output of `tf.io.serialize_tensor`, a PNG or JPEG image, or the bare numbers,
      8-bit or float32, little-endian.

    A row may be stored in another shape, see `is_layout_of`: as [28, 28] or [784] for [28, 28, 1].
    All records must be of the first one's kind.

    Args:
        record: a serialised record, from which the format is inferred.
        shape: shape of a row of numbers.
        feature: name of the feature, where records are Examples. Defaults to the only one.

    Attributes:
        kind: "numbers", "tensor", "image" or "bytes".
        dtype: tf.DType of the numbers, as they are stored.

    Raises:
        ValueError: if the record has none of these formats, has no such feature, or its row has
            another shape.

    Example:

        >>> import tensorflow as tf
        >>> value = tf.train.Feature(float_list=tf.train.FloatList(value=[0.0, 0.5, 1.0]))
        >>> features = tf.train.Features(feature={"pixels": value})
        >>> record = tf.train.Example(features=features).SerializeToString()
        >>> decoder = RecordDecoder(record, shape=(3,))
        >>> decoder.kind, decoder.decode([record, record]).numpy()
        ('numbers', array([[0. , 0.5, 1. ],
               [0. , 0.5, 1. ]], dtype=float32))

    References:
        tensorflow/core/example/example.proto; tensorflow/core/framework/tensor.proto.
    """

    def __init__(self, record: bytes, shape: Sequence[int], feature: str | None = None) -> None:
        self.shape = tuple(shape)
        self.feature = feature
        self.kind: Literal["numbers", "tensor", "image", "bytes"] = "numbers"
        # The bytes before the numbers of a serialised tensor: equal for equal shape and dtype.
        self._header = b""
        # Shape of a decoded image.
        self._image_shape: tuple[int, ...] = ()
        value = self._find_feature(record)
        if value is None:
            self._infer_from_content(record)
        elif value.WhichOneof("kind") == "bytes_list" and len(value.bytes_list.value) == 1:
            self._infer_from_content(value.bytes_list.value[0])
        else:
            self._infer_from_numbers(value)
        spec = tf.TensorSpec([None], tf.string)
        self._graph = tf.function(self._decode, input_signature=[spec], autograph=False)

    def decode(self, records: tf.Tensor | Sequence[bytes]) -> tf.Tensor:
        """Decodes records.

        Args:
            records: string [n], serialised.

        Returns:
            Numbers of `dtype`, [n, *shape].

        Raises:
            tf.errors.InvalidArgumentError: if a record is of another kind or size than the first.
        """
        return self._graph(tf.convert_to_tensor(records, tf.string))

    def _decode(self, records: tf.Tensor) -> tf.Tensor:
        if self.feature is not None:
            size = [math.prod(self.shape)] if self.kind == "numbers" else []
            dtype = self.dtype if self.kind == "numbers" else tf.string
            spec = {self.feature: tf.io.FixedLenFeature(size, dtype)}
            records = tf.io.parse_example(records, spec)[self.feature]
        values = records
        if self.kind == "image":
            spec = tf.TensorSpec(self._image_shape, self.dtype)
            values = tf.map_fn(self._decode_image, records, fn_output_signature=spec)
        elif self.kind == "tensor":
            values = tf.io.decode_raw(self._cut_headers(records), self.dtype)
        elif self.kind == "bytes":
            values = tf.io.decode_raw(records, self.dtype)
        # The number of rows is given, so that a record of twice the length is not taken for two.
        return tf.reshape(values, [tf.shape(records)[0], *self.shape])

    def _decode_image(self, content: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(content, expand_animations=False)
        same = tf.reduce_all(tf.shape(image) == self._image_shape)
        tf.debugging.Assert(same, ["An image differs from the first one in shape."])
        return tf.ensure_shape(image, self._image_shape)

    def _cut_headers(self, records: tf.Tensor) -> tf.Tensor:
        size = len(self._header)
        same = tf.reduce_all(tf.strings.substr(records, 0, size) == self._header)
        message = "A serialised tensor differs from the first one in shape or dtype."
        tf.debugging.Assert(same, [message])
        return tf.strings.substr(records, size, -1)

    def _find_feature(self, record: bytes) -> tf.train.Feature | None:
        try:
            features = tf.train.Example.FromString(record).features.feature
        except DecodeError:
            features = {}
        names = sorted(features)
        if not names and self.feature is None:
            return None
        if self.feature is None and len(names) == 1:
            self.feature = names[0]
        if self.feature not in names:
            raise ValueError(
                f"Expected `feature` to be one of {names}, those of the first record. "
                f"Received: feature={self.feature!r}."
            )
        return features[self.feature]

    def _infer_from_numbers(self, value: tf.train.Feature) -> None:
        kind = value.WhichOneof("kind")
        self.dtype = tf.int64 if kind == "int64_list" else tf.float32
        numbers = getattr(value, kind).value if kind in ("int64_list", "float_list") else ()
        if len(numbers) != math.prod(self.shape):
            raise self._row_error(f"{len(numbers)} numbers in {kind}")

    def _infer_from_content(self, content: bytes) -> None:
        size = math.prod(self.shape)
        if content.startswith(_IMAGES):
            image = tf.io.decode_image(content, expand_animations=False)
            self.kind, self.dtype, self._image_shape = "image", image.dtype, tuple(image.shape)
            self._check_layout(self._image_shape, "an image")
        elif (tensor := _parse_tensor(content)) is not None:
            self.kind, self.dtype = "tensor", tf.as_dtype(tensor.dtype)
            self._header = content[: -len(tensor.tensor_content)]
            self._check_layout([dim.size for dim in tensor.tensor_shape.dim], "a tensor")
        elif len(content) in (size, 4 * size):
            self.kind = "bytes"
            self.dtype = tf.uint8 if len(content) == size else tf.float32
        else:
            raise self._row_error(f"{len(content)} bytes")

    def _check_layout(self, found: Sequence[int], what: str) -> None:
        if not is_layout_of(found, self.shape):
            raise self._row_error(f"{what} of shape {tuple(found)}")

    def _row_error(self, received: str) -> ValueError:
        where = "records" if self.feature is None else f"the feature {self.feature!r}"
        return ValueError(
            f"Expected {where} to hold rows of shape {self.shape}: numbers, a serialised tensor, a "
            f"PNG or JPEG image, or bare 8-bit or float32 numbers. Received: {received}."
        )


def is_layout_of(found: Sequence[int], expected: Sequence[int]) -> bool:
    """Tells whether rows stored in one shape are unmistakably rows of another shape.

    Dimensions of size one may be left out or added, and either shape may be flat: [28, 28] and
    [784] are read as [28, 28, 1], and the other way round. [3, 32, 32] is not read as [32, 32, 3].

    Args:
        found: shape of a row, as it is stored.
        expected: shape of a row, as it is needed.

    Example:

    >>> is_layout_of((28, 28), (28, 28, 1)), is_layout_of((3, 32, 32), (32, 32, 3))
    (True, False)
    """
    found, expected = ([size for size in shape if size != 1] for shape in (found, expected))
    return found == expected or found == [math.prod(expected)] or expected == [math.prod(found)]


def _parse_tensor(content: bytes) -> TensorProto | None:
    """Parses the output of `tf.io.serialize_tensor` for numbers; None if it is anything else."""
    try:
        tensor = TensorProto.FromString(content)
        dtype = tf.as_dtype(tensor.dtype)
    except (DecodeError, TypeError):
        return None
    numbers = tensor.tensor_content
    is_whole = dtype.is_floating or dtype.is_integer
    if not is_whole or not numbers or not content.endswith(numbers):
        return None
    count = math.prod(dim.size for dim in tensor.tensor_shape.dim)
    return tensor if len(numbers) == count * dtype.size else None
