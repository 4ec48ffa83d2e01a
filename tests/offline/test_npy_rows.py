import io
import re
import tracemalloc

import numpy as np
import pytest

from aae_tf.offline.rows import NpyRows, find_files, name_row, open_rows

SHAPE = (2, 2, 1)


def read(rows, start, sizes):
    return list(rows.batches(start, sizes))


@pytest.mark.parametrize("start", [0, 3, 4, 9, 19])
def test_batches_run_over_files(npy, x, start):
    # An empty file in between, and one with two batches.
    parts = [x[:4], x[4:4], x[4:5], x[5:20]]
    paths = [npy(part, f"{i}.npy") for i, part in enumerate(parts)]
    rows = NpyRows(paths, SHAPE)
    assert rows.counts == [4, 0, 1, 15]
    sizes = [size for size in (3, 3, 1) if start + size <= 20] or [1]
    for batch in read(rows, start, sizes):
        np.testing.assert_array_equal(batch, x[start : start + len(batch)])
        start += len(batch)


@pytest.mark.parametrize("shape", [(4,), (2, 2), (2, 2, 1), (1, 2, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "<f4", ">f4", "float64", "float16", "bool", "int64"])
def test_layouts_and_dtypes(npy, shape, dtype):
    array = (np.arange(24) % 7).astype(dtype).reshape(6, *shape)
    (batch,) = read(NpyRows([npy(array)], SHAPE), 1, [4])
    assert batch.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(batch, array[1:5].reshape(4, *SHAPE))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_format(tmp_path, x, version):
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, x, version)
    (batch,) = read(NpyRows([tmp_path / "x.npy"], SHAPE), 7, [2])
    np.testing.assert_array_equal(batch, x[7:9])


def test_memory_is_that_of_a_batch(npy):
    path = npy(np.zeros((100_000, 16), np.float32))
    rows = NpyRows([path], (16,))
    tracemalloc.start()
    try:
        for batch in rows.batches(0, [1000] * 100):
            del batch
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1000 * 64 <= peak < 3 * 1000 * 64 < path.stat().st_size / 30


def test_a_file_that_shrinks_meanwhile(npy):
    # More than a file's buffer holds.
    path = npy(np.zeros((5000, *SHAPE), np.float32))
    batches = NpyRows([path], SHAPE).batches(0, [1000] * 5)
    next(batches)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(ValueError, match=r"x\.npy to stay as it is while it is read"):
        list(batches)


def _npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


ONE = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_npy(ONE)[:-1], "Expected `inputs` to be whole .npy files of numbers. Received: "),
        (_npy(ONE)[:20], "Expected `inputs` to be whole .npy files of numbers."),
        (_npy(np.array([{}]), allow_pickle=True), "Expected `inputs` to be whole .npy files"),
        (_npy(ONE).replace(b"}", b"("), "Expected `inputs` to be whole .npy files"),
        (_npy(ONE).replace(b"(3, 4), }", b"(-3, 4),}"), "Expected `inputs` to be whole .npy files"),
        (_npy(np.array(["a"])), "Expected `inputs` to hold numbers. Received: "),
        (_npy(ONE + 1j), "Expected `inputs` to hold numbers."),
        (_npy(np.zeros(3, "f4,f4")), "Expected `inputs` to hold numbers."),
        (_npy(np.ones([])), "Expected `inputs` to hold rows that the model takes, of shape"),
        (_npy(np.ones((3, 5))), "Expected `inputs` to hold rows that the model takes, of shape"),
        (_npy(np.asfortranarray(ONE)), "Expected `inputs` to be stored row by row; np.save"),
        (_npy(ONE[:0]), "Expected `inputs` to hold rows. Received: "),
    ],
)
def test_bad_files(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}(?s:.*)a.npy"):
        open_rows([tmp_path / "a.npy"], SHAPE, None)


def test_files_of_two_dtypes(npy):
    paths = [npy(ONE, "a.npy"), npy(ONE.astype(np.float64), "b.npy")]
    message = r"files of one dtype\. Received: .*a.npy of float32, .*b.npy of float64\."
    with pytest.raises(ValueError, match=message):
        NpyRows(paths, SHAPE)


def test_files_of_two_formats(npy, tmp_path):
    (tmp_path / "b").write_bytes(bytes(16))
    message = r"to be of one format\. Received: .*a.npy, .*b\."
    with pytest.raises(ValueError, match=message):
        open_rows([npy(ONE, "a.npy"), tmp_path / "b"], SHAPE, None)


def test_arrays_have_no_features(npy):
    message = r"Expected `feature` to be left out for \.npy files\. Received: feature='image'\."
    with pytest.raises(ValueError, match=message):
        open_rows([npy(ONE)], SHAPE, "image")


def test_rows_are_named_by_file(npy):
    rows = NpyRows([npy(ONE, "a.npy"), npy(ONE, "b.npy")], SHAPE)
    assert name_row(rows, 2).endswith("row 2 of " + str(rows.paths[0]))
    assert name_row(rows, 3).endswith("row 0 of " + str(rows.paths[1]))


class TestFindFiles:
    def test_patterns_are_sorted_and_paths_keep_their_order(self, tmp_path):
        for name in ("a-2", "a-10", "a-1", "b", "c[1]"):
            (tmp_path / name).touch()
        given = [tmp_path / "b", str(tmp_path / "a-*"), tmp_path / "c[1]", str(tmp_path / "b")]
        names = [path.name for path in find_files(given)]
        assert names == ["b", "a-1", "a-10", "a-2", "c[1]", "b"]

    def test_one_path(self, tmp_path):
        (tmp_path / "a").touch()
        assert find_files(tmp_path / "a") == [tmp_path / "a"]

    @pytest.mark.parametrize("name", ["no", "no-*", "", "folder", "f*"])
    def test_no_files(self, tmp_path, name):
        (tmp_path / "folder").mkdir()
        with pytest.raises(ValueError, match="Expected `inputs` to be files or patterns that"):
            find_files(f"{tmp_path}/{name}")

    def test_nothing(self):
        with pytest.raises(ValueError, match=r"to name a file\. Received: inputs=\[\]\."):
            find_files([])

    def test_no_path(self):
        with pytest.raises(TypeError, match=r"to be paths\. Received: one of type ndarray\."):
            find_files(np.ones((2, 2)))
