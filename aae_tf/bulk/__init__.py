"""Encoding of files larger than memory, with shards that survive a kill."""

from aae_tf.bulk.encode_files import encode_files
from aae_tf.bulk.record_decoder import RecordDecoder

__all__ = ["RecordDecoder", "encode_files"]
