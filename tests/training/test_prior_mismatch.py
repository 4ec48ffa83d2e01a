import re
import types
import warnings

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import divergences, mmd, models, priors
from aae_tf.training import prior_mismatch as module
from aae_tf.training.prior_mismatch import describe_mismatch, held_out_rows, prior_mismatch
from aae_tf.training.terms import Code
from tests.models.small import build

tfd = tfp.distributions

# Can only be sampled.
UNKNOWN = tfd.TransformedDistribution(priors.gaussian(2), tfp.bijectors.Softplus())


def draws(prior, count, seed):
    return prior.sample(count, seed=[seed, 7]).numpy()


@pytest.mark.sampled
@pytest.mark.parametrize("prior", [priors.gaussian(2), UNKNOWN], ids=["closed", "sampled"])
def test_noise_is_the_spread_over_samples_of_the_prior(prior):
    kernel = mmd.default_kernel(prior)

    @tf.function(autograph=False)
    def estimate(codes, other):
        if prior is UNKNOWN:
            return mmd.squared_mmd_two_samples(codes, other, kernel)
        return mmd.squared_mmd(codes, prior, kernel)

    samples = tf.constant(draws(prior, 200 * 100, 0).reshape(100, 2, 100, 2))
    values = [estimate(codes, other) for codes, other in samples]
    _, noise = prior_mismatch(draws(prior, 100, 5), prior, seed=0)
    # The standard error of a standard deviation from 100 values is 7%, somewhat more as MMD^2 is
    # skewed.
    assert np.std(values) == pytest.approx(noise, rel=0.4)


@pytest.mark.thorough
def test_looks_at_two_thousand_codes_at_random():
    prior = priors.gaussian(2)
    # In sorted codes the first 2,000 would be far from the prior.
    codes = draws(prior, 6000, 1)
    codes = codes[codes[:, 0].argsort()]
    value, noise = prior_mismatch(codes, prior, seed=0)
    assert abs(value) < 5 * noise
    value, noise = prior_mismatch(codes[:2000], prior, seed=0)
    assert value > 50 * noise


ROWS = np.random.default_rng(0).random((300, 4), dtype="float32")


def _coded(scale, divergence):
    """A model whose codes are those of the prior, wider or narrower."""
    code = Code(priors.gaussian(2, scale=3.0), divergence)
    return types.SimpleNamespace(
        codes={"latent": code},
        sample_codes=lambda batch, seed, training: {
            "latents": scale * code.prior.sample(len(batch.inputs), seed=[0, 1])
        },
    )


def test_codes_of_the_prior_are_not_spoken_of():
    assert describe_mismatch(_coded(1.0, divergences.MMD()), ROWS, "rows") is None
    assert describe_mismatch(_coded(4.0, None), ROWS, "rows") is None


@pytest.mark.parametrize(
    ("divergence", "remedy"),
    [(divergences.MMD(), "larger batches"), (divergences.Adversarial(), "discriminator_optimizer")],
)
def test_codes_that_miss_it_are_described_with_what_to_change(divergence, remedy):
    sentence = describe_mismatch(_coded(4.0, divergence), ROWS, "validation rows")
    assert sentence.startswith("Codes of 300 validation rows miss the prior: ")
    assert "`latent`" in sentence and remedy in sentence and sentence.count(". ") == 0
    low, high = map(float, re.search(r"its deviation (\S+) to (\S+) times", sentence).groups())
    assert 3.5 < low < high < 4.5


def test_rows_are_held_out_ones_where_there_are_such():
    labels = np.zeros(300)
    batches = tf.data.Dataset.from_tensor_slices((ROWS, labels)).batch(64)
    for validation in ((ROWS, labels, None), batches):
        rows, source = held_out_rows({"x": ROWS[:9], "validation_data": validation})
        assert source == "validation rows"
        np.testing.assert_array_equal(np.sort(rows[:, 0]), np.sort(ROWS[:, 0]))
    rows, source = held_out_rows({"x": ROWS, "validation_data": None})
    assert source == "training rows" and rows.shape == (300, 4)
    rows, source = held_out_rows({"x": np.tile(ROWS, (4, 1)), "validation_split": 0.25})
    assert source == "validation rows" and rows.shape == (300, 4)
    for arguments in ({"x": batches}, {"x": ROWS[:199]}, {"x": ROWS, "validation_split": 0.5}):
        assert held_out_rows(arguments) is None


@pytest.mark.thorough
@pytest.mark.usefixtures("graph_steps")
def test_fit_ends_with_the_sentence_after_enough_updates_and_is_never_lost(monkeypatch):
    model = build(models.AAE, prior=priors.gaussian(2, scale=50.0), divergence="mmd")
    model.compile()
    # Few updates: no sentence, which pytest would turn into an error.
    model.fit(ROWS, verbose=0)
    monkeypatch.setattr(module, "_MIN_UPDATES", 5)
    with pytest.warns(UserWarning, match="Codes of 300 training rows miss the prior") as seen:
        model.fit(ROWS, verbose=0)
    assert len(seen) == 1 and seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Codes of .* miss the prior")
        model.fit(ROWS, verbose=0)
    monkeypatch.setattr(model, "sample_codes", lambda *args, **kwargs: 1 / 0)
    model.fit(ROWS, verbose=0)
