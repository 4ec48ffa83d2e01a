"""From a model with an encoder to an alarm: scores with p-values, thresholds, and drift."""

from aae_tf.detector.anomaly_detector import AnomalyDetector
from aae_tf.detector.drift_monitor import DriftMonitor, DriftResult

__all__ = ["AnomalyDetector", "DriftMonitor", "DriftResult"]
