"""The permutation test of two samples."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd

KERNEL = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)


def normals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def unbiased(pool, first):
    """MMD^2 of the rows `first` and the others, by hand."""
    kernel = np.exp(-((pool[:, None] - pool) ** 2).sum(axis=-1) / 2.0)
    np.fill_diagonal(kernel, 0.0)
    first, second = list(first), [i for i in range(len(pool)) if i not in first]
    n, m = len(first), len(second)
    return (
        kernel[np.ix_(first, first)].sum() / (n * (n - 1))
        - 2.0 * kernel[np.ix_(first, second)].mean()
        + kernel[np.ix_(second, second)].sum() / (m * (m - 1))
    )


def test_statistic_is_the_unbiased_estimate():
    x, y = normals(30, 2), normals(20, 2, seed=1) + 0.5
    result = mmd.two_sample_test(x, y, KERNEL)
    np.testing.assert_allclose(
        result.statistic, unbiased(np.concatenate([x, y]).astype(np.float64), range(30)), rtol=1e-4
    )
    np.testing.assert_allclose(
        result.statistic, mmd.squared_mmd_two_samples(x, y, KERNEL), rtol=1e-4
    )
    assert {value.dtype for value in result} == {tf.float32}


CLASSES = np.eye(3)[[0, 0, 1, 0, 1, 2, 2]]


@pytest.mark.parametrize(
    "pool", [normals(7, 2).astype(np.float64), CLASSES], ids=["continuous", "ties"]
)
def test_p_value_is_the_share_of_all_splits(pool):
    values = np.array([unbiased(pool, split) for split in itertools.combinations(range(7), 3)])
    share = (values >= unbiased(pool, range(3)) - 1e-12).mean()
    assert 0.02 < share < 0.98
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=np.float64(1.0))
    result = mmd.two_sample_test(pool[:3], pool[3:], kernel, num_permutations=20_000)
    error = np.sqrt(share * (1.0 - share) / 20_000)
    assert abs(float(result.p_value) - share) < 5.0 * error


@pytest.mark.thorough
def test_rejects_equal_sides_in_five_percent_and_a_shift_almost_always():
    n, m = 40, 60

    @tf.function(autograph=False)
    def p_value(pool):
        return mmd.two_sample_test(pool[:n], pool[n:], KERNEL, num_permutations=200).p_value

    pools = normals(1000, n + m, 2)
    p_values = np.array([p_value(tf.constant(pool)) for pool in pools])
    assert 0.03 <= (p_values <= 0.05).mean() <= 0.07
    assert (p_values > 0.0).all() and (p_values <= 1.0).all()
    assert 0.4 < np.median(p_values) < 0.6
    shift = np.zeros((n + m, 2), np.float32)
    shift[:n, 0] = 1.0
    shifted = np.array([p_value(tf.constant(pool + shift)) for pool in pools[:200]])
    assert (shifted <= 0.05).mean() > 0.8


def test_default_kernel_follows_the_scale_of_the_pool():
    x, y = normals(60, 2), 0.5 * normals(50, 2, seed=1)
    result = mmd.two_sample_test(x, y)
    assert result.p_value < 0.01
    kernel = mmd.median_kernel(np.concatenate([x, y]), (1 / 8, 1 / 4, 1 / 2, 1.0))
    assert result == mmd.two_sample_test(x, y, kernel)
    scaled = mmd.two_sample_test(1000.0 * x, 1000.0 * y)
    np.testing.assert_allclose(scaled, result, rtol=1e-3)


def test_is_a_function_of_the_seed_in_graphs_too():
    x, y = tf.constant(normals(30, 2)), tf.constant(normals(20, 2, seed=1))

    def test(seed):
        return mmd.two_sample_test(x, y, KERNEL, 700, seed)

    assert test(3) == test(3)
    assert test(3).statistic == test(4).statistic
    assert test(3).p_value != test(4).p_value
    compiled = tf.function(
        lambda x, y: mmd.two_sample_test(x, y, KERNEL, 700, 3),
        input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([None, 2])],
        autograph=False,
    )
    np.testing.assert_allclose(compiled(x, y), test(3), rtol=1e-5)


def test_equal_rows_give_p_value_one():
    rows = np.ones((5, 2), np.float32)
    assert mmd.two_sample_test(rows, rows, KERNEL) == (0.0, 1.0)


class TestRefusals:
    @pytest.mark.parametrize("count", [0, -1, 2.0, True])
    def test_num_permutations(self, count):
        with pytest.raises(ValueError, match="`num_permutations` to be a positive integer"):
            mmd.two_sample_test(normals(5, 2), normals(5, 2), KERNEL, num_permutations=count)

    def test_seed(self):
        with pytest.raises(ValueError, match="Expected `seed` to be at least 0"):
            mmd.two_sample_test(normals(5, 2), normals(5, 2), KERNEL, seed=-1)

    def test_samples(self):
        with pytest.raises(TypeError, match="Expected `y` to have the dtype of `x`"):
            mmd.two_sample_test(normals(5, 2), normals(5, 2).astype(np.float64), KERNEL)
        with pytest.raises(ValueError, match=r"Expected `y` to have as many columns as `x.shape`"):
            mmd.two_sample_test(normals(5, 2), normals(5, 3), KERNEL)
        for argument, rows in (("x", (1, 5)), ("y", (5, 1))):
            with pytest.raises(ValueError, match=f"Expected `{argument}` to have at least 2 rows"):
                mmd.two_sample_test(normals(rows[0], 2), normals(rows[1], 2), KERNEL)
        with pytest.raises(ValueError, match="Expected `x` to be finite"):
            mmd.two_sample_test(normals(5, 2) * np.nan, normals(5, 2), KERNEL)

    def test_kernel(self):
        with pytest.raises(TypeError, match="Expected `kernel` to be a kernel of"):
            mmd.two_sample_test(normals(5, 2), normals(5, 2), "gaussian")

    def test_no_widths_without_a_kernel(self):
        rows = np.ones((5, 2), np.float32)
        with pytest.raises(ValueError, match="to have rows that differ"):
            mmd.two_sample_test(rows, rows)
