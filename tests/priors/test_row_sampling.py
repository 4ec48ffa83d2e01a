import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from aae_tf import priors
from tests.priors.exact_operations import check_exact

tfd = tfp.distributions

ROWS = 20_000
INT64 = np.iinfo(np.int64)
LOC = np.array([1.0, -2.0, 0.5], np.float32)
SCALE = np.array([0.5, 3.0, 1.5], np.float32)
FACTOR = np.array([[0.5, 0.0, 0.0], [1.0, 2.0, 0.0], [-0.3, 0.7, 1.2]], np.float32)
WEIGHTS = np.array([0.5, 0.0, 0.2, 0.3], np.float32)
MEANS = np.array([[0.0, 0.0], [9.0, 9.0], [4.0, 1.0], [-3.0, 2.0]], np.float32)
FACTORS = np.array([[[1.0, 0.0], [0.5, k]] for k in (1.0, 2.0, 3.0, 0.5)], np.float32)


def normals(loc, scale):
    return [stats.norm(m, s) for m, s in zip(loc, scale, strict=True)]


class MixtureOf:
    """The marginal of a mixture, for SciPy's test."""

    def __init__(self, weights, components):
        self.weights, self.components = weights, components

    def cdf(self, x):
        return sum(w * c.cdf(x) for w, c in zip(self.weights, self.components, strict=True))


def mixture_marginals():
    scales = np.sqrt((FACTORS.astype(np.float64) ** 2).sum(axis=2))
    return [
        MixtureOf(WEIGHTS, [stats.norm(MEANS[k, j], scales[k, j]) for k in range(4)])
        for j in range(2)
    ]


class Doubled(tfd.MultivariateNormalDiag):
    """A subclass that samples otherwise than its parent."""

    def _call_sample_n(self, sample_shape, seed, **kwargs):
        return 2.0 * super()._call_sample_n(sample_shape, seed, **kwargs)


# name: (distribution, its marginals, whether it takes the loop)
CASES = {
    "gaussian": (priors.gaussian(3, 5.0), [stats.norm(0, 5)] * 3, False),
    "diagonal": (tfd.MultivariateNormalDiag(LOC, SCALE), normals(LOC, SCALE), False),
    "without_loc": (tfd.MultivariateNormalDiag(None, SCALE), normals([0, 0, 0], SCALE), False),
    "full": (
        tfd.MultivariateNormalTriL(LOC, FACTOR),
        normals(LOC, np.linalg.norm(FACTOR, axis=1)),
        False,
    ),
    "low_rank": (
        tfd.MultivariateNormalDiagPlusLowRank(
            LOC, SCALE, scale_perturb_factor=np.ones([3, 1], np.float32)
        ),
        normals(LOC, np.linalg.norm(np.diag(SCALE) + 1, axis=1)),
        False,
    ),
    "independent_normal": (
        tfd.Independent(tfd.Normal(LOC, 2.0), 1),
        normals(LOC, [2, 2, 2]),
        False,
    ),
    "independent_uniform": (
        tfd.Independent(tfd.Uniform(LOC, LOC + SCALE), 1),
        [stats.uniform(m, s) for m, s in zip(LOC, SCALE, strict=True)],
        False,
    ),
    "uniform": (priors.uniform(2, -3.0, 1.0), [stats.uniform(-3, 4)] * 2, False),
    "sample_normal": (tfd.Sample(tfd.Normal(1.0, 0.5), 3), [stats.norm(1, 0.5)] * 3, False),
    "sample_uniform": (tfd.Sample(tfd.Uniform(0.0, 9.0), [2]), [stats.uniform(0, 9)] * 2, False),
    "mixture": (
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=WEIGHTS), tfd.MultivariateNormalTriL(MEANS, FACTORS)
        ),
        mixture_marginals(),
        False,
    ),
    "mixture_of_samples": (
        tfd.MixtureSameFamily(
            tfd.Categorical(logits=[0.0, np.log(3.0)]), tfd.Sample(tfd.Normal([-5.0, 5.0], 1.0), 2)
        ),
        [MixtureOf([0.25, 0.75], normals([-5, 5], [1, 1]))] * 2,
        False,
    ),
    "ring": (
        priors.ring_mixture(4, radius=2.0, radial_scale=0.5, tangential_scale=0.25),
        [MixtureOf([0.25, 0.25, 0.5], normals([2, -2, 0], [0.5, 0.5, 0.25]))] * 2,
        False,
    ),
    "nested": (
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.25, 0.75]),
            tfd.MixtureSameFamily(
                tfd.Categorical(probs=[[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]]),
                tfd.MultivariateNormalDiag(np.reshape(np.arange(12, dtype="f4"), [2, 3, 2])),
            ),
        ),
        [
            MixtureOf(
                [1 / 8, 1 / 16, 1 / 16, 3 / 8, 3 / 8], normals(np.add([0, 2, 4, 8, 10], j), [1] * 5)
            )
            for j in range(2)
        ],
        False,
    ),
    "shared_weights": (
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.25, 0.75]),
            tfd.MixtureSameFamily(
                tfd.Categorical(probs=[0.5, 0.5]), tfd.Sample(tfd.Normal([[0, 2.0], [4, 6]], 1), 2)
            ),
        ),
        [MixtureOf([1 / 8, 1 / 8, 3 / 8, 3 / 8], normals([0, 2, 4, 6], [1] * 4))] * 2,
        False,
    ),
    "subclass": (Doubled(LOC, SCALE), normals(2 * LOC, 2 * SCALE), True),
    "independent_logistic": (
        tfd.Independent(tfd.Logistic(LOC, SCALE), 1),
        [stats.logistic(m, s) for m, s in zip(LOC, SCALE, strict=True)],
        True,
    ),
    "sample_laplace": (tfd.Sample(tfd.Laplace(0.0, 2.0), 2), [stats.laplace(0, 2)] * 2, True),
    "mixture_of_logistics": (
        tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.5, 0.5]),
            tfd.Independent(tfd.Logistic([[-3.0], [3.0]], 1.0), 1),
        ),
        [MixtureOf([0.5, 0.5], [stats.logistic(-3), stats.logistic(3)])],
        True,
    ),
    # No composite tensor, unlike the others.
    "hidden_markov_model": (
        tfd.HiddenMarkovModel(
            tfd.Categorical(probs=[0.25, 0.75]),
            tfd.Categorical(probs=[[1.0, 0.0], [0.0, 1.0]]),
            tfd.Normal([-5.0, 5.0], 1.0),
            num_steps=2,
        ),
        [MixtureOf([0.25, 0.75], normals([-5, 5], [1, 1]))] * 2,
        True,
    ),
    "dirichlet": (
        tfd.Dirichlet([0.7, 2.0, 3.0]),
        [stats.beta(0.7, 5.0), stats.beta(2.0, 3.7), stats.beta(3.0, 2.7)],
        True,
    ),
}


@pytest.fixture(scope="module")
def seeds():
    return priors.row_seeds(ROWS, seed=0)


@pytest.fixture(scope="module")
def signatures():
    """Runs each case as a signature of one SavedModel in the session loader, as servers do."""
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.int64, name="seed")

    def signature(distribution):
        function = tf.function(
            lambda seed: {"rows": priors.sample_rows(distribution, seed)}, autograph=False
        )
        return function.get_concrete_function(spec)

    functions = {name: signature(distribution) for name, (distribution, _, _) in CASES.items()}
    return module, functions


@pytest.fixture(scope="module")
def run(signatures, tmp_path_factory):
    module, functions = signatures
    path = str(tmp_path_factory.mktemp("saved") / "model")
    tf.saved_model.save(module, path, signatures=functions)
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session()
        defs = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def

    def call(name, rows):
        fed = {defs[name].inputs["seed"].name: np.asarray(rows, np.int64)}
        return session.run(defs[name].outputs["rows"].name, fed)

    yield call
    session.close()


@pytest.fixture(scope="module")
def drawn(run, seeds):
    # The loop takes a thousand times longer for a row.
    return {
        name: run(name, seeds[: ROWS // 16] if case[2] else seeds) for name, case in CASES.items()
    }


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_a_row_is_the_same_alone_and_in_any_batch_order_and_padding(name, run, drawn, seeds):
    count = 64
    rows = run(name, seeds[:count])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, drawn[name][:count])
    for i in range(4):
        np.testing.assert_array_equal(run(name, seeds[i : i + 1]), rows[i : i + 1])
    for size in (2, 5, 8, 33):
        np.testing.assert_array_equal(run(name, seeds[:size]), rows[:size])
        np.testing.assert_array_equal(run(name, seeds[3 : 3 + size]), rows[3 : 3 + size])
    order = np.random.default_rng(0).permutation(count)
    np.testing.assert_array_equal(run(name, seeds[order]), rows[order])
    padded = np.concatenate([seeds[:5], np.full(11, seeds[0])])
    np.testing.assert_array_equal(run(name, padded)[:5], rows[:5])


@pytest.mark.sampled
@pytest.mark.parametrize("name", CASES)
def test_no_seeds_give_no_rows(name, run):
    dim = CASES[name][0].event_shape[0]
    assert run(name, []).shape == (0, dim)
    assert priors.sample_rows(CASES[name][0], []).shape == (0, dim)


@pytest.mark.sampled
@pytest.mark.parametrize("name", CASES)
def test_eager_rows_are_those_of_the_signature(name, drawn, seeds):
    rows = priors.sample_rows(CASES[name][0], seeds[:100])
    np.testing.assert_array_equal(rows, drawn[name][:100])


@pytest.mark.parametrize("name", CASES)
def test_marginals_are_those_of_the_distribution(name, drawn):
    marginals = CASES[name][1]
    assert drawn[name].shape[1:] == (len(marginals),)
    for column, marginal in zip(drawn[name].T, marginals, strict=True):
        assert stats.kstest(column, marginal.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["full", "low_rank", "mixture"])
def test_columns_covary_as_in_the_distribution(name, drawn):
    expected = CASES[name][0].covariance().numpy()
    observed = np.cov(drawn[name].T)
    variances = np.diag(expected)
    # Five standard errors of a Gaussian's covariance; a mixture of these has lighter tails.
    tolerance = 5 * np.sqrt((np.outer(variances, variances) + expected**2) / ROWS)
    assert (np.abs(observed - expected) < tolerance).all()


@pytest.mark.parametrize("name", ["gaussian", "uniform", "sample_laplace"])
def test_columns_are_uncorrelated_where_they_are_independent(name, drawn):
    correlations = np.corrcoef(drawn[name].T)
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(len(drawn[name]))


@pytest.mark.parametrize("name", ["gaussian", "uniform", "ring", "sample_laplace"])
def test_consecutive_seeds_give_uncorrelated_rows(name):
    rows = priors.sample_rows(CASES[name][0], np.arange(-2_500, 2_500)).numpy()
    dim = rows.shape[1]
    between = np.corrcoef(rows[1:].T, rows[:-1].T)[:dim, dim:]
    assert np.abs(between).max() < 4.5 / np.sqrt(5_000)


def test_mixture_draws_its_components_by_their_weights(drawn):
    rows = drawn["mixture_of_samples"]
    assert (np.sign(rows[:, 0]) == np.sign(rows[:, 1])).all()
    assert abs(np.mean(rows[:, 0] > 0) - 0.75) < 5 * np.sqrt(0.75 * 0.25 / ROWS)
    nearest = np.abs(drawn["mixture"][:, None] - MEANS[1]).max(axis=2)
    assert nearest.min() > 0.5  # the component with weight 0 is far from the others


# The same on every machine and in every version: exported models depend on it.
KNOWN = {
    "gaussian": [
        "-0x1.77bd7a0000000p-1 0x1.f769340000000p+1 -0x1.632a260000000p+3",
        "0x1.25a72c0000000p+1 0x1.e44fea0000000p+0 -0x1.3f66e20000000p+2",
        "-0x1.077c120000000p+2 -0x1.d00ee20000000p-3 0x1.afb1880000000p+2",
    ],
    "uniform": [
        "0x1.8882a00000000p-1 -0x1.18761c0000000p-3",
        "0x1.2bbbbe0000000p-2 0x1.a429200000000p-2",
        "-0x1.6f77680000000p-3 0x1.dafc740000000p-1",
    ],
    "ring": [
        "0x1.ed36860000000p+1 0x1.4bdde20000000p-2",
        "-0x1.01d0b60000000p+0 0x1.f236220000000p+1",
        "0x1.45367e0000000p+1 0x1.f1b0100000000p+0",
    ],
}


KNOWN_PRIORS = {
    "gaussian": priors.gaussian(3, 5.0),
    "uniform": priors.uniform(2),
    "ring": priors.ring_mixture(),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name):
    rows = priors.sample_rows(KNOWN_PRIORS[name], [0, -1, INT64.min]).numpy()
    assert [" ".join(float(x).hex() for x in row) for row in rows] == KNOWN[name]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case[2]])
def test_fast_path_has_only_operations_that_are_exact(name, signatures):
    check_exact(signatures[1][name].graph)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2]])
def test_other_distributions_are_sampled_in_a_loop(name, signatures):
    graph = signatures[1][name].graph.as_graph_def()
    operations = {node.op for function in graph.library.function for node in function.node_def}
    assert operations & {"While", "StatelessWhile"}
    assert operations.isdisjoint({"RandomStandardNormal", "RandomUniform", "RandomGamma"})


def test_uniform_never_rounds_up_to_its_upper_edge(seeds):
    high = np.nextafter(np.float32(1), np.float32(2)) + np.finfo(np.float32).eps
    rows = priors.sample_rows(priors.uniform(1, 1.0, high), seeds).numpy()
    # Only two numbers of float32 are in the box.
    assert set(np.unique(rows)) == {np.float32(1), np.nextafter(np.float32(1), np.float32(2))}
    low_and_high = priors.sample_rows(tfd.Independent(tfd.Uniform([-1.0], [0.0]), 1), seeds)
    assert low_and_high.numpy().max() < 0


def test_float64_distributions_give_float32_rows():
    prior = tfd.Sample(tfd.Normal(np.float64(0), np.float64(1)), 2)
    rows = priors.sample_rows(prior, [1, 2])
    assert rows.dtype == tf.float32
    np.testing.assert_array_equal(rows, priors.sample_rows(priors.gaussian(2), [1, 2]))


def test_discrete_distributions_give_float32_rows():
    rows = priors.sample_rows(tfd.OneHotCategorical(probs=[0.5, 0.5]), np.arange(50)).numpy()
    assert rows.dtype == np.float32
    assert set(np.unique(rows[:, 0])) == {0.0, 1.0}
    np.testing.assert_array_equal(rows.sum(axis=1), np.ones(50))


def test_own_priors_may_be_built_inside_a_function():
    @tf.function(autograph=False)
    def inside(seeds):
        return priors.sample_rows(priors.ring_mixture(), seeds)

    expected = priors.sample_rows(priors.ring_mixture(), [3, 4])
    np.testing.assert_array_equal(inside(tf.constant([3, 4], tf.int64)), expected)


@pytest.mark.parametrize(
    "distribution",
    [
        tfd.Normal(0.0, 1.0),
        tfd.Normal([0.0, 0.0], 1.0),
        tfd.MultivariateNormalDiag(np.zeros([2, 3], np.float32)),
        tfd.Sample(tfd.Normal(0.0, 1.0), [2, 2]),
        tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0), tfd.Normal(0.0, 1.0)]),
    ],
)
def test_other_shapes_are_refused(distribution):
    with pytest.raises(ValueError, match=r"Expected `distribution` to have event_shape \[dim\]"):
        priors.sample_rows(distribution, [1])


def test_variables_are_refused():
    with pytest.raises(ValueError, match="Expected `distribution` to have constant parameters"):
        priors.sample_rows(tfd.Sample(tfd.Normal(tf.Variable(0.0), 1.0), 2), [1])


def test_symbolic_parameters_are_refused():
    @tf.function(autograph=False)
    def inside(loc):
        return priors.sample_rows(tfd.Sample(tfd.Normal(loc, 1.0), 2), [1])

    with pytest.raises(
        ValueError, match=r"Expected `distribution` to be built outside of tf.funct"
    ):
        inside(tf.constant(0.0))


def test_what_is_no_distribution_is_refused():
    with pytest.raises(TypeError, match=r"Expected `distribution` to be a tfd.Distribution"):
        priors.sample_rows("gaussian", [1])
