"""Data from files: tables, arrays of NumPy, folders of images, and what is refused."""

import keras
import numpy as np
import pandas as pd
import pytest

from aae_tf import data
from aae_tf.data.files import number_labels
from aae_tf.tables import to_columns
from aae_tf.tables.features import compute_features
from tests.tables import small

FRAME = pd.DataFrame(small.COLUMNS).assign(
    animal=[["cat", "dog", None][i % 3] for i in range(small.NUM_ROWS)]
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "my.csv"
    FRAME.to_csv(path, index=False)
    return path


def write(path, **change):
    FRAME.assign(**change).to_csv(path, index=False)
    return path


def test_a_csv_becomes_features_in_three_splits(table):
    dataset = data.load(table, label_column="animal", kinds=small.KINDS, test=0.2, validation=10)
    assert dataset.class_names == ("cat", "dog")
    assert [len(y) for y in (dataset.y_train, dataset.y_validation, dataset.y_test)] == [38, 10, 12]
    for y in (dataset.y_train, dataset.y_validation, dataset.y_test):
        assert set(y) == {-1, 0, 1}
    assert dataset.x_train.shape == (38, dataset.table.width)
    # Every row is in one split, and its features are those of the schema.
    features = compute_features(
        dataset.table, to_columns(FRAME.drop(columns="animal"), dataset.table)
    )
    found = np.concatenate([dataset.x_train, dataset.x_validation, dataset.x_test])
    labels = np.concatenate([dataset.y_train, dataset.y_validation, dataset.y_test])
    expected = number_labels(FRAME["animal"].to_numpy(object))[0]
    order, other = np.lexsort(found.T), np.lexsort(features.T)
    np.testing.assert_allclose(found[order], features[other], atol=1e-6)
    np.testing.assert_array_equal(labels[order], expected[other])
    # Statistics are those of the training split.
    np.testing.assert_allclose(dataset.x_train[:, 0].mean(), 0.0, atol=1e-5)
    again = data.load(table, label_column="animal", kinds=small.KINDS, test=0.2, validation=10)
    np.testing.assert_array_equal(again.x_train, dataset.x_train)


@pytest.mark.thorough
def test_parquet_patterns_and_a_byte_order_mark_give_the_same(table, tmp_path):
    expected = data.load(table, exclude=["animal"])
    assert expected.class_names == ()
    assert set(expected.y_train) == {-1}
    FRAME.to_parquet(tmp_path / "my.parquet")
    FRAME[:30].to_csv(tmp_path / "part-1.csv", index=False)
    FRAME[30:].to_csv(tmp_path / "part-2.csv", index=False)
    FRAME.to_csv(tmp_path / "bom.csv", index=False, encoding="utf-8-sig")
    for name in ("my.parquet", "part-*.csv", "bom.csv"):
        found = data.load(tmp_path / name, exclude=["animal"])
        assert found.table.names == expected.table.names
        np.testing.assert_allclose(found.x_train, expected.x_train, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"label_column": "x"}, r"column of .*my.csv: 'amount.*Received: label_column='x'"),
        ({"port": 80}, {}, r"column 'port' of .*my.csv to have values that differ"),
        ({"port": None}, {}, r"column 'port' of .*my.csv to have values; leave it out"),
        (
            {"when": ["2024-01-01"] * 59 + ["soon"]},
            {},
            r"column 'when' of .*my.csv to hold dates.*'soon' in row 59",
        ),
        (
            {"port": ["80"] * 59 + ["http"]},
            {},
            r"column 'port' of .*my.csv to hold numbers.*'http' in row 59",
        ),
        ({"animal": "cat"}, {"label_column": "animal"}, "labels of two classes or more"),
        ({}, {"exclude": ["x"]}, r"Expected `exclude` to name columns of .*my.csv"),
        ({}, {"test": 1.5}, "Expected `test` to be a fraction"),
    ],
)
def test_bad_tables_are_refused(tmp_path, change, options, message):
    path = write(tmp_path / "my.csv", **change)
    with pytest.raises(ValueError, match=message):
        data.load(path, **options)


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    (tmp_path / "damaged.npy").write_bytes(b"numbers")
    (tmp_path / "other.txt").write_text("a")
    for name, message in (
        ("empty.csv", "empty.csv to be a table"),
        ("header.csv", "a header alone"),
        ("ragged.csv", "ragged.csv to be a table.*line 3"),
        ("damaged.parquet", "damaged.parquet to be a table"),
        ("damaged.npy", "damaged.npy to hold arrays"),
        ("other.txt", "Expected files that end in"),
    ):
        with pytest.raises(ValueError, match=message):
            data.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"absent.csv"):
        data.load(tmp_path / "absent.csv")


def test_files_of_a_pattern_have_one_header(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(ValueError, match=r"b.csv to have the header of .*a.csv"):
        data.load(tmp_path / "*.csv")


def test_options_of_tables_are_refused_elsewhere(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(8))
    for options in ({"label_column": "a"}, {"kinds": {"a": "count"}}, {"exclude": ["a"]}):
        for name in ("digits", tmp_path / "x.npy"):
            with pytest.raises(ValueError, match=r"table, in a CSV or Parquet file"):
                data.load(name, **options)


def test_arrays_of_numpy(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(60, 3)))
    dataset = data.load(tmp_path / "x.npy", test=20)
    assert dataset.x_test.shape == (20, 3)
    assert dataset.table is None
    pixels = rng.integers(0, 256, (60, 4, 4), dtype=np.uint8)
    y = np.arange(60) % 3
    np.savez(
        tmp_path / "x.npz", x_train=pixels[:40], y_train=y[:40], x_test=pixels[40:], y_test=y[40:]
    )
    dataset = data.load(tmp_path / "x.npz")
    np.testing.assert_allclose(dataset.x_test[..., 0], pixels[40:] / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_test, y[40:])
    assert dataset.class_names == ("0", "1", "2")
    np.savez(tmp_path / "y.npz", x=pixels, y=y[:5])
    with pytest.raises(ValueError, match="one label for each row"):
        data.load(tmp_path / "y.npz")
    np.savez(tmp_path / "z.npz", a=pixels)
    with pytest.raises(ValueError, match="to hold an array x"):
        data.load(tmp_path / "z.npz")


def test_folders_of_images_are_classes(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 4, 5, 3), dtype=np.uint8)
    for i, image in enumerate(images):
        folder = tmp_path / "photos" / ("cat", "dog")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / f"{i:02}.png", image, scale=False)
    dataset = data.load(tmp_path / "photos", validation=2, test=2)
    assert dataset.class_names == ("cat", "dog")
    found = np.concatenate([dataset.x_train, dataset.x_validation, dataset.x_test])
    labels = np.concatenate([dataset.y_train, dataset.y_validation, dataset.y_test])
    assert found.shape == (12, 4, 5, 3)
    for x, y in zip(found, labels, strict=True):
        distances = np.abs(images / 255.0 - x).max(axis=(1, 2, 3))
        assert distances.min() < 1e-6
        assert distances.argmin() % 2 == y
    (tmp_path / "none" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"a folder of images for each class.*image: 'cat'"):
        data.load(tmp_path / "none")
    (tmp_path / "photos" / ".cache").mkdir()
    assert data.load(tmp_path / "photos", validation=2, test=2).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "ids", "names"),
    [
        ([2.0, np.nan, 10.0], [0, -1, 1], ("2", "10")),
        ([True, False, True], [1, 0, 1], ("False", "True")),
        (["b", "", "a"], [1, -1, 0], ("a", "b")),
    ],
)
def test_labels_of_any_type_become_numbers(labels, ids, names):
    found, class_names = number_labels(np.array(labels, object))
    assert found.tolist() == ids
    assert class_names == names
