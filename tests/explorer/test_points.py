"""Tests of the points of the map, without a server."""

import base64

import numpy as np
import pytest

from aae_tf.explorer import points
from aae_tf.explorer.points import Inputs
from aae_tf.runs.errors import UserError
from aae_tf.tables.columns import to_columns
from aae_tf.tables.features import compute_features
from tests.explorer.test_description import Model, decoder, tensor
from tests.tables import small

TABLE = small.schema()
CARD = {"table": {"columns": [vars(column) for column in TABLE.columns]}}


def table_model() -> Model:
    columns = {column.name: tensor() for column in TABLE.columns}
    encode = {"model": "encoder", "inputs": columns, "outputs": {"latents": tensor(2)}}
    return Model(CARD, encode=encode)


def array_model(*shape: int) -> Model:
    encode = {
        "model": "encoder",
        "inputs": {"inputs": tensor(*shape)},
        "outputs": {"latents": tensor(2)},
    }
    return Model({}, encode=encode, decode=decoder(*shape))


def test_features_become_the_columns_that_they_were_made_of():
    columns = to_columns(small.COLUMNS, TABLE)
    found = points.features_to_columns(TABLE, compute_features(TABLE, columns))
    assert list(found) == list(columns)
    for column in TABLE.columns:
        values, expected = found[column.name], columns[column.name]
        if column.dtype == "string":
            # A date comes back with its time.
            assert [v[: len(e)] for v, e in zip(values, expected, strict=True)] == list(expected)
        else:
            np.testing.assert_allclose(values, expected, rtol=1e-4, err_msg=column.name)


def test_an_unknown_category_stays_unknown():
    columns = to_columns({**small.rows(0, 2), "Länd": ["fr", "xx"], "port": [22, 99]}, TABLE)
    found = points.features_to_columns(TABLE, compute_features(TABLE, columns))
    assert found["Länd"].tolist() == ["fr", "?"]
    assert found["port"][0] == 22 and found["port"][1] not in TABLE.columns[5].vocabulary
    numbers = points.row_numbers(table_model(), columns)
    place = TABLE.names.index("Länd")
    assert numbers[:, place].tolist() == [TABLE.columns[place].vocabulary.index("fr"), -1.0]


def test_rows_of_a_table_are_numbers():
    columns = to_columns(small.rows(0, 6), TABLE)
    numbers = dict(zip(TABLE.names, points.row_numbers(table_model(), columns).T, strict=True))
    assert np.isnan(numbers["amount (EUR)"][0]) and np.isnan(numbers["when"][0])
    # 2024-01-02 is 19,724 days after 1970-01-01.
    assert numbers["when"][1] == 19_724.0
    np.testing.assert_array_equal(numbers["is_new"], [1, 0, 0, 1, 0, 0])
    assert np.isnan(numbers["Länd"][3])


def test_arrays_are_flattened_and_written_little_endian():
    rows = {"inputs": np.arange(8.0, dtype="float32").reshape(2, 2, 2, 1)}
    numbers = points.row_numbers(array_model(2, 2, 1), rows)
    np.testing.assert_array_equal(numbers, np.arange(8.0).reshape(2, 4))
    text = points.encode_array(numbers, np.float32)
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(text), "<f4"), np.arange(8.0))


@pytest.mark.parametrize(
    ("model", "rows", "message"),
    [
        (array_model(4), {"inputs": np.zeros((3, 5), "float32")}, r"shape .*4.*Received"),
        (array_model(4), {"inputs": np.full((3, 4), np.nan, "float32")}, "finite values"),
        (array_model(4), {"a": np.zeros(3)}, "Expected data that are arrays.*columns a"),
        (table_model(), {"inputs": np.zeros((3, 5))}, r"columns of the model's table.*\(3, 5\)"),
        (table_model(), {"port": np.array([80.0])}, "no 'amount"),
    ],
)
def test_data_of_another_form_are_refused(model, rows, message):
    with pytest.raises(UserError, match=message):
        points.check_inputs(model, Inputs("own.csv", rows))


def test_columns_that_the_model_does_not_know_are_left_out():
    given = {**small.rows(0, 3), "label": np.arange(3)}
    checked = points.check_inputs(table_model(), Inputs("own.csv", given))
    assert list(checked.rows) == list(TABLE.names)


def test_rows_of_a_file_are_all_shown(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.zeros((7, 4), "float32"), y=np.arange(7) % 2)
    inputs = points.file_inputs(str(tmp_path / "own.npz"), None)
    assert inputs.rows["inputs"].shape == (7, 4) and inputs.source == "rows of own.npz"
    assert inputs.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert inputs.take(np.array([1, 3]))["inputs"].shape == (2, 4)
