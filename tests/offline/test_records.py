"""TFRecord files: what a record may hold, and what is refused."""

import re

import numpy as np
import pytest
import tensorflow as tf

from aae_tf.offline import RecordDecoder
from aae_tf.offline.tfrecord_rows import TFRecordRows
from tests.offline.records import content, example, numbers, png, tensor

SHAPE = (2, 2, 1)
FLOATS = np.random.default_rng(0).random((9, *SHAPE), np.float32)
PIXELS = np.random.default_rng(1).integers(0, 256, (9, *SHAPE), np.uint8)
LABEL = numbers(np.array([3]))

# Kind, rows, and how one is written.
KINDS = {
    "floats": ("numbers", FLOATS, lambda row: example(x=numbers(row), label=LABEL)),
    "integers": ("numbers", PIXELS, lambda row: example(x=numbers(row))),
    "bytes of pixels": ("bytes", PIXELS, lambda row: example(x=content(row.tobytes()))),
    "bytes of floats": ("bytes", FLOATS, lambda row: example(x=content(row.tobytes()))),
    "tensors": ("tensor", FLOATS, lambda row: example(x=content(tensor(row)), label=LABEL)),
    "flat tensors": ("tensor", PIXELS, lambda row: example(x=content(tensor(row.ravel())))),
    "pictures": ("image", PIXELS, lambda row: example(x=content(png(row)), label=LABEL)),
    "bare tensors": ("tensor", FLOATS, tensor),
    "bare doubles": ("tensor", FLOATS.astype(np.float64), tensor),
    "bare pictures": ("image", PIXELS, png),
    "bare bytes": ("bytes", FLOATS, lambda row: row.tobytes()),
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "compression"), [*((name, "") for name in KINDS), ("floats", "GZIP")]
)
def test_every_kind_of_record(tfrecord, name, compression):
    kind, expected, write = KINDS[name]
    records = [write(row) for row in expected]
    feature = None if "bare" in name else "x"
    assert RecordDecoder(records[0], SHAPE, feature).kind == kind
    paths = [
        tfrecord(records[:5], "a", compression),
        tfrecord([], "b", compression),
        tfrecord(records[5:], "c", compression),
    ]
    rows = TFRecordRows(paths, SHAPE, feature)
    assert rows.counts == [5, 0, 4]
    is_integers = name == "integers"
    assert rows.dtype == (np.int64 if is_integers else expected.dtype)
    batches = list(rows.batches(2, [2, 3, 1]))
    assert [len(batch) for batch in batches] == [2, 3, 1]
    np.testing.assert_array_equal(np.concatenate(batches), expected[2:8])
    (last,) = rows.batches(8, [1])
    np.testing.assert_array_equal(last, expected[8:])


def test_jpeg():
    grey = np.full(SHAPE, 128, np.uint8)
    record = tf.io.encode_jpeg(grey, quality=100).numpy()
    decoder = RecordDecoder(record, SHAPE)
    assert decoder.kind == "image"
    np.testing.assert_allclose(decoder.decode([record])[0], grey, atol=2)


def test_the_only_feature_needs_no_name():
    decoder = RecordDecoder(example(pixels=numbers(FLOATS[0])), SHAPE)
    assert decoder.feature == "pixels"


@pytest.mark.parametrize(
    ("record", "feature", "received"),
    [
        (example(a=LABEL, b=LABEL), None, "one of ['a', 'b'], those of the first record."),
        (example(a=LABEL), "b", "Received: feature='b'."),
        (tensor(FLOATS[0]), "b", "one of [], those of the first record."),
        (example(x=LABEL), None, "Received: 1 numbers in int64_list."),
        (example(x=numbers(FLOATS[:2])), None, "Received: 8 numbers in float_list."),
        (example(x=tf.train.Feature()), None, "Received: 0 numbers in None."),
        (example(x=content(b"a", b"b")), None, "Received: 0 numbers in bytes_list."),
        (example(x=content(b"abc")), None, "Expected the feature 'x' to hold rows of shape"),
        (example(x=content(b"abc")), None, "Received: 3 bytes."),
        (tensor(FLOATS[:2]), None, "Received: a tensor of shape (2, 2, 2, 1)."),
        (tensor(np.array(["a"])), None, "Expected records to hold rows of shape (2, 2, 1)"),
        (png(np.zeros((3, 2, 1), np.uint8)), None, "Received: an image of shape (3, 2, 1)."),
        (png(np.zeros((2, 2, 3), np.uint8)), None, "Received: an image of shape (2, 2, 3)."),
    ],
    ids=lambda value: "record" if isinstance(value, bytes) else None,
)
def test_records_that_are_no_rows(tfrecord, record, feature, received):
    with pytest.raises(ValueError, match=re.escape(received)):
        RecordDecoder(record, SHAPE, feature)
    message = "(?s)Expected `inputs` to be TFRecord files of one kind.*x.tfrecord.*"
    with pytest.raises(ValueError, match=message + re.escape(received)):
        TFRecordRows([tfrecord([record])], SHAPE, feature)


# A later record that is not of the first one's kind.
OTHERS = {
    "floats": example(y=numbers(FLOATS[0])),
    "integers": example(x=numbers(FLOATS[0])),
    "bytes of pixels": example(x=content(bytes(8))),
    "bytes of floats": example(x=content(bytes(32))),
    "tensors": example(x=content(tensor(FLOATS[0, 0]))),
    "flat tensors": example(x=content(tensor(FLOATS[0].ravel()))),
    "pictures": example(x=content(png(np.zeros((1, 4, 1), np.uint8)))),
    "bare tensors": tensor(FLOATS[:2]),
    "bare doubles": tensor(FLOATS[0]),
    "bare pictures": b"no picture",
    "bare bytes": bytes(16)[:-1],
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", KINDS)
def test_records_of_another_kind(tfrecord, name):
    _, expected, write = KINDS[name]
    records = [write(row) for row in expected]
    feature = None if "bare" in name else "x"
    rows = TFRecordRows([tfrecord([*records[:5], OTHERS[name], *records[5:]])], SHAPE, feature)
    batches = rows.batches(2, [3, 3, 1])
    np.testing.assert_array_equal(next(batches), expected[2:5])
    with pytest.raises(ValueError, match=r"Received: rows 5 to 7, counted over 1 files: \w"):
        next(batches)


def test_files_of_another_kind(tfrecord):
    paths = [tfrecord(map(tensor, FLOATS)), tfrecord([OTHERS["bare tensors"]], "second")]
    message = r"files of one kind of record\. Received: .*second: \w"
    with pytest.raises(ValueError, match=message):
        TFRecordRows(paths, SHAPE)


def test_a_batch_of_longer_records_alone_is_refused():
    # Twice two rows must not pass for four.
    decoder = RecordDecoder(bytes(4), (4,))
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoder.decode([bytes(8), bytes(8)])


class TestDamage:
    @pytest.fixture
    def path(self, tfrecord):
        return tfrecord([tensor(row) for row in FLOATS])

    def test_a_changed_byte(self, path):
        data = bytearray(path.read_bytes())
        data[-10] ^= 1
        path.write_bytes(data)
        rows = TFRecordRows([path], SHAPE)
        with pytest.raises(ValueError, match=r"(?s)to be whole.*rows 7 to 8, .*corrupted"):
            list(rows.batches(1, [6, 2]))

    # The last 8 bytes of a gzip file are a checksum, which TensorFlow does not miss.
    @pytest.mark.parametrize(("compression", "missing"), [("", 3), ("GZIP", 20)])
    def test_a_cut_end(self, tfrecord, compression, missing):
        path = tfrecord([tensor(row) for row in FLOATS], "cut", compression)
        path.write_bytes(path.read_bytes()[:-missing])
        with pytest.raises(ValueError, match=r"Received: .*cut"):
            TFRecordRows([path], SHAPE)

    def test_what_is_no_record_file(self, tmp_path):
        (tmp_path / "a.csv").write_text("1.0,2.0,3.0\n" * 9)
        message = r"to be whole TFRecord files, or \.npy files\. Received: .*a\.csv, of 108 bytes"
        with pytest.raises(ValueError, match=message):
            TFRecordRows([tmp_path / "a.csv"], SHAPE)

    def test_a_wrong_checksum_of_the_first_record(self, path):
        data = bytearray(path.read_bytes())
        data[8] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"(?s)Received: .*x.tfrecord: .*corrupted"):
            TFRecordRows([path], SHAPE)

    def test_no_records(self, tfrecord):
        with pytest.raises(ValueError, match=r"to hold rows\. Received: .*x.tfrecord, empty\."):
            TFRecordRows([tfrecord([])], SHAPE)

    def test_mixed_compression(self, tfrecord, path):
        other = tfrecord([tensor(FLOATS[0])], "other", "GZIP")
        message = r"compressed all or none\. Received: .*other, .*x.tfrecord\."
        with pytest.raises(ValueError, match=message):
            TFRecordRows([path, other], SHAPE)
