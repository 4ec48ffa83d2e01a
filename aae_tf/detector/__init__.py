"""From a model with an encoder to an alarm: scores with p-values, thresholds, and drift."""

from aae_tf.detector.anomaly_detector import AnomalyDetector

__all__ = ["AnomalyDetector"]
