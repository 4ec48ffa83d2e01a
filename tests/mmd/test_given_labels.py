"""Comparisons label by label: against sums by hand, and their statistics over repetitions."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from tests.mmd.mmd_cases import CASES, SUM, check_gradient, make_kernel

tfd = tfp.distributions
ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic

KERNEL = make_kernel(SUM)
# name: (prior, number of components)
PRIORS = {
    "ring": (CASES["ring of 10 MultivariateNormalTriL"].make("float64"), 10),
    "nested": (CASES["mixture of mixtures"].make("float64"), 2),
    "boxes": (CASES["mixture of boxes"].make("float64"), 2),
    "one_hot": (CASES["OneHotCategorical"].make("float64"), 2),
}
LABELS = np.array([0, 1, -1, 0, 1, 1, -1, 0, -1, -1, 1, 1])


def component(prior, label):
    """The part of the prior that a label names, as a distribution without a batch."""
    if label < 0:
        return prior
    if isinstance(prior, tfd.OneHotCategorical):
        return tfd.VectorDeterministic(np.eye(2)[label])
    return prior.components_distribution[label]


def by_group(labels, weights, compare):
    """Averages `compare(rows)` over the labels, each weighed by its share."""
    shares = weights / weights.sum()
    return sum(
        shares[labels == label].sum() * float(compare(label, np.flatnonzero(labels == label)))
        for label in np.unique(labels)
        if shares[labels == label].sum() > 0
    )


@pytest.fixture(scope="module")
def z():
    return 1.5 * np.random.default_rng(0).normal(size=(12, 2))


@pytest.fixture(scope="module")
def weights():
    weights = np.random.default_rng(1).uniform(size=12)
    weights[3] = 0.0
    return weights


@pytest.mark.sampled
@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize(("estimator", "weighted"), [("unbiased", True), ("biased", False)])
def test_every_group_is_compared_as_if_alone(z, weights, name, estimator, weighted):
    prior = PRIORS[name][0]
    used = weights if weighted else np.ones(12)

    def alone(label, rows):
        part = component(prior, label)
        return mmd.squared_mmd(z[rows], part, KERNEL, estimator, used[rows])

    given = weights if weighted else None
    np.testing.assert_allclose(
        mmd.squared_mmd_given_labels(z, LABELS, prior, KERNEL, estimator, given),
        by_group(LABELS, used, alone),
        rtol=1e-9,
    )


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_group_of_two_samples_is_compared_as_if_alone(z, weights, estimator, weighted):
    used = weights if weighted else np.ones(12)
    y = np.random.default_rng(2).normal(size=(12, 2))

    def sampled_alone(label, rows):
        return mmd.squared_mmd_two_samples(z[rows], y[rows], KERNEL, estimator, used[rows])

    given = weights if weighted else None
    np.testing.assert_allclose(
        mmd.squared_mmd_two_samples(z, y, KERNEL, estimator, given, labels=LABELS),
        by_group(LABELS, used, sampled_alone),
        rtol=1e-9,
    )


def test_one_label_for_all_is_no_label(z, weights):
    prior = PRIORS["ring"][0]
    for estimator in ("unbiased", "biased"):
        np.testing.assert_allclose(
            mmd.squared_mmd_given_labels(z, np.full(12, -1), prior, KERNEL, estimator, weights),
            mmd.squared_mmd(z, prior, KERNEL, estimator, weights),
            rtol=1e-9,
        )


def test_a_group_of_one_row_is_drawn_to_its_component(z):
    prior = PRIORS["ring"][0]
    labels = np.array([3, 7, -1])
    y = z[3:6]

    def expected(x):
        """By hand, up to a factor of 1/3 that each group counts."""
        total = 0.0
        for i, label in enumerate(labels):
            part = component(prior, label)
            norm = mmd.mean_embedding_norm(part, KERNEL)
            total += 2.0 * (norm - mmd.mean_embedding(part, KERNEL, x[i : i + 1])[0]) / 3.0
        return total

    def given(x):
        return mmd.squared_mmd_given_labels(x, labels, prior, KERNEL)

    def sampled(x):
        return mmd.squared_mmd_two_samples(x, y, KERNEL, labels=labels)

    points = tf.constant(z[:3])
    value, gradient = tfp.math.value_and_gradient(given, points)
    other, other_gradient = tfp.math.value_and_gradient(expected, points)
    np.testing.assert_allclose(value, other, rtol=1e-9)
    np.testing.assert_allclose(gradient, other_gradient, rtol=1e-9)
    value, gradient = tfp.math.value_and_gradient(sampled, points)
    _, other_gradient = tfp.math.value_and_gradient(
        lambda x: -2.0 * tf.reduce_mean(KERNEL.apply(x, y)), points
    )
    assert float(value) == 0.0
    np.testing.assert_allclose(gradient, other_gradient, rtol=1e-9)


@pytest.mark.parametrize("weights", [np.eye(4)[1], [0.0, 1e-20, 1.0, 0.0], [1e-30, 1.0, 0.0, 1.0]])
def test_a_row_whose_partners_hardly_count_has_a_value(z, weights):
    prior = PRIORS["ring"][0]
    labels = [0, 0, 0, 1]

    def given(x):
        return mmd.squared_mmd_given_labels(x, labels, prior, KERNEL, weights=weights)

    def sampled(x):
        return mmd.squared_mmd_two_samples(x, z[4:8], KERNEL, x_weights=weights, labels=labels)

    for estimate in (given, sampled):
        value, gradient = tfp.math.value_and_gradient(estimate, tf.constant(z[:4]))
        assert np.isfinite(value)
        assert abs(value) < 10
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_weights_of_zero_give_zero(z, estimator):
    for estimate in (
        lambda x: mmd.squared_mmd_given_labels(
            x, LABELS, PRIORS["ring"][0], KERNEL, estimator, np.zeros(12)
        ),
        lambda x: mmd.squared_mmd_two_samples(
            x, z + 1.0, KERNEL, estimator, np.zeros(12), labels=LABELS
        ),
    ):
        value, gradient = tfp.math.value_and_gradient(estimate, tf.constant(z))
        assert float(value) == 0.0
        np.testing.assert_array_equal(gradient, np.zeros_like(z))


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_rows_of_weight_zero_do_not_count(z, estimator):
    prior = PRIORS["ring"][0]
    chosen = np.arange(12) % 3 != 0
    np.testing.assert_allclose(
        mmd.squared_mmd_given_labels(z, LABELS, prior, KERNEL, estimator, chosen),
        mmd.squared_mmd_given_labels(z[chosen], LABELS[chosen], prior, KERNEL, estimator),
        rtol=1e-9,
    )


def test_statistics_over_repetitions():
    # The groups of component 1 and of no label follow the prior, that of component 0 does not.
    repetitions, shift = 800, np.array([1.0, 0.5])
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=tf.constant([0.4, 0.6], tf.float64)),
        tfd.MultivariateNormalDiag(np.array([[-2.0, 0.0], [2.0, 1.0]])),
    )
    width = 1.5
    kernel = ExponentiatedQuadratic(length_scale=np.float64(width))
    labels = np.array([0, 0, 0, 1, 1, -1, -1, -1, 1, 0])
    # N(shift, I) against N(0, I): see PAPER, two Gaussians.
    norm = 1.0 / (1.0 + 2.0 / width**2)
    truth = 0.4 * 2.0 * norm * (1.0 - np.exp(-shift @ shift / (2.0 * (width**2 + 2.0))))

    def estimate(pair):
        z, y = pair
        return tf.stack(
            [
                mmd.squared_mmd_given_labels(z, labels, prior, kernel),
                mmd.squared_mmd_two_samples(z, y, kernel, labels=labels),
                mmd.squared_mmd_given_labels(z, labels, prior, kernel, "biased"),
                mmd.squared_mmd_two_samples(z, y, kernel, "biased", labels=labels),
                # A group of one row averages to zero where both sides agree.
                mmd.squared_mmd_given_labels(z[4:6], labels[4:6], prior, kernel),
            ]
        )

    @tf.function(autograph=False)
    def estimates(z, y):
        return tf.map_fn(estimate, (z, y), fn_output_signature=tf.float64)

    draws = priors.conditional(prior, np.tile(labels, 2)).sample(repetitions, seed=[0, 1]).numpy()
    z = draws[:, :10] + shift * (labels == 0)[:, np.newaxis]
    values = estimates(z, draws[:, 10:]).numpy()
    errors = values.std(axis=0) / np.sqrt(repetitions)
    expected = np.array([truth, truth, 0.0])
    unbiased = [0, 1, 4]
    assert (np.abs(values.mean(axis=0)[unbiased] - expected) < 5.0 * errors[unbiased]).all()
    assert (values[:, 2:4] > 0.0).all()
    assert values[:, 0].var() < values[:, 1].var() / 2.0


def test_gradient_equals_differences(z, weights):
    y = np.random.default_rng(2).normal(size=(12, 2))
    for estimator in ("unbiased", "biased"):
        for name in ("ring", "nested"):
            check_gradient(
                lambda x, e=estimator, n=name: mmd.squared_mmd_given_labels(
                    x, LABELS, PRIORS[n][0], KERNEL, e, weights
                ),
                z,
            )
        check_gradient(
            lambda x, e=estimator: mmd.squared_mmd_two_samples(
                x, y, KERNEL, e, weights, labels=LABELS
            ),
            z,
        )


def test_gradient_reaches_the_parameters_of_the_prior(z):
    def estimate(logits, loc):
        prior = tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, np.ones((2, 2)))
        )
        return mmd.squared_mmd_given_labels(z, LABELS, prior, KERNEL)

    for traced in (False, True):
        check_gradient(
            estimate, np.array([1.0, -0.5]), np.array([[0.0, 3.0], [1.0, -1.0]]), traced=traced
        )


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "jit_compile"), [*((name, False) for name in PRIORS), ("nested", True)]
)
def test_graph_equals_eager_for_labels_known_at_run_time(z, name, jit_compile):
    prior = PRIORS[name][0]

    def both(x, labels):
        return tf.stack(
            [
                mmd.squared_mmd_given_labels(x, labels, prior, KERNEL),
                mmd.squared_mmd_two_samples(x, z, KERNEL, labels=labels),
            ]
        )

    specs = [tf.TensorSpec([None, 2], tf.float64), tf.TensorSpec([None], tf.int32)]
    traced = tf.function(both, input_signature=specs, jit_compile=jit_compile, autograph=False)
    np.testing.assert_allclose(traced(z + 1.0, LABELS), both(z + 1.0, LABELS), rtol=1e-9)
    if not jit_compile:
        concrete = traced.get_concrete_function()
        assert not concrete.captured_inputs
        types = {operation.type for operation in concrete.graph.get_operations()}
        assert not types & {"Cholesky", "MatrixTriangularSolve"}


def test_labels_out_of_range_count_as_unknown_in_a_graph(z):
    prior = PRIORS["nested"][0]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False)
    def estimate(labels):
        return mmd.squared_mmd_given_labels(z[:4], labels, prior, KERNEL)

    np.testing.assert_allclose(estimate([0, 2, -5, 0]), estimate([0, -1, -1, 0]), rtol=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("jit_compile", [False, True])
def test_finite_at_coincident_points_under_any_batch(jit_compile):
    prior = priors.ring_mixture(4)
    kernel = mmd.default_kernel(prior) + ExponentiatedQuadratic(length_scale=np.float32(1e-3))
    specs = [
        tf.TensorSpec([None, 2], tf.float32),
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([None], tf.float32),
    ]

    @tf.function(input_signature=specs, jit_compile=jit_compile, autograph=False)
    def values_and_gradients(x, labels, weights):
        values, gradients = [], []
        for estimate in (
            lambda x: mmd.squared_mmd_given_labels(x, labels, prior, kernel, weights=weights),
            lambda x: mmd.squared_mmd_two_samples(
                x, tf.zeros_like(x), kernel, x_weights=weights, labels=labels
            ),
        ):
            value, gradient = tfp.math.value_and_gradient(estimate, x)
            values.append(value)
            gradients.append(gradient)
        return tf.stack(values), tf.stack(gradients)

    rng = np.random.default_rng(0)
    for x in (np.zeros([6, 2]), 1e3 * rng.normal(size=[6, 2])):
        for labels in ([-1] * 6, [0, 1, 2, 3, -1, -1], [0] * 5 + [1]):
            for weights in (np.ones(6), np.zeros(6), np.eye(6)[5], rng.uniform(size=6) ** 40):
                values, gradients = values_and_gradients(x, labels, weights)
                assert np.isfinite(values).all()
                assert np.isfinite(gradients).all()


def test_labels_draw_codes_to_their_components():
    """Gradient descent on the codes themselves, most of them without a label."""
    prior = priors.ring_mixture(5, radius=3.0, radial_scale=0.5)
    labels = np.where(np.arange(120) % 4, -1, np.arange(120) % 5)
    kernel = mmd.default_kernel(prior)
    codes = tf.Variable(np.random.default_rng(0).normal(size=(120, 2)).astype("f4"))

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            value = mmd.squared_mmd_given_labels(codes, labels, prior, kernel)
        codes.assign_sub(100.0 * tape.gradient(value, codes))
        return value

    values = [float(step()) for _ in range(300)]
    assert values[-1] < 0.0 < 0.15 < values[0]
    each = prior.components_distribution.log_prob(codes[:, tf.newaxis])
    known = labels >= 0
    # A last few stay elsewhere: where the others of a group match its component, MMD is content.
    assert np.mean(np.argmax(each, axis=1)[known] == labels[known]) > 0.75


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"labels": [0.0, 1.0, 1.0]}, TypeError, "Expected `labels` to be integers"),
        ({"labels": [0, 1, 10]}, ValueError, r"Expected `labels` to lie in -1 ... 9"),
        ({"labels": [0, 1]}, ValueError, "Expected `labels` to have one entry per row"),
        ({"labels": [[0, 1, 2]]}, ValueError, r"Expected `labels` to have shape \[n\]"),
        (
            {"distribution": priors.gaussian(2)},
            ValueError,
            "Expected `distribution` to have components that labels can name",
        ),
        ({"estimator": "exact"}, ValueError, "Expected `estimator` to be one of"),
        ({"samples": np.zeros((0, 2)), "labels": np.zeros(0, int)}, ValueError, "at least 1 rows"),
        ({"samples": np.zeros((3, 4))}, ValueError, "Expected `samples` to have as many columns"),
        ({"weights": [1.0, 2.0]}, ValueError, "Expected `weights` to have one entry per row"),
        ({"kernel": "gaussian"}, TypeError, "Expected `kernel` to be a kernel"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = {
        "samples": np.zeros((3, 2)),
        "labels": [0, 1, -1],
        "distribution": PRIORS["ring"][0],
        "kernel": KERNEL,
        **change,
    }
    with pytest.raises(error, match=message):
        mmd.squared_mmd_given_labels(**arguments)


@pytest.mark.parametrize(
    ("labels", "rows", "error", "message"),
    [
        ([0.0, 1.0, 1.0], 3, TypeError, "Expected `labels` to be integers"),
        ([0, 1], 3, ValueError, "Expected `labels` to have one entry per row"),
        ([0, 1, 1], 4, ValueError, "Expected `labels` to have one entry per row. .*rows=4"),
    ],
)
def test_wrong_labels_of_two_samples_are_named(labels, rows, error, message):
    with pytest.raises(error, match=message):
        mmd.squared_mmd_two_samples(np.zeros((3, 2)), np.zeros((rows, 2)), KERNEL, labels=labels)
