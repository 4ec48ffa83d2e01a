import os

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import AAE, data, mmd, networks, posteriors, priors
from aae_tf.divergences import MMD, Adversarial
from tests.forks import in_child

pytestmark = pytest.mark.usefixtures("eager_steps")

tfd = tfp.distributions


def test_methods_agree_with_each_other(make_aae, images):
    model = make_aae(posterior="gaussian")
    codes = model.encode(images)
    assert codes.shape == (64, 2) and codes.dtype == np.float32
    outputs = model.reconstruct(images)
    np.testing.assert_allclose(model.decode(codes), outputs, atol=1e-6)
    np.testing.assert_allclose(model.predict(images, verbose=0), outputs, atol=1e-6)
    np.testing.assert_allclose(model(images), outputs, atol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_methods_take_any_number_of_rows_in_any_batches(make_aae, images, rows):
    model = make_aae()
    x = images[:rows]
    assert model.encode(x).shape == (rows, 2)
    assert model.reconstruct(x).shape == (rows, 8, 8, 1)
    assert model.sample(rows, seed=0).shape == (rows, 8, 8, 1)
    np.testing.assert_allclose(model.encode(x, batch_size=3), model.encode(x), atol=1e-6)
    np.testing.assert_allclose(
        model.decode(model.encode(x), batch_size=2), model.reconstruct(x), atol=1e-6
    )


def test_samples_are_decoded_draws_of_the_prior(make_aae):
    prior = tfd.MultivariateNormalDiag(tf.constant([3.0, -1.0]), tf.constant([0.1, 2.0]))
    model = make_aae(prior=prior)
    seeds = priors.row_seeds(500, 4)
    codes = model.seed_codes(tf.constant(seeds))["latents"].numpy()
    error = np.abs(codes.mean(axis=0) - [3.0, -1.0]) / ([0.1, 2.0] / np.sqrt(500))
    assert (error < 5).all()
    np.testing.assert_allclose(model.sample(500, seed=4), model.decode(codes), atol=1e-6)


def test_sample_by_seed(make_aae):
    model = make_aae()
    np.testing.assert_array_equal(model.sample(4, seed=1), model.sample(4, seed=1))
    assert not np.allclose(model.sample(4, seed=1), model.sample(4, seed=2))
    rows = model.sample(seed=[5, 6, 7])
    np.testing.assert_allclose(model.sample(seed=[7, 5]), rows[[2, 0]], atol=1e-6)
    first, second = model.sample(4), model.sample(4)
    np.testing.assert_array_equal(make_aae().sample(4), first)
    assert not np.allclose(first, second)
    assert not np.allclose(make_aae(seed=1).sample(4), first)


@pytest.mark.usefixtures("graph_steps")
@pytest.mark.parametrize(
    ("name", "epochs"),
    [pytest.param("adversarial", 40, marks=pytest.mark.integration), ("mmd", 10)],
)
def test_training_moves_the_codes_to_the_prior_and_the_outputs_to_the_inputs(name, epochs):
    x = data.load("digits").x_train
    divergence = {
        "adversarial": lambda: Adversarial(networks.mlp_discriminator(2, units=(64, 64), seed=3)),
        "mmd": MMD,
    }[name]()
    model = AAE(
        networks.mlp_encoder((8, 8, 1), units=(64,), seed=1),
        networks.mlp_decoder((8, 8, 1), 2, units=(64,), seed=2),
        prior=priors.gaussian(2, 2.0),
        divergence=divergence,
        seed=0,
    )
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(2.0))
    before = mmd.squared_mmd(model.encode(x), model.prior, kernel)
    model.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-3))
    history = model.fit(x, batch_size=100, epochs=epochs, shuffle=False, verbose=0).history
    after = mmd.squared_mmd(model.encode(x), model.prior, kernel)
    assert history["reconstruction_loss"][-1] < 0.5 * history["reconstruction_loss"][0]
    assert after < 0.1 * before


@pytest.mark.thorough
def test_any_distribution_serves_as_prior_for_both_divergences(images):
    prior = tfd.Independent(tfd.Laplace(tf.zeros(3), tf.constant([1.0, 2.0, 3.0])), 1)
    for divergence in ("adversarial", "mmd"):
        model = AAE(
            networks.mlp_encoder((8, 8, 1), units=(4,)),
            networks.mlp_decoder((8, 8, 1), 3, units=(4,)),
            prior=prior,
            divergence=divergence,
            seed=0,
        )
        model.compile()
        assert np.isfinite(model.fit(images, batch_size=64, verbose=0).history["loss"]).all()
        assert np.isfinite(model.sample(5, seed=0)).all()


def test_seed_fixes_training(make_aae, images):
    def run(seed):
        model = make_aae(posterior="universal", seed=seed)
        model.compile()
        return model.fit(images, batch_size=64, shuffle=False, verbose=0).history["loss"]

    once = run(3)
    assert once == run(3)
    assert once != run(4)
    assert run(None) != run(None)


def test_arguments_are_attributes(make_aae):
    prior, posterior, divergence = priors.gaussian(2), posteriors.Gaussian(), MMD()
    model = make_aae(prior=prior, posterior=posterior, divergence=divergence, seed=7, name="mine")
    assert model.prior is prior and model.posterior is posterior
    assert model.divergence is divergence
    assert model.seed == 7 and model.name == "mine"


def _encoder(*args, **kwargs):
    return networks.mlp_encoder((8, 8, 1), *args, units=(4,), **kwargs)


def _unbuilt():
    return keras.Sequential([keras.layers.Dense(2)])


def _two_inputs():
    a, b = keras.Input((2,)), keras.Input((3,))
    return keras.Model([a, b], keras.layers.Concatenate()([a, b]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"encoder": "mlp"}, TypeError, "`encoder` to be a keras.Model"),
        ({"decoder": None}, TypeError, "`decoder` to be a keras.Model"),
        ({"encoder": _unbuilt}, ValueError, "`encoder` to be a built model with one input"),
        ({"encoder": _two_inputs}, ValueError, "`encoder` to be a built model with one input"),
        (
            {"encoder": lambda: keras.Sequential([keras.Input((8, 8, 1)), keras.layers.ReLU()])},
            ValueError,
            "add a Flatten layer",
        ),
        (
            {"decoder": lambda: networks.mlp_decoder((8, 8, 3), 2, units=(4,))},
            ValueError,
            "`decoder` to give outputs of the shape that `encoder` takes",
        ),
        ({"prior": priors.gaussian(3)}, ValueError, r"model gives it, \[batch, 3\]"),
        ({"prior": "gaussian"}, TypeError, "`prior` to be a tfp.distributions.Distribution"),
        ({"prior": tfd.Normal(0.0, 1.0)}, ValueError, r"event_shape \[code_dim\]"),
        ({"prior": tfd.Normal([0.0, 0.0], 1.0)}, ValueError, "one distribution, not a batch"),
        (
            {"prior": tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2))},
            TypeError,
            "float32 samples",
        ),
        (
            {"prior": tfd.MultivariateNormalDiag(tf.Variable(tf.zeros(2)), tf.ones(2))},
            ValueError,
            r"`prior` to be made of constants.*It has the variables \['Variable:0'\]",
        ),
        ({"posterior": "cauchy"}, ValueError, "`posterior`"),
        ({"divergence": "kl"}, ValueError, "`divergence`"),
        ({"seed": -1}, ValueError, "`seed` to be at least 0"),
        ({"seed": 0.5}, TypeError, "`seed` to be an integer"),
        ({"seed": "a"}, TypeError, "`seed` to be an integer"),
    ],
)
def test_bad_constructor_arguments_are_named(make_aae, arguments, error, message):
    built = {
        key: value() if callable(value) and not isinstance(value, tfd.Distribution) else value
        for key, value in arguments.items()
    }
    with pytest.raises(error, match=message):
        make_aae(**built)


def test_instances_of_a_refused_model_can_be_given_again(make_aae, images):
    posterior, divergence = posteriors.Gaussian(), Adversarial(networks.mlp_discriminator(3))
    with pytest.raises(ValueError, match="`discriminator` to map"):
        make_aae(posterior=posterior, divergence=divergence)
    model = make_aae(3, posterior=posterior, divergence=divergence)
    assert model.encode(images).shape == (64, 3)


def test_bad_compile_arguments_are_named(make_aae, images):
    model = make_aae()
    model.compile(schedule="alternating")
    for arguments, message in (
        ({"schedule": "both"}, "`schedule` to be one of 'joint', 'alternating'"),
        ({"reconstruction_loss": "mes"}, "`reconstruction_loss` to be one of"),
        # The second argument of Keras' own `compile`.
        ({"discriminator_optimizer": "mse"}, "an optimizer, its name, or None; a loss is `recon"),
        ({"regularization_optimizer": "sgd"}, "`regularization_optimizer` to be None"),
    ):
        with pytest.raises(ValueError, match=message):
            model.compile(**arguments)
        # What was compiled before is still in force.
        assert model.schedule == "alternating"
    assert np.isfinite(model.fit(images, batch_size=64, verbose=0).history["loss"]).all()


def test_players_share_no_optimizer(make_aae, images):
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="`discriminator_optimizer` to be an optimizer of its own"):
        make_aae().compile(optimizer, optimizer)
    model = make_aae()
    optimizers = [keras.optimizers.Adam() for _ in range(3)]
    for _ in range(2):  # The same model may keep its optimizers.
        model.compile(
            *optimizers[:2], schedule="alternating", regularization_optimizer=optimizers[2]
        )
        model.fit(images, batch_size=64, verbose=0)
    assert [int(optimizer.iterations) for optimizer in optimizers] == [2, 2, 2]


def test_bad_inputs_are_refused_before_training(make_aae, images):
    model = make_aae()
    model.compile()
    broken = images.copy()
    broken[3, 2, 1, 0] = np.nan
    for call in (
        lambda: model.fit(broken),
        lambda: model.fit(images, validation_data=broken),
        lambda: model.fit(images, validation_data=(broken, None)),
        lambda: model.evaluate(broken),
        lambda: model.encode(broken),
        lambda: model.reconstruct(broken),
    ):
        with pytest.raises(ValueError, match=r"finite values. Received: \w+\[3, 2, 1, 0\]=nan"):
            call()
    with pytest.raises(
        ValueError, match=r"rows of shape \(8, 8, 1\). Received: x.shape=\(64, 8, 8"
    ):
        model.fit(images[..., 0])
    with pytest.raises(TypeError, match="array of floats"):
        model.fit((255 * images).astype("uint8"))
    with pytest.raises(ValueError, match=r"rows of shape \(2,\). Received: z.shape=\(4, 3\)"):
        model.decode(np.zeros((4, 3), "float32"))
    for weight in (np.full(64, np.nan), -np.ones(64), np.ones(63), np.ones((64, 2))):
        for call in (
            lambda w=weight: model.fit(images, sample_weight=w),
            lambda w=weight: model.fit(images, validation_data=(images, None, w)),
            lambda w=weight: model.evaluate(images, sample_weight=w),
        ):
            with pytest.raises(ValueError, match="to be 64 finite numbers, zero or more"):
                call(images)
    for size in (0, -1, 1.5):
        with pytest.raises(ValueError, match="`batch_size` to be a positive integer"):
            model.encode(images, batch_size=size)
    assert model.optimizer.iterations == 0
    model.compile(reconstruction_loss="bernoulli")
    with pytest.raises(ValueError, match=r"`x` in \[0, 1\] with reconstruction_loss='bernoulli'"):
        model.fit(2.0 * images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 1}, "`n` to be given"),
        ({"n": 3, "seed": [1, 2]}, "one integer for each of `n` rows"),
        ({"seed": [[1]]}, "one integer for each of `n` rows"),
        ({"seed": [0.5]}, "one integer for each of `n` rows"),
    ],
)
def test_bad_arguments_of_sample_are_named(make_aae, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_aae().sample(**arguments)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("seed_codes", (None,)),
        ("sample_codes", (None, None, True)),
    ],
)
def test_the_base_class_names_what_a_variant_lacks(make_aae, method, arguments):
    from aae_tf.models import BaseModel

    model = BaseModel(make_aae().decoder, codes={})
    with pytest.raises(NotImplementedError, match=f"BaseModel does not implement `{method}`"):
        getattr(model, method)(*arguments)


def test_a_fork_without_tensorflows_threads_is_refused(make_aae, images):
    model = make_aae()
    model.encode(images)

    def refused():
        for call in (model.encode, model.reconstruct):
            with pytest.raises(RuntimeError, match=r"^Expected a process in which TensorFlow can"):
                call(images)

    assert os.waitpid(in_child(refused), 0)[1] == 0
