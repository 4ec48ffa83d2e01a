"""Keras' own callbacks save and restore weights, every optimizer and random states."""

import json

import keras
import numpy as np
import pytest

from aae_tf import networks
from tests.models.rows import IMAGES, MODELS
from tests.others_slow import others_slow

pytestmark = [pytest.mark.usefixtures("eager_steps"), pytest.mark.integration]

# One of each class, with a discriminator where it can have one.
ROWS = {name.split()[0]: row for name, row in reversed(MODELS.items())}


class Interrupt(keras.callbacks.Callback):
    """Stops a training before a batch, and records the state before every batch."""

    def __init__(self, epoch=None, batch=None):
        super().__init__()
        self.at = (epoch, batch)
        self.states = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.states[self.epoch, batch] = state(self.model)
        if (self.epoch, batch) == self.at:
            raise InterruptedError


def state(model):
    """All variables by name: of layers, random generators and optimizers."""
    names = ("optimizer", "discriminator_optimizer", "regularization_optimizer")
    optimizers = [getattr(model, name) for name in names if getattr(model, name) is not None]
    variables = {f"model {i}": v.numpy() for i, v in enumerate(model.variables)}
    for i, optimizer in enumerate(optimizers):
        variables |= {f"optimizer {i} {j}": v.numpy() for j, v in enumerate(optimizer.variables)}
    return variables


def check_equal(one, other):
    assert list(one) == list(other)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def fit(model, labels, *callbacks, batch_size=16, epochs=3, shuffle=False):
    """Trains in order, by default for three epochs of three batches."""
    model.fit(
        IMAGES,
        labels,
        batch_size=batch_size,
        epochs=epochs,
        shuffle=shuffle,
        verbose=0,
        callbacks=callbacks,
    )
    return state(model)


@pytest.mark.parametrize(
    "name", others_slow(ROWS, quick=["AAE", "SemiSupervisedAAE", "GAN", "VAE"])
)
def test_backup_and_restore_resumes_after_an_epoch(name, tmp_path):
    def compiled():
        model = build()
        rate = keras.optimizers.schedules.PolynomialDecay(0.01, 4)
        model.compile(keras.optimizers.Adam(rate), schedule=model.schedules[-1])
        return model

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    build, labels = ROWS[name]
    # The order of rows goes on as well.
    short = {"batch_size": 20, "epochs": 2, "shuffle": True}
    whole = fit(compiled(), labels, **short)
    with pytest.raises(InterruptedError):
        fit(compiled(), labels, backup(), Interrupt(1, 1), **short)
    resumed = Interrupt()
    check_equal(fit(compiled(), labels, backup(), resumed, **short), whole)
    assert list(resumed.states) == [(1, 0), (1, 1)]
    assert not (tmp_path / "backup").exists()


@pytest.fixture
def compiled(make_aae):
    """Builds a model with random numbers and two optimizers, or three."""

    def make(**options):
        model = make_aae(
            encoder=networks.mlp_encoder((8, 8, 1), units=(16,), dropout=0.2, seed=1),
            posterior="gaussian",
        )
        model.compile(
            keras.optimizers.Adam(2e-3), keras.optimizers.SGD(0.1, momentum=0.9), **options
        )
        return model

    return make


def test_backup_every_few_steps_restores_the_state_of_that_step(compiled, tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=2)

    stopped, resumed = Interrupt(1, 2), Interrupt()
    with pytest.raises(InterruptedError):
        fit(compiled(), None, backup(), stopped)
    at = json.loads((tmp_path / "backup" / "training_metadata.json").read_text())
    assert at["epoch"] == 1
    fit(compiled(), None, backup(), resumed)
    # Keras begins the epoch again, with the state of the step.
    assert list(resumed.states) == [(epoch, batch) for epoch in (1, 2) for batch in range(3)]
    check_equal(resumed.states[1, 0], stopped.states[1, at["batch"] + 1])


def test_model_checkpoint_saves_the_state_of_its_step(compiled, tmp_path):
    states = Interrupt()
    checkpoint = keras.callbacks.ModelCheckpoint
    fit(
        compiled(schedule="alternating"),
        None,
        states,
        checkpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=2),
        checkpoint(tmp_path / "{epoch}-{batch}.weights.h5", save_freq=2, save_weights_only=True),
    )
    # Steps 2, 4, 6 and 8, as Keras counts epochs and batches; and where training stood then.
    saved = {"1-2": (0, 2), "2-1": (1, 1), "2-3": (2, 0), "3-2": (2, 2)}
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == set(saved)
    for name, position in saved.items():
        loaded = keras.models.load_model(tmp_path / f"{name}.keras")
        check_equal(state(loaded), states.states[position])
        other = compiled(schedule="alternating")
        other.load_weights(tmp_path / f"{name}.weights.h5")
        check_equal(state(other), states.states[position])


def test_the_best_model_is_saved(compiled, tmp_path):
    model = compiled()
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", "val_reconstruction_loss", save_best_only=True, mode="min"
    )
    history = model.fit(
        IMAGES, validation_data=IMAGES[:8], epochs=3, verbose=0, callbacks=[checkpoint]
    ).history
    loaded = keras.models.load_model(tmp_path / "best.keras")
    measured = loaded.evaluate(IMAGES[:8], return_dict=True, verbose=0)
    assert measured["reconstruction_loss"] == pytest.approx(
        min(history["val_reconstruction_loss"]), rel=1e-6
    )
