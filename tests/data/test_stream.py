"""Tables that stay in a file: the same rows, features and faults as in memory, in a fixed order."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf import data
from aae_tf.data import stored_rows, table_parts, table_store

N = 700


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(5.0, 2.0, N).round(3),
            "visits": rng.poisson(3.0, N),
            "is_new": rng.random(N) < 0.3,
            "day": pd.date_range("2024-01-01", periods=N, freq="h").strftime("%Y-%m-%dT%H:%M:%S"),
            "country": rng.choice(["de", "fr", "it"], N),
            "late": [None] * 400 + ["x", "y"] * 150,
            "code": rng.choice([7.0, 12.0, 90.0], N),
            "label": rng.choice(["cat", "dog"], N),
        }
    )
    frame.loc[rng.random(N) < 0.1, ["amount", "country"]] = None
    frame.loc[::50, "label"] = None
    return frame


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AAE_TF_CACHE", str(tmp_path / "cache"))
    # Parts that no column's kind, and no split, agrees with.
    monkeypatch.setattr(table_parts, "ROWS", 150)
    return tmp_path / "cache"


def load(path, **options):
    arguments = {"validation": 100, "test": 80, "seed": 3, "kinds": {"code": "categorical"}}
    return data.load(str(path), **{**arguments, **options})


def write_examples(frame, path):
    """Writes rows as a program writes them that knows nothing of frames."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in frame.to_dict("records"):
            features = {}
            for name, value in row.items():
                if isinstance(value, str):
                    kind = {"bytes_list": tf.train.BytesList(value=[value.encode()])}
                elif value is None or value != value:
                    kind = {}
                elif isinstance(value, float):
                    kind = {"float_list": tf.train.FloatList(value=[value])}
                else:
                    kind = {"int64_list": tf.train.Int64List(value=[int(value)])}
                features[name] = tf.train.Feature(**kind)
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["csv", "parquet", "tfrecord"])
def test_a_streamed_table_has_the_rows_of_the_same_table_in_memory(table, tmp_path, kind):
    for part, rows in enumerate((table[:300], table[300:])):
        if kind == "csv":
            rows.to_csv(tmp_path / f"{part}.csv", index=False)
        elif kind == "parquet":
            rows.assign(day=pd.to_datetime(rows.day)).to_parquet(tmp_path / f"{part}.parquet")
        else:
            write_examples(rows, tmp_path / f"{part}.tfrecord")
    memory, stream = (
        load(tmp_path / f"*.{kind}", label_column="label", stream=stream)
        for stream in (False, True)
    )
    assert stream.table == memory.table
    assert stream.class_names == memory.class_names == ("cat", "dog")
    assert stream.x_train.shape == memory.x_train.shape
    for split in ("validation", "test"):
        x, expected = getattr(stream, f"x_{split}"), getattr(memory, f"x_{split}")
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(getattr(stream, f"y_{split}"), getattr(memory, f"y_{split}"))
    if kind == "tfrecord":
        table.to_csv(tmp_path / "same.csv", index=False)
        same = load(tmp_path / "same.csv", label_column="label")
        columns = {column.name: column.kind for column in same.table.columns}
        assert {column.name: column.kind for column in memory.table.columns} == columns
        return
    # Of the train split, in the order of the file.
    streamed = np.column_stack([np.asarray(stream.x_train), stream.y_train])
    held = np.column_stack([memory.x_train, memory.y_train])
    # By the first column but where it is missing, then by the date.
    first, second = (x[np.lexsort([x[:, 6], x[:, 0]])] for x in (streamed, held))
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-6)


@pytest.fixture
def streamed(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    return load(tmp_path / "table.csv", label_column="label", stream=True)


@pytest.mark.thorough
def test_batches_show_every_row_once_in_an_order_that_the_seed_fixes(streamed, monkeypatch):
    monkeypatch.setattr(stored_rows, "_BLOCK", 16)
    monkeypatch.setattr(stored_rows, "_BLOCKS", 4)
    x, y = streamed.x_train, streamed.y_train

    def epochs(first, count, seed=1, skip=0):
        batches = data.shuffled_batches(x, y, batch_size=50, seed=seed, first_epoch=first)
        return [list(batches.skip(skip).as_numpy_iterator()) for _ in range(count)]

    (first, second), (again,) = epochs(0, 2), epochs(1, 1, skip=3)
    rows = np.concatenate([np.column_stack(batch) for batch in first])
    expected = np.column_stack([np.asarray(x), y])
    rows, expected = (x[np.lexsort([x[:, 6], x[:, 0]])] for x in (rows, expected))
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)
    assert not np.array_equal(first[0][0], second[0][0])
    np.testing.assert_array_equal(
        np.concatenate([b[0] for b in second[3:]]), np.concatenate([b[0] for b in again])
    )
    # 64 of the rows of a batch come from 4 blocks of 16, which are all over the file.
    places = x.order(np.random.default_rng(0))[:64]
    assert len(set(places // 16)) == 4 and np.ptp(places) > 64


def test_few_labels_are_mixed_into_streamed_rows(streamed):
    labels = data.labelled_subset(streamed.y_train, 20)
    batches = list(data.mix_labels(streamed.x_train, labels, 5, 100).as_numpy_iterator())
    assert len(batches) == len(labels) // 100
    x, y = batches[0]
    assert x.shape == (105, streamed.table.width) and (y[:5] >= 0).all() and (y[5:] < 0).all()


def test_rows_are_read_once_and_again_when_the_file_changes(table, tmp_path, cache, monkeypatch):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    first = load(path, label_column="label", stream=True)
    (stored,) = (cache / "tables").iterdir()
    monkeypatch.setattr(table_store, "read_parts", None)
    assert load(path, label_column="label", stream=True).x_train.checksum == first.x_train.checksum
    monkeypatch.undo()
    monkeypatch.setenv("AAE_TF_CACHE", str(cache))
    table[:600].to_csv(path, index=False)
    assert len(load(path, label_column="label", stream=True).y_train) == 600 - 180
    assert len(list((cache / "tables").iterdir())) == 2 and stored.is_dir()


def test_files_of_some_size_are_streamed(table, tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    assert isinstance(load(path).x_train, np.ndarray)
    monkeypatch.setattr("aae_tf.data.datasets._LARGEST_IN_MEMORY", 1000)
    assert isinstance(load(path).x_train, stored_rows.StoredRows)
    assert isinstance(load(path, stream=False).x_train, np.ndarray)


def test_held_out_rows_of_a_stream_are_few(table, tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    monkeypatch.setattr("aae_tf.data.datasets._MOST_HELD_OUT", 70)
    streamed = data.load(str(path), label_column="label", stream=True)
    assert len(streamed.x_test) == 70 and 60 <= len(streamed.x_validation) <= 70


FAULTS = {
    "amount": ("hello", r"column 'amount' of .*0\.csv to hold numbers\. .*'hello' in row 420"),
    "day": ("tomorrow", r"column 'day' of .*0\.csv to hold dates.*'tomorrow' in row 420"),
    "visits": (np.inf, r"column 'visits' of .*0\.csv to be finite.*inf in row 420"),
}


@pytest.mark.parametrize("column", FAULTS)
def test_a_value_of_another_kind_is_named_by_file_row_and_column(table, tmp_path, cache, column):
    value, message = FAULTS[column]
    damaged = table.astype({column: object})
    damaged.loc[420, column] = value
    damaged.to_csv(tmp_path / "0.csv", index=False)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "0.csv", stream=True)
    assert not list(cache.glob("tables/*.partial"))


def test_other_faults_of_files_are_named(table, tmp_path):
    def fails(message, **options):
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "*.csv", stream=True, **options)

    table.to_csv(tmp_path / "0.csv", index=False)
    fails("`label_column` to be a column of .*'lable'", label_column="lable")
    fails("`exclude` to name columns of .*'lable'", exclude=["lable"])
    table.rename(columns={"amount": "sum"}).to_csv(tmp_path / "1.csv", index=False)
    fails(r"1\.csv to have the header of .*0\.csv. Received: \['sum'")
    (tmp_path / "1.csv").write_text((tmp_path / "0.csv").read_text() + "1,2,3,4,5,6,7,8,9,10\n")
    fails(r"1\.csv to be a table. Received: .*line 702")
    (tmp_path / "1.csv").unlink()
    (tmp_path / "0.csv").write_text(",".join(table.columns) + "\n")
    fails(r"0\.csv to have rows. Received: a header alone")


def test_too_many_categories_end_the_reading(table, tmp_path, monkeypatch):
    monkeypatch.setattr(table_store, "MAX_CATEGORIES", 200)
    table.assign(country=[f"c{i}" for i in range(N)]).to_csv(tmp_path / "0.csv", index=False)
    with pytest.raises(ValueError, match=r"'country' of .* at most 200 categories.*by row 299"):
        load(tmp_path / "0.csv", stream=True)


def test_a_stream_is_of_tables(tmp_path):
    with pytest.raises(ValueError, match="`stream` to be left out but for a table"):
        data.load("digits", stream=True)
    with pytest.raises(TypeError, match="`stream` to be a bool"):
        data.load("digits", stream=1)


def test_faults_of_examples_are_named(table, tmp_path):
    path = tmp_path / "x.tfrecord"

    def fails(message):
        for stream in (False, True):
            with pytest.raises(ValueError, match=rf"x\.tfrecord to be a table.*{message}"):
                load(path, stream=stream)

    path.write_bytes(b"amount,visits")
    fails("no TFRecord file of Examples")
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"amount")
    fails("no TFRecord file of Examples")
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[1.0, 2.0]))
    example = tf.train.Example(features=tf.train.Features(feature={"amount": feature}))
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    fails("record 0 with 2 values of feature 'amount'")
