import keras
import numpy as np
import pytest

from aae_tf import networks
from aae_tf.divergences import Adversarial
from aae_tf.networks.mlp import spectral_discriminator


def largest_singular_values(network):
    kernels = [w for w in network.get_weights() if w.ndim == 2 and w.shape[0] > 1]
    return [np.linalg.norm(kernel, 2) for kernel in kernels]


@pytest.mark.thorough
def test_a_training_pass_makes_every_largest_singular_value_one():
    network = spectral_discriminator(3, units=(64, 64), seed=0)
    assert max(largest_singular_values(network)) > 1.2
    x = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    for _ in range(30):
        network(x, training=True)
    np.testing.assert_allclose(largest_singular_values(network), 1.0, atol=0.02)
    # No logit is steeper than one: ReLU and unit kernels only shorten differences.
    logits = network(x).numpy()[:, 0]
    distances = np.linalg.norm(x[:, None] - x[None], axis=-1) + np.eye(50)
    assert (np.abs(logits[:, None] - logits[None]) <= 1.03 * distances).all()


def test_seed_fixes_all_weights_and_starts_as_the_plain_one():
    a, b = (spectral_discriminator(3, units=(8,), seed=4) for _ in range(2))
    for v, w in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    plain = networks.mlp_discriminator(3, units=(8,), seed=4)
    kernels = [w for w in a.get_weights() if w.ndim == 2 and w.shape[0] > 1]
    for v, w in zip(kernels, (layer.kernel for layer in plain.layers[1:]), strict=True):
        np.testing.assert_array_equal(v, w.numpy())


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
@pytest.mark.parametrize(
    "policy", ["float32", pytest.param("mixed_float16", marks=pytest.mark.integration)]
)
def test_model_trains_with_it_and_is_saved(make_aae, images, tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    model = make_aae(
        encoder=networks.mlp_encoder((8, 8, 1), units=(16,), seed=1),
        decoder=networks.mlp_decoder((8, 8, 1), 2, units=(16,), seed=2),
        divergence=Adversarial(spectral_normalization=True, gradient_penalty=1.0),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    first = model.fit(images, batch_size=64, verbose=0, shuffle=False).history
    assert np.isfinite(first["latent_discriminator_loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.divergence.spectral_normalization
    histories = [
        each.fit(images, batch_size=64, verbose=0, shuffle=False).history
        for each in (model, loaded)
    ]
    assert histories[0] == histories[1]


def test_refuses_a_plain_discriminator():
    plain = networks.mlp_discriminator(2, units=(4,))
    with pytest.raises(ValueError, match="`discriminator` to have keras"):
        Adversarial(plain, spectral_normalization=True)
    with pytest.raises(TypeError, match="`spectral_normalization` to be a bool"):
        Adversarial(spectral_normalization=1)
