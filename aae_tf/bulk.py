"""The name of `aae_tf.offline` until version 0.1, kept as an alias."""

from aae_tf.offline import RecordDecoder, encode_files

__all__ = ["RecordDecoder", "encode_files"]
