"""Tables through a model: codes of all rows in one file, windows tested for drift, and faults."""

import numpy as np
import pandas as pd
import pytest

from aae_tf import AAE, AnomalyDetector, data, networks, priors
from aae_tf.data import table_parts
from aae_tf.detector import DriftMonitor
from aae_tf.offline import drift_files, encode_tables


def make_table(count, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(shift, 1.0, count),
            "zip": rng.choice(["01", "02", "7"], count),
            "is_new": rng.random(count) < 0.5,
            "id": np.arange(count),
        }
    )
    frame.loc[::7, ["amount", "zip"]] = None
    return frame


TABLE = make_table(500, 0)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(table_parts, "ROWS", 64)


@pytest.fixture(scope="module")
def model():
    schema = data.TableSchema.infer(TABLE, exclude=["id"])
    return AAE(
        networks.tabular_encoder(schema, (8,), seed=1),
        networks.tabular_decoder(schema, 2, (8,), seed=2),
        prior=priors.gaussian(2),
        divergence="mmd",
        table=schema,
        seed=0,
    )


@pytest.mark.thorough
@pytest.mark.parametrize("kinds", [("csv", "parquet"), ("parquet", "csv")])
def test_codes_are_those_of_the_model(model, tmp_path, kinds):
    for part, rows in enumerate((TABLE[:300], TABLE[300:])):
        if kinds[0] == "csv":
            rows.to_csv(tmp_path / f"x{part}.csv", index=False)
        else:
            rows.to_parquet(tmp_path / f"x{part}.parquet")
    out, done = tmp_path / f"codes.{kinds[1]}", []
    inputs = tmp_path / f"x*.{kinds[0]}"
    assert encode_tables(model, inputs, out, batch_size=50, on_progress=done.append) == 500
    assert done[0] == 50 and done[-1] == 500
    found = pd.read_csv(out) if kinds[1] == "csv" else pd.read_parquet(out)
    assert list(found.columns) == ["latents_0", "latents_1"]
    np.testing.assert_allclose(found, model.encode(TABLE.drop(columns="id")), atol=1e-6)


def test_columns_that_a_signature_gives_are_columns(model, tmp_path):
    TABLE.to_csv(tmp_path / "x.csv", index=False)
    encode_tables(model, tmp_path / "x.csv", tmp_path / "y.csv", signature="reconstruct")
    found = pd.read_csv(tmp_path / "y.csv", dtype={"zip": str}, keep_default_na=False)
    expected = model.reconstruct(TABLE.drop(columns="id"))
    assert list(found.columns) == ["amount", "is_new", "zip"]
    assert found["zip"].tolist() == expected["zip"].tolist()
    np.testing.assert_allclose(pd.to_numeric(found["amount"]), expected["amount"], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": "a lot"}, r"column 'amount' of .*x\.csv to hold numbers.*'a lot' in row 123"),
        ({"is_new": "maybe"}, r"column 'is_new' of .*x\.csv to hold numbers.*'maybe' in row 123"),
    ],
)
def test_a_value_of_another_kind_is_named_and_nothing_is_written(model, tmp_path, change, message):
    frame = TABLE.astype(object)
    frame.loc[123, list(change)] = list(change.values())
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match=message):
        encode_tables(model, tmp_path / "x.csv", tmp_path / "y.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.thorough
def test_other_faults_are_named(model, tmp_path):
    TABLE.drop(columns="zip").to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match=r"x\.csv to have the columns of the model.*no 'zip'"):
        encode_tables(model, tmp_path / "x.csv", tmp_path / "y.csv")
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    with pytest.raises(
        ValueError, match=r"`inputs` to be files that end in \.csv, \.parquet, \.tfrecord"
    ):
        encode_tables(model, tmp_path / "x.npy", tmp_path / "y.csv")
    with pytest.raises(ValueError, match=r"`output` to be a file that ends in"):
        encode_tables(model, tmp_path / "x.csv", tmp_path / "codes")
    (tmp_path / "x.csv").write_text(",".join(TABLE.columns) + "\n")
    with pytest.raises(ValueError, match=r"`inputs` to hold rows. Received: .*x\.csv, empty"):
        encode_tables(model, tmp_path / "x.csv", tmp_path / "y.csv")
    arrays = AAE(
        networks.mlp_encoder((3,), (8,), seed=1),
        networks.mlp_decoder((3,), 2, (8,), seed=2),
        prior=priors.gaussian(2),
        seed=0,
    )
    with pytest.raises(ValueError, match=r"\.npy or TFRecord files for a model of arrays"):
        encode_tables(arrays, tmp_path / "x.csv", tmp_path / "y.csv")


@pytest.mark.thorough
def test_windows_of_a_table_are_tested_for_drift(model, tmp_path):
    columns = TABLE.columns.drop("id")
    detector = AnomalyDetector(model, false_alarm_rate=0.1).calibrate(TABLE[columns])
    detector.export(tmp_path / "1", verify=False)
    frame = pd.concat([make_table(300, 1), make_table(130, 2, shift=50.0)], ignore_index=True)
    frame.to_csv(tmp_path / "x.csv", index=False)
    found = list(drift_files(tmp_path / "1", tmp_path / "x.csv", window=100))
    assert [(first, count) for first, count, _ in found] == [
        (0, 100),
        (100, 100),
        (200, 100),
        (300, 130),
    ]
    for first, count, result in found:
        codes = model.encode(frame[columns][first : first + count])
        expected = detector.drift_monitor_.test(codes)
        np.testing.assert_allclose(result.statistic, expected.statistic, rtol=1e-3, atol=1e-6)
        assert result.is_drift == expected.is_drift
    assert found[-1][2].is_drift
    # Rows without drift may stand for the detector's own.
    frame[:300].to_csv(tmp_path / "reference.csv", index=False)
    (first, *_, last) = drift_files(
        tmp_path / "1", tmp_path / "x.csv", 100, reference=tmp_path / "reference.csv"
    )
    monitor = DriftMonitor(model.latent_prior).fit(model.encode(frame[columns][:300]))
    codes = model.encode(frame[columns][:100])
    assert first[2].p_value == pytest.approx(monitor.test(codes).p_value, rel=0.01)
    assert last[2].is_drift
    frame[:40].to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ValueError, match=r"at least 50 rows. Received: .*x\.csv with 40 rows"):
        list(drift_files(tmp_path / "1", tmp_path / "x.csv", 100))
