"""Drift over files: windows of rows through an export's encoder, in Python and as a command."""

import numpy as np
import pytest

from aae_tf import AAE, AnomalyDetector, networks, priors
from aae_tf.detector import DriftMonitor
from aae_tf.offline import drift_files
from tests.models import small

ROWS = np.random.default_rng(1).standard_normal((900, 4)).astype("float32")
DRIFTED = ROWS[:300] + 3.0


@pytest.fixture(scope="module")
def model():
    decoder = networks.mlp_decoder((4,), 2, (8,), output_activation="linear", seed=2)
    return small.build(AAE, prior=priors.gaussian(2), divergence="mmd", decoder=decoder)


@pytest.fixture(scope="module")
def detector(model):
    return AnomalyDetector(model, false_alarm_rate=0.1).calibrate(ROWS[:500])


@pytest.fixture(scope="module")
def export(detector, tmp_path_factory):
    return detector.export(tmp_path_factory.mktemp("served") / "1", verify=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "a.npy", ROWS[500:])
    np.save(folder / "b.npy", DRIFTED)
    return folder


@pytest.mark.thorough
def test_windows_of_files_are_tested_as_codes_are(detector, export, files):
    found = list(drift_files(export, str(files / "*.npy"), window=200))
    assert [(first, count) for first, count, _ in found] == [(0, 200), (200, 200), (400, 300)]
    codes = detector.model.encode(np.concatenate([ROWS[500:], DRIFTED]))
    for first, count, result in found:
        expected = detector.drift_monitor_.test(codes[first : first + count])
        np.testing.assert_allclose(result.statistic, expected.statistic, rtol=1e-4)
    assert [result.is_drift for *_, result in found] == [False, False, True]


@pytest.mark.thorough
def test_reference_rows_stand_for_a_detector(model, files, tmp_path):
    model.export(tmp_path / "1", verbose=False, verify=False)
    np.save(tmp_path / "reference.npy", ROWS[:500])
    with pytest.raises(ValueError, match="Expected `export` to be that of an AnomalyDetector"):
        list(drift_files(tmp_path / "1", files / "a.npy"))
    (found,) = drift_files(tmp_path / "1", files / "b.npy", reference=tmp_path / "reference.npy")
    monitor = DriftMonitor(model.latent_prior).fit(model.encode(ROWS[:500]))
    assert found[:2] == (0, 300) and found[2].is_drift
    expected = monitor.test(model.encode(DRIFTED))
    np.testing.assert_allclose(found[2].statistic, expected.statistic, rtol=1e-4)


@pytest.mark.thorough
def test_bad_files_are_named(export, tmp_path):
    for rows in (ROWS[:9], np.zeros((60, 4), int)):
        np.save(tmp_path / "x.npy", rows)
        with pytest.raises(ValueError, match=rf"at least 50 rows of floats.*{len(rows)} rows"):
            list(drift_files(export, tmp_path / "x.npy"))
    np.save(tmp_path / "x.npy", np.full((60, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match=r"finite values. Received: rows 0 and later of .*nan"):
        list(drift_files(export, tmp_path / "x.npy"))
    with pytest.raises(ValueError, match="Expected `window` to be at least 50"):
        list(drift_files(export, tmp_path / "x.npy", window=49))
