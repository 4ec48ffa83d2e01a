import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from aae_tf.divergences import MMD

tfd = tfp.distributions

KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(np.float32(1.0), np.float32(1.5))
CODES = np.random.default_rng(0).normal(size=(40, 2)).astype("float32") + 0.5
SEED = (3, 4)


def _connected(prior=None, **kwargs):
    divergence = MMD(**kwargs)
    divergence.connect(priors.gaussian(2) if prior is None else prior, seed=0)
    return divergence


@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
def test_closed_form_is_the_library_s_and_needs_no_seed(estimator):
    divergence = _connected(kernel=KERNEL, estimator=estimator)
    terms = divergence.compare(CODES, SEED)
    expected = mmd.squared_mmd(CODES, priors.gaussian(2), KERNEL, estimator)
    np.testing.assert_allclose(terms.encoder_loss, expected, rtol=1e-6)
    assert terms.encoder_loss == divergence.compare(CODES, (5, 6)).encoder_loss
    assert terms.discriminator_loss is None and terms.discriminator_accuracy is None
    assert not divergence.has_discriminator and not divergence.trainable_variables


@pytest.mark.parametrize(
    ("prior", "prior_terms"),
    [
        (priors.gaussian(2), "sampled"),
        (tfd.Independent(tfd.Moyal(tf.zeros(2), tf.ones(2)), 1), "closed_form"),
    ],
    ids=["by choice", "where no closed form exists"],
)
def test_prior_is_sampled_once_per_code(prior, prior_terms):
    divergence = _connected(prior, kernel=KERNEL, prior_terms=prior_terms)
    samples = priors.sample(prior, len(CODES), seed=SEED)
    expected = mmd.squared_mmd_two_samples(CODES, samples, KERNEL)
    np.testing.assert_allclose(divergence.compare(CODES, SEED).encoder_loss, expected, rtol=1e-6)


def test_linear_estimator_with_a_sampled_prior():
    divergence = _connected(kernel=KERNEL, prior_terms="sampled", estimator="linear")
    weight = np.random.default_rng(1).random(40, dtype="float32")
    samples = priors.sample(priors.gaussian(2), len(CODES), seed=SEED)
    expected = mmd.squared_mmd_two_samples(CODES, samples, KERNEL, "linear", x_weights=weight)
    value = divergence.compare(CODES, SEED, weight).encoder_loss
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
@pytest.mark.parametrize("prior", [priors.gaussian(2), priors.ring_mixture(4)])
def test_closed_posterior_terms_are_the_library_s_and_need_no_codes(prior, estimator):
    divergence = MMD(kernel=KERNEL, estimator=estimator, posterior_terms="closed_form")
    assert divergence.uses_posterior and not MMD().uses_posterior
    divergence.connect(prior, seed=0, has_gaussian_posterior=True)
    generator = np.random.default_rng(1)
    weight = generator.random(40, dtype="float32")
    log_variance = generator.normal(size=(40, 2)).astype("float32")
    posterior = {"mean": tf.constant(CODES), "log_variance": tf.constant(log_variance)}
    value = divergence.compare(CODES * np.nan, SEED, weight, posterior=posterior).encoder_loss
    expected = mmd.squared_mmd_of_gaussians(
        CODES, np.exp(log_variance), prior, KERNEL, estimator, weight
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def _box():
    return priors.uniform(2, low=-1.0, high=1.0)


def test_a_refused_posterior_can_be_followed_by_another():
    divergence = MMD(posterior_terms="closed_form")
    with pytest.raises(ValueError, match="`posterior_terms`"):
        divergence.connect(_box(), seed=0, has_gaussian_posterior=True)
    assert not divergence.has_gaussian_posterior and divergence.kernel is None
    divergence.connect(priors.gaussian(2), seed=0, has_gaussian_posterior=True)
    assert divergence.has_gaussian_posterior


@pytest.mark.parametrize("prior_terms", ["closed_form", "sampled"])
def test_labels_are_passed_to_the_library(prior_terms):
    prior, labels = priors.ring_mixture(4), tf.constant(np.arange(40) % 5 - 1)
    divergence = MMD(kernel=KERNEL, prior_terms=prior_terms)
    divergence.connect(prior, seed=0, num_classes=4)
    weight = np.random.default_rng(1).random(40, dtype="float32")
    value = divergence.compare(CODES, SEED, weight, labels=labels).encoder_loss
    if prior_terms == "closed_form":
        expected = mmd.squared_mmd_given_labels(CODES, labels, prior, KERNEL, weights=weight)
    else:
        samples = priors.conditional(prior, labels).sample(seed=SEED)
        expected = mmd.squared_mmd_two_samples(
            CODES, samples, KERNEL, x_weights=weight, labels=labels
        )
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_rows_given_as_real_take_the_prior_s_place_and_the_weights():
    divergence = _connected(kernel=KERNEL, estimator="biased")
    real = np.random.default_rng(2).normal(size=(40, 2)).astype("float32")
    weight = np.random.default_rng(1).integers(0, 3, 40).astype("float32")
    value = divergence.compare(CODES, SEED, weight, real=tf.constant(real)).encoder_loss
    counted = np.repeat(real, weight.astype(int), axis=0)
    expected = mmd.squared_mmd_two_samples(CODES, counted, KERNEL, "biased")
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_default_kernel_follows_the_prior():
    divergence = _connected(priors.gaussian(2, scale=7.0))
    expected = mmd.default_kernel(priors.gaussian(2, scale=7.0))
    np.testing.assert_allclose(
        divergence.kernel.apply(CODES[:3], CODES[3:6]), expected.apply(CODES[:3], CODES[3:6])
    )


@pytest.mark.sampled
@pytest.mark.parametrize("weighted", [False, True])
def test_standardized_value_is_in_standard_deviations_of_its_noise(weighted):
    generator = np.random.default_rng(1)
    weight = generator.uniform(0.2, 2.0, 100).astype("float32") if weighted else None
    divergence = _connected(kernel=KERNEL, standardized=True)
    compare = tf.function(
        lambda codes: divergence.compare(codes, SEED, weight).encoder_loss, autograph=False
    )
    draws = generator.normal(size=(1500, 100, 2)).astype("float32")
    values = np.array([compare(tf.constant(codes)) for codes in draws])
    assert abs(values.mean()) < 5 / np.sqrt(len(values))
    # The statistic is skewed: its standard deviation is known to about 6%.
    assert abs(values.std() - 1.0) < 0.2


def test_a_single_code_has_no_spread_to_compare():
    for divergence in (_connected(kernel=KERNEL), _connected(kernel=KERNEL, standardized=True)):
        compare = tf.function(
            lambda codes, d=divergence: d.compare(codes, SEED).encoder_loss,
            input_signature=[tf.TensorSpec([None, 2])],
            autograph=False,
        )
        assert np.isfinite(compare(CODES[:1]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MMD(kernel="rbf"), TypeError, "`kernel` to be a kernel of tfp.math.psd_kernels"),
        (lambda: MMD(estimator="cubic"), ValueError, "`estimator` to be one of"),
        (
            lambda: MMD(estimator="linear").connect(priors.ring_mixture(3), 0, num_classes=3),
            ValueError,
            "`estimator` to be 'unbiased' or 'biased' where labels .*'linear', num_classes=3",
        ),
        (lambda: MMD(posterior_terms="exact"), ValueError, "`posterior_terms` to be one of"),
        (
            lambda: MMD(posterior_terms="closed_form", prior_terms="sampled"),
            ValueError,
            "`prior_terms` to be 'closed_form' .* Received: prior_terms='sampled'",
        ),
        (
            lambda: MMD(posterior_terms="closed_form", standardized=True),
            ValueError,
            "`standardized` to be False .* posterior_terms='closed_form'",
        ),
        (
            lambda: MMD(posterior_terms="closed_form").connect(priors.gaussian(2), 0),
            ValueError,
            "`posterior_terms` to be 'sampled' for a code that is not drawn from",
        ),
        (
            lambda: MMD(posterior_terms="closed_form").connect(
                priors.ring_mixture(3), 0, num_classes=3, has_gaussian_posterior=True
            ),
            ValueError,
            "`posterior_terms` to be 'sampled' where labels .* num_classes=3",
        ),
        (
            lambda: MMD(posterior_terms="closed_form").connect(
                _box(), 0, has_gaussian_posterior=True
            ),
            ValueError,
            "`posterior_terms` to be 'sampled' where prior and kernel .* distribution=<",
        ),
        (
            lambda: MMD(
                tfp.math.psd_kernels.MaternOneHalf(np.float32(1.0)), posterior_terms="closed_form"
            ).connect(priors.gaussian(2), 0, has_gaussian_posterior=True),
            ValueError,
            "`posterior_terms` to be 'sampled' where prior and kernel .* kernel=<.*Matern",
        ),
        *(
            (
                lambda estimator=estimator: MMD(estimator=estimator, standardized=True),
                ValueError,
                f"`standardized` to be False .* standardized=True, estimator='{estimator}'",
            )
            for estimator in ("biased", "linear")
        ),
        (lambda: MMD(prior_terms="exact"), ValueError, "`prior_terms` to be one of"),
        (lambda: MMD(weight=-1.0), ValueError, "`weight`"),
        (lambda: MMD(standardized="no"), TypeError, "`standardized` to be a bool"),
        (
            lambda: MMD(standardized=True).connect(priors.ring_mixture(3), 0, num_classes=3),
            ValueError,
            "`standardized` to be False where labels guide the codes",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
