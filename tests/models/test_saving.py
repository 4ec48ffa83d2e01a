"""A saved model is the model: architecture, weights, optimizers, random numbers."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

from aae_tf import networks, priors
from aae_tf.divergences import MMD, Adversarial

pytestmark = pytest.mark.usefixtures("eager_steps")

tfd = tfp.distributions
FILES = Path(__file__).parent / "files"


def _train(model, images):
    return model.fit(images, batch_size=64, shuffle=False, verbose=0).history


def _optimizers(model):
    names = ("optimizer", "discriminator_optimizer", "regularization_optimizer")
    return [getattr(model, name) for name in names if getattr(model, name) is not None]


# Every class, both divergences and both schedules: see the conformance table.
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("divergence", "schedule"), [("adversarial", "alternating"), ("mmd", "joint")]
)
def test_training_goes_on_from_where_it_was(make_aae, images, tmp_path, divergence, schedule):
    model = make_aae(
        encoder=networks.mlp_encoder((8, 8, 1), units=(16,), dropout=0.2, seed=1),
        prior=priors.ring_mixture(),
        posterior="gaussian",
        divergence=divergence,
    )
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.optimizers.SGD(0.1, momentum=0.9),
        reconstruction_loss="bernoulli",
        schedule=schedule,
    )
    _train(model, images)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    np.testing.assert_array_equal(loaded.encode(images), model.encode(images))
    np.testing.assert_array_equal(loaded.sample(3, seed=0), model.sample(3, seed=0))
    z = np.float32([[0.3, -0.2]])
    np.testing.assert_array_equal(loaded.prior.log_prob(z), model.prior.log_prob(z))
    assert len(_optimizers(loaded)) == 1 + (divergence == "adversarial") + (
        schedule == "alternating"
    )
    for a, b in zip(_optimizers(model), _optimizers(loaded), strict=True):
        assert type(a) is type(b) and a.get_config() == b.get_config()
        assert int(b.iterations) == 1
        for v, w in zip(a.variables, b.variables, strict=True):
            np.testing.assert_array_equal(v, w)
    assert _train(model, images) == _train(loaded, images)


@pytest.mark.thorough
def test_weights_alone_are_restored_into_a_new_model(make_aae, images, tmp_path):
    model, other = make_aae(), make_aae(seed=5)
    model.compile()
    _train(model, images)
    model.save_weights(tmp_path / "model.weights.h5")
    other.compile()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.encode(images), model.encode(images))
    assert _train(model, images) == _train(other, images)


def test_uncompiled_model_is_saved_and_loaded(make_aae, images, tmp_path):
    model = make_aae(posterior="universal")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.compiled
    np.testing.assert_array_equal(loaded.encode(images), model.encode(images))


def test_registered_callable_loss_is_saved(make_aae, images, tmp_path):
    model = make_aae()
    model.compile(reconstruction_loss=_absolute)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.evaluate(images[:8], verbose=0), model.evaluate(images[:8], verbose=0)
    )


@keras.saving.register_keras_serializable(package="tests")
def _absolute(x, y):
    return abs(x - y)


def test_given_loss_scaling_is_kept(make_aae, tmp_path):
    model = make_aae()
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=64.0)
    model.compile(scaled)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert isinstance(loaded.optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_hdf5_is_refused_with_nothing_written(make_aae, tmp_path, name):
    with pytest.raises(ValueError, match=r"`filepath` to end in '.keras'.*model\.h"):
        make_aae().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_kernels_of_any_shape_are_saved(make_aae, images, tmp_path):
    quadratic = tfp.math.psd_kernels.ExponentiatedQuadratic
    kernel = quadratic(np.float32(0.7), np.float32(2.0)) + quadratic(
        np.float32(0.1), np.float32(0.5)
    )
    for divergence in (MMD(kernel), MMD(kernel * kernel), MMD()):
        model = make_aae(divergence=divergence)
        model.compile()
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert loaded.evaluate(images[:8], verbose=0) == model.evaluate(images[:8], verbose=0)


def test_config_is_symmetric_and_the_argument_is_left_alone(make_aae):
    model = make_aae(
        divergence=Adversarial(networks.mlp_discriminator(2, units=(3,)), "least_squares", 0.1, 0.2)
    )
    config = model.get_config()
    keys = set(config)
    twin = type(model).from_config(config)
    assert set(config) == keys
    assert twin.get_config() == model.get_config()


def test_file_of_version_0_1_0_loads_with_all_that_training_has_learned():
    # Saved by the commit before `Trainer`, after two steps, with samples of seed 1.
    model = keras.models.load_model(FILES / "embedding_aae_0_1_0.keras")
    expected = np.load(FILES / "embedding_aae_0_1_0_samples.npy")
    np.testing.assert_allclose(model.sample(4, seed=1), expected, rtol=1e-5, atol=1e-6)
    assert [int(each.iterations) for each in _optimizers(model)] == [2, 2]
    # The guard's argument had another name; its state is in the file.
    assert model.trainer.config["guard"].max_consecutive_skips == 100
    assert model.trainer.state.shape == (8,) and (model.trainer.state[[0, 4]] > 0.0).all()
