"""`AnomalyDetector`: a model with an encoder becomes a detector with a stated false-alarm rate."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import mmd
from aae_tf.checks import import_extra
from aae_tf.data.conversions import collect_pairs, column_names
from aae_tf.detector.calibration import Calibration
from aae_tf.detector.detector_arguments import FEWEST_ROWS, check_arguments, rate_of_rows
from aae_tf.detector.detector_file import (
    DETECTOR_FILE,
    MODEL_FILE,
    StoredDetector,
    read_detector_file,
    write_detector_file,
)
from aae_tf.detector.detector_signatures import (
    detector_signatures,
    explain_terms,
    score_of_terms,
)
from aae_tf.detector.drift_monitor import FEWEST_CODES, DriftMonitor
from aae_tf.detector.typical_rows import TypicalRows
from aae_tf.export.export_model import export_model
from aae_tf.export.exportable import Signature
from aae_tf.export.saved_model import full_precision
from aae_tf.models import BaseAAE
from aae_tf.models.generative_model import join_rows

import_extra("sklearn", "data", "AnomalyDetector")
from sklearn.base import BaseEstimator, OutlierMixin  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

# Of the held-out rows, the share that scales are measured on; the others calibrate.
_SCALE_SHARE = 1 / 3


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Finds rows that are unlike those it was fitted on, at a stated rate of false alarms.

    `fit` splits its rows at random into a part that the model is trained on and a part that is
    held out. A third of the held-out rows gives the typical error of each column and the typical
    density of codes under the prior; the others calibrate: the p-value of a row is the share of
    them that look as anomalous, see `Calibration`. A row is called an anomaly where its
    p-value is at most the false-alarm rate. Of rows that are like the calibration rows, that many
    are called anomalies in expectation, whatever the model has learned.

    It follows scikit-learn's outlier detectors, and may be the last step of a Pipeline. Inputs are
    taken as they are: standardize the columns before.

    Args:
        model: any model with an encoder, `models.BaseAAE`; compiled with the defaults where it is
            not compiled yet.
        false_alarm_rate: share of normal rows that are called anomalies, in (0, 1).
        contamination: share of the rows given to `fit` that are anomalies, in (0, 0.5]: that many
            of the calibration rows are called anomalies. Then `fit` needs no clean rows, and
            `false_alarm_rate` is not used; p-values are those among rows with anomalies. None for
            rows that are all normal.
        held_out: share of the rows that the model is not trained on, in (0, 1).
        epochs: passes over the training rows.
        batch_size: rows of a training step.
        train: whether `fit` trains the model. None trains a model that has made no update, or
            that this detector has trained before. Where it does not train, all rows of `fit` are
            held-out rows: none of them may have been trained on.
        seed: non-negative integer that fixes the split.

    Attributes:
        threshold_: a row is called an anomaly where `score_samples` is below it; `offset_` in
            scikit-learn.
        false_alarm_rate_: the rate that the threshold is for: the one asked for, or
            1 / (n + 1) for n calibration rows if that is larger.
        calibration_: the scales and calibration scores, a `Calibration`.
        n_features_in_: number of columns.
        feature_names_in_: names of the columns of a frame, where `fit` was given one.

    Raises:
        ImportError: on import, if scikit-learn is not installed.
        TypeError: if the model has no encoder, or an argument is of a wrong type.
        ValueError: if an argument is out of its range.

    Example:

    >>> import aae_tf
    >>> from aae_tf import networks, priors
    >>> model = aae_tf.AAE(networks.mlp_encoder((4,), units=(16,), seed=1),
    ...                    networks.mlp_decoder((4,), 2, (16,), output_activation="linear", seed=2),
    ...                    prior=priors.gaussian(2), divergence="mmd", seed=0)
    >>> x = np.random.default_rng(0).standard_normal((400, 4), dtype="float32")
    >>> detector = AnomalyDetector(model, false_alarm_rate=0.05, epochs=1).fit(x)
    >>> detector.predict(np.array([[0.1, 0.0, -0.2, 0.1], [9.0, 0.0, 0.0, 0.0]]))
    array([ 1, -1])

    References:
        Makhzani et al. 2016 (the codes' prior); Vovk et al. 2005, section 4.1 (the p-value).
    """

    # What the drift monitor is fitted on when it is asked for, and the monitor.
    _held_out_codes: np.ndarray | None = None
    _drift_monitor: DriftMonitor | None = None

    def __init__(
        self,
        model: BaseAAE,
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        held_out: float = 0.3,
        epochs: int = 50,
        batch_size: int = 100,
        train: bool | None = None,
        seed: int = 0,
    ) -> None:
        # scikit-learn's `clone` asks that arguments are kept as they are, and sets them later.
        self.model = model
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.held_out = held_out
        self.epochs = epochs
        self.batch_size = batch_size
        self.train = train
        self.seed = seed
        self._check_arguments()

    # Fitting.

    def fit(self, x: Any, y: Any = None, **fit_arguments: Any) -> AnomalyDetector:
        """Trains the model on a part of the rows, and calibrates on the others.

        Args:
            x: float [n, ...], finite, at least 10 rows, in any form that the model's `fit` takes.
            y: labels [n] for a model that looks at labels; None elsewhere.
            **fit_arguments: further arguments of the model's `fit`, such as `callbacks`.

        Returns:
            The detector.

        Raises:
            TypeError: if `x` holds no floats.
            ValueError: if `x` is not finite, not of the model's shape, or has too few rows.

        Warns:
            UserWarning: if there are too few calibration rows for the rate.
        """
        self._check_arguments()
        names = column_names(x)
        if self.model.table_inputs is not None:
            x = self.model.table_inputs.features(x, training=True)
        x, y = collect_pairs(x, y)
        x = self._check_rows(x)
        order = np.random.default_rng(self.seed).permutation(len(x))
        trains = self.train
        if trains is None:
            optimizer = self.model.optimizer if self.model.compiled else None
            has_updates = optimizer is not None and int(optimizer.iterations) > 0
            trains = not has_updates or getattr(self, "_has_trained", False)
        if trains:
            count = len(x) - math.ceil(self.held_out * len(x))
            rows, order = order[:count], order[count:]
            if not self.model.compiled:
                self.model.compile()
            known = None if y is None or self.model.labels == "none" else np.asarray(y)[rows]
            arguments = {"epochs": self.epochs, "batch_size": self.batch_size, "verbose": 0}
            self.model.fit(x[rows], known, **{**arguments, **fit_arguments})
            self._has_trained = True
        elif fit_arguments:
            raise TypeError(
                "Expected no further arguments where the model is not trained. "
                f"Received: {sorted(fit_arguments)} for a model that is trained; train=True."
            )
        return self._calibrate(x[order], names)

    def calibrate(self, x: Any) -> AnomalyDetector:
        """Calibrates a trained model, and leaves it as it is.

        Args:
            x: float [n, ...], finite, at least 10 rows, none of which was trained on.

        Returns:
            The detector.

        Raises:
            TypeError, ValueError: as `fit`.

        Warns:
            UserWarning: if there are too few calibration rows for the rate.
        """
        self._check_arguments()
        rows = self._check_rows(x)
        order = np.random.default_rng(self.seed).permutation(len(rows))
        return self._calibrate(rows[order], column_names(x))

    def _calibrate(self, held_out: np.ndarray, names: Sequence[str] | None) -> AnomalyDetector:
        terms = self._terms(held_out)
        count = max(1, round(_SCALE_SHARE * len(held_out)))
        first = {name: rows[:count] for name, rows in terms.items()}
        rest = {name: rows[count:] for name, rows in terms.items()}
        self.calibration_ = Calibration.fit(first, rest)
        self.typical_rows_ = TypicalRows.fit(first, self.model.decoder_codes)
        self._held_out_codes, self._drift_monitor = terms["latents"], None
        self.n_features_in_ = len(self.calibration_.column_scales)
        if names is not None and len(names) == self.n_features_in_:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._set_threshold(stacklevel=4)
        return self

    def _set_threshold(self, stacklevel: int) -> None:
        name = "false_alarm_rate" if self.contamination is None else "contamination"
        asked, count = float(getattr(self, name)), self.calibration_.num_rows
        rate = rate_of_rows(name, asked, count, stacklevel)
        self.false_alarm_rate_ = rate
        self.threshold_ = -self.calibration_.threshold(rate)

    # Scoring.

    @property
    def offset_(self) -> float:
        """The threshold, by scikit-learn's name."""
        return self.threshold_

    @property
    def drift_monitor_(self) -> DriftMonitor | None:
        """A `DriftMonitor` of the latents, calibrated on those of all held-out rows.

        It is fitted when it is first asked for. None where there are fewer than 50 of them, or the
        prior of the latents has no known mean embedding.
        """
        prior, codes = self.model.latent_prior, self._held_out_codes
        is_to_fit = self._drift_monitor is None and codes is not None and len(codes) >= FEWEST_CODES
        if is_to_fit and mmd.has_mean_embedding(prior, mmd.default_kernel(prior)):
            self._drift_monitor = DriftMonitor(prior, seed=self.seed).fit(codes)
        return self._drift_monitor

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns: those of the frame that `fit` was given, or the model's."""
        return tuple(getattr(self, "feature_names_in_", self.model.column_names))

    def score_samples(self, x: Any) -> np.ndarray:
        """Scores rows: the larger, the more normal.

        Args:
            x: float [n, ...], finite, of the model's input shape.

        Returns:
            float32 [n], zero or less: minus `anomaly_score`.

        Raises:
            sklearn.exceptions.NotFittedError: if `fit` was not called.
            ValueError: if `x` is not finite, or not of the model's shape.
        """
        return -self.score(x)["anomaly_score"]

    def decision_function(self, x: Any) -> np.ndarray:
        """Gives `score_samples` minus the threshold, float32 [n]: negative for an anomaly."""
        return self.score_samples(x) - np.float32(self.threshold_)

    def predict(self, x: Any) -> np.ndarray:
        """Tells normal rows, 1, from anomalies, -1; int64 [n]."""
        return np.where(self.decision_function(x) < 0.0, -1, 1)

    def score(self, x: Any) -> dict[str, np.ndarray]:
        """Scores rows as the exported signature `score` does.

        Args:
            x: float [n, ...], finite, of the model's input shape.

        Returns:
            `anomaly_score` float32 [n], in nats: the sum of `column_scores` float32 [n, columns]
            and of the surprise at the code, see `explain`; `p_value` float32 [n]; `is_anomaly`
            int64 [n], 1 or 0; and what `model.score` gives.

        Raises:
            sklearn.exceptions.NotFittedError: if `fit` was not called.
            ValueError: if `x` is not finite, or not of the model's shape.
        """
        terms = self._checked_terms(x)
        found = score_of_terms(terms, self.calibration_, self.false_alarm_rate_)
        return tf.nest.map_structure(join_rows, found)

    def explain(self, x: Any) -> dict[str, np.ndarray]:
        """Says what makes the score of each row, and what the row would be if it were typical.

        Args:
            x: float [n, ...], finite, of the model's input shape.

        Returns:
            `column_scores` float32 [n, columns], in the order of `column_names`, and `code_score`
            float32 [n], in nats, whose sum is `anomaly_score`; and `typical_row` float32 [n, ...],
            or of a table its columns by name: the decoded code of a held-out row, of those in the
            denser half of the prior the one next to the row's own.

        Raises:
            sklearn.exceptions.NotFittedError: if `fit` was not called.
            ValueError: if `x` is not finite, or not of the model's shape.
        """
        terms = self._checked_terms(x)
        found = explain_terms(terms, self.calibration_, self.typical_rows_, self.model)
        return tf.nest.map_structure(join_rows, found)

    def _checked_terms(self, x: Any) -> dict[str, np.ndarray]:
        check_is_fitted(self, "calibration_")
        return self._terms(self.model.check_inputs(x))

    def _terms(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        # As an export computes it, whatever the model trains in.
        with full_precision(self.model):
            name = "score_terms in float32"
            return self.model.map_rows(name, self.model.score_terms, [rows], 1024)

    # Saving and exporting.

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes `model.keras` and `detector.json` into a folder, which is made if need be.

        A detector that is there is replaced; one whose writing is interrupted does not load.

        Raises:
            sklearn.exceptions.NotFittedError: if `fit` was not called.
        """
        check_is_fitted(self, "calibration_")
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / DETECTOR_FILE).unlink(missing_ok=True)
        self.model.save(path / MODEL_FILE)
        self.write_calibration(path)

    def write_calibration(self, folder: str | os.PathLike[str]) -> None:
        """Writes `detector.json` alone, into a folder that has the model as `model.keras`.

        Raises:
            sklearn.exceptions.NotFittedError: if `fit` was not called.
        """
        check_is_fitted(self, "calibration_")
        names = getattr(self, "feature_names_in_", None)
        arguments = {n: v for n, v in self.get_params(deep=False).items() if n != "model"}
        stored = StoredDetector(
            arguments,
            self.calibration_,
            self.typical_rows_,
            None if names is None else list(names),
            self.drift_monitor_,
        )
        write_detector_file(Path(folder), stored)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> AnomalyDetector:
        """Loads what `save` wrote.

        Raises:
            FileNotFoundError: if the folder holds no detector.
        """
        stored = read_detector_file(Path(folder))
        detector = cls(keras.models.load_model(Path(folder) / MODEL_FILE), **stored.arguments)
        detector.calibration_, detector.typical_rows_ = stored.calibration, stored.typical_rows
        detector._drift_monitor = stored.drift_monitor
        detector.n_features_in_ = len(stored.calibration.column_scales)
        if stored.feature_names is not None:
            detector.feature_names_in_ = np.array(stored.feature_names, dtype=object)
        with warnings.catch_warnings():
            # `fit` has warned of too few rows.
            warnings.simplefilter("ignore", UserWarning)
            detector._set_threshold(stacklevel=2)
        return detector

    def export(self, filepath: str | os.PathLike[str], **options: Any) -> Path:
        """Writes one SavedModel with every signature of the model, and those of the detector.

        `score` gives what the method `score` does. `score_at` takes `false_alarm_rate` float32
        [batch] beside the inputs: `is_anomaly` is then that of this rate, row by row. `explain`
        gives what the method does. `aae_tf.export.export_servables(detector, root,
        combined=True)` writes the same as `root/autoencoder/VERSION`.

        Args:
            filepath: directory to write, not yet there.
            **options: see `aae_tf.export.export_model`.

        Returns:
            `filepath`.

        Raises:
            FileExistsError: if `filepath` exists.
            sklearn.exceptions.NotFittedError: if `fit` was not called.
            aae_tf.export.ExportError: if the export does not verify.
        """
        return export_model(self, filepath, **options)

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables of the model; see `aae_tf.export`."""
        return self.model.variables

    def signatures(self) -> dict[str, Signature]:
        """Returns the functions that an export serves, by name: the model's and the detector's."""
        check_is_fitted(self, "calibration_")
        parts = self.calibration_, self.typical_rows_, self.false_alarm_rate_
        return detector_signatures(self.model, *parts)

    def describe(self) -> dict[str, Any]:
        """Describes model and detector for the `MODEL_CARD.json` of an export.

        Returns:
            What the model says of itself, and of the detector `threshold`, above which an
            `anomaly_score` is an anomaly, `false_alarm_rate`, `num_calibration_rows`, `columns`,
            and `drift`, the config of `drift_monitor_`.
        """
        monitor = self.drift_monitor_
        return {
            **self.model.describe(),
            "threshold": -self.threshold_,
            "false_alarm_rate": self.false_alarm_rate_,
            "num_calibration_rows": self.calibration_.num_rows,
            "columns": list(self.column_names),
            "drift": None if monitor is None else monitor.get_config(),
        }

    # Checks.

    def _check_arguments(self) -> None:
        check_arguments(**self.get_params(deep=False))

    def _check_rows(self, x: Any) -> np.ndarray:
        rows = self.model.check_inputs(x)
        if len(rows) < FEWEST_ROWS:
            raise ValueError(
                f"Expected `x` to have at least {FEWEST_ROWS} rows. Received: {len(rows)}."
            )
        return rows
