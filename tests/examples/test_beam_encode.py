"""The pipeline of `examples/beam_encode.py` on Beam's local runner, where Beam is installed."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import export
from tests.models.small import build_classifier
from tests.offline.records import content, example, numbers

pytestmark = [
    # Beam's own, and those of what it imports.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("beam"),
]
PIXELS = np.random.default_rng(0).integers(0, 256, (50, 2, 2, 1), np.uint8)


@pytest.fixture(scope="module")
def beam():
    return pytest.importorskip(
        "apache_beam",
        reason="Apache Beam is not installed; it has an environment of its own: make test-beam",
    )


@pytest.fixture(scope="module")
def model():
    return build_classifier((2, 2, 1))


@pytest.fixture(scope="module")
def version(model, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return export.export_servables(model, root, verify=False)["encoder"]


@pytest.fixture
def encode(version, tmp_path):
    """Runs the example over files of records, and gives the Examples that come out."""
    main = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "beam_encode.py"))["main"]

    def run(records, *options):
        for i, part in enumerate((records[:20], records[20:])):
            with tf.io.TFRecordWriter(str(tmp_path / f"in-{i}.tfrecord")) as writer:
                for record in part:
                    writer.write(record)
        given = ["--export", version, "--input", f"{tmp_path}/in-*.tfrecord"]
        given += ["--output", f"{tmp_path}/out/part", "--batch-size", "8"]
        main([*given, "--runner", "FnApiRunner", *options])
        files = sorted(map(str, (tmp_path / "out").iterdir()))
        written = tf.data.TFRecordDataset(files).as_numpy_iterator()
        return [tf.train.Example.FromString(record).features.feature for record in written]

    return run


def test_codes_are_added_to_each_record(model, encode):
    records = [
        example(image=content(row.tobytes()), id=numbers(np.array([i])))
        for i, row in enumerate(PIXELS)
    ]
    found = {
        features["id"].int64_list.value[0]: features
        for features in encode(records, "--feature", "image", "--divide-by", "255")
    }
    assert sorted(found) == list(range(50))
    x = PIXELS.astype(np.float32) / 255.0
    expected = {"latents": model.encode(x), "class_probabilities": model.classify(x)}
    for i, features in found.items():
        assert set(features) == {"image", "id", *expected}
        assert features["image"].bytes_list.value[0] == PIXELS[i].tobytes()
        for name, rows in expected.items():
            values = list(features[name].float_list.value)
            np.testing.assert_allclose(values, rows[i], atol=1e-6)


def test_classes_are_integers(model, encode):
    x = PIXELS.astype(np.float32) / 255.0
    records = [example(x=numbers(row)) for row in x]
    found = encode(records, "--signature", "classify", "--feature", "x")
    classes = np.sort([features["class_id"].int64_list.value[0] for features in found])
    np.testing.assert_array_equal(classes, np.sort(model.classify(x).argmax(axis=1)))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [(PIXELS, "Expected --divide-by where rows are int64"), (np.full((9, 4), np.nan), "finite")],
)
def test_bad_rows_stop_the_pipeline(encode, pixels, message):
    with pytest.raises(Exception, match=message):
        encode([example(x=numbers(row)) for row in pixels])
