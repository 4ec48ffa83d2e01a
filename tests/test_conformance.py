"""Drives every row of `tests/conformance.py` through what its kind promises."""

import functools
import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import aae_tf
from aae_tf import export, models
from tests.conformance import BASES, IMAGES, PACKAGES, ROWS
from tests.others_slow import others_slow

MODELS = [name for name, row in ROWS.items() if row.kind == "model"]
CONFIGURED = [name for name, row in ROWS.items() if row.kind in ("model", "layer")]
# One adversarial row of each class alternates its updates, which takes twice as long to trace.
ADVERSARIAL = [name for name in MODELS if "adversarial" in name]
ALTERNATING = {name.split()[0]: name for name in reversed(ADVERSARIAL)}.values()
# One row of each class; compiling takes seconds, so that `make test-slow` has the others.
XLA_ROWS = others_slow(
    {name.split()[0]: name for name in MODELS if ROWS[name].inputs is IMAGES}.values(),
    quick=["AAE gaussian adversarial", "VAE kl"],
)
# Signatures depend on the class, its prior, its posterior and its heads, not on the divergences.
SERVED = (
    *("AAE deterministic adversarial", "AAE gaussian adversarial", "AAE universal mmd"),
    *("LabelGuidedAAE mmd", "SupervisedAAE mmd", "SemiSupervisedAAE mmd mmd"),
    *("ClusteringAAE mmd mmd", "EmbeddingAAE mmd mmd", "EmbeddingAAE mmd nothing"),
    *("VAE kl", "GAN mmd", "GMMN mmd"),
)
# One row of each class.
QUICK_ROWS = {
    *("AAE deterministic adversarial", "LabelGuidedAAE adversarial"),
    *("SupervisedAAE adversarial within classes", "SemiSupervisedAAE adversarial mmd"),
    *("ClusteringAAE mmd adversarial", "EmbeddingAAE adversarial mmd"),
    *("VAE kl", "GAN adversarial", "GMMN mmd"),
}
TABLES = {name for name in MODELS if ROWS[name].inputs is not IMAGES}
CALLBACKS = [name for name, row in ROWS.items() if row.kind == "callback"]


def _public_classes():
    modules = (aae_tf, *PACKAGES)
    found = {getattr(module, name) for module in modules for name in module.__all__}
    return {cls for cls in found if inspect.isclass(cls)} - BASES


def test_every_public_class_has_a_row():
    named = {name.split()[0] for name in ROWS}
    assert named == {cls.__name__ for cls in _public_classes()}
    assert {name.split()[0] for name in SERVED} == {name.split()[0] for name in MODELS}


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


@functools.cache
def _built(name):
    """One instance of a row, for tests that only read it."""
    return ROWS[name].build()


def _arguments(cls):
    parameters = inspect.signature(cls.__init__).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in parameters if p.name != "self" and p.kind not in kinds]


@pytest.mark.parametrize("name", CONFIGURED)
def test_config_says_every_argument_and_builds_an_equal_twin(name):
    instance = _built(name)
    cls = type(instance)
    config = instance.get_config()
    # Arguments of a base class that every model takes.
    of_models = {"extra_terms", "table", "class_names"}
    inherited = {"dtype", *(of_models if issubclass(cls, models.BaseModel) else ())}
    assert set(config) == {p.name for p in _arguments(cls)} | inherited
    twin = cls.from_config(json.loads(json.dumps(config)))
    assert json.dumps(twin.get_config()) == json.dumps(config)


# What Keras adds to `from_config` depends on the class alone.
@pytest.mark.sampled
@pytest.mark.parametrize(
    "name",
    {
        name.split()[0]: name for name in CONFIGURED if name not in MODELS or name in QUICK_ROWS
    }.values(),
)
def test_keras_finds_the_class_of_a_config(name):
    instance = _built(name)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(instance))
    assert type(again) is type(instance)


@pytest.mark.parametrize("name", CONFIGURED + CALLBACKS)
def test_arguments_are_attributes_and_no_defaults(name):
    instance = _built(name)
    others = [row for row in ROWS if row != name and row.split()[0] == name.split()[0]]
    for parameter in _arguments(type(instance)):
        value = getattr(instance, parameter.name)
        simple = isinstance(value, bool | int | float | str | tuple)
        if simple and value == parameter.default:
            # Where arguments exclude each other, another row of the class has this one.
            values = (getattr(_built(row), parameter.name) for row in others)
            assert any(other != parameter.default for other in values), parameter.name


@pytest.mark.sampled
@pytest.mark.parametrize("name", list(ROWS))
def test_every_row_builds_its_class(name):
    instance = _built(name)
    assert type(instance).__name__ == name.split()[0]
    if isinstance(instance, export.SavedModelSession):
        instance.close()


@functools.cache
def _compiled():
    """One compiled model, whose graph the tests of all callbacks run."""
    model = ROWS["AAE gaussian adversarial"].build()
    model.compile()
    return model


@pytest.mark.sampled
@pytest.mark.parametrize("name", CALLBACKS)
def test_callback_writes_where_it_is_told_and_starts_over(name):
    callback = ROWS[name].build()
    for _ in range(2):
        _compiled().fit(IMAGES, epochs=3, callbacks=[callback], verbose=0)
        (file,) = callback.directory.iterdir()
        assert file.name.endswith("_0002.png")
        file.unlink()


def _fit(model, row):
    history = model.fit(row.inputs, row.labels, batch_size=20, verbose=0, shuffle=False).history
    assert all(np.isfinite(values).all() for values in history.values())
    return history


def test_every_class_of_models_is_trained_by_the_quick_tests():
    assert {name.split()[0] for name in MODELS} == {name.split()[0] for name in QUICK_ROWS}


# Every class in the quick tests, and every divergence of its codes in those of integration.
@pytest.mark.sampled
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK_ROWS | TABLES else pytest.mark.integration)
        for name in MODELS
    ],
)
def test_model_trains_saves_loads_and_goes_on(name, tmp_path):
    row = ROWS[name]
    model = row.build()
    schedule = "alternating" if name in ALTERNATING else "joint"
    model.compile(keras.optimizers.Adam(1e-3), schedule=schedule)
    _fit(model, row)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for twin, original in zip(_state(loaded), _state(model), strict=True):
        np.testing.assert_array_equal(twin, original)
    # Another graph would take ten times as long as its steps, and show less.
    loaded.run_eagerly = True
    history, expected = _fit(loaded, row), _fit(model, row)
    assert history.keys() == expected.keys()
    for log, values in expected.items():
        np.testing.assert_allclose(history[log], values, rtol=1e-4, atol=1e-6, err_msg=log)


@pytest.mark.sampled
@pytest.mark.parametrize("name", sorted(QUICK_ROWS))
def test_a_row_of_nan_is_answered_with_nan_by_calling_the_model(name, monkeypatch):
    model = ROWS[name].build()
    has_encoder = isinstance(model, models.BaseAAE)
    _hide_nan(model, monkeypatch)
    rows = IMAGES[:4] if has_encoder else np.zeros([4, 2], np.float32)
    holed = rows.copy()
    holed[1].flat[1], holed[2].flat[0] = np.nan, np.inf
    found, whole = model(holed).numpy(), model(rows).numpy()
    assert np.isnan(found[[1, 2]]).all()
    np.testing.assert_allclose(found[[0, 3]], whole[[0, 3]], rtol=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("name", SERVED)
def test_model_is_served_as_it_answers(name, tmp_path, monkeypatch):
    model = ROWS[name].build()
    _hide_nan(model, monkeypatch)
    model.export(tmp_path / "1", verbose=False)
    answers = _answers(model)
    with export.CApiSession(tmp_path / "1") as other:
        _check_nan_rows(other, answers)
    with export.SavedModelSession(tmp_path / "1") as session:
        _check_nan_rows(session, answers)
        assert set(session.signatures) == {"serving_default", *answers}
        for signature, (inputs, expected) in answers.items():
            served = session.run(signature, inputs)
            assert served.keys() == expected.keys(), signature
            for output, value in expected.items():
                np.testing.assert_allclose(
                    served[output], value, rtol=1e-5, atol=1e-5, err_msg=f"{signature} {output}"
                )


def _hide_nan(model, monkeypatch):
    """Lets the networks see zero for NaN and infinity, as if a fused operation had lost them."""

    def hide(hook):
        function = getattr(model, hook)

        def hidden(argument, *args, **kwargs):
            zeros = tf.nest.map_structure(
                lambda x: tf.where(tf.math.is_finite(x), x, tf.zeros_like(x)), argument
            )
            return function(zeros, *args, **kwargs)

        monkeypatch.setattr(model, hook, hidden)

    hide("decoder_inputs")
    if isinstance(model, models.BaseAAE):
        hide("features")


def _check_nan_rows(session, answers):
    """Asks for answers once more, with a fault in one row of each floating input."""
    for signature, (inputs, expected) in answers.items():
        if signature == "sample":
            continue
        holed = {name: np.array(values, np.float32) for name, values in inputs.items()}
        faulty = {}
        for row, (values, fault) in enumerate(zip(holed.values(), (np.nan, -np.inf), strict=False)):
            values[row].flat[0] = faulty[row] = fault
        for output, value in session.run(signature, holed).items():
            missing = -1 if output == "class_id" else np.nan
            for row in faulty:
                np.testing.assert_array_equal(value[row], np.full_like(value[row], missing))
            rest = len(faulty)
            np.testing.assert_allclose(
                value[rest:], expected[output][rest:], rtol=1e-5, atol=1e-5, err_msg=output
            )


def _state(model):
    """Weights and random states, and what every optimizer has learned."""
    players = (model.optimizer, model.discriminator_optimizer, model.regularization_optimizer)
    learned = [variable for player in players if player for variable in player.variables]
    return [*model.variables, *learned]


def _answers(model):
    """Inputs of each signature, and what the model's own methods answer."""
    seeds, labels = np.arange(-2, 3), np.array([-1, 0, 1, 2, -1])
    codes = model.seed_codes(tf.constant(seeds))
    sample = {"seed": seeds}
    if model.num_classes is not None:
        codes = model.seed_codes(tf.constant(seeds), tf.constant(labels))
        sample["label"] = labels
    codes = {name: code.numpy() for name, code in codes.items()}
    drawn = model.sample(labels=sample.get("label"), seed=seeds)
    received = {name: codes[name] for name in model.decoder_codes}
    answers = {
        "sample": (sample, {"outputs": drawn, **codes}),
        "decode": (received, {"outputs": model.decode(*received.values())}),
    }
    if not isinstance(model, models.BaseAAE):
        return answers
    inputs, outputs = {"inputs": IMAGES}, model.reconstruct(IMAGES)
    encoded = {"latents": model.encode(IMAGES)}
    if model.classifies:
        encoded["class_probabilities"] = probabilities = model.classify(IMAGES)
        ids = {"class_probabilities": probabilities, "class_id": probabilities.argmax(axis=1)}
        answers["classify"] = inputs, ids
    error = 0.5 * ((IMAGES - outputs) ** 2).sum(axis=(1, 2, 3))
    density = model.prior_log_prob(model.complete_codes(tf.constant(IMAGES)))
    scores = {"reconstruction_error": error, "prior_log_prob": density}
    found = model.score(IMAGES)
    assert found.keys() == scores.keys()
    for output, value in found.items():
        np.testing.assert_allclose(value, scores[output], rtol=1e-4, atol=1e-4)
    return {
        **answers,
        "encode": (inputs, encoded),
        "reconstruct": (inputs, {"outputs": outputs}),
        "score": (inputs, scores),
    }


@pytest.mark.integration
@pytest.mark.parametrize("name", XLA_ROWS)
def test_every_class_of_models_trains_under_xla(name):
    row = ROWS[name]
    model = row.build()
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    _fit(model, row)
