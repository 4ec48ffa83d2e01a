"""What a detector says of rows, as functions of tensors, and the signatures made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.detector.calibration import Calibration
from aae_tf.detector.typical_rows import TypicalRows
from aae_tf.export.exportable import Signature
from aae_tf.export.saved_model import full_precision
from aae_tf.models import BaseAAE
from aae_tf.models.base_aae import SCORES
from aae_tf.training.terms import Tensors

_EXAMPLE_RATES = np.array([0.001, 0.1], np.float32)


def score_of_terms(
    terms: dict[str, Any], calibration: Calibration, false_alarm_rate: float | tf.Tensor
) -> Tensors:
    """Scores rows and tells anomalies.

    Args:
        terms: what `BaseAAE.score_terms` gives for the rows.
        calibration: that of the detector.
        false_alarm_rate: a row is an anomaly where its p-value is at most this; one number, or
            float32 [batch].

    Returns:
        `anomaly_score`, `p_value`, `is_anomaly` and `column_scores`, see `AnomalyDetector.score`,
        and what the model's `score` gives.
    """
    scores = calibration.score(terms)
    rate = tf.convert_to_tensor(false_alarm_rate, tf.float32)
    return {
        **{name: tf.convert_to_tensor(terms[name]) for name in SCORES if name in terms},
        "anomaly_score": scores["anomaly_score"],
        "p_value": scores["p_value"],
        "is_anomaly": tf.cast(scores["p_value"] <= rate, tf.int64),
        "column_scores": scores["column_scores"],
    }


def explain_terms(
    terms: dict[str, Any], calibration: Calibration, typical_rows: TypicalRows, model: BaseAAE
) -> Tensors:
    """Says what makes the score of rows, and what they would be if they were typical.

    Args:
        terms: what `BaseAAE.score_terms` gives for the rows.
        calibration: that of the detector.
        typical_rows: the codes of typical held-out rows.
        model: what decodes them.

    Returns:
        `column_scores`, `code_score`, and `typical_row` or the columns of a table, see
        `AnomalyDetector.explain`.
    """
    scores = calibration.score(terms)
    with full_precision(model):
        typical_row = model.decode_codes(typical_rows.nearest(terms))
    parts = {name: scores[name] for name in ("column_scores", "code_score")}
    if model.table is None:
        return {**parts, "typical_row": typical_row}
    return {**parts, **model.named_outputs(typical_row)}


def detector_signatures(
    model: BaseAAE, calibration: Calibration, typical_rows: TypicalRows, false_alarm_rate: float
) -> dict[str, Signature]:
    """Returns the signatures of a model with those of a detector: `score`, `score_at`, `explain`.

    Args:
        model: the model, whose own signature `score` is replaced.
        calibration: that of the detector.
        typical_rows: the codes of typical held-out rows.
        false_alarm_rate: the rate of `score`; that of `score_at` is an input.
    """
    signatures = model.signatures()
    inputs, examples = signatures["score"].inputs, signatures["score"].examples

    def terms(rows: dict[str, tf.Tensor]) -> Tensors:
        return model.score_terms(model.features_of(rows))

    def score(**rows: tf.Tensor) -> Tensors:
        return score_of_terms(terms(rows), calibration, false_alarm_rate)

    def score_at(false_alarm_rate: tf.Tensor, **rows: tf.Tensor) -> Tensors:
        return score_of_terms(terms(rows), calibration, false_alarm_rate)

    def explain(**rows: tf.Tensor) -> Tensors:
        return explain_terms(terms(rows), calibration, typical_rows, model)

    rate = {"false_alarm_rate": tf.TensorSpec([None], tf.float32, "false_alarm_rate")}
    rates = None if examples is None else {**examples, "false_alarm_rate": _EXAMPLE_RATES}
    return {
        **signatures,
        "score": Signature(score, inputs, examples),
        "score_at": Signature(score_at, {**inputs, **rate}, rates),
        "explain": Signature(explain, inputs, examples),
    }
