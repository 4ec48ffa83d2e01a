"""Rows by seed and label, and rows that are chosen instead of perturbed."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from aae_tf import priors
from tests.priors.exact_operations import check_exact

tfd = tfp.distributions

ROWS = 20_000
WEIGHTS = np.array([0.2, 0.3, 0.5], np.float32)
LOC = np.array([[-9.0, 0.0], [9.0, 0.0], [0.0, 9.0]], np.float32)
SCALE = np.array([[0.5, 1.0], [2.0, 0.25], [1.0, 1.0]], np.float32)
FACTORS = np.array([[[1.0, 0.0], [0.5, k]] for k in (1.0, 2.0, 3.0)], np.float32)
PARTS = np.stack([LOC - 2, LOC + 2], axis=1)


def mixture(components):
    return tfd.MixtureSameFamily(tfd.Categorical(probs=WEIGHTS), components)


# name: (mixture of three, means of its components, their standard deviations)
MIXTURES = {
    "diagonal": (mixture(tfd.MultivariateNormalDiag(LOC, SCALE)), LOC, SCALE),
    "full": (
        mixture(tfd.MultivariateNormalTriL(LOC, FACTORS)),
        LOC,
        np.sqrt((FACTORS**2).sum(axis=2)),
    ),
    "nested": (
        mixture(
            tfd.MixtureSameFamily(
                tfd.Categorical(probs=[0.25, 0.75]), tfd.MultivariateNormalDiag(PARTS)
            )
        ),
        LOC + 1,
        np.full([3, 2], 2.0),  # 1 within the two parts, and 3/4 of 2^2 between them
    ),
    "logistics": (
        mixture(tfd.Independent(tfd.Logistic(LOC, SCALE), 1)),
        LOC,
        SCALE * np.pi / np.sqrt(3),
    ),
    "categorical": (priors.categorical(3, WEIGHTS), np.eye(3), np.zeros([3, 3])),
}
FAST = [name for name in MIXTURES if name != "logistics"]


def traced(distribution):
    """Samples as a signature with seeds and labels does."""
    spec = tf.TensorSpec([None], tf.int64)
    return tf.function(
        lambda seeds, labels: priors.sample_rows(distribution, seeds, labels),
        input_signature=[spec, spec],
        autograph=False,
    )


@pytest.fixture(scope="module")
def seeds():
    return priors.row_seeds(ROWS, seed=0)


@pytest.mark.sampled
@pytest.mark.parametrize("name", MIXTURES)
def test_a_row_is_a_function_of_its_seed_and_label(name, seeds):
    sample = traced(MIXTURES[name][0])
    labels = np.arange(64) % 5 - 1
    rows = sample(seeds[:64], labels).numpy()
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(priors.sample_rows(MIXTURES[name][0], seeds[:64], labels), rows)
    for i in range(12):
        np.testing.assert_array_equal(sample(seeds[i : i + 1], labels[i : i + 1])[0], rows[i])
    for size in (2, 3, 5, 8, 13, 33):
        np.testing.assert_array_equal(sample(seeds[:size], labels[:size]), rows[:size])
    order = np.random.default_rng(0).permutation(64)
    np.testing.assert_array_equal(sample(seeds[order], labels[order]), rows[order])
    assert sample([], []).shape == [0, rows.shape[1]]


@pytest.mark.parametrize("name", MIXTURES)
def test_a_label_out_of_range_leaves_the_component_to_the_seed(name, seeds):
    distribution = MIXTURES[name][0]
    rows = priors.sample_rows(distribution, seeds[:200])
    for label in (-1, 3, -(2**63), 2**63 - 1):
        labels = np.full(200, label, np.int64)
        np.testing.assert_array_equal(priors.sample_rows(distribution, seeds[:200], labels), rows)


@pytest.mark.parametrize("name", MIXTURES)
def test_a_labelled_row_comes_from_its_component(name, seeds):
    distribution, means, spreads = MIXTURES[name]
    rows = 2_000 if name == "logistics" else ROWS
    for k in range(3):
        drawn = priors.sample_rows(distribution, seeds[:rows], np.full(rows, k)).numpy()
        errors = spreads[k] / np.sqrt(rows)
        assert (np.abs(drawn.mean(axis=0) - means[k]) <= 5 * errors).all()
        # No fourth moment is above 6 sigma^4, so no standard error of sigma^2 above this.
        assert (np.abs(drawn.var(axis=0) - spreads[k] ** 2) <= 5 * 2.3 * spreads[k] * errors).all()


@pytest.mark.parametrize("name", ["diagonal", "logistics"])
def test_the_noise_of_a_seed_is_the_same_in_all_components(name, seeds):
    distribution = MIXTURES[name][0]
    noise = [
        (priors.sample_rows(distribution, seeds[:100], np.full(100, k)).numpy() - LOC[k]) / SCALE[k]
        for k in range(3)
    ]
    if name == "diagonal":
        for other in noise[1:]:
            np.testing.assert_allclose(other, noise[0], atol=1e-4)
    drawn = priors.sample_rows(distribution, seeds[:100]).numpy()
    every = np.stack([n * SCALE[k] + LOC[k] for k, n in enumerate(noise)])
    assert np.abs(every - drawn).max(axis=2).min(axis=0).max() < 1e-5


def test_classes_occur_as_often_as_they_should(seeds):
    rows = priors.sample_rows(priors.categorical(3, WEIGHTS), seeds).numpy()
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile([0, 0, 1], [ROWS, 1]))
    assert stats.chisquare(rows.sum(axis=0), WEIGHTS * ROWS).pvalue > 1e-3


@pytest.mark.parametrize(
    "distribution",
    [
        priors.bernoulli(3, [0.1, 0.5, 0.8]),
        tfd.Independent(tfd.Bernoulli(logits=np.log([1 / 9, 1, 4]).astype("f4")), 1),
    ],
    ids=["probs", "logits"],
)
def test_bits_are_one_as_often_as_they_should(distribution, seeds):
    probs = np.array([0.1, 0.5, 0.8])
    rows = priors.sample_rows(distribution, seeds).numpy()
    assert set(np.unique(rows)) == {0.0, 1.0}
    errors = np.sqrt(probs * (1 - probs) / ROWS)
    assert (np.abs(rows.mean(axis=0) - probs) < 5 * errors).all()
    assert np.abs(np.corrcoef(rows.T) - np.eye(3)).max() < 5 / np.sqrt(ROWS)


def test_bits_that_are_certain(seeds):
    rows = priors.sample_rows(priors.bernoulli(2, [0.0, 1.0]), seeds)
    np.testing.assert_array_equal(rows, np.tile([0, 1], [ROWS, 1]))


def test_mixtures_of_bits_and_of_classes(seeds):
    bits = tfd.Independent(tfd.Bernoulli(probs=[[0.1, 0.9], [0.8, 0.3]], dtype=tf.float32), 1)
    classes = tfd.OneHotCategorical(logits=np.log([[0.1, 0.9], [0.8, 0.2]]).astype("f4"))
    for components, expected in ((bits, [0.45, 0.6]), (classes, [0.45, 0.55])):
        prior = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.5, 0.5]), components)
        rows = priors.sample_rows(prior, seeds).numpy()
        assert (np.abs(rows.mean(axis=0) - expected) < 5 * 0.5 / np.sqrt(ROWS)).all()
        second = priors.sample_rows(prior, seeds, np.ones(ROWS, int)).numpy()
        assert abs(second[:, 0].mean() - 0.8) < 5 * 0.4 / np.sqrt(ROWS)


def test_a_level_of_one_component(seeds):
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=WEIGHTS),
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.ones([3, 1], np.float32)),
            tfd.MultivariateNormalDiag(LOC[:, np.newaxis], SCALE[:, np.newaxis]),
        ),
    )
    flat = MIXTURES["diagonal"][0]
    np.testing.assert_array_equal(
        priors.sample_rows(prior, seeds[:50]), priors.sample_rows(flat, seeds[:50])
    )


@pytest.mark.parametrize("distribution", [MIXTURES[name][0] for name in FAST], ids=FAST)
def test_fast_path_has_only_operations_that_are_exact(distribution):
    check_exact(traced(distribution).get_concrete_function().graph)


def test_fast_path_of_bits_has_only_operations_that_are_exact():
    spec = tf.TensorSpec([None], tf.int64)
    function = tf.function(
        lambda seeds: priors.sample_rows(priors.bernoulli(3), seeds), autograph=False
    )
    check_exact(function.get_concrete_function(spec).graph)


@pytest.mark.parametrize(
    ("distribution", "labels", "error", "message"),
    [
        (priors.gaussian(2), [0, 0], ValueError, "Expected `labels` to be None for a distr"),
        (priors.categorical(2), [0], ValueError, r"one entry per seed. .*labels.shape=\(1,\)"),
        (priors.categorical(2), [0.0, 1.0], TypeError, "Expected `labels` to be integers"),
        (priors.categorical(2), 0, ValueError, r"Expected `labels` to have shape \[n\]"),
    ],
)
def test_wrong_labels_are_named(distribution, labels, error, message):
    with pytest.raises(error, match=message):
        priors.sample_rows(distribution, [1, 2], labels)
