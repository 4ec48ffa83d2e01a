"""Models of tables: columns in, columns out, in every form that data come in."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf import losses, models, networks, priors
from tests.tables import small

FRAME = pd.DataFrame(small.COLUMNS)


@pytest.fixture(scope="module")
def model():
    model = small.build_aae()
    model.compile(keras.optimizers.Adam(0.01))
    return model


def batches(size=20, labels=None):
    columns = {
        "amount (EUR)": tf.constant(small.COLUMNS["amount (EUR)"]),
        "packets": tf.constant(small.COLUMNS["packets"], tf.int32),
        "is_new": tf.constant(small.COLUMNS["is_new"]),
        "when": tf.constant(small.COLUMNS["when"]),
        "Länd": tf.constant([value or "" for value in small.COLUMNS["Länd"]]),
        "port": tf.constant(small.COLUMNS["port"], tf.int64),
    }
    return tf.data.Dataset.from_tensor_slices(
        columns if labels is None else (columns, labels)
    ).batch(size)


def generate(labels=None):
    for start in (0, 20, 40):
        rows = small.rows(start, start + 20)
        yield (rows,) if labels is None else (rows, labels[start : start + 20])


class PyBatches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return (small.rows(20 * index, 20 * index + 20),)


FORMS = {
    "dict": lambda: small.COLUMNS,
    "frame": lambda: FRAME,
    "tf.data": batches,
    "generator": generate,
    "PyDataset": PyBatches,
    "features": lambda: small.build_aae().table_inputs.features(small.COLUMNS),
}


@pytest.mark.sampled
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(model, form):
    np.testing.assert_allclose(model.encode(FORMS[form]()), model.encode(FRAME), atol=1e-6)
    if form == "generator":  # Keras warns where one ends.
        return
    kwargs = {"batch_size": 20} if form in ("dict", "frame", "features") else {}
    found = model.evaluate(FORMS[form](), verbose=0, return_dict=True, **kwargs)
    expected = model.evaluate(batches(), verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(
        model.predict(FORMS[form](), verbose=0), model.predict(batches(), verbose=0), atol=1e-5
    )


@pytest.fixture(scope="module")
def trained():
    model = small.build_aae()
    model.compile(keras.optimizers.Adam(0.01))
    return model


@pytest.mark.sampled
@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains(trained, form):
    steps = 2 if form == "generator" else None
    validation = batches() if form == "tf.data" else FRAME
    logs = trained.fit(
        FORMS[form](), verbose=0, validation_data=validation, steps_per_epoch=steps
    ).history
    assert np.isfinite(logs["val_loss"]).all()
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.thorough
def test_training_lowers_the_loss_of_every_column(trained):
    def losses_of_columns():
        x = trained.table_inputs.features(small.COLUMNS)
        outputs = trained.predict(x, verbose=0)
        return trained.column_losses.per_column(x, outputs).numpy().mean(axis=0)

    before = losses_of_columns()
    trained.fit(small.COLUMNS, epochs=40, verbose=0)
    assert (losses_of_columns() < before).all()


def test_answers_are_columns(model):
    found = model.reconstruct(FRAME)
    assert tuple(found) == small.schema().names
    answers = [found, model.decode(model.encode(FRAME)), model.sample(60, seed=0)]
    for columns in answers:
        assert all(values.shape == (60,) for values in columns.values())
        assert set(columns["Länd"]) <= {"de", "fr", "straße", ""}
        assert set(columns["port"][~np.isnan(columns["port"])]) <= {22.0, 80.0, 443.0}
        assert all(value == "" or len(value) == 19 for value in columns["when"])
        # What a model gives, it takes.
        assert model.encode(columns).shape == (60, 2)
    for name, values in answers[0].items():
        np.testing.assert_array_equal(values, answers[1][name])


def test_scores_are_the_losses_of_columns(model):
    x = model.table_inputs.features(FRAME)
    scores = model.score(FRAME)
    per_column = losses.ColumnLosses(small.schema()).per_column(x, model.predict(x, verbose=0))
    np.testing.assert_allclose(
        scores["reconstruction_error"], per_column.numpy().sum(axis=1), rtol=1e-5
    )
    logs = model.evaluate(FRAME, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        logs["reconstruction_loss"], scores["reconstruction_error"].mean(), rtol=1e-5
    )


def test_infinite_and_missing_values_get_finite_scores(model):
    odd = {**small.rows(0, 2), "packets": [np.inf, np.nan]}
    usual = model.score(small.rows(0, 2))
    scores = model.score(odd)
    assert np.isfinite(scores["reconstruction_error"]).all()
    assert np.isfinite(scores["prior_log_prob"]).all()
    assert scores["reconstruction_error"][0] > 1e3 * usual["reconstruction_error"][0]


@pytest.mark.thorough
def test_classifier_of_a_frame_with_few_labels(tmp_path):
    model = small.build_classifier()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(FRAME, small.LABELS, epochs=2, verbose=0)
    model.fit(batches(labels=small.LABELS), verbose=0)
    model.fit(generate(small.LABELS), steps_per_epoch=2, verbose=0)
    probabilities = model.classify(FRAME)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.table == model.table
    np.testing.assert_array_equal(again.classify(FRAME), probabilities)
    np.testing.assert_array_equal(
        again.sample(5, labels=1, seed=0)["Länd"], model.sample(5, labels=1, seed=0)["Länd"]
    )
    assert isinstance(again.column_losses, losses.ColumnLosses)


@pytest.mark.thorough
def test_weights_of_columns_are_saved(tmp_path):
    model = small.build_aae()
    model.compile(reconstruction_loss=losses.ColumnLosses(small.schema(), {"port": 5.0}))
    model.fit(FRAME, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.column_losses.weights == {"port": 5.0}
    np.testing.assert_array_equal(
        again.score(FRAME)["reconstruction_error"], model.score(FRAME)["reconstruction_error"]
    )


@pytest.mark.thorough
def test_targets_may_be_columns(model):
    noisy = {**small.COLUMNS, "packets": small.COLUMNS["packets"] + 1}
    x, clean = (model.table_inputs.features(each) for each in (noisy, FRAME))
    expected = model.evaluate(x, clean, verbose=0)
    assert model.evaluate(noisy, FRAME, verbose=0) == pytest.approx(expected)
    given = {"targets": FRAME, "labels": np.zeros(60, int)}
    assert model.evaluate(noisy, given, verbose=0) == pytest.approx(expected)


@pytest.mark.parametrize("pipeline", [batches, generate, PyBatches])
def test_pipelines_with_another_header_are_refused(pipeline):
    model = small.build_aae()
    model.compile()

    def drop(columns):
        return {name: values for name, values in columns.items() if name != "port"}

    if pipeline is batches:
        x = batches().map(drop)
    elif pipeline is generate:
        x = ((drop(columns),) for (columns,) in generate())
    else:
        x = type("Less", (PyBatches,), {"__getitem__": lambda s, i: (drop(small.rows(0, 20)),)})()
    with pytest.raises(ValueError, match=r"'port'"):
        model.fit(x, verbose=0)


def test_pipelines_of_other_types_are_refused(model):
    with pytest.raises(TypeError, match=r"column 'port' as float32. Received: string"):
        model.encode(batches().map(lambda c: {**c, "port": tf.strings.as_string(c["port"])}))
    with pytest.raises(ValueError, match=r"Batch the data set"):
        model.encode(batches().unbatch())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"table": {"a": 1}}, TypeError, "Expected `table` to be a data.TableSchema"),
        (
            {
                "encoder": networks.mlp_encoder((3,), (4,)),
                "decoder": networks.mlp_decoder((3,), 2, (4,)),
            },
            ValueError,
            "the 18 outputs of `table`",
        ),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        small.build_aae(**arguments)


def test_models_that_reconstruct_nothing_take_no_table():
    table = small.schema()
    decoder = networks.tabular_decoder(table, 2, units=(8,))
    with pytest.raises(ValueError, match=r"Expected no `table`"):
        models.GMMN(decoder, prior=priors.gaussian(2), table=table)


def test_formats_without_text_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"Expected format='tf_saved_model' for a model"):
        model.export(tmp_path / "model.onnx", format="onnx")
