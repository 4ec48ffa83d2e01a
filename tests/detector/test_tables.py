"""The detector on a table: frames with text and missing values, and infinite numbers."""

import keras
import numpy as np
import pandas as pd
import pytest

from aae_tf import AnomalyDetector
from tests.tables import small


@pytest.fixture(scope="module")
def detector():
    model = small.build_aae()
    model.compile(keras.optimizers.Adam(0.01))
    return AnomalyDetector(model, false_alarm_rate=0.1, epochs=3, batch_size=20).fit(
        pd.DataFrame(small.COLUMNS)
    )


@pytest.mark.thorough
def test_scores_by_column(detector):
    assert detector.column_names == small.schema().names
    scores = detector.score(small.COLUMNS)
    assert scores["column_scores"].shape == (60, 6)
    assert detector.predict(small.COLUMNS).mean() > 0


def test_an_infinite_number_is_an_anomaly(detector):
    rows = {**small.rows(0, 2), "packets": [np.inf, np.nan]}
    scores = detector.score(rows)
    assert scores["is_anomaly"][0] == 1
    assert scores["p_value"][0] == scores["p_value"].min()
    assert all(np.isfinite(values).all() for values in scores.values())
    assert scores["column_scores"][0].argmax() == 1


def test_the_typical_row_is_columns(detector):
    found = detector.explain(small.rows(0, 2))
    assert set(found) == {"column_scores", "code_score", *small.schema().names}
    assert set(found["Länd"]) <= {"de", "fr", "straße", ""}


@pytest.mark.integration
def test_export(detector, tmp_path):
    from aae_tf.export import SavedModelSession
    from aae_tf.tables import to_columns

    detector.export(tmp_path / "1")
    rows = {**small.rows(0, 3), "packets": [np.inf, np.nan, 2.0]}
    expected = detector.score(rows)
    with SavedModelSession(tmp_path / "1") as session:
        served = session.run("score", to_columns(rows, small.schema()))
    for name, values in expected.items():
        np.testing.assert_allclose(served[name], values, rtol=1e-5, atol=1e-6)
