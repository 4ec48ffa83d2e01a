"""What all tests share: quiet TensorFlow, small models, and the data that some tests need."""

import gc
import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# More threads in each worker of pytest-xdist would wait for the other workers'.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, networks, priors

IMAGE_SHAPE = (8, 8, 1)

# TensorFlow rewrites every new graph to run it faster; the tests' graphs run a few steps only, and
# cost more to rewrite than to run. What is about exports and servers asks for `rewritten_graphs`.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="package")
def rewritten_graphs() -> Iterator[None]:
    """Lets TensorFlow rewrite graphs, those of sessions included, as it does for users."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_collection_finish() -> None:
    """Spares the garbage collector what lives as long as the process: modules, and the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", metavar="SEED", help="shuffle files, and the tests of each")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Makes all cases of a `sampled` test thorough but the first."""
    if item.get_closest_marker("sampled"):
        cases = item.parent.__dict__.setdefault("_sampled_tests", set())
        if item.originalname in cases:
            item.add_marker(pytest.mark.thorough)
        cases.add(item.originalname)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--shuffle")
    if seed is not None:
        # Tests of a file stay together, since they share fixtures that take seconds.
        generator = random.Random(seed)
        files = [list(tests) for _, tests in itertools.groupby(items, lambda item: item.path)]
        generator.shuffle(files)
        for tests in files:
            generator.shuffle(tests)
        items[:] = itertools.chain.from_iterable(files)
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


@pytest.fixture(autouse=True, scope="module")
def _no_leftovers() -> None:
    """Counts the names of layers from 0 in each file.

    Once a file, since TensorFlow's kernels of eager operations go with Keras' session, and making
    them anew for every test took as long as the tests.
    """
    keras.utils.clear_session(free_memory=False)


@pytest.fixture(autouse=True)
def _float_policy() -> None:
    """Restores the float policy."""
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def eager_steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs steps without a graph, which takes longer to trace than ten steps take.

    For files whose subject is what a step does. A test of theirs with many steps asks for
    `graph_steps` as well. Every row of the conformance table compares the two.
    """
    if "graph_steps" not in request.fixturenames:
        eager = property(lambda model: True, lambda model, value: None)
        monkeypatch.setattr(keras.Model, "run_eagerly", eager)


@pytest.fixture
def graph_steps() -> None:
    """Leaves a test out of `eager_steps`: it has many steps, or values that eager code refuses."""
