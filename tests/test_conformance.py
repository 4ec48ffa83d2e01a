"""Drives every row of `tests/conformance.py` through what its kind promises."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import aae_tf
from aae_tf import export
from tests.conformance import BASES, IMAGES, PACKAGES, ROWS

MODELS = [name for name, row in ROWS.items() if row.kind == "model"]
CONFIGURED = [name for name, row in ROWS.items() if row.kind in ("model", "layer")]
CALLBACKS = [name for name, row in ROWS.items() if row.kind == "callback"]


def _public_classes():
    modules = (aae_tf, *PACKAGES)
    found = {getattr(module, name) for module in modules for name in module.__all__}
    return {cls for cls in found if inspect.isclass(cls)} - BASES


def test_every_public_class_has_a_row():
    named = {name.split()[0] for name in ROWS}
    assert named == {cls.__name__ for cls in _public_classes()}


@pytest.mark.parametrize("cls", sorted(_public_classes(), key=lambda cls: cls.__name__))
def test_every_public_class_is_documented_with_an_example(cls):
    documentation = inspect.getdoc(cls)
    assert documentation.split("\n")[0].endswith((".", ":"))
    if not issubclass(cls, Exception):
        assert ">>> " in documentation
    for name, member in vars(cls).items():
        # Keras documents `call` in the class.
        if inspect.isfunction(member) and not name.startswith("_") and name != "call":
            assert inspect.getdoc(member), name


def _arguments(cls):
    parameters = inspect.signature(cls.__init__).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in parameters if p.name != "self" and p.kind not in kinds]


@pytest.mark.parametrize("name", CONFIGURED)
def test_config_says_every_argument_and_builds_an_equal_twin(name):
    instance = ROWS[name].build()
    cls = type(instance)
    config = instance.get_config()
    assert set(config) == {p.name for p in _arguments(cls)} | {"dtype"}
    twin = cls.from_config(json.loads(json.dumps(config)))
    assert json.dumps(twin.get_config()) == json.dumps(config)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(instance))
    assert type(again) is cls


@pytest.mark.parametrize("name", CONFIGURED + CALLBACKS)
def test_arguments_are_attributes_and_no_defaults(name):
    instance = ROWS[name].build()
    for parameter in _arguments(type(instance)):
        value = getattr(instance, parameter.name)
        simple = isinstance(value, bool | int | float | str | tuple)
        # Models come in several rows, and posterior and divergence have rows of their own.
        if simple and parameter.default is not inspect.Parameter.empty:
            assert value != parameter.default, parameter.name


@pytest.mark.parametrize("name", list(ROWS))
def test_every_row_builds_its_class(name):
    instance = ROWS[name].build()
    assert type(instance).__name__ == name.split()[0]
    if isinstance(instance, export.SavedModelSession):
        instance.close()


@pytest.mark.parametrize("name", CALLBACKS)
def test_callback_writes_where_it_is_told_and_starts_over(name):
    callback = ROWS[name].build()
    model = ROWS["AAE gaussian mmd"].build()
    model.compile()
    for _ in range(2):
        model.fit(IMAGES, epochs=3, callbacks=[callback], verbose=0)
        (file,) = callback.directory.iterdir()
        assert file.name.endswith("_0002.png")
        file.unlink()


@pytest.mark.parametrize("name", MODELS)
def test_model_trains_saves_loads_and_goes_on(name, tmp_path):
    model = ROWS[name].build()
    model.compile(keras.optimizers.Adam(1e-3), schedule="alternating")
    history = model.fit(IMAGES, batch_size=20, epochs=1, verbose=0, shuffle=False).history
    assert all(np.isfinite(values).all() for values in history.values())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.encode(IMAGES), model.encode(IMAGES))
    logs = [m.fit(IMAGES, batch_size=20, verbose=0, shuffle=False).history for m in (model, loaded)]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("name", MODELS)
def test_model_trains_under_xla(name):
    model = ROWS[name].build()
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    history = model.fit(IMAGES, batch_size=20, epochs=1, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())


@pytest.mark.parametrize("name", MODELS)
def test_model_is_served_as_it_answers(name, tmp_path):
    model = ROWS[name].build()
    model.export(tmp_path / "1", verbose=False)
    seeds = np.arange(5)
    with export.SavedModelSession(tmp_path / "1") as session:
        served = session.run("encode", {"inputs": IMAGES})
        np.testing.assert_allclose(served["latents"], model.encode(IMAGES), atol=1e-5)
        served = session.run("sample", {"seed": seeds})
        np.testing.assert_array_equal(
            served["latents"], model.seed_codes(tf.constant(seeds))["latents"]
        )
        np.testing.assert_allclose(served["outputs"], model.sample(seed=seeds), atol=1e-5)
