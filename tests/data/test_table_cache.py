"""The cache of tables: written once, the least recently opened removed, readers undisturbed."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from aae_tf.data import stored_rows
from aae_tf.data.table_cache import open_cached
from aae_tf.tables.schema import TableSchema

SIZE = 1000
A, B, C, D = (letter * 24 for letter in "abcd")


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
    for name in (A, B):
        open_cached(name, write, read)
    age(root, A, B)
    first = open_cached(A, None, read)
    open_cached(C, write, read)
    assert {each.name for each in root.iterdir()} == {A, C}
    # A reader of what is removed reads on.
    age(root, A, C)
    open_cached(D, write, read)
    assert {each.name for each in root.iterdir()} == {C, D}
    assert (first == 7).all()


def test_one_that_is_larger_than_the_limit_is_kept(root, monkeypatch):
    monkeypatch.setenv("AAE_TF_CACHE_GB", "1e-9")
    open_cached(A, write, read)
    open_cached(B, write, read)
    assert [each.name for each in root.iterdir()] == [B]


def test_what_another_process_removes_meanwhile_is_written_again(root):
    open_cached(A, write, read)
    found = []

    def remove_and_read(folder):
        if not found:
            found.append(folder)
            (folder / "rows").unlink()
            folder.rmdir()
        return read(folder)

    assert len(open_cached(A, write, remove_and_read)) == SIZE


def test_a_damaged_folder_is_no_endless_loop(root):
    (root / A).mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        open_cached(A, write, read)


def test_a_failure_leaves_nothing_and_what_was_abandoned_is_removed(root):
    def fail(folder):
        write(folder)
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        open_cached(A, fail, read)
    assert not list(root.iterdir())
    partial = [f"{B}.{digit * 32}.partial" for digit in "123"]
    for name, days in zip(partial, (2, 0, 2), strict=True):
        (root / name).mkdir()
        if name == partial[2]:
            # Its process writes into a file that it has made two days ago.
            write(root / name)
        os.utime(root / name, times=(time.time() - 86_400 * days - 60,) * 2)
    open_cached(A, write, read)
    assert {each.name for each in root.iterdir()} == {A, *partial[1:]}


def test_what_is_none_of_the_cache_stays(root):
    for name in ("mine", D[:-1], f"{D}.partial"):
        (root / name).mkdir(parents=True)
        write(root / name)
    age(root, "mine", D[:-1], f"{D}.partial")
    for name in (A, B, C):
        open_cached(name, write, read)
    assert {each.name for each in root.iterdir()} == {"mine", D[:-1], f"{D}.partial", B, C}


def test_a_cache_that_may_not_be_written_to_is_read(root, monkeypatch):
    open_cached(A, write, read)

    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    assert len(open_cached(A, None, read)) == SIZE


def test_what_another_process_removes_first_counts_as_removed(root, monkeypatch):
    for name in (A, B):
        open_cached(name, write, read)
    age(root, A, B)
    rename = Path.rename

    def remove_first(path, target):
        if path.name == A:
            shutil.rmtree(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", remove_first)
    open_cached(C, write, read)
    assert {each.name for each in root.iterdir()} == {B, C}


@pytest.mark.parametrize("limit", ["much", "0", "nan"])
def test_a_limit_is_a_number(monkeypatch, limit):
    monkeypatch.setenv("AAE_TF_CACHE_GB", limit)
    with pytest.raises(ValueError, match=f"AAE_TF_CACHE_GB to be a number above zero.*'{limit}'"):
        open_cached(A, write, read)


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
