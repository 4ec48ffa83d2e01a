import socket
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from aae_tf import data


def test_images_and_labels_are_read_whole_and_together(tiny):
    dataset = data.load("tiny", validation=12, data_dir=tiny)
    assert dataset.x_train.shape == (48, 4, 5, 1)
    assert dataset.class_names == ("ant", "bee", "cat")
    assert dataset.num_classes == 3
    x = np.concatenate([dataset.x_train, dataset.x_validation])
    y = np.concatenate([dataset.y_train, dataset.y_validation])
    # Image i is filled with i and has the label i modulo 3.
    index = np.rint(x[:, 0, 0, 0] * 255).astype(int)
    assert sorted(index) == list(range(60))
    np.testing.assert_array_equal(x, np.broadcast_to(x[:, :1, :1], x.shape))
    np.testing.assert_array_equal(y, index % 3)
    np.testing.assert_array_equal(np.bincount(dataset.y_validation), [4, 4, 4])
    test_index = np.rint(dataset.x_test[:, 0, 0, 0] * 255).astype(int)
    assert sorted(test_index) == list(range(9))
    np.testing.assert_array_equal(dataset.y_test, test_index % 3)


@pytest.mark.thorough
def test_more_images_than_a_batch_are_read_in_the_same_order(prepare, tmp_path):
    prepare(
        tmp_path, image=tfds.features.Image(shape=(1, 1, 1), dtype=np.uint16), train=2500, test=9
    )
    first, again = (data.load("tiny", data_dir=tmp_path) for _ in range(2))
    np.testing.assert_array_equal(first.x_train, again.x_train)
    pixels = np.concatenate([first.x_train, first.x_validation]).ravel()
    np.testing.assert_array_equal(np.sort(np.rint(pixels * 65535)), np.arange(2500))


@pytest.mark.thorough
def test_directories_are_searched_in_order(prepare, tiny, tmp_path, home, monkeypatch):
    default = home / "tensorflow_datasets"
    by_environment, given = tmp_path / "environment", tmp_path / "given"
    prepare(default, test=3, train=30)
    assert len(data.load("tiny").x_test) == 3
    prepare(by_environment, test=6, train=30)
    monkeypatch.setenv("TFDS_DATA_DIR", str(by_environment))
    assert len(data.load("tiny").x_test) == 6
    assert len(data.load("tiny", data_dir=given).x_test) == 6
    prepare(given, test=12, train=30)
    assert len(data.load("tiny", data_dir=str(given)).x_test) == 12


def test_highest_version_is_read(prepare, tmp_path):
    for version, count in (("1.9.0", 3), ("1.10.0", 6), ("1.2.3", 9)):
        prepare(tmp_path, version=version, train=30, test=count)
    (tmp_path / "tiny" / "2.0.0").mkdir()  # without its files: not prepared
    (tmp_path / "tiny" / "3.0.0.incomplete").mkdir()
    assert len(data.load("tiny", data_dir=tmp_path).x_test) == 6


def test_a_configuration_is_part_of_the_name(tiny, tmp_path):
    (tmp_path / "several").mkdir()
    (tmp_path / "several" / "small.en-1").symlink_to(tiny / "tiny")
    assert data.available(tmp_path) == ["digits", "several/small.en-1"]
    assert data.load("several/small.en-1", data_dir=tmp_path).x_test.shape == (9, 4, 5, 1)
    with pytest.raises(data.DatasetNotFoundError, match=r"Available: digits, several/small.en-1"):
        data.load("several", data_dir=tmp_path)


def test_available_lists_what_can_be_loaded(tiny, tmp_path, monkeypatch):
    assert data.available() == ["digits"]
    assert data.available(tiny) == ["digits", "tiny"]
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny))
    (tmp_path / "a file").touch()
    assert data.available(tmp_path) == ["digits", "tiny"]
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nowhere"))
    assert data.available(tmp_path / "a file") == ["digits"]


def test_a_missing_data_set_is_an_error_at_once_that_says_what_to_do(
    tiny, home, tmp_path, monkeypatch
):
    # Neither the network nor the library that would use it is touched.
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tiny))
    with pytest.raises(data.DatasetNotFoundError) as caught:
        data.load("mnist", data_dir=tmp_path / "given")
    assert isinstance(caught.value, FileNotFoundError)
    searched = f"{tmp_path / 'given'}, {tiny}, {home / 'tensorflow_datasets'}"
    command = "tfds.builder('mnist', data_dir=DIR).download_and_prepare()"
    assert str(caught.value) == (
        "Expected `name` to be a data set on this machine. Received: name='mnist', which is in "
        f"none of {searched}. Set TFDS_DATA_DIR to the directory that holds it, or prepare it "
        f'where there is a network: `python -c "import tensorflow_datasets as tfds; {command}"`. '
        "Available: digits, tiny."
    )


def test_a_prepared_data_set_is_read_without_a_network(tiny, monkeypatch):
    def refuse(*args):
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(data.load("tiny", data_dir=tiny).x_test) == 9


@pytest.mark.parametrize("name", ["tiny/..", "tiny/", "", "a/b/c", "a b"])
def test_what_is_no_name_is_refused(name, tiny):
    with pytest.raises(
        ValueError, match="Expected `name` to be 'digits', or the name of a TensorF"
    ):
        data.load(name, data_dir=tiny / "tiny")


@pytest.mark.parametrize(
    "features",
    [
        {"keys": None},
        {"keys": ("image", "image")},
        {"keys": ("image", "label", "label")},
        {"keys": ({"image": "image"}, "label")},
        {"label": tfds.features.Scalar(np.int64)},
        {"image": tfds.features.Tensor(shape=(4, 5, 1), dtype=np.uint8)},
        {"image": tfds.features.Image(shape=(None, 5, 1))},
        {"image": tfds.features.Image(shape=(4, 5, 1), dtype=np.float32)},
    ],
)
def test_what_holds_no_images_with_labels_is_refused(features, prepare, tmp_path):
    prepare(tmp_path, **features)
    with pytest.raises(ValueError, match=r"(?s)Expected data set 'tiny' to consist of 8-bit or 16"):
        data.load("tiny", data_dir=tmp_path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_data_set_without_both_splits_is_refused(split, prepare, tmp_path):
    prepare(tmp_path, **{split: 30})
    message = rf"Expected data set 'tiny' to have the splits .*Received: splits=\['{split}'\]"
    with pytest.raises(ValueError, match=message):
        data.load("tiny", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("digits", "sklearn", "scikit-learn"),
        ("tiny", "tensorflow_datasets", "tensorflow-datasets"),
    ],
)
def test_a_missing_package_is_an_error_that_names_the_extra(
    tiny, monkeypatch, name, module, package
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as caught:
        data.load(name, data_dir=tiny)
    assert str(caught.value) == (
        f'Expected {package} to be installed for data.load: pip install "aae_tf[data]".'
    )
