"""Files larger than memory: codes in shards that survive a kill, and tests for drift."""

from aae_tf.offline.drift_files import drift_files
from aae_tf.offline.encode_files import encode_files
from aae_tf.offline.record_decoder import RecordDecoder
from aae_tf.offline.tables import encode_tables

__all__ = ["RecordDecoder", "drift_files", "encode_files", "encode_tables"]
