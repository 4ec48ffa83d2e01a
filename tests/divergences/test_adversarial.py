import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import expit

from aae_tf import networks, priors
from aae_tf.divergences import Adversarial

tfd = tfp.distributions

CODES = np.random.default_rng(0).normal(size=(50, 2)).astype("float32") * 2.0 + 1.0
SEED = (3, 4)


def _connected(prior=None, units=(8,), **kwargs):
    divergence = Adversarial(networks.mlp_discriminator(2, units=units, seed=1), **kwargs)
    divergence.connect(priors.gaussian(2, scale=3.0) if prior is None else prior, seed=0)
    return divergence


def _logits(divergence, codes=CODES, scale=3.0):
    """The logits of the prior's samples and of the codes, each side on its own."""
    prior_seed = tf.random.split(SEED, 3)[0]
    real = priors.sample(divergence.prior, len(codes), seed=prior_seed)
    return tuple(divergence.discriminator(p / scale).numpy()[:, 0] for p in (real, codes))


def test_non_saturating_losses_are_binary_cross_entropies():
    divergence = _connected()
    real, code = _logits(divergence)
    terms = divergence.compare(CODES, SEED)
    discriminator = -np.log(expit(real)).mean() - np.log1p(-expit(code)).mean()
    np.testing.assert_allclose(terms.discriminator_loss, discriminator, rtol=1e-5)
    np.testing.assert_allclose(terms.encoder_loss, -np.log(expit(code)).mean(), rtol=1e-5)
    accuracy = ((real > 0).mean() + (code < 0).mean()) / 2
    np.testing.assert_allclose(terms.discriminator_accuracy, accuracy, rtol=1e-6)


def test_label_smoothing_lowers_the_target_of_prior_samples_only():
    divergence = _connected(label_smoothing=0.2)
    real, code = _logits(divergence)
    cross_entropy = -0.8 * np.log(expit(real)) - 0.2 * np.log1p(-expit(real))
    expected = cross_entropy.mean() - np.log1p(-expit(code)).mean()
    terms = divergence.compare(CODES, SEED)
    np.testing.assert_allclose(terms.discriminator_loss, expected, rtol=1e-5)
    np.testing.assert_allclose(terms.encoder_loss, -np.log(expit(code)).mean(), rtol=1e-5)


def test_least_squares_losses_have_targets_one_and_zero():
    divergence = _connected(objective="least_squares", label_smoothing=0.1)
    real, code = _logits(divergence)
    terms = divergence.compare(CODES, SEED)
    expected = 0.5 * ((real - 0.9) ** 2).mean() + 0.5 * (code**2).mean()
    np.testing.assert_allclose(terms.discriminator_loss, expected, rtol=1e-5)
    np.testing.assert_allclose(terms.encoder_loss, 0.5 * ((code - 1) ** 2).mean(), rtol=1e-5)
    accuracy = ((real > 0.5).mean() + (code < 0.5).mean()) / 2
    np.testing.assert_allclose(terms.discriminator_accuracy, accuracy, rtol=1e-6)


def test_wasserstein_losses_are_differences_of_means():
    divergence = _connected(objective="wasserstein")
    real, code = _logits(divergence)
    terms = divergence.compare(CODES, SEED)
    np.testing.assert_allclose(terms.discriminator_loss, code.mean() - real.mean(), rtol=1e-4)
    np.testing.assert_allclose(terms.encoder_loss, -code.mean(), rtol=1e-5)
    middle = (real.mean() + code.mean()) / 2
    accuracy = ((real > middle).mean() + (code < middle).mean()) / 2
    np.testing.assert_allclose(terms.discriminator_accuracy, accuracy, rtol=1e-6)


def test_extreme_logits_give_finite_losses_and_gradients():
    divergence = _connected(units=(4,))
    divergence.set_weights([1e4 * w for w in divergence.get_weights()])
    codes = tf.constant(1e3 * CODES)
    with tf.GradientTape() as tape:
        tape.watch(codes)
        terms = divergence.compare(codes, SEED)
        total = terms.encoder_loss + terms.discriminator_loss
    assert np.isfinite(total) and np.isfinite(tape.gradient(total, codes)).all()


SLOPE = np.float32([3.0, 4.0])


def _linear_critic(**kwargs):
    """A critic w'z, whose gradient is w everywhere."""
    inputs = keras.Input((2,))
    critic = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    divergence = Adversarial(critic, **kwargs)
    divergence.connect(priors.gaussian(2), seed=0)
    divergence.set_weights([SLOPE[:, None], np.zeros(1, "float32")])
    return divergence


@pytest.mark.parametrize("objective", ["non_saturating", "least_squares", "wasserstein"])
def test_encoder_loss_moves_the_codes_as_its_derivative_says(objective):
    codes = tf.constant(0.1 * CODES)
    with tf.GradientTape() as tape:
        tape.watch(codes)
        loss = _linear_critic(objective=objective).compare(codes, SEED).encoder_loss
    logits = codes.numpy() @ SLOPE
    derivatives = {
        "non_saturating": -expit(-logits),
        "least_squares": logits - 1.0,
        "wasserstein": np.full_like(logits, -1.0),
    }
    expected = derivatives[objective][:, None] * SLOPE / len(logits)
    np.testing.assert_allclose(tape.gradient(loss, codes), expected, rtol=1e-4, atol=1e-7)


def test_gradient_penalty_of_a_linear_critic_is_known():
    divergence = _linear_critic(objective="wasserstein", gradient_penalty=10.0)
    without = divergence.compare(CODES, SEED, training=False).discriminator_loss
    with_penalty = divergence.compare(CODES, SEED, training=True).discriminator_loss
    np.testing.assert_allclose(with_penalty - without, 10.0 * (5.0 - 1.0) ** 2, rtol=1e-4)


def test_gradient_penalty_reaches_the_critic_and_not_the_codes():
    divergence = _connected(objective="wasserstein", gradient_penalty=5.0)
    codes = tf.constant(CODES)
    weights = [v.value for v in divergence.trainable_variables]
    gradients = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            terms = divergence.compare(codes, SEED, training=training)
        gradients.append(tape.gradient(terms.discriminator_loss, [codes, weights[0]]))
    np.testing.assert_allclose(gradients[0][0], gradients[1][0], atol=1e-7)
    assert not np.allclose(gradients[0][1], gradients[1][1])


def test_input_noise_is_for_training():
    divergence = _connected(input_noise=0.5)
    plain = _connected()
    plain.set_weights(divergence.get_weights())
    expected = plain.compare(CODES, SEED).discriminator_loss
    np.testing.assert_allclose(divergence.compare(CODES, SEED).discriminator_loss, expected)
    noisy = divergence.compare(CODES, SEED, training=True).discriminator_loss
    assert abs(noisy - expected) > 1e-4


def test_weights_count_codes_and_zero_removes_them():
    divergence = _connected()
    weight = np.random.default_rng(1).integers(0, 3, len(CODES)).astype("float32")
    _, code = _logits(divergence)
    weighted = divergence.compare(CODES, SEED, sample_weight=weight)
    expected = -np.log(expit(np.repeat(code, weight.astype(int)))).mean()
    np.testing.assert_allclose(weighted.encoder_loss, expected, rtol=1e-5)
    nothing = divergence.compare(CODES, SEED, sample_weight=np.zeros(len(CODES), "float32"))
    assert nothing.encoder_loss == 0.0


def test_rows_given_as_real_take_the_prior_s_place_and_the_weights():
    divergence = _connected()
    real = np.random.default_rng(2).normal(size=(50, 2)).astype("float32")
    weight = np.random.default_rng(1).integers(0, 3, 50).astype("float32")
    terms = divergence.compare(CODES, SEED, sample_weight=weight, real=tf.constant(real))
    real, code = (divergence.discriminator(p / 3.0).numpy()[:, 0] for p in (real, CODES))
    counted = np.repeat(real, weight.astype(int))
    telling = -np.log(expit(counted)).mean() - np.log1p(-expit(code)).mean()
    np.testing.assert_allclose(terms.discriminator_loss, telling, rtol=1e-5)
    np.testing.assert_allclose(terms.encoder_loss, -np.log(expit(code)).mean(), rtol=1e-5)
    accuracy = ((counted > 0).mean() + (code < 0).mean()) / 2
    np.testing.assert_allclose(terms.discriminator_accuracy, accuracy, rtol=1e-6)


def _guided(discriminator=None, **kwargs):
    """A game of four narrow components, far from each other."""
    prior = priors.ring_mixture(4, radial_scale=1e-3)
    divergence = Adversarial(discriminator, **kwargs)
    divergence.connect(prior, seed=0, num_classes=4)
    return divergence


@pytest.mark.parametrize("training", [False, True])
def test_labels_choose_the_component_and_are_seen_beside_it(training):
    divergence = _guided(networks.mlp_discriminator(2 + 4 + 1, units=(8,), seed=1))
    labels = np.arange(50) % 5 - 1
    known = labels >= 0
    means = divergence.prior.components_distribution.mean().numpy()
    scale = divergence.prior.stddev().numpy()

    def judge(points):
        one_hot = np.eye(5)[labels]  # the last one: unknown
        seen = np.concatenate([points / scale, one_hot], axis=1)[known]
        return divergence.discriminator(seen.astype("float32")).numpy()[:, 0]

    # Unknown labels count nothing here: which component they draw is chance.
    terms = divergence.compare(
        CODES, SEED, known.astype("float32"), training, labels=tf.constant(labels)
    )
    code = judge(CODES)
    np.testing.assert_allclose(terms.encoder_loss, np.logaddexp(0, -code).mean(), rtol=1e-4)
    every = divergence.compare(CODES, SEED, None, training, labels=tf.where(known, labels, 0))
    assert not np.isclose(every.encoder_loss, terms.encoder_loss)
    real = judge(means[labels])
    all_known = divergence.compare(
        CODES[known], SEED, None, training, labels=tf.constant(labels[known])
    )
    telling = np.logaddexp(0, -real).mean() + np.logaddexp(0, code).mean()
    np.testing.assert_allclose(all_known.discriminator_loss, telling, rtol=1e-3)


def test_the_penalty_is_on_the_slope_in_the_code_and_not_in_the_label():
    inputs = keras.Input((7,))
    critic = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    divergence = _guided(critic, objective="wasserstein", gradient_penalty=10.0)
    slope = np.float32([[3.0], [4.0], *5 * [[100.0]]])
    divergence.set_weights([slope, np.zeros(1, "float32")])
    labels = tf.constant(np.arange(50) % 5 - 1)
    values = [
        divergence.compare(CODES, SEED, training=training, labels=labels).discriminator_loss
        for training in (True, False)
    ]
    np.testing.assert_allclose(values[0] - values[1], 10.0 * (5.0 - 1.0) ** 2, rtol=1e-3)


def test_the_game_is_the_same_in_any_unit_of_the_code():
    small = _connected(priors.gaussian(2, scale=0.01))
    large = _connected(priors.gaussian(2, scale=100.0))
    large.set_weights(small.get_weights())
    a = small.compare(0.01 * CODES, SEED)
    b = large.compare(100.0 * CODES, SEED)
    np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize(
    "prior",
    [
        tfd.Independent(tfd.Cauchy(tf.zeros(2), tf.ones(2)), 1),
        tfd.Independent(tfd.VonMises(tf.zeros(2), tf.ones(2)), 1),
        tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 2), tfp.bijectors.Softplus()),
    ],
    ids=["no moments", "no standard deviation", "moments unknown to TFP"],
)
def test_any_distribution_can_be_a_prior(prior):
    terms = _connected(prior).compare(CODES, SEED)
    assert all(np.isfinite(value) for value in terms)


def test_default_discriminator_is_built_for_the_code():
    divergence = Adversarial()
    assert divergence.has_discriminator
    divergence.connect(priors.gaussian(3), seed=5)
    assert divergence.discriminator.input_shape == (None, 3)
    assert len(divergence.trainable_variables) == 6


def test_a_divergence_belongs_to_one_code():
    divergence = _connected()
    with pytest.raises(ValueError, match="not to belong to another code or model"):
        divergence.connect(priors.gaussian(2), seed=0)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("discriminator", "network_width", "units"),
    [
        # Sixteen units at least for a code of two numbers, and the paper's width at most.
        (None, None, (16, 16)),
        (None, 64, (64, 64)),
        (None, 5000, (1000, 1000)),
        ((1000, 1000), 64, (1000, 1000)),
        ([7], 64, (7,)),
    ],
)
@pytest.mark.parametrize("spectral", [False, True])
def test_the_default_discriminator_follows_the_networks(
    discriminator, network_width, units, spectral
):
    divergence = Adversarial(discriminator, spectral_normalization=spectral)
    divergence.connect(priors.gaussian(2), seed=0, network_width=network_width)
    shapes = [w.shape for w in divergence.trainable_variables if len(w.shape) == 2]
    assert shapes == list(zip((2, *units), (*units, 1), strict=True))


def test_widths_are_saved_until_the_discriminator_is_built():
    twin = Adversarial.from_config(Adversarial((3, 4)).get_config())
    assert list(twin.discriminator) == [3, 4]
    twin.connect(priors.gaussian(2), seed=0)
    assert twin.discriminator.count_params() == 2 * 3 + 3 + 3 * 4 + 4 + 4 + 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Adversarial((8, 0)), ValueError, "`discriminator` to be a sequence of positive"),
        (lambda: Adversarial(objective="hinge"), ValueError, "`objective` to be one of"),
        (lambda: Adversarial(weight=-1.0), ValueError, "`weight`"),
        (lambda: Adversarial(label_smoothing=1.0), ValueError, "`label_smoothing`"),
        (lambda: Adversarial(input_noise=-0.1), ValueError, "`input_noise`"),
        (lambda: Adversarial(gradient_penalty=-0.1), ValueError, "`gradient_penalty`"),
        (lambda: Adversarial("mlp"), TypeError, "`discriminator` to be a keras.Model"),
        (
            lambda: Adversarial(objective="wasserstein", label_smoothing=0.1),
            ValueError,
            "`label_smoothing` to be 0 with objective='wasserstein'",
        ),
        (
            lambda: Adversarial(networks.mlp_discriminator(3)).connect(priors.gaussian(2), 0),
            ValueError,
            r"map \[batch, 2\] to logits \[batch, 1\]",
        ),
        (
            lambda: _guided(networks.mlp_discriminator(2)),
            ValueError,
            r"map \[batch, 7\] to logits \[batch, 1\]",
        ),
        (lambda: Adversarial(weight="1"), TypeError, "`weight` to be a number or a"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"objective": "least_squares", "input_noise": 0.5, "training": True},
        {"objective": "wasserstein", "gradient_penalty": 1.0, "training": True},
        {"sample_weight": tf.linspace(0.0, 2.0, 50)},
        {"real": CODES[::-1] + 1.0, "sample_weight": tf.linspace(0.0, 2.0, 50)},
        {"labels": tf.range(50) % 5 - 1},
    ],
    ids=str,
)
def test_encoder_loss_is_that_of_compare(case):
    call = {
        key: case[key] for key in ("training", "sample_weight", "real", "labels") if key in case
    }
    options = {key: value for key, value in case.items() if key not in call}
    if "labels" in case:
        divergence = Adversarial(**options)
        divergence.connect(priors.ring_mixture(4), seed=0, num_classes=4)
    else:
        divergence = _connected(**options)
    expected = divergence.compare(CODES, SEED, **call).encoder_loss
    np.testing.assert_allclose(divergence.encoder_loss(CODES, SEED, **call), expected, rtol=1e-5)


def test_encoder_loss_takes_moments_of_both_sides_with_batch_normalisation():
    layers = [keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    divergence = Adversarial(keras.Sequential([keras.Input([2]), *layers]))
    divergence.connect(priors.gaussian(2, scale=3.0), seed=0)
    state = divergence.get_weights()
    expected = divergence.compare(CODES, SEED, training=True).encoder_loss
    divergence.set_weights(state)
    loss = divergence.encoder_loss(CODES, SEED, training=True)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    alone = divergence.discriminator(CODES / np.float32(3.0), training=True).numpy()
    assert abs(float(loss) + np.log(expit(alone)).mean()) > 1e-3
