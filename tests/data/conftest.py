import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

DATA_DIR = os.environ.get("TFDS_DATA_DIR")


def prepare_tiny(
    directory, version="1.0.0", image=None, label=None, keys=("image", "label"), **sizes
):
    """Prepares a data set, named `tiny`, as TensorFlow Datasets does, without a network.

    Image i of a split is filled with the value i, and its label is i modulo 3.
    """
    features = {
        "image": image or tfds.features.Image(shape=(4, 5, 1)),
        "label": label or tfds.features.ClassLabel(names=["ant", "bee", "cat"]),
    }
    shape = [4 if size is None else size for size in features["image"].shape]

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=keys,
            )

        def _split_generators(self, dl_manager):
            counts = sizes or {"train": 60, "test": 9}
            return {split: self._generate_examples(count) for split, count in counts.items()}

        def _generate_examples(self, count):
            for i in range(count):
                image = np.full(shape, i, features["image"].np_dtype)
                yield i, {"image": image, "label": i % 3}

    Tiny(data_dir=directory).download_and_prepare()


@pytest.fixture
def prepare() -> Callable[..., None]:
    return prepare_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A directory that holds a prepared data set `tiny`."""
    directory = tmp_path_factory.mktemp("prepared")
    prepare_tiny(directory)
    return directory


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> Path:
    """An empty home directory, and no TFDS_DATA_DIR: no data set of the machine is seen."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return tmp_path


@pytest.fixture
def machine_data(monkeypatch) -> None:
    """Shows the data sets of the machine again."""
    monkeypatch.setenv("TFDS_DATA_DIR", DATA_DIR)
