"""Dynamic batching: requests of many callers run as one, as TensorFlow Serving gathers them."""

from aae_tf.serving.batching.batch_queue import BatchReport
from aae_tf.serving.batching.batch_thread_pool import BatchThreadPool
from aae_tf.serving.batching.batching_session import BatchingSession

__all__ = ["BatchReport", "BatchThreadPool", "BatchingSession"]
