"""Offline encoding: files larger than memory, in shards that survive a kill."""

from aae_tf.offline.encode_files import encode_files
from aae_tf.offline.record_decoder import RecordDecoder

__all__ = ["RecordDecoder", "encode_files"]
