"""Keras finds the package's classes in saved files, whichever of the two was imported first."""

import copy
import json
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

import aae_tf
from aae_tf import divergences, losses, mmd, models, networks, posteriors, priors
from aae_tf.data import TableSchema
from aae_tf.registered_classes import REGISTERED, DeferredClass, find_registered_class
from tests.models.rows import IMAGES, MODELS

KERNEL = tfp.math.psd_kernels.MaternThreeHalves(np.float32(0.5), np.float32(1.5))
SCHEMA = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
PARTS = [
    networks.TableFeatures(SCHEMA),
    networks.TableColumns(SCHEMA),
    losses.ColumnLosses(SCHEMA, {"color": 2.0}),
    models.Balance(0.4, 0.7, 0.2, 9),
    models.Guard(5.0, 0.1, 7),
    divergences.Adversarial(weight=0.4),
    divergences.MMD(kernel=mmd.FourierFeatures(KERNEL, 3, 64, seed=5)),
    divergences.SlicedWasserstein(7, weight=0.4),
    losses.HeadDistance(3.0),
    losses.KullbackLeibler(weight=0.5),
    losses.MutualInformation(2.0),
    losses.StandardizedError([2.0, 0.5]),
    losses.VirtualAdversarial(2.0, 3, 0.5),
    posteriors.Deterministic(normalize=True),
    posteriors.Gaussian(max_log_variance=3.0),
    posteriors.Universal(4),
]
KERNELS = [
    mmd.BlockProduct([KERNEL, KERNEL], [1, 2]),
    mmd.CoordinateProduct(KERNEL),
    mmd.Energy(0.7),
    mmd.SlicedGaussian(0.7),
    mmd.FourierFeatures(KERNEL, 3, 64, seed=5),
]

# Loads everything that the folder holds; only the two imports precede.
LOAD = """
import json, sys
import {first}
assert "tensorflow_probability" not in sys.modules, "importing aae_tf imported its models"
import {second}
import numpy as np

folder = sys.argv[1]
loaded = []
for config in json.load(open(folder + "/parts.json")):
    instance = keras.saving.deserialize_keras_object(config)
    again = json.loads(json.dumps(keras.saving.serialize_keras_object(instance)))
    assert again == config, (config, again)
    loaded.append(config["registered_name"])
for config in json.load(open(folder + "/kernels.json")):
    assert aae_tf.priors.serialize(aae_tf.priors.deserialize(config)) == config
    loaded.append(config["type"].removeprefix("registered:"))
expected = np.load(folder + "/expected.npz")
for name in expected.files if sys.argv[2:] == ["all"] else ["AAE"]:
    model = keras.models.load_model(f"{{folder}}/{{name}}.keras")
    images = np.ones((4, *model.input_shape[1:]), "float32") if name == "noisy" else None
    values = model.predict(images, verbose=0) if name == "noisy" else model.sample(4, seed=1)
    np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)
    loaded.append(name)
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with every registered class: models as files, the others in configs."""
    folder = tmp_path_factory.mktemp("saved")
    parts = [keras.saving.serialize_keras_object(part) for part in PARTS]
    (folder / "parts.json").write_text(json.dumps(parts))
    (folder / "kernels.json").write_text(json.dumps([priors.serialize(each) for each in KERNELS]))
    expected = {}
    one_of_each = {name.split()[0]: name for name in MODELS}
    for cls, name in one_of_each.items():
        model = MODELS[name][0]()
        model.compile(keras.optimizers.Adam(1e-3))
        model.save(folder / f"{cls}.keras")
        expected[cls] = model.sample(4, seed=1)
    noisy = networks.mlp_encoder(IMAGES.shape[1:], units=(8,), input_noise=0.1, dropout=0.2, seed=1)
    noisy.save(folder / "noisy.keras")
    expected["noisy"] = noisy.predict(np.ones((4, *IMAGES.shape[1:]), "float32"), verbose=0)
    np.savez(folder / "expected.npz", **expected)
    return folder


def _load(saved, first, second, *which):
    code = LOAD.format(first=first, second=second)
    run = subprocess.run(
        [sys.executable, "-c", code, saved, *which], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return {name.removeprefix("aae_tf>") for name in json.loads(run.stdout.splitlines()[-1])}


@pytest.mark.integration
def test_every_class_loads_where_keras_is_imported_later(saved):
    layers = {"RowDropout", "RowGaussianNoise"}  # both are in the file "noisy"
    names = {name for names in REGISTERED.values() for name in names}
    assert _load(saved, "aae_tf", "keras", "all") - {"noisy"} | layers == names


@pytest.mark.integration
def test_classes_load_where_keras_was_imported_before(saved):
    assert {"AAE", "Guard", "FourierFeatures"} <= _load(saved, "keras", "aae_tf")


def test_names_are_those_of_all_registered_classes():
    for module in pkgutil.walk_packages(aae_tf.__path__, "aae_tf."):
        if not module.name.endswith("__main__"):
            __import__(module.name)
    registered = {
        name: cls
        for name, cls in keras.saving.get_custom_objects().items()
        if name.startswith("aae_tf>")
    }
    assert set(registered) == {f"aae_tf>{name}" for names in REGISTERED.values() for name in names}
    assert not any(isinstance(cls, DeferredClass) for cls in registered.values())


def test_deferred_class_passes_every_use_on():
    deferred = DeferredClass("aae_tf>Guard", "aae_tf.models")
    assert deferred.resolve() is copy.copy(deferred).resolve() is models.Guard
    guard = deferred(5.0)
    assert type(guard) is models.Guard
    assert deferred.from_config(guard.get_config()).get_config() == guard.get_config()
    assert repr(deferred) == "<aae_tf>Guard, imported when used>"


def test_found_class_is_never_deferred(monkeypatch):
    deferred = DeferredClass("aae_tf>Guard", "aae_tf.models")
    with keras.saving.custom_object_scope({"aae_tf>Guard": deferred}):
        assert find_registered_class("aae_tf>Guard") is models.Guard
    assert find_registered_class("unknown>Guard") is None
