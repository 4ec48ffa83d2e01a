import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

PROBS = np.array([0.2, 0.5, 0.3])
LOCS = np.array([[0.0, 1.0], [2.0, -1.0], [-1.0, 0.5]])
SCALES = np.array([[1.0, 0.5], [0.3, 0.8], [0.6, 0.6]])
GAUSSIAN = psd_kernels.ExponentiatedQuadratic(np.float64(1.2), np.float64(0.8))
KERNEL = mmd.BlockProduct([GAUSSIAN, psd_kernels.Linear()], [2, 3])
POINTS = np.concatenate([np.array([[0.5, -0.5], [1.0, 0.0], [2.0, -1.0]]), np.eye(3)], axis=1)


def _expected(offset, variance):
    """E k(offset + N), N ~ N(0, diag(variance)), by 80 Gauss-Hermite nodes on each axis."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    factors = np.exp(
        -((np.asarray(offset)[..., None] + np.sqrt(variance)[..., None] * nodes) ** 2)
        / (2 * 0.8**2)
    )
    return 1.2**2 * np.prod(factors @ weights / np.sqrt(2.0 * np.pi), axis=-1)


def _one_hot(probs=PROBS):
    return tfd.OneHotCategorical(probs=tf.constant(probs, tf.float64), dtype=tf.float64)


def test_apply_multiplies_the_blocks():
    x, y = np.random.default_rng(0).normal(size=(2, 4, 5))
    expected = 1.2**2 * np.exp(-np.square(x - y)[:, :2].sum(axis=1) / (2 * 0.8**2))
    expected *= np.sum(x[:, 2:] * y[:, 2:], axis=1)
    np.testing.assert_allclose(KERNEL.apply(x, y), expected)
    np.testing.assert_allclose(tf.linalg.diag_part(KERNEL.matrix(x, y)), expected)


def test_code_and_label_that_are_independent():
    prior = tfd.Blockwise([tfd.MultivariateNormalDiag(LOCS[1], SCALES[1]), _one_hot()])
    # mu(z, y) = p(y) mu(z), and c = sum_y p(y)^2 c_z.
    mu = PROBS * _expected(POINTS[:, :2] - LOCS[1], SCALES[1] ** 2)
    norm = np.sum(PROBS**2) * _expected(np.zeros(2), 2.0 * SCALES[1] ** 2)
    np.testing.assert_allclose(mmd.mean_embedding(prior, KERNEL, POINTS), mu, rtol=1e-9)
    np.testing.assert_allclose(mmd.mean_embedding_norm(prior, KERNEL), norm, rtol=1e-9)


def test_code_that_depends_on_its_label():
    # A mixture of blocks whose labels are certain.
    prior = tfd.MixtureSameFamily(
        tfd.Categorical(probs=PROBS),
        tfd.Blockwise([tfd.MultivariateNormalDiag(LOCS, SCALES), _one_hot(np.eye(3))]),
    )
    mu = PROBS * _expected(POINTS[:, :2] - LOCS, SCALES**2)
    norm = np.sum(PROBS**2 * _expected(np.zeros([3, 2]), 2.0 * SCALES**2))
    np.testing.assert_allclose(mmd.mean_embedding(prior, KERNEL, POINTS), mu, rtol=1e-9)
    np.testing.assert_allclose(mmd.mean_embedding_norm(prior, KERNEL), norm, rtol=1e-9)


def test_guided_codes_are_pairs_divided_by_the_shares_of_the_labels():
    thirds = tfd.Categorical(probs=np.full(3, 1 / 3))
    normals = tfd.MultivariateNormalDiag(LOCS, SCALES)
    joint = tfd.MixtureSameFamily(thirds, tfd.Blockwise([normals, _one_hot(np.eye(3))]))
    codes, labels = np.random.default_rng(0).normal(size=(6, 2)), np.array([0, 0, 1, 1, 2, 2])
    rows = np.concatenate([codes, np.eye(3)[labels]], axis=1)
    given = mmd.squared_mmd_given_labels(
        codes, labels, tfd.MixtureSameFamily(thirds, normals), GAUSSIAN, "biased"
    )
    np.testing.assert_allclose(3.0 * mmd.squared_mmd(rows, joint, KERNEL, "biased"), given)


@pytest.mark.parametrize(
    "kernel",
    [
        psd_kernels.ExponentiatedQuadratic(np.float64(1.2), np.float64(0.8)),
        psd_kernels.RationalQuadratic(np.float64(1.2), np.float64(0.8)),
        psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(0.8)) + GAUSSIAN,
        mmd.CoordinateProduct(psd_kernels.MaternThreeHalves(length_scale=np.float64(0.8))),
    ],
    ids=["gaussian", "rational quadratic", "sum", "coordinates"],
)
def test_blocks_of_one_family_are_one_vector(kernel):
    vector = tfd.Independent(tfd.Normal(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.5, 2.0])), 1)
    blocks = tfd.Blockwise(
        [
            tfd.Normal(np.float64(0.0), np.float64(1.0)),
            tfd.MultivariateNormalDiag(np.array([1.0, 2.0]), np.array([0.5, 2.0])),
        ]
    )
    points = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(
        mmd.mean_embedding(blocks, kernel, points), mmd.mean_embedding(vector, kernel, points)
    )
    np.testing.assert_allclose(
        mmd.mean_embedding_norm(blocks, kernel), mmd.mean_embedding_norm(vector, kernel)
    )


@pytest.mark.parametrize("named", [False, True])
def test_independent_parts_of_a_joint_distribution(named):
    first = tfd.Independent(tfd.Laplace(LOCS[0], SCALES[0]), 1)
    parts = {"b": _one_hot(), "a": first} if named else [first, _one_hot()]
    joint = (tfd.JointDistributionNamed if named else tfd.JointDistributionSequential)(parts)
    expected = tfd.Blockwise([first, _one_hot()])
    np.testing.assert_array_equal(joint.event_shape_tensor()["a" if named else 0], [2])
    np.testing.assert_allclose(
        mmd.mean_embedding(tfd.Blockwise(joint), KERNEL, POINTS),
        mmd.mean_embedding(expected, KERNEL, POINTS),
    )
    # The blocks come in the order of the samples.
    draws = tfd.Blockwise(joint).sample(50, seed=[0, 1]).numpy()
    np.testing.assert_array_equal(draws[:, 2:].sum(axis=1), 1.0)


def test_dependent_parts_are_refused():
    dependent = tfd.Blockwise(
        tfd.JointDistributionSequential(
            [_one_hot(), lambda y: tfd.MultivariateNormalDiag(tf.linalg.matvec(LOCS.T, y))]
        )
    )
    assert not mmd.has_mean_embedding(dependent, GAUSSIAN)
    with pytest.raises(NotImplementedError, match="joint distribution to be independent"):
        mmd.mean_embedding_norm(dependent, GAUSSIAN)


def test_blocks_of_other_sizes_are_refused():
    blocks = tfd.Blockwise([_one_hot(), tfd.MultivariateNormalDiag(LOCS[0])])
    message = re.escape("Received: blocks of [3, 2], kernel.sizes=(2, 3)")
    with pytest.raises(NotImplementedError, match=message):
        mmd.mean_embedding_norm(blocks, KERNEL)


@pytest.mark.parametrize(
    ("kernels", "sizes", "error", "message"),
    [
        ([GAUSSIAN], [1, 2], ValueError, r"`sizes` to have one entry per kernel.*sizes=\(1, 2\)"),
        ([], [], ValueError, "`sizes` to be a sequence of positive integers"),
        ([GAUSSIAN], [0], ValueError, "`sizes` to be a sequence of positive integers"),
        ([3.0], [1], TypeError, "`kernel` to be a kernel"),
    ],
)
def test_bad_arguments(kernels, sizes, error, message):
    with pytest.raises(error, match=message):
        mmd.BlockProduct(kernels, sizes)


def test_batches_of_widths_and_of_blocks():
    # A sum inside a mixture of blocks: axes of both.
    kernel = GAUSSIAN + psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(2.0))
    locs = np.array([[0.0, 1.0], [2.0, 3.0]])
    blocks = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.array([0.3, 0.7])),
        tfd.Blockwise([tfd.Normal(locs[:, 0], 1.0), tfd.Normal(locs[:, 1], 1.0)]),
    )
    whole = tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.array([0.3, 0.7])), tfd.MultivariateNormalDiag(locs, np.ones(2))
    )
    for call in (
        lambda d: mmd.mean_embedding(d, kernel, LOCS),
        lambda d: mmd.mean_embedding_norm(d, kernel),
    ):
        np.testing.assert_allclose(call(blocks), call(whole), rtol=1e-12)


def test_a_bigger_sum_by_hand():
    support = np.array(list(itertools.product(np.eye(3), np.eye(2))), dtype=object)
    rows = np.array([np.concatenate(pair) for pair in support])
    probs = np.multiply.outer(PROBS, [0.4, 0.6]).ravel()
    matern = psd_kernels.MaternOneHalf(length_scale=np.float64(1.5))
    kernel = mmd.BlockProduct([matern, psd_kernels.Linear()], [3, 2])
    prior = tfd.Blockwise([_one_hot(), _one_hot(np.array([0.4, 0.6]))])
    values = kernel.matrix(rows, rows).numpy()
    np.testing.assert_allclose(mmd.mean_embedding(prior, kernel, rows), values @ probs)
    np.testing.assert_allclose(mmd.mean_embedding_norm(prior, kernel), probs @ values @ probs)


def test_points_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"kernel.sizes=\(2, 3\), coordinates=4"):
        KERNEL.apply(np.zeros((2, 4)), np.zeros((2, 4)))
