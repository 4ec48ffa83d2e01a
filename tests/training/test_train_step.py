"""The train step against a second implementation, written out with plain tapes and plain SGD."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import expit

from aae_tf import AAE, mmd, networks, priors
from aae_tf.divergences import MMD, Adversarial
from aae_tf.models import ExtraTerm

pytestmark = pytest.mark.usefixtures("eager_steps")

tfd = tfp.distributions

RATE, DISCRIMINATOR_RATE, REGULARIZATION_RATE = 0.01, 0.2, 0.05
# All of its samples are alike, so that the oracle need not know any seed.
POINT = np.float32([1.0, -2.0])
POINT_PRIOR = tfd.VectorDeterministic(POINT)


def _softplus(x):
    return tf.math.log1p(tf.exp(x))


class Oracle:
    """The same maths on copies of the networks, one gradient at a time."""

    def __init__(self, model, x, weight=None):
        self.encoder, self.decoder = (
            keras.models.clone_model(n) for n in (model.encoder, model.decoder)
        )
        self.encoder.set_weights(model.encoder.get_weights())
        self.decoder.set_weights(model.decoder.get_weights())
        self.head = [tf.Variable(w) for w in model.posterior.get_weights()]
        self.x, self.weight = x, np.ones(len(x), "float32") if weight is None else weight

    def codes(self):
        return self.encoder(self.x) @ self.head[0] + self.head[1]

    def reconstruction(self):
        error = tf.reduce_sum((self.decoder(self.codes()) - self.x) ** 2, axis=(1, 2, 3)) / 2
        return tf.reduce_sum(self.weight * error) / len(self.x)

    def encoder_variables(self):
        return [v.value for v in self.encoder.trainable_variables] + self.head

    def variables(self):
        return self.encoder_variables() + [v.value for v in self.decoder.trainable_variables]

    @staticmethod
    def descend(loss, variables, rate):
        with tf.GradientTape() as tape:
            value = loss()
        for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True):
            variable.assign_sub(rate * gradient)

    def check(self, model):
        expected = [*self.encoder.get_weights(), *self.head, *self.decoder.get_weights()]
        layers = (model.encoder, model.posterior, model.decoder)
        actual = [w for layer in layers for w in layer.get_weights()]
        for a, b in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


class AdversarialOracle(Oracle):
    def __init__(self, model, x, weight=None):
        super().__init__(model, x, weight)
        discriminator = model.divergence.discriminator
        self.discriminator = keras.models.clone_model(discriminator)
        self.discriminator.set_weights(discriminator.get_weights())

    def fooling(self):
        losses = _softplus(-self.discriminator(self.codes())[:, 0])
        return tf.reduce_sum(self.weight * losses) / tf.reduce_sum(self.weight)

    def telling(self, codes):
        real = _softplus(-self.discriminator(POINT[None])[0, 0])
        generated = _softplus(self.discriminator(codes)[:, 0])
        return real + tf.reduce_sum(self.weight * generated) / tf.reduce_sum(self.weight)

    def discriminator_variables(self):
        return [v.value for v in self.discriminator.trainable_variables]

    def check(self, model):
        super().check(model)
        pairs = zip(
            model.divergence.discriminator.get_weights(),
            self.discriminator.get_weights(),
            strict=True,
        )
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def _adversarial(make_aae, weight=0.7):
    discriminator = networks.mlp_discriminator(2, units=(6,), seed=3)
    return make_aae(prior=POINT_PRIOR, divergence=Adversarial(discriminator, weight=weight))


def _sgd(rate):
    return keras.optimizers.SGD(rate)


@pytest.mark.parametrize("weighted", [False, True])
def test_joint_step_moves_both_players_from_the_same_codes(make_aae, images, weighted):
    weight = np.random.default_rng(1).random(len(images), dtype="float32") if weighted else None
    model = _adversarial(make_aae)
    model.compile(_sgd(RATE), _sgd(DISCRIMINATOR_RATE), schedule="joint")
    oracle = AdversarialOracle(model, images, weight)
    for _ in range(2):
        codes = oracle.codes().numpy()
        before = oracle.discriminator.get_weights()
        oracle.descend(
            lambda: oracle.telling(codes),  # noqa: B023  (called at once)
            oracle.discriminator_variables(),
            DISCRIMINATOR_RATE,
        )
        after = oracle.discriminator.get_weights()
        oracle.discriminator.set_weights(before)
        oracle.descend(
            lambda: oracle.reconstruction() + 0.7 * oracle.fooling(), oracle.variables(), RATE
        )
        oracle.discriminator.set_weights(after)
    model.fit(images, sample_weight=weight, batch_size=64, epochs=2, shuffle=False, verbose=0)
    oracle.check(model)


def test_alternating_step_is_the_order_of_the_paper(make_aae, images):
    model = _adversarial(make_aae)
    model.compile(
        _sgd(RATE),
        _sgd(DISCRIMINATOR_RATE),
        schedule="alternating",
        regularization_optimizer=_sgd(REGULARIZATION_RATE),
    )
    oracle = AdversarialOracle(model, images)
    for _ in range(2):
        oracle.descend(oracle.reconstruction, oracle.variables(), RATE)
        codes = oracle.codes().numpy()
        oracle.descend(
            lambda: oracle.telling(codes),  # noqa: B023  (called at once)
            oracle.discriminator_variables(),
            DISCRIMINATOR_RATE,
        )
        oracle.descend(
            lambda: 0.7 * oracle.fooling(), oracle.encoder_variables(), REGULARIZATION_RATE
        )
    model.fit(images, batch_size=64, epochs=2, shuffle=False, verbose=0)
    oracle.check(model)


def test_step_with_mmd_lowers_reconstruction_and_weighted_mmd(make_aae, images):
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.5)
    prior = priors.gaussian(2)
    model = make_aae(prior=prior, divergence=MMD(kernel, estimator="biased", weight=30.0))
    model.compile(_sgd(RATE))
    oracle = Oracle(model, images)
    for _ in range(3):
        oracle.descend(
            lambda: (
                oracle.reconstruction()
                + 30.0 * mmd.squared_mmd(oracle.codes(), prior, kernel, "biased")
            ),
            oracle.variables(),
            RATE,
        )
    model.fit(images, batch_size=64, epochs=3, shuffle=False, verbose=0)
    oracle.check(model)
    assert model.discriminator_optimizer is None


def test_logs_are_the_terms_of_the_loss(make_aae, images):
    model = _adversarial(make_aae)
    model.compile(_sgd(0.0), _sgd(0.0))
    logs = model.fit(images, batch_size=64, verbose=0).history
    oracle = AdversarialOracle(model, images)
    codes = oracle.codes()
    logits = oracle.discriminator(codes).numpy()[:, 0]
    real = oracle.discriminator(POINT[None]).numpy()[0, 0]
    expected = {
        "reconstruction_loss": oracle.reconstruction(),
        "latent_divergence": -np.log(expit(logits)).mean(),
        "loss": oracle.reconstruction() - 0.7 * np.log(expit(logits)).mean(),
        "latent_discriminator_loss": oracle.telling(codes),
        "latent_discriminator_accuracy": ((logits < 0).mean() + (real > 0)) / 2,
    }
    assert logs.keys() == expected.keys() | {"skipped_updates", "shortened_updates"}
    for key, value in expected.items():
        np.testing.assert_allclose(logs[key][0], value, rtol=1e-5, err_msg=key)


def test_both_schedules_evaluate_alike(make_aae, images):
    results = []
    for schedule in ("joint", "alternating"):
        model = _adversarial(make_aae)
        model.compile(schedule=schedule)
        results.append(model.evaluate(images, verbose=0, return_dict=True))
    assert results[0] == results[1]


def test_regularizers_of_each_side_join_that_side_s_loss(images):
    def network(build, *args, regularizer, **kwargs):
        return keras.models.clone_model(
            build(*args, units=(4,), **kwargs),
            clone_function=lambda layer: layer.__class__.from_config(
                {**layer.get_config(), "kernel_regularizer": regularizer}
                if isinstance(layer, keras.layers.Dense)
                else layer.get_config()
            ),
        )

    decay = keras.regularizers.L2(0.1)
    model = AAE(
        network(networks.mlp_encoder, (8, 8, 1), regularizer=decay),
        network(networks.mlp_decoder, (8, 8, 1), 2, regularizer=None),
        prior=POINT_PRIOR,
        divergence=Adversarial(network(networks.mlp_discriminator, 2, regularizer=decay)),
        seed=0,
    )
    model.compile(_sgd(0.0), _sgd(0.0))
    logs = model.evaluate(images, verbose=0, return_dict=True)
    kernel = model.encoder.get_weights()[0]
    extra = logs["loss"] - logs["reconstruction_loss"] - logs["latent_divergence"]
    np.testing.assert_allclose(extra, 0.1 * (kernel**2).sum(), rtol=1e-4)

    model.compile(_sgd(0.0), _sgd(1.0), guard=None)  # which shortens a step of this length
    before = model.divergence.discriminator.get_weights()[0]
    oracle = AdversarialOracle(model, images)
    codes = oracle.codes().numpy()
    oracle.descend(lambda: oracle.telling(codes), oracle.discriminator_variables(), 1.0)
    model.fit(images, batch_size=64, verbose=0)
    after = model.divergence.discriminator.get_weights()[0]
    decayed = oracle.discriminator.get_weights()[0] - 0.2 * before
    np.testing.assert_allclose(after, decayed, rtol=1e-4, atol=1e-6)


class LabelledAAE(AAE):
    """A variant with one extra loss: codes of class 1 are drawn to the origin."""

    labels = "some"
    num_classes = 2

    def extra_terms(self, codes, batch, seed, training):
        chosen = tf.cast(batch.labels == 1, tf.float32)
        lengths = chosen * tf.norm(codes["latents"], axis=1)
        return {"origin_loss": ExtraTerm(tf.reduce_mean(lengths), weight=3.0)}


@pytest.mark.sampled
@pytest.mark.usefixtures("graph_steps")
@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_extra_terms_are_lowered_and_logged_in_both_schedules(images, schedule):
    model = LabelledAAE(
        networks.mlp_encoder((8, 8, 1), units=(16,), seed=1),
        networks.mlp_decoder((8, 8, 1), 2, units=(16,), seed=2),
        prior=priors.gaussian(2),
        divergence=MMD(weight=0.0),
        seed=0,
    )
    labels = np.arange(len(images)) % 2
    # The alternating schedule has a step of its own for the term; let it win over the other.
    step = keras.optimizers.Adam(0.05) if schedule == "alternating" else None
    model.compile(keras.optimizers.Adam(0.01), schedule=schedule, regularization_optimizer=step)
    history = model.fit(images, labels, batch_size=64, epochs=30, verbose=0).history
    assert history["origin_loss"][-1] < 0.3 * history["origin_loss"][0]
    lengths = np.linalg.norm(model.encode(images), axis=1)
    np.testing.assert_allclose(
        model.evaluate(images, labels, batch_size=64, verbose=0, return_dict=True)["origin_loss"],
        (lengths * labels).mean(),
        rtol=1e-4,
    )
