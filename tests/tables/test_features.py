"""The layers between columns and features, and the losses of columns, against NumPy and SciPy."""

import datetime

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from aae_tf import losses, networks
from aae_tf.data import Column, TableSchema
from aae_tf.tables import dates, to_columns
from tests.tables import small


def features(schema, columns):
    arrays = to_columns(columns, schema)
    return networks.TableFeatures(schema)({k: tf.constant(v) for k, v in arrays.items()}).numpy()


def test_features_are_those_of_numpy():
    schema = small.schema()
    found = features(schema, small.COLUMNS)
    columns = {column.name: column for column in schema.columns}
    amount = small.COLUMNS["amount (EUR)"]
    missing = np.isnan(amount)
    scaled = (amount - np.nanmean(amount)) / np.nanstd(amount)
    place = schema.slices["amount (EUR)"]
    np.testing.assert_allclose(found[:, place][:, 0], np.where(missing, 0.0, scaled), atol=1e-5)
    np.testing.assert_array_equal(found[:, place][:, 1], missing)
    logs = np.log1p(small.COLUMNS["packets"])
    np.testing.assert_allclose(
        found[:, schema.slices["packets"]][:, 0], (logs - logs.mean()) / logs.std(), atol=1e-5
    )
    land = [small.COLUMNS["Länd"][i] for i in range(60)]
    one_hot = np.array([[v == w for w in ("?", "de", "fr", "straße", None)] for v in land])
    np.testing.assert_array_equal(found[:, schema.slices["Länd"]], one_hot)
    np.testing.assert_array_equal(
        found[:, schema.slices["port"]][:, 1:4],
        small.COLUMNS["port"][:, None] == np.array(columns["port"].vocabulary),
    )


def test_unknown_missing_and_infinite_values():
    schema = small.schema()
    columns = {
        "amount (EUR)": [np.inf, -np.inf],
        "packets": [np.inf, -3.0],
        "is_new": [np.nan, 1.0],
        "when": ["", "2024-01-02T03:04:05"],
        "Länd": ["es", ""],
        "port": [8080.0, np.nan],
    }
    found = features(schema, columns)
    assert np.isfinite(found).all()
    assert found[:, 0].tolist() == [1e6, -1e6]
    assert found[0, schema.slices["is_new"]].tolist() == [pytest.approx(1 / 3), 1.0]
    assert found[0, schema.slices["Länd"]].tolist() == [1, 0, 0, 0, 0]
    assert found[1, schema.slices["Länd"]].tolist() == [0, 0, 0, 0, 1]
    assert found[0, schema.slices["port"]].tolist() == [1, 0, 0, 0, 0]
    assert found[1, schema.slices["port"]].tolist() == [0, 0, 0, 0, 1]
    assert found[0, schema.slices["when"]].tolist() == [0, 1]


def test_columns_invert_features():
    schema = small.schema()
    outputs = features(schema, small.COLUMNS)
    for column in schema.columns:
        part = outputs[:, schema.slices[column.name]]
        # Certain logits in place of 0 and 1.
        logits = part if column.kind in ("categorical", "boolean") else part[:, 1:]
        logits[:] = 20.0 * (logits - 0.5)
        if column.kind == "count":
            # Outputs are logarithms of means; features are those of counts plus one.
            counts = np.maximum(small.COLUMNS[column.name], 1e-3)
            part[:, 0] = (np.log(counts) - column.mean) / column.deviation
    found = networks.TableColumns(schema)(tf.constant(outputs))
    expected = to_columns(small.COLUMNS, schema)
    for name, values in found.items():
        if name == "when":
            # A step of float32 is a small part of a second here.
            texts = [value.decode() for value in values.numpy()]
            assert texts == [value and f"{value}T00:00:00" for value in expected[name]]
        elif values.dtype == tf.string:
            assert [value.decode() for value in values.numpy()] == expected[name].tolist()
        else:
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1.1e-3)


def test_unknown_is_never_an_answer():
    schema = TableSchema.infer({"x": ["a", "b"]})
    outputs = networks.TableColumns(schema)(tf.constant([[9.0, 0.0, 1.0, 0.5], [9.0, 0, 0, 1.0]]))
    assert outputs["x"].numpy().tolist() == [b"b", b""]


def test_dates_are_those_of_the_standard_library():
    rng = np.random.default_rng(0)
    seconds = np.r_[rng.integers(-60_000_000_000, 250_000_000_000, 200), -1, 0, 951_782_400]
    epoch = datetime.datetime(1970, 1, 1)
    texts = [(epoch + datetime.timedelta(seconds=int(s))).isoformat() for s in seconds]
    parsed, missing = dates.parse(tf.constant(texts))
    np.testing.assert_array_equal(parsed, seconds)
    assert not missing.numpy().any()
    assert [text.decode() for text in dates.write(tf.constant(seconds)).numpy()] == texts


def test_parts_of_dates():
    texts = ["2024-05-31 01:02", "2024-05-31T01:02:03.999Z", "2024-13-01", "31.05.2024", "", "x"]
    parsed, missing = dates.parse(tf.constant(texts))
    day = 1_717_113_600
    assert parsed.numpy().tolist() == [day + 3720, day + 3723, 0, 0, 0, 0]
    assert missing.numpy().tolist() == [False, False, True, True, True, True]


def test_losses_of_columns_are_those_of_scipy():
    schema = TableSchema(
        (
            Column("x", "numeric", mean=3.0, deviation=2.0, missing=0.1, baseline=0.7),
            Column("poisson", "count", mean=1.0, deviation=0.5),
            Column("binomial", "count", mean=1.0, deviation=0.5, dispersion=0.5),
            Column("b", "boolean", mean=0.3),
            Column("c", "categorical", vocabulary=("u", "v"), baseline=0.25),
        )
    )
    columns = {
        "x": [4.0, np.nan],
        "poisson": [7.0, 0.0],
        "binomial": [7.0, 0.0],
        "b": [1.0, 0.0],
        "c": ["v", "?"],
    }
    targets = features(schema, columns)
    outputs = np.random.default_rng(1).normal(size=targets.shape).astype(np.float32)
    found = losses.ColumnLosses(schema).per_column(targets, outputs).numpy()

    def flag(values, column):
        logit = outputs[:, schema.slices[column]][:, 1]
        return -scipy.stats.bernoulli.logpmf(values, scipy.special.expit(logit))

    x = 0.5 * (0.5 - outputs[0, 0]) ** 2
    np.testing.assert_allclose(
        found[:, 0], 0.5 / 0.7 * (np.array([x, 0.0]) + flag([0, 1], "x")), rtol=1e-5
    )
    counts = np.array([7, 0])
    means = np.exp(outputs[:, schema.slices["poisson"]][:, 0] * 0.5 + 1.0)
    best = scipy.stats.poisson.logpmf(counts, np.maximum(counts, 1e-9))
    expected = best - scipy.stats.poisson.logpmf(counts, means) + flag([0, 0], "poisson")
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-4)
    # scipy's success probability of a mean m and r = 1 / dispersion is r / (r + m).
    means = np.exp(outputs[:, schema.slices["binomial"]][:, 0] * 0.5 + 1.0)
    best = scipy.stats.nbinom.logpmf(counts, 2, 2 / (2 + np.maximum(counts, 1e-12)))
    expected = best - scipy.stats.nbinom.logpmf(counts, 2, 2 / (2 + means))
    np.testing.assert_allclose(found[:, 2], expected + flag([0, 0], "binomial"), rtol=1e-4)
    logit = outputs[:, schema.slices["b"]][:, 0]
    expected = -scipy.stats.bernoulli.logpmf([1, 0], scipy.special.expit(logit))
    np.testing.assert_allclose(found[:, 3], expected + flag([0, 0], "b"), rtol=1e-5)
    logs = scipy.special.log_softmax(outputs[:, schema.slices["c"]], axis=1)
    np.testing.assert_allclose(found[:, 4], 2.0 * -np.array([logs[0, 2], logs[1, 0]]), rtol=1e-5)


def test_gradients_are_finite_where_counts_are_zero_or_infinite():
    schema = small.schema()
    columns = {**small.rows(0, 2), "packets": [0.0, np.inf], "amount (EUR)": [np.inf, 1.0]}
    targets = features(schema, columns)
    outputs = tf.Variable(tf.zeros(targets.shape))
    with tf.GradientTape() as tape:
        loss = losses.ColumnLosses(schema)(targets, outputs)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, outputs)).all()


@pytest.mark.thorough
def test_the_best_constant_output_loses_one_half_in_every_column():
    schema = small.schema()
    targets = features(schema, small.COLUMNS)
    loss = losses.ColumnLosses(schema)
    outputs = tf.Variable(tf.zeros([1, schema.width]))
    optimizer = keras.optimizers.Adam(0.3)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            mean = tf.reduce_mean(loss(targets, tf.repeat(outputs, 60, axis=0)), axis=0)
        optimizer.apply([tape.gradient(mean, outputs)], [outputs])
        return mean

    for _ in range(200):
        means = step()
    np.testing.assert_allclose(means, 0.5, atol=0.02)


def test_weights_of_columns():
    schema = small.schema()
    targets = features(schema, small.COLUMNS)
    plain = losses.ColumnLosses(schema)
    weighed = losses.ColumnLosses(schema, {"Länd": 3.0})
    again = losses.ColumnLosses.from_config(weighed.get_config())
    expected = plain(targets, targets) * np.array([1, 1, 1, 1, 3, 1])
    np.testing.assert_allclose(again(targets, targets), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"Expected `weights` to name columns.*Received: 'x'"):
        losses.ColumnLosses(schema, {"x": 1.0})
    with pytest.raises(ValueError, match=r"weights\['port'\]"):
        losses.ColumnLosses(schema, {"port": -1.0})


def test_layers_come_back_from_their_config():
    schema = small.schema()
    for cls in (networks.TableFeatures, networks.TableColumns):
        assert cls.from_config(cls(schema).get_config()).schema == schema
