"""The detector against its definition, and against what conformal prediction promises."""

import functools
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aae_tf import AAE, GAN, AnomalyDetector, networks, priors
from tests.models import small
from tests.models.rows import MODELS

COLUMNS = 4
ROWS = np.random.default_rng(0).standard_normal((600, COLUMNS)).astype("float32")


def build():
    decoder = networks.mlp_decoder((COLUMNS,), 2, (8,), output_activation="linear", seed=2)
    return small.build(AAE, prior=priors.gaussian(2), divergence="mmd", decoder=decoder)


@functools.cache
def trained():
    model = build()
    model.compile(run_eagerly=True)
    model.fit(ROWS[:100], batch_size=100, verbose=0)
    return model


@functools.cache
def calibrated():
    return AnomalyDetector(trained(), false_alarm_rate=0.1).calibrate(ROWS[:300])


def exchangeable(name, count, generator):
    """Rows of one of three distributions, independent of each other."""
    if name == "gaussian":
        return generator.standard_normal((count, COLUMNS))
    if name == "heavy":
        return generator.standard_t(2, (count, COLUMNS))
    rows = generator.standard_exponential((count, COLUMNS))
    rows[:, :2] = generator.choice([0.0, 3.0], (count, 2), p=[0.95, 0.05])
    return rows


@pytest.mark.thorough
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("name", ["gaussian", "heavy", "mixed"])
def test_normal_rows_are_called_anomalies_as_often_as_asked(name, rate):
    generator = np.random.default_rng(1)
    calibration = exchangeable(name, 3000, generator).astype("float32")
    test = exchangeable(name, 4000, generator).astype("float32")
    detector = AnomalyDetector(trained(), false_alarm_rate=rate).calibrate(calibration)
    found = np.mean(detector.predict(test) == -1)
    bound = 3 * np.sqrt(rate * (1 - rate) * (1 / len(test) + 1 / 2000))
    assert abs(found - rate) <= bound


def test_scores_are_those_of_the_definition():
    detector, rows = calibrated(), ROWS[300:350]
    model = detector.model
    order = np.random.default_rng(0).permutation(300)
    scale, rest = ROWS[:300][order[:100]], ROWS[:300][order[100:]]

    def parts(x):
        errors = 0.5 * (x - model.reconstruct(x)) ** 2
        z = model.encode(x)
        return errors, -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi)

    errors, densities = parts(scale)

    def score(x):
        error, density = parts(x)
        columns = error / (2 * errors.mean(axis=0))
        lower = np.array([(densities <= each).sum() for each in density])
        return columns, columns.sum(axis=1) - np.log((1 + lower) / 101)

    _, expected = score(rest)
    found = detector.score(rows)
    columns, scores = score(rows)
    np.testing.assert_allclose(found["column_scores"], columns, rtol=1e-4)
    np.testing.assert_allclose(found["anomaly_score"], scores, rtol=1e-4)
    p_values = np.array([(1 + (expected >= each).sum()) / 201 for each in scores])
    np.testing.assert_allclose(found["p_value"], p_values, rtol=1e-5)
    np.testing.assert_array_equal(found["is_anomaly"], p_values <= 0.1)
    np.testing.assert_array_equal(detector.predict(rows), np.where(p_values <= 0.1, -1, 1))
    np.testing.assert_array_equal(detector.decision_function(rows) < 0, p_values <= 0.1)
    assert detector.threshold_ == detector.offset_
    np.testing.assert_allclose(-detector.threshold_, np.sort(expected)[-20], rtol=1e-4)


def test_a_calibration_row_is_as_likely_as_its_rank():
    # A row that equals a calibration row has at least its rank, in spite of rounding.
    p_values = np.sort(calibrated().score(ROWS[:300])["p_value"])
    assert (p_values >= 2 / 201 - 1e-6).sum() >= 200


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_fit_trains_on_one_part_and_calibrates_on_the_other():
    detector = AnomalyDetector(build(), 0.1, held_out=0.25, epochs=1, batch_size=100, seed=3)
    before = detector.model.get_weights()
    assert detector.fit(ROWS[:200]) is detector
    assert detector.calibration_.num_rows == 50 - 17
    assert int(detector.model.optimizer.iterations) == 2
    assert any((a != b).any() for a, b in zip(before, detector.model.get_weights(), strict=True))
    # It has trained the model itself, and goes on.
    detector.fit(ROWS[:200])
    assert int(detector.model.optimizer.iterations) == 4


def test_a_trained_model_is_calibrated_on_all_rows():
    updates = int(trained().optimizer.iterations)
    detector = AnomalyDetector(trained(), 0.1).fit(ROWS[:300])
    assert int(trained().optimizer.iterations) == updates
    np.testing.assert_array_equal(detector.calibration_.scores, calibrated().calibration_.scores)
    with pytest.raises(TypeError, match=r"Expected no further arguments .*'callbacks'"):
        detector.fit(ROWS, callbacks=[])


def test_contamination_is_the_share_of_rows_that_are_flagged():
    detector = AnomalyDetector(trained(), contamination=0.25).calibrate(ROWS[:300])
    flagged = detector.score(ROWS[:300])["p_value"] <= 0.25
    assert abs(flagged.mean() - 0.25) < 0.05
    assert detector.false_alarm_rate_ == 0.25


def test_too_few_rows_for_the_rate_are_said_and_used():
    with pytest.warns(UserWarning, match=r"at least 99 calibration rows .*0.01. Received: 20; .*"):
        detector = AnomalyDetector(trained()).calibrate(ROWS[:30])
    assert detector.false_alarm_rate_ == 1 / 21
    assert detector.predict(np.full((1, 4), 99.0)) == [-1]


def test_explanations_add_up_to_the_score():
    detector, rows = calibrated(), ROWS[300:310].copy()
    rows[0, 2] += 30.0
    explained, scores = detector.explain(rows), detector.score(rows)
    total = explained["column_scores"].sum(axis=1) + explained["code_score"]
    np.testing.assert_allclose(total, scores["anomaly_score"], rtol=1e-5)
    codes = detector.typical_rows_.codes["latents"]
    distances = np.linalg.norm(detector.model.encode(rows)[:, None] - codes[None], axis=-1)
    expected = detector.model.decode(codes[distances.argmin(axis=1)])
    np.testing.assert_allclose(explained["typical_row"], expected, rtol=1e-5)
    # They are of the denser half of the prior.
    assert len(codes) == 50 and np.linalg.norm(codes, axis=1).max() < 2.0


def test_enormous_values_are_anomalies_with_finite_scores():
    detector = calibrated()
    scores = detector.score(np.array([[3e38, 0.0, 0.0, -3e38]]))
    for name in ("anomaly_score", "p_value", "column_scores"):
        assert np.isfinite(scores[name]).all()
    assert scores["is_anomaly"] == [1] and scores["p_value"] == np.float32(1 / 201)


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_clone_and_pipeline_of_scikit_learn():
    detector = AnomalyDetector(build(), false_alarm_rate=0.1, epochs=1, held_out=0.5)
    twin = clone(detector)
    assert twin.model is not detector.model
    for a, b in zip(twin.model.get_weights(), detector.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    pipeline = make_pipeline(StandardScaler(), twin)
    shifted = ROWS * 50.0 + 1000.0
    assert set(pipeline.fit_predict(shifted)) == {-1, 1}
    assert (pipeline.predict(shifted) == -1).mean() < 0.2
    assert pipeline.set_params(anomalydetector__epochs=3)[-1].epochs == 3
    np.testing.assert_array_equal(
        pipeline.score_samples(shifted[:5]),
        twin.score_samples(pipeline[0].transform(shifted[:5])),
    )


@pytest.mark.thorough
def test_pickled_detector_answers_alike():
    detector = calibrated()
    expected = detector.drift_monitor_.test(detector.model.encode(ROWS[:60]))
    twin = pickle.loads(pickle.dumps(detector))  # noqa: S301
    np.testing.assert_array_equal(twin.score_samples(ROWS[:9]), detector.score_samples(ROWS[:9]))
    assert twin.drift_monitor_.test(twin.model.encode(ROWS[:60])) == expected
    assert repr(twin).startswith("AnomalyDetector(false_alarm_rate=0.1")


def test_names_of_a_frame_are_those_of_the_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS[:300], columns=["a", "b", "c", "d"])
    detector = AnomalyDetector(trained(), 0.1).calibrate(frame)
    assert detector.column_names == ("a", "b", "c", "d")
    assert detector.calibrate(ROWS[:300]).column_names == ("0", "1", "2", "3")


def test_saved_detector_answers_alike(tmp_path):
    detector = calibrated()
    detector.save(tmp_path / "detector")
    loaded = AnomalyDetector.load(tmp_path / "detector")
    assert loaded.get_params().keys() == detector.get_params().keys()
    assert loaded.threshold_ == detector.threshold_
    for method in ("score", "explain"):
        for name, values in getattr(detector, method)(ROWS[:9]).items():
            np.testing.assert_array_equal(getattr(loaded, method)(ROWS[:9])[name], values)
    loaded.save(tmp_path / "detector")
    (tmp_path / "detector" / "detector.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected `folder` to hold detector\.json"):
        AnomalyDetector.load(tmp_path / "detector")


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["SemiSupervisedAAE mmd mmd", "VAE kl", "EmbeddingAAE mmd mmd"])
def test_any_variant_with_an_encoder_is_a_detector(name):
    images = np.random.default_rng(0).random((60, 8, 8, 1), dtype="float32")
    detector = AnomalyDetector(MODELS[name][0](), 0.1).calibrate(images)
    assert detector.score(images)["column_scores"].shape == (60, 64)
    assert detector.explain(images)["typical_row"].shape == images.shape


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "`false_alarm_rate` to be positive", {"false_alarm_rate": 0.0}),
        (ValueError, r"`false_alarm_rate` to lie in \(0, 1\)", {"false_alarm_rate": 1.0}),
        (ValueError, r"`contamination` to lie in \(0, 0.5\]", {"contamination": 0.6}),
        (ValueError, r"`held_out` to lie in \(0, 1\)", {"held_out": 1.0}),
        (ValueError, "`epochs` to be a positive integer", {"epochs": 0}),
        (TypeError, "`train` to be a bool", {"train": 1}),
        (TypeError, "`seed` to be an integer", {"seed": 0.5}),
    ],
)
def test_arguments_out_of_range_are_refused(error, message, arguments):
    with pytest.raises(error, match=message):
        AnomalyDetector(trained(), **arguments)


def test_a_model_without_an_encoder_is_refused():
    gan = GAN(networks.mlp_decoder((4,), 2, (8,)), prior=priors.gaussian(2))
    with pytest.raises(TypeError, match="Expected `model` to be a model with an encoder"):
        AnomalyDetector(gan)


def test_bad_rows_are_refused():
    detector = AnomalyDetector(trained(), 0.1)
    with pytest.raises(NotFittedError):
        detector.predict(ROWS)
    with pytest.raises(ValueError, match=r"at least 10 rows\. Received: 9"):
        detector.fit(ROWS[:9])
    with pytest.raises(ValueError, match="Expected `x` to have finite values"):
        calibrated().predict(np.full((2, 4), np.nan))
