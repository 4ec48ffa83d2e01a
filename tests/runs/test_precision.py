"""Recipes in mixed precision: what a model computes in, and that a run resumes as it began."""

import math

import keras
import numpy as np
import pytest

from aae_tf.runs import builders, training
from aae_tf.runs.builders import build_model
from aae_tf.runs.errors import UserError
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.training_callbacks import StopAtNaN
from aae_tf.runs.training_data import training_data

RECIPE = Recipe(
    code_dim=2,
    units=(8,),
    discriminator_units=(8,),
    schedule="alternating",
    epochs=3,
    batch_size=250,
    precision="mixed_float16",
)
OPTIMIZERS = ("optimizer", "discriminator_optimizer", "regularization_optimizer")


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_networks_get_the_policy_and_nothing_else_does(digits, precision):
    recipe = Recipe(units=(8,), discriminator_units=(8,), precision=precision)
    model = build_model(recipe, training_data(recipe, digits))
    for network in (model.encoder, model.decoder, model.divergence.discriminator):
        hidden = next(x for x in network.layers if isinstance(x, keras.layers.Dense))
        assert hidden.dtype_policy.name == precision
    assert model.posterior.mean_layer.compute_dtype == "float32"
    scaled = isinstance(model.discriminator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")
    assert keras.config.dtype_policy().name == "float32"


def test_the_policy_is_set_back_after_a_failure(digits, monkeypatch):
    monkeypatch.setattr(builders, "build_optimizers", lambda *args: {"optimizer": "none"})
    with pytest.raises(ValueError, match="none"):
        build_model(RECIPE, training_data(RECIPE, digits))
    assert keras.config.dtype_policy().name == "float32"


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C in the second epoch, and sets the scales before it."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 2:
            for power, name in enumerate(OPTIMIZERS, start=5):
                getattr(self.model, name).dynamic_scale.assign(2.0**power)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("eager_steps", "no_figures")
@pytest.mark.integration
def test_an_interrupted_run_goes_on_with_its_scales(digits, tmp_path):
    def train(*callbacks, recipe=RECIPE):
        options = {"restart": False, "backup_every": 2}
        training.train_run(recipe, digits, tmp_path / "run", callbacks, 0, **options)

    with pytest.raises(UserError, match="Interrupted in epoch"):
        train(Interrupt())
    other = Recipe(**{**vars(RECIPE), "precision": "float32"})
    with pytest.raises(UserError, match="precision='float32' instead of 'mixed_float16'"):
        train(recipe=other)
    train()
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    for power, name in enumerate(OPTIMIZERS, start=5):
        optimizer = getattr(model, name)
        assert float(optimizer.dynamic_scale) == 2.0**power
        # Three epochs of five steps, in which the scale was set once.
        assert int(optimizer.iterations) == int(optimizer.step_counter) == 15


class Overflow(keras.callbacks.Callback):
    """Sets a scale that float16 cannot hold for longer than an epoch."""

    def on_train_begin(self, logs=None):
        self.model.optimizer.dynamic_scale.assign(2.0**26)


@pytest.mark.usefixtures("eager_steps", "no_figures")
@pytest.mark.integration
def test_looking_for_the_scale_is_no_failure(digits, tmp_path):
    training.train_run(RECIPE, digits, tmp_path / "run", [Overflow()], 0)
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    epochs = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    assert float(epochs[0]["skipped_updates"]) == 5.0
    # The loss of a batch whose scale was too large is that of the batch.
    for epoch in epochs:
        assert np.isfinite([float(value) for value in epoch.values()]).all()


@pytest.mark.parametrize(
    ("logs", "batch"),
    [
        ({"loss": math.nan}, 0),
        ({"loss": math.nan, "skipped_updates": 1.0}, 1),
        ({"loss": math.inf, "skipped_updates": 0.0}, 0),
    ],
)
def test_a_measured_loss_that_is_not_finite_is_a_failure(logs, batch):
    callback = StopAtNaN()
    callback.set_params({"steps": 2})
    callback.on_epoch_begin(0)
    with pytest.raises(FloatingPointError, match=r"loss became (nan|inf) in epoch 1"):
        callback.on_train_batch_end(batch, logs)
    callback.on_train_batch_end(0, {"loss": math.nan, "skipped_updates": 1.0})
    with pytest.raises(FloatingPointError, match="val_loss became nan"):
        callback.on_epoch_end(0, {"loss": 1.0, "val_loss": math.nan, "skipped_updates": 2.0})
