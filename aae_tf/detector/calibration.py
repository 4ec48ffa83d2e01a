"""The score of anomalies, in nats, and its p-value by split conformal prediction."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.training.terms import Tensors

# No column is weighed as if its error were below this share of the mean error of all columns: the
# error of a column that is constant in the held-out rows is about zero.
_SMALLEST_SHARE = 0.01
# What is not finite, or larger, counts as this much: sums of a million columns stay finite.
_LARGEST = 1e30
# Two runs of one graph differ by rounding. A row that equals a calibration row must count as equal.
_ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Turns the terms of a row's score into nats, a score, and a p-value.

        column_scores_j = error_j / (2 scale_j)
        code_score = -log((1 + #{held-out codes of no higher density}) / (m + 1))
        anomaly_score = sum_j column_scores_j + code_score
        p_value = (1 + #{calibration scores >= anomaly_score}) / (n + 1)

    The first is, up to a constant, the negative log density of a Gaussian around the
    reconstruction whose variance is the mean squared error of the column in held-out rows; for a
    column whose loss is no squared error, the error in units of twice its mean. The second is the
    surprise at the code's place under the prior, measured against codes of held-out rows, which
    never fit their prior perfectly; without a density it is zero.

    A row that is exchangeable with the n calibration rows has p_value <= a with probability
    floor(a (n + 1)) / (n + 1) <= a, whatever the model and the score are, as long as neither has
    seen these rows. So scales and densities come from m other held-out rows.

    Args:
        column_scales: [columns], positive.
        log_probs: [m], of the codes of held-out rows, ascending; empty without a density.
        scores: [n], of the calibration rows, ascending.

    References:
        Vovk et al. 2005, section 4.1; Lei et al. 2018, section 2.2 (split conformal prediction).
    """

    column_scales: np.ndarray
    log_probs: np.ndarray
    scores: np.ndarray

    @classmethod
    def fit(cls, scale_terms: dict[str, Any], calibration_terms: dict[str, Any]) -> Calibration:
        """Measures scales on some held-out rows, and scores of others.

        Args:
            scale_terms: what `BaseAAE.score_terms` gives for m rows.
            calibration_terms: the same for n other rows.
        """
        scales = np.asarray(scale_terms["column_errors"], np.float64).mean(axis=0)
        smallest = max(_SMALLEST_SHARE * scales.mean(), np.finfo(np.float32).tiny)
        scales = np.clip(scales, smallest, _LARGEST).astype(np.float32)
        log_probs = np.sort(np.asarray(scale_terms.get("prior_log_prob", []), np.float32))
        unsorted = cls(scales, log_probs, np.zeros(0, np.float32))
        scores = unsorted.score(calibration_terms)["anomaly_score"].numpy()
        return dataclasses.replace(unsorted, scores=np.sort(scores))

    @property
    def num_rows(self) -> int:
        """Number of calibration rows, n."""
        return len(self.scores)

    def threshold(self, rate: float) -> float:
        """Gives the largest score that is no anomaly at a false-alarm rate.

        Args:
            rate: in (0, 1), at least 1 / (n + 1).

        Returns:
            The threshold t such that p_value <= rate where the score is above t, and only there.
        """
        # Rounding must not cost one row where rate * (n + 1) is an integer.
        rank = min(math.floor(rate * (self.num_rows + 1) + 1e-9), self.num_rows)
        return float(self._bounds()[self.num_rows - rank])

    def score(self, terms: dict[str, Any]) -> Tensors:
        """Scores rows.

        Args:
            terms: what `BaseAAE.score_terms` gives.

        Returns:
            `column_scores` float32 [batch, columns], `code_score` and `anomaly_score` float32
            [batch], all finite and zero or more, in nats; and `p_value` float32 [batch], in
            [1 / (n + 1), 1].
        """
        errors = tf.convert_to_tensor(terms["column_errors"])
        column_scores = _limit(errors / (2.0 * self.column_scales))
        code_score = self._code_score(terms, tf.shape(errors)[:1])
        score = tf.reduce_sum(column_scores, axis=1) + code_score
        return {
            "column_scores": column_scores,
            "code_score": code_score,
            "anomaly_score": score,
            "p_value": self._p_value(score),
        }

    def _code_score(self, terms: dict[str, Any], shape: tf.Tensor) -> tf.Tensor:
        if not len(self.log_probs):
            return tf.zeros(shape)
        log_prob = tf.convert_to_tensor(terms["prior_log_prob"])
        log_prob = tf.where(tf.math.is_nan(log_prob), np.float32(-np.inf), log_prob)
        lower = tf.searchsorted(self.log_probs, log_prob, side="right")
        share = tf.cast(1 + lower, tf.float32) / (len(self.log_probs) + 1.0)
        return tf.abs(tf.math.log(share))  # -log 1 would be -0.

    def _p_value(self, score: tf.Tensor) -> tf.Tensor:
        below = tf.searchsorted(self._bounds(), score, side="left")
        return tf.cast(1 + self.num_rows - below, tf.float32) / (self.num_rows + 1.0)

    def _bounds(self) -> np.ndarray:
        """Returns the calibration scores, so much larger that rounding does not part equal ones."""
        return self.scores * np.float32(1.0 + _ROUNDING)

    def get_config(self) -> dict[str, Any]:
        """Returns the numbers, in JSON types."""
        fields = dataclasses.fields(self)
        return {field.name: getattr(self, field.name).tolist() for field in fields}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Calibration:
        """Makes the calibration from what `get_config` returned."""
        return cls(**{name: np.array(values, np.float32) for name, values in config.items()})


def _limit(values: tf.Tensor) -> tf.Tensor:
    """Replaces what is not finite, and what is larger, by a large number."""
    largest = tf.constant(_LARGEST, values.dtype)
    return tf.minimum(tf.where(tf.math.is_finite(values), values, largest), largest)
