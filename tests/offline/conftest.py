"""One export with an encoder that knows classes, and files of rows for it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import SemiSupervisedAAE, export
from tests.models.small import build_classifier


@pytest.fixture(autouse=True, scope="package")
def _as_for_users(rewritten_graphs: None) -> None:
    """Runs sessions as users do, rewriting included."""


@pytest.fixture(scope="package")
def model() -> SemiSupervisedAAE:
    return build_classifier((2, 2, 1))


@pytest.fixture(scope="package")
def root(model, tmp_path_factory) -> Path:
    """A root with version 3 of encoder and decoder."""
    root = tmp_path_factory.mktemp("models")
    export.export_servables(model, root, version=3, verify=False)
    return root


@pytest.fixture(scope="package")
def x() -> np.ndarray:
    """Rows of the model, float32."""
    return np.random.default_rng(0).random((50, 2, 2, 1), np.float32)


@pytest.fixture
def npy(tmp_path) -> Callable[..., Path]:
    """Writes an array to a .npy file."""

    def write(array: np.ndarray, name: str = "x.npy") -> Path:
        np.save(tmp_path / name, array)
        return tmp_path / name

    return write


@pytest.fixture
def tfrecord(tmp_path) -> Callable[..., Path]:
    """Writes records to a TFRecord file."""

    def write(records: Iterable[bytes], name: str = "x.tfrecord", compression: str = "") -> Path:
        with tf.io.TFRecordWriter(str(tmp_path / name), compression) as writer:
            for record in records:
                writer.write(record)
        return tmp_path / name

    return write
