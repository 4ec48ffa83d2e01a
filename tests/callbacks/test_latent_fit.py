"""The numbers of fit in the logs."""

import csv

import keras
import numpy as np
import pytest

from aae_tf import callbacks, evaluation, mmd, priors
from tests.models.rows import IMAGES, MODELS

pytestmark = pytest.mark.usefixtures("eager_steps")

KEYS = ["latent_standardized_mmd", "latent_p_value"]


def fit(model, images, *given, epochs=3, learning_rate=1e-2):
    model.compile(keras.optimizers.Adam(learning_rate))
    # Keras shuffles by the global generator.
    keras.utils.set_random_seed(0)
    return model.fit(images, epochs=epochs, verbose=0, batch_size=16, callbacks=list(given))


@pytest.mark.thorough
def test_history_has_what_the_test_says_of_the_model(make_aae, images):
    model = make_aae(divergence="mmd")
    history = fit(
        model, images, callbacks.LatentFit(images, num_bootstrap=300, seed=4), epochs=2
    ).history
    assert [len(history[key]) for key in KEYS] == [2, 2]
    codes = model.encode(images)
    kernel = mmd.default_kernel(model.prior)
    result = mmd.goodness_of_fit(codes, model.prior, kernel, num_bootstrap=300, seed=4)
    assert history["latent_p_value"][-1] == pytest.approx(float(result.p_value))
    standardized = float(mmd.standardized_mmd(codes, model.prior, kernel))
    assert history["latent_standardized_mmd"][-1] == pytest.approx(standardized, rel=1e-3)
    numbers = evaluation.evaluate_model(model, images)["codes"]["latent"]
    assert numbers["standardized_mmd"] == pytest.approx(standardized, rel=1e-3)


@pytest.mark.thorough
def test_later_callbacks_see_the_numbers(make_aae, images, tmp_path):
    stop = keras.callbacks.EarlyStopping(KEYS[0], mode="max", min_delta=1e9, patience=1)
    history = fit(
        make_aae(divergence="mmd"),
        images,
        callbacks.LatentFit(images),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        stop,
        epochs=9,
    )
    assert history.epoch == [0, 1]
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    for key in KEYS:
        np.testing.assert_allclose([float(row[key]) for row in rows], history.history[key])


def drawn_from_the_prior(monkeypatch, model, shift=0.0):
    def sample_codes(batch, seed, training):
        assert training is False
        return {"latents": priors.gaussian(2).sample(len(batch.inputs), seed=seed) + shift}

    monkeypatch.setattr(model, "sample_codes", sample_codes)


def numbers_of(callback, epoch):
    logs = {}
    callback.on_epoch_end(epoch, logs)
    return logs


def test_epochs_in_between_repeat_the_last_numbers(make_aae, images, monkeypatch):
    model, callback = make_aae(), callbacks.LatentFit(images, every=2)
    callback.set_model(model)
    for training in range(2):
        callback.on_train_begin()
        numbers = []
        for epoch in range(5):
            drawn_from_the_prior(monkeypatch, model, shift=training + 0.1 * epoch)
            numbers.append(numbers_of(callback, epoch)[KEYS[0]])
        first, second, third, fourth, fifth = numbers
        assert training < 0.5 or first > 10.0
        assert first < second < fourth
        assert (third, fifth) == (second, fourth)


@pytest.mark.thorough
def test_training_is_not_disturbed(make_aae, images):
    models = [make_aae(divergence="adversarial", posterior="gaussian") for _ in range(2)]
    histories = [
        fit(model, images, *given, epochs=2).history
        for model, given in zip(models, ([], [callbacks.LatentFit(images)]), strict=True)
    ]
    assert histories[1].keys() - histories[0].keys() == set(KEYS)
    for key, values in histories[0].items():
        assert histories[1][key] == values
    for alone, observed in zip(models[0].variables, models[1].variables, strict=True):
        np.testing.assert_array_equal(alone, observed)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["SemiSupervisedAAE mmd nothing", "LabelGuidedAAE mmd"])
def test_every_code_is_tested(name):
    model, callback = MODELS[name][0](), callbacks.LatentFit(IMAGES)
    callback.set_model(model)
    callback.on_train_begin()
    logs = numbers_of(callback, 0)
    assert len(logs) == 2 * len(model.codes)
    for code in model.codes:
        assert 0.0 < logs[f"{code}_p_value"] <= 1.0
        assert np.isfinite(logs[f"{code}_standardized_mmd"])


@pytest.mark.thorough
def test_codes_that_follow_the_prior_fit_and_others_do_not(make_aae, monkeypatch):
    model = make_aae()
    callback = callbacks.LatentFit(np.zeros((1500, 8, 8, 1), np.float32))
    callback.set_model(model)
    callback.on_train_begin()
    drawn_from_the_prior(monkeypatch, model)
    standardized, p_value = (numbers_of(callback, 0)[key] for key in KEYS)
    assert abs(standardized) < 2.0 and p_value > 0.05
    drawn_from_the_prior(monkeypatch, model, shift=0.3)
    standardized, p_value = (numbers_of(callback, 0)[key] for key in KEYS)
    assert standardized > 10.0 and p_value == pytest.approx(1.0 / 201.0)


def test_takes_two_thousand_rows_at_random():
    x = np.arange(3000, dtype=np.float32)[:, np.newaxis]
    rows = [callbacks.LatentFit(x, seed=seed).x for seed in (0, 0, 1)]
    assert len(np.unique(rows[0])) == 2000
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_a_loss_or_codes_that_are_not_finite_give_nan(make_aae, images):
    callback = callbacks.LatentFit(images)
    model = make_aae()
    callback.set_model(model)
    callback.on_train_begin()
    logs = {"loss": np.nan}
    callback.on_epoch_end(0, logs)
    assert np.isnan([logs[key] for key in KEYS]).all()
    callback.on_train_begin()
    model.encoder.weights[0].assign(np.full(model.encoder.weights[0].shape, np.nan))
    logs = {"loss": 1.0}
    callback.on_epoch_end(0, logs)
    assert np.isnan([logs[key] for key in KEYS]).all()
    callback.on_epoch_end(1)


class TestRefusals:
    @pytest.mark.parametrize("argument", ["every", "num_bootstrap"])
    def test_numbers(self, argument, images):
        with pytest.raises(ValueError, match=f"Expected `{argument}` to be a positive integer"):
            callbacks.LatentFit(images, **{argument: 0})

    def test_seed(self, images):
        with pytest.raises(ValueError, match="Expected `seed` to be at least 0"):
            callbacks.LatentFit(images, seed=-1)
        with pytest.raises(ValueError, match="Expected `seed` to be at most 2147483647"):
            callbacks.LatentFit(images, seed=2**31)
        with pytest.raises(TypeError, match="Expected `seed` to be an integer"):
            callbacks.LatentFit(images, seed=0.5)

    def test_inputs(self, images):
        with pytest.raises(ValueError, match="Expected `x` to have finite values"):
            callbacks.LatentFit(images * np.inf)
        with pytest.raises(ValueError, match="Expected `x` to have at least two rows"):
            callbacks.LatentFit(images[:1])

    def test_other_inputs_before_a_step_is_made(self, make_aae, images):
        model = make_aae()
        with pytest.raises(ValueError, match="Expected `x` to have rows of shape"):
            fit(model, images, callbacks.LatentFit(images[:, :4]))
        assert model.optimizer.iterations == 0

    def test_models_without_an_encoder_before_a_step_is_made(self):
        model = MODELS["GMMN mmd"][0]()
        model.compile()
        with pytest.raises(TypeError, match="Expected LatentFit to be given to the `fit` of a"):
            model.fit(IMAGES, verbose=0, callbacks=[callbacks.LatentFit(IMAGES)])
        assert model.optimizer.iterations == 0
