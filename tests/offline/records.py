"""Serialised records, made without the code that reads them."""

import numpy as np
import tensorflow as tf


def numbers(values: np.ndarray) -> tf.train.Feature:
    """A feature of floats or integers."""
    if values.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values.ravel()))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values.ravel()))


def content(*values: bytes) -> tf.train.Feature:
    """A feature of bytes."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def example(**features: tf.train.Feature) -> bytes:
    """A serialised Example, of the same bytes in every process."""
    built = tf.train.Example(features=tf.train.Features(feature=features))
    return built.SerializeToString(deterministic=True)


def tensor(values: np.ndarray) -> bytes:
    """A serialised tensor."""
    return tf.io.serialize_tensor(values).numpy()


def png(values: np.ndarray) -> bytes:
    """A lossless picture."""
    return tf.io.encode_png(values).numpy()
