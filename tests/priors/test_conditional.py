import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from aae_tf import priors
from aae_tf.priors import conditional, num_components

tfd = tfp.distributions

MEANS = np.array([[-3.0, 0.0], [3.0, 1.0], [0.0, 6.0]], np.float32)
SCALES = np.array([[0.5, 1.0], [2.0, 0.25], [1.0, 1.0]], np.float32)
WEIGHTS = np.array([0.2, 0.3, 0.5], np.float32)
# Each of two components has two parts, of which one is far.
PARTS = np.array([[[-9.0, 0.0], [-3.0, 0.0]], [[9.0, 0.0], [3.0, 4.0]]], np.float32)
SHARES = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)

NESTED = tfd.MixtureSameFamily(
    tfd.Categorical(probs=[0.4, 0.6]),
    tfd.MixtureSameFamily(tfd.Categorical(probs=SHARES), tfd.MultivariateNormalDiag(PARTS)),
)


def gaussian_pdf(points, loc, scale):
    return stats.norm(loc, scale).pdf(points).prod(axis=-1)


def nested_pdf(points, k):
    return sum(SHARES[k, j] * gaussian_pdf(points, PARTS[k, j], 1.0) for j in range(2))


# name: (prior, weights of its components, the density of component k)
CASES = {
    "gaussians": (
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=WEIGHTS), tfd.MultivariateNormalDiag(MEANS, SCALES)
        ),
        WEIGHTS,
        lambda x, k: gaussian_pdf(x, MEANS[k], SCALES[k]),
    ),
    "logits": (
        tfd.MixtureSameFamily(
            tfd.Categorical(logits=np.log(WEIGHTS) + np.float32(2)),
            tfd.Independent(tfd.Normal(MEANS, SCALES), 1),
        ),
        WEIGHTS,
        lambda x, k: gaussian_pdf(x, MEANS[k], SCALES[k]),
    ),
    "nested": (NESTED, [0.4, 0.6], nested_pdf),
    "logistics": (
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=WEIGHTS), tfd.Independent(tfd.Logistic(MEANS, SCALES), 1)
        ),
        WEIGHTS,
        lambda x, k: stats.logistic(MEANS[k], SCALES[k]).pdf(x).prod(axis=-1),
    ),
}
ROWS = 4_000


def symbolic(function, jit_compile=False):
    """Runs with a batch of unknown size, as in a training step."""
    spec = tf.TensorSpec([None], tf.int64)
    return tf.function(function, input_signature=[spec], jit_compile=jit_compile, autograph=False)


@pytest.mark.parametrize("name", CASES)
def test_log_density_is_that_of_the_component_or_of_the_whole(name):
    prior, weights, pdf = CASES[name]
    count = len(weights)
    labels = np.arange(50) % (count + 1) - 1
    points = np.random.default_rng(0).normal(0, 3, [50, 2]).astype(np.float32)
    each = np.stack([pdf(points, k) for k in range(count)], axis=1)
    expected = np.where(labels < 0, each @ weights, each[np.arange(50), labels])
    distribution = conditional(prior, labels)
    assert distribution.batch_shape == [50]
    assert distribution.event_shape == [2]
    assert distribution.dtype == tf.float32
    np.testing.assert_allclose(distribution.log_prob(points), np.log(expected), rtol=2e-4)
    both = distribution.log_prob(np.stack([points, points[::-1]]))
    np.testing.assert_allclose(both[0], np.log(expected), rtol=2e-4)
    assert both.shape == [2, 50]


# "logits" takes the path of "gaussians", and XLA compiles "nested" for both.
@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [("gaussians", False), ("logistics", False), ("nested", True), ("logistics", True)],
)
def test_graph_equals_eager(name, jit_compile):
    prior = CASES[name][0]
    labels = np.array([0, 1, -1, 1, -1])
    points = np.random.default_rng(0).normal(0, 3, [5, 2]).astype(np.float32)

    def both(labels):
        distribution = conditional(prior, labels)
        return distribution.log_prob(points), distribution.sample(3, seed=[0, 1])

    (values, samples), (expected, drawn) = symbolic(both, jit_compile)(labels), both(labels)
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    # XLA has random numbers of its own, and those of integer seeds are the same everywhere.
    if not (jit_compile and name == "logistics"):
        np.testing.assert_allclose(samples, drawn, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_samples_come_from_the_component_or_from_the_whole(name):
    prior, weights, pdf = CASES[name]
    count = len(weights)
    labels = np.arange(count + 1) - 1
    samples = conditional(prior, labels).sample(ROWS, seed=[0, 1]).numpy()
    assert samples.shape == (ROWS, count + 1, 2)
    assert samples.dtype == np.float32
    mean, spread = components_moments(prior)
    expected = np.concatenate([[weights @ mean], mean])
    # The variance of the whole is that within and that between its components.
    whole = weights @ (spread**2 + mean**2) - expected[0] ** 2
    errors = np.concatenate([[np.sqrt(whole)], spread]) / np.sqrt(ROWS)
    assert (np.abs(samples.mean(axis=0) - expected) < 5 * errors).all()
    # What a component draws is more probable under it than under the others, on average.
    for k in range(count):
        each = [np.log(pdf(samples[:, k + 1], j)).mean() for j in range(count)]
        assert np.argmax(each) == k
    # Which component an unlabelled row comes from follows the weights.
    each = np.stack([pdf(samples[:, 0], k) for k in range(count)], axis=1) * weights
    shares = (each / each.sum(axis=1, keepdims=True)).mean(axis=0)
    assert (np.abs(shares - weights) < 5 * 0.5 / np.sqrt(ROWS)).all()


def components_moments(prior):
    components = prior.components_distribution
    return components.mean().numpy(), components.stddev().numpy()


def test_rows_and_repetitions_are_independent():
    samples = conditional(CASES["gaussians"][0], np.zeros(6, int)).sample(ROWS, seed=[0, 3])
    correlations = np.corrcoef(samples.numpy().reshape(ROWS, 12).T) - np.eye(12)
    assert np.abs(correlations).max() < 5 / np.sqrt(ROWS)
    first, second = (
        conditional(CASES["gaussians"][0], [0, 0]).sample(seed=seed) for seed in ([0, 1], [0, 2])
    )
    assert (first.numpy() != second.numpy()).all()


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_finite_and_that_of_the_component(name):
    prior = CASES[name][0]
    labels = np.array([1, 0, -1])
    points = tf.constant([[50.0, -50.0], [0.0, 0.0], [2.0, 1.0]])
    _, gradient = tfp.math.value_and_gradient(
        lambda x: tf.reduce_sum(conditional(prior, labels).log_prob(x)), points
    )
    component = prior.components_distribution
    for i, of in enumerate(
        (lambda x: component.log_prob(x)[1], lambda x: component.log_prob(x)[0], prior.log_prob)
    ):
        _, expected = tfp.math.value_and_gradient(of, points[i])
        np.testing.assert_allclose(gradient[i], expected, rtol=1e-4, atol=1e-5)


def test_one_hot_vectors_are_the_components_of_a_categorical():
    prior = priors.categorical(3, WEIGHTS)
    distribution = conditional(prior, [2, 0, -1])
    samples = distribution.sample(ROWS, seed=[0, 1]).numpy()
    np.testing.assert_array_equal(samples[:, :2], np.tile(np.eye(3)[[2, 0]], [ROWS, 1, 1]))
    errors = np.sqrt(WEIGHTS * (1 - WEIGHTS) / ROWS)
    assert (np.abs(samples[:, 2].mean(axis=0) - WEIGHTS) < 5 * errors).all()
    np.testing.assert_allclose(
        distribution.prob(np.eye(3)[[2, 1, 1]]), [1.0, 0.0, WEIGHTS[1]], rtol=1e-6
    )
    # What is no one-hot vector has no probability.
    assert distribution.prob(np.full([3, 3], 1 / 3)).numpy().tolist() == [0.0, 0.0, 0.0]


def test_labels_out_of_range_count_as_unknown_in_a_graph():
    points = np.zeros([3, 2], np.float32)
    values = symbolic(lambda labels: conditional(NESTED, labels).log_prob(points))
    np.testing.assert_allclose(values([-7, 2, 99]), values([-1, -1, -1]))


@pytest.mark.parametrize("labels", [np.zeros(0, int), np.array([1], np.uint8)])
def test_small_batches(labels):
    distribution = conditional(NESTED, labels)
    assert distribution.sample(seed=[0, 1]).shape == [len(labels), 2]
    assert distribution.log_prob(np.zeros([len(labels), 2])).shape == [len(labels)]


def test_a_prior_built_inside_a_function():
    @tf.function(autograph=False)
    def inside(loc):
        prior = tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.5, 0.5]), tfd.MultivariateNormalDiag(loc, [0.1, 0.1])
        )
        return conditional(prior, [1, 0]).sample(100, seed=[0, 1])

    means = np.mean(inside(tf.constant([[5.0, 0.0], [0.0, 5.0]])), axis=0)
    np.testing.assert_allclose(means, [[0.0, 5.0], [5.0, 0.0]], atol=0.05)


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        (NESTED, 2),
        (priors.categorical(7), 7),
        (priors.gaussian(3), None),
        (priors.bernoulli(3), None),
        # No composite tensor, unlike the others.
        (
            tfd.MixtureSameFamily(
                tfd.Categorical(logits=tf.Variable(tf.zeros(4))),
                tfd.MultivariateNormalDiag(tf.zeros([4, 2])),
            ),
            4,
        ),
    ],
)
def test_number_of_components(prior, expected):
    assert num_components(prior) == expected


@pytest.mark.parametrize(
    ("prior", "labels", "error", "message"),
    [
        (priors.gaussian(2), [0], ValueError, "Expected `prior` to have components"),
        ("ring", [0], ValueError, "Expected `prior` to have components .* prior='ring'"),
        (NESTED, [0.0], TypeError, "Expected `labels` to be integers. .*labels.dtype=float32"),
        (NESTED, [[0]], ValueError, r"Expected `labels` to have shape \[n\]"),
        (NESTED, [0, 2], ValueError, r"Expected `labels` to lie in -1 ... 1, .* from 0 to 2"),
        (NESTED, [-2, 0], ValueError, r"Expected `labels` to lie in -1 ... 1, .* from -2 to 0"),
    ],
)
def test_wrong_arguments_are_named(prior, labels, error, message):
    with pytest.raises(error, match=message):
        conditional(prior, labels)


def test_weights_of_any_sum_are_normalised():
    unnormalised = tfd.MixtureSameFamily(
        tfd.Categorical(logits=[5.0, 5.0]), tfd.MultivariateNormalDiag(MEANS[:2])
    )
    each = np.log([gaussian_pdf(np.zeros(2), MEANS[k], 1.0) for k in range(2)])
    value = conditional(unnormalised, [-1]).log_prob(np.zeros([1, 2], np.float32))
    np.testing.assert_allclose(value, [special.logsumexp(each) - np.log(2)], rtol=1e-5)
