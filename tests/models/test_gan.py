"""The two models without an encoder: one step by hand, and what they compare."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import GAN, GMMN, mmd, networks, priors
from aae_tf.divergences import MMD, Adversarial
from tests.models.small import INPUTS, build, forward, gradient_step, measure, mmd_squared

pytestmark = pytest.mark.usefixtures("eager_steps")

tfd = tfp.distributions

# All of its samples are alike, so that the oracle need not know any seed.
POINT = np.float32([[1.0, -2.0]])
POINT_PRIOR = tfd.VectorDeterministic(POINT[0])
KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float32(1.0))


def _gan(**kwargs):
    discriminator = networks.mlp_discriminator(4, units=(6,), seed=3)
    arguments = {"prior": POINT_PRIOR, "divergence": Adversarial(discriminator, weight=0.7)}
    return build(GAN, **{**arguments, **kwargs})


def _gmmn(**kwargs):
    arguments = {"prior": POINT_PRIOR, "divergence": MMD(KERNEL, estimator="biased", weight=5.0)}
    return build(GMMN, **{**arguments, **kwargs})


class Oracle:
    """The same maths on copies of the networks."""

    def __init__(self, model):
        self.networks = [model.decoder, model.divergence.discriminator]
        self.copies = [keras.models.clone_model(network) for network in self.networks]
        for copy, network in zip(self.copies, self.networks, strict=True):
            copy.set_weights(network.get_weights())
        self.decoder, self.discriminator = self.copies

    def _judge(self, rows):
        # The discriminator sees values of mean 0 and variance 1, if they are uniform in [0, 1].
        return self.discriminator((rows - 0.5) * np.sqrt(12.0))[:, 0]

    def fooling(self):
        return 0.7 * tf.reduce_mean(tf.math.softplus(-self._judge(self.decoder(POINT))))

    def telling(self, fake):
        real = tf.reduce_mean(tf.math.softplus(-self._judge(INPUTS)))
        return real + tf.reduce_mean(tf.math.softplus(self._judge(fake)))

    def descend(self, loss, network, rate):
        variables = [variable.value for variable in network.trainable_variables]
        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, variables)
        return [v - rate * g for v, g in zip(variables, gradients, strict=True)]

    def check(self):
        for copy, network in zip(self.copies, self.networks, strict=True):
            for a, b in zip(network.get_weights(), copy.get_weights(), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_a_step_moves_both_players(schedule):
    model = _gan()
    third = keras.optimizers.SGD(0.1) if schedule == "alternating" else None
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.optimizers.SGD(0.2),
        schedule=schedule,
        regularization_optimizer=third,
    )
    oracle = Oracle(model)
    for _ in range(2):
        fake = oracle.decoder(POINT).numpy()
        judge = oracle.descend(lambda: oracle.telling(fake), oracle.discriminator, 0.2)  # noqa: B023
        if schedule == "alternating":  # the decoder meets the discriminator just updated
            oracle.discriminator.set_weights(judge)
        decoder = oracle.descend(oracle.fooling, oracle.decoder, 0.1)
        oracle.discriminator.set_weights(judge)
        oracle.decoder.set_weights(decoder)
    gradient_step(model, epochs=2)
    oracle.check()


def test_logs_of_the_game():
    model = _gan()
    logs = measure(model)
    oracle = Oracle(model)
    fake = np.tile(forward(model.decoder, POINT), [40, 1])
    np.testing.assert_allclose(logs["loss"], oracle.fooling(), rtol=1e-5)
    np.testing.assert_allclose(logs["sample_divergence"], logs["loss"] / 0.7, rtol=1e-5)
    np.testing.assert_allclose(logs["sample_discriminator_loss"], oracle.telling(fake), rtol=1e-5)
    real, generated = oracle._judge(INPUTS).numpy(), oracle._judge(fake).numpy()
    accuracy = ((real > 0).mean() + (generated < 0).mean()) / 2
    np.testing.assert_allclose(logs["sample_discriminator_accuracy"], accuracy)
    parts = ("divergence", "discriminator_loss", "discriminator_accuracy")
    assert set(logs) == {"loss", *(f"sample_{part}" for part in parts)}


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_weights_are_a_schedule_of_the_steps_made(schedule):
    late = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.0, 1.0])
    model = _gan(divergence=MMD(KERNEL, estimator="biased", weight=late))
    model.compile(keras.optimizers.SGD(0.1), schedule=schedule)
    before = model.decoder.get_weights()
    gradient_step(model)
    assert all(map(np.array_equal, before, model.decoder.get_weights()))
    gradient_step(model)
    assert not all(map(np.array_equal, before, model.decoder.get_weights()))


def test_the_moments_compared_are_those_of_the_data():
    model = _gmmn()
    logs = measure(model)
    fake = np.tile(forward(model.decoder, POINT), [40, 1]).astype("float32")
    np.testing.assert_allclose(logs["sample_divergence"], mmd_squared(fake, INPUTS), rtol=1e-4)
    library = mmd.squared_mmd_two_samples(fake, INPUTS, KERNEL, "biased")
    np.testing.assert_allclose(logs["sample_divergence"], library, rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], 5.0 * logs["sample_divergence"], rtol=1e-5)
    assert set(logs) == {"loss", "sample_divergence"}


@pytest.mark.parametrize("make", [_gan, _gmmn])
def test_sample_weight_counts_rows_of_the_data(make):
    model = make()
    model.compile()
    weight = (np.arange(40) < 10).astype("float32")
    options = {"batch_size": 40, "verbose": 0, "return_dict": True}
    weighted = model.evaluate(INPUTS, sample_weight=weight, **options)
    part = model.evaluate(INPUTS[:10], **options)
    for key in ("sample_divergence", "sample_discriminator_loss"):
        if key in part:
            np.testing.assert_allclose(weighted[key], part[key], rtol=1e-4)


@pytest.mark.thorough
@pytest.mark.usefixtures("graph_steps")
def test_generated_data_come_to_look_like_the_data():
    generator = np.random.default_rng(0)
    data = (0.7 + 0.05 * generator.normal(size=(400, 4))).astype("float32")
    model = _gmmn(prior=priors.gaussian(2), divergence="mmd")
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(data, batch_size=100, epochs=40, verbose=0)
    samples = model.sample(500, seed=0)
    np.testing.assert_allclose(samples.mean(axis=0), 0.7, atol=0.03)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _gmmn(divergence=Adversarial()), TypeError, "`divergence` to be 'mmd' or another"),
        (lambda: _gmmn(divergence=["mmd", "adversarial"]), TypeError, "'mmd' or another"),
        (
            lambda: _gmmn(divergence=MMD(standardized=True)),
            ValueError,
            "`divergence` not to be standardized",
        ),
        (
            lambda: _gan(divergence=["adversarial", MMD(standardized=True)]),
            ValueError,
            "`divergence` not to be standardized",
        ),
        (lambda: _gan(divergence="kl"), ValueError, "`divergence` to be one of 'adversarial'"),
        (
            lambda: _gan(prior=priors.gaussian(3)),
            ValueError,
            r"`decoder` to take codes of the prior's width, \[batch, 3\]",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
