"""The cache of tables: written once, the least recently opened removed, readers undisturbed."""

import os
import time

import numpy as np
import pytest

from aae_tf.data import stored_rows
from aae_tf.data.table_cache import open_cached
from aae_tf.tables.schema import TableSchema

SIZE = 1000


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("AAE_TF_CACHE", str(tmp_path))
    # Two folders and a half.
    monkeypatch.setenv("AAE_TF_CACHE_GB", str(2.5 * SIZE / 1e9))
    return tmp_path / "tables"


def write(folder):
    np.full(SIZE, 7, np.uint8).tofile(folder / "rows")


def read(folder):
    return np.memmap(folder / "rows", np.uint8, "r")


def age(root, *names):
    """Makes folders older, the first one the most."""
    for seconds, name in zip(range(900, 0, -300), names, strict=False):
        os.utime(root / name, times=(time.time() - seconds,) * 2)


def test_the_least_recently_opened_is_removed(root):
    for name in ("a", "b"):
        open_cached(name, write, read)
    age(root, "a", "b")
    first = open_cached("a", None, read)
    open_cached("c", write, read)
    assert {each.name for each in root.iterdir()} == {"a", "c"}
    # A reader of what is removed reads on.
    age(root, "a", "c")
    open_cached("d", write, read)
    assert {each.name for each in root.iterdir()} == {"c", "d"}
    assert (first == 7).all()


def test_one_that_is_larger_than_the_limit_is_kept(root, monkeypatch):
    monkeypatch.setenv("AAE_TF_CACHE_GB", "1e-9")
    open_cached("a", write, read)
    open_cached("b", write, read)
    assert [each.name for each in root.iterdir()] == ["b"]


def test_what_another_process_removes_meanwhile_is_written_again(root):
    open_cached("a", write, read)
    found = []

    def remove_and_read(folder):
        if not found:
            found.append(folder)
            (folder / "rows").unlink()
            folder.rmdir()
        return read(folder)

    assert len(open_cached("a", write, remove_and_read)) == SIZE


def test_a_damaged_folder_is_no_endless_loop(root):
    (root / "a").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        open_cached("a", write, read)


def test_a_failure_leaves_nothing_and_what_was_abandoned_is_removed(root):
    def fail(folder):
        write(folder)
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        open_cached("a", fail, read)
    assert not list(root.iterdir())
    for name, days in (("x.1.partial", 2), ("y.2.partial", 0)):
        (root / name).mkdir()
        os.utime(root / name, times=(time.time() - 86_400 * days - 60,) * 2)
    open_cached("a", write, read)
    assert {each.name for each in root.iterdir()} == {"a", "y.2.partial"}


@pytest.mark.parametrize("limit", ["much", "0", "nan"])
def test_a_limit_is_a_number(monkeypatch, limit):
    monkeypatch.setenv("AAE_TF_CACHE_GB", limit)
    with pytest.raises(ValueError, match=f"AAE_TF_CACHE_GB to be a number above zero.*'{limit}'"):
        open_cached("a", write, read)


def test_reading_a_large_table_whole_is_warned_of(monkeypatch):
    schema = TableSchema.infer({"a": [1.5, 2.5]})
    rows = stored_rows.StoredRows(None, np.arange(100), schema)
    monkeypatch.setattr(stored_rows, "_LARGEST_WHOLE", 4 * 100 * schema.width - 1)
    monkeypatch.setattr(stored_rows, "_ROWS", 100)
    values = np.zeros((100, schema.width), np.float32)
    monkeypatch.setattr(stored_rows.StoredRows, "_features", lambda self, stored: values)
    rows.store = type("Store", (), {"read": staticmethod(lambda numbers: numbers)})
    with pytest.warns(UserWarning, match=r"All 100 rows of a streamed table.*shuffled_batches"):
        assert np.asarray(rows).shape == (100, schema.width)
