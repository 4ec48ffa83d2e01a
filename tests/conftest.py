"""What all tests share: quiet TensorFlow, small models, and the data that some tests need."""

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest

from aae_tf import AAE, networks, priors

IMAGE_SHAPE = (8, 8, 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = os.environ.get("TFDS_DATA_DIR")
    if folder and Path(folder, "mnist").is_dir():
        return
    skip = pytest.mark.skip(reason="TFDS_DATA_DIR names no folder with a prepared mnist")
    for item in items:
        if "mnist" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def images() -> np.ndarray:
    """64 images of noise in [0, 1]."""
    return np.random.default_rng(0).random((64, *IMAGE_SHAPE), dtype="float32")


@pytest.fixture
def make_aae() -> Callable[..., AAE]:
    """Builds an AAE of 16 hidden units for `images`; any argument can be replaced."""

    def make(code_dim: int = 2, **kwargs: object) -> AAE:
        defaults = {
            "encoder": networks.mlp_encoder(IMAGE_SHAPE, units=(16,), seed=1),
            "decoder": networks.mlp_decoder(IMAGE_SHAPE, code_dim, units=(16,), seed=2),
            "prior": priors.gaussian(code_dim),
            "seed": 0,
        }
        return AAE(**{**defaults, **kwargs})

    return make


@pytest.fixture(autouse=True)
def _no_leftovers() -> None:
    """Frees the graphs of the previous test and restores the float policy."""
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy("float32")
