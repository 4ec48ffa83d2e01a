"""Bad arguments: every one by one function, and a sample of them by every other function."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd

tfd = tfp.distributions
ExponentiatedQuadratic = tfp.math.psd_kernels.ExponentiatedQuadratic

NORMAL = tfd.MultivariateNormalDiag(tf.zeros(2))
KERNEL = ExponentiatedQuadratic(length_scale=1.0)
POINTS = np.zeros((3, 2), np.float32)

OF_DISTRIBUTION = {
    "mean_embedding": lambda d: mmd.mean_embedding(d, KERNEL, POINTS),
    "mean_embedding_norm": lambda d: mmd.mean_embedding_norm(d, KERNEL),
    "squared_mmd": lambda d: mmd.squared_mmd(POINTS, d, KERNEL),
    "squared_mmd_of_gaussians": lambda d: mmd.squared_mmd_of_gaussians(POINTS, POINTS, d, KERNEL),
    "has_mean_embedding": lambda d: mmd.has_mean_embedding(d, KERNEL),
    "default_kernel": mmd.default_kernel,
    "null_variance": lambda d: mmd.null_variance(d, KERNEL),
    "goodness_of_fit": lambda d: mmd.goodness_of_fit(POINTS, d),
    "standardized_mmd": lambda d: mmd.standardized_mmd(POINTS, d, KERNEL),
    "witness": lambda d: mmd.witness(POINTS, POINTS, d, KERNEL),
}
OF_KERNEL = {
    "mean_embedding": lambda k: mmd.mean_embedding(NORMAL, k, POINTS),
    "mean_embedding_norm": lambda k: mmd.mean_embedding_norm(NORMAL, k),
    "squared_mmd": lambda k: mmd.squared_mmd(POINTS, NORMAL, k),
    "squared_mmd_of_gaussians": lambda k: mmd.squared_mmd_of_gaussians(POINTS, POINTS, NORMAL, k),
    "squared_mmd_two_samples": lambda k: mmd.squared_mmd_two_samples(POINTS, POINTS, k),
    "has_mean_embedding": lambda k: mmd.has_mean_embedding(NORMAL, k),
    "null_variance": lambda k: mmd.null_variance(NORMAL, k),
    "goodness_of_fit": lambda k: mmd.goodness_of_fit(POINTS, NORMAL, k),
    "standardized_mmd": lambda k: mmd.standardized_mmd(POINTS, NORMAL, k),
    "two_sample_test": lambda k: mmd.two_sample_test(POINTS, POINTS, k),
    "witness": lambda k: mmd.witness(POINTS, POINTS, NORMAL, k),
}
OF_POINTS = {
    "points": lambda x: mmd.mean_embedding(NORMAL, KERNEL, x),
    "samples": lambda x: mmd.squared_mmd(x, NORMAL, KERNEL),
    "means": lambda x: mmd.squared_mmd_of_gaussians(x, x, NORMAL, KERNEL),
    "variances": lambda x: mmd.squared_mmd_of_gaussians(POINTS, x, NORMAL, KERNEL),
    "x": lambda x: mmd.squared_mmd_two_samples(x, POINTS, KERNEL),
    "y": lambda x: mmd.squared_mmd_two_samples(POINTS, x, KERNEL),
}
OF_ESTIMATOR = {
    "squared_mmd": lambda e, x: mmd.squared_mmd(x, NORMAL, KERNEL, e),
    "means": lambda e, x: mmd.squared_mmd_of_gaussians(x, x, NORMAL, KERNEL, e),
    "x": lambda e, x: mmd.squared_mmd_two_samples(x, POINTS, KERNEL, e),
    "y": lambda e, x: mmd.squared_mmd_two_samples(POINTS, x, KERNEL, e),
}
OF_WEIGHTS = {
    "weights": lambda w: mmd.squared_mmd(POINTS, NORMAL, KERNEL, weights=w),
    "weights of Gaussians": lambda w: mmd.squared_mmd_of_gaussians(
        POINTS, POINTS, NORMAL, KERNEL, weights=w
    ),
    "x_weights": lambda w: mmd.squared_mmd_two_samples(POINTS, POINTS, KERNEL, x_weights=w),
}


def _by_every_function(functions, cases, sample):
    """Pairs all `cases` with the first function, and those of index `sample` with all others."""
    first, *others = functions
    pairs = [(first, *case) for case in cases]
    return pairs + [(function, *cases[index]) for function in others for index in sample]


BAD_DISTRIBUTIONS = [
    (KERNEL, TypeError, "`distribution` to be a tfd.Distribution. Received: distribution=<"),
    (tfd.Normal(0.0, 1.0), ValueError, r"event_shape \[d\]; .*event_shape=\(\)"),
    (tfd.Sample(NORMAL, 3), ValueError, r"event_shape \[d\]; .*event_shape=\(3, 2\)"),
    (
        tfd.JointDistributionSequential([NORMAL, NORMAL]),
        ValueError,
        r"event_shape \[d\]; .*event_shape=\[TensorShape",
    ),
    (
        tfd.MultivariateNormalDiag(tf.zeros([4, 2])),
        ValueError,
        r"batch_shape \[\]. Received: distribution.batch_shape=\(4,\)",
    ),
]


@pytest.mark.parametrize(
    ("function", "distribution", "error", "message"),
    _by_every_function(OF_DISTRIBUTION, BAD_DISTRIBUTIONS, [0, 4]),
)
def test_distribution(function, distribution, error, message):
    with pytest.raises(error, match=message):
        OF_DISTRIBUTION[function](distribution)


def test_distribution_of_unknown_length():
    @tf.function(input_signature=[tf.TensorSpec([None])], autograph=False)
    def trace(loc):
        return mmd.mean_embedding_norm(tfd.MultivariateNormalDiag(loc), KERNEL)

    with pytest.raises(ValueError, match=r"event_shape \[d\]; .*event_shape=\(None,\)"):
        trace.get_concrete_function()


BAD_KERNELS = [
    (NORMAL, TypeError, "`kernel` to be a kernel of tfp.math.psd_kernels. Received: kernel="),
    (
        ExponentiatedQuadratic(feature_ndims=2),
        ValueError,
        "feature_ndims 1. Received: kernel.feature_ndims=2",
    ),
    (
        ExponentiatedQuadratic(length_scale=[1.0, 2.0]),
        ValueError,
        r"batch_shape \[\]. Received: kernel.batch_shape=\(2,\)",
    ),
    (
        ExponentiatedQuadratic(length_scale=0.0),
        ValueError,
        "positive length_scale. Received: kernel.length_scale=0.0",
    ),
    (
        KERNEL + ExponentiatedQuadratic(length_scale=-2.0),
        ValueError,
        r"positive length_scale. Received: kernel.kernels\[1\].length_scale=-2.0",
    ),
    (
        ExponentiatedQuadratic(inverse_length_scale=0.0),
        ValueError,
        "positive inverse_length_scale. Received: kernel.inverse_length_scale=0.0",
    ),
    (
        ExponentiatedQuadratic(amplitude=np.nan),
        ValueError,
        "positive amplitude. Received: kernel.amplitude=nan",
    ),
]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("function", "kernel", "error", "message"), _by_every_function(OF_KERNEL, BAD_KERNELS, [0, 4])
)
def test_kernel(function, kernel, error, message):
    with pytest.raises(error, match=message):
        OF_KERNEL[function](kernel)
    with pytest.raises(error, match=message):
        tf.function(lambda: OF_KERNEL[function](kernel)).get_concrete_function()


BAD_POINTS = [
    (np.zeros((3, 2), np.int32), TypeError, "float32 or float64. Received: {}.dtype=int32"),
    (np.zeros((3, 2), np.float16), TypeError, "float32 or float64. Received: {}.dtype=float16"),
    (np.zeros(2, np.float32), ValueError, r"shape \[n, d\] .* Received: {}.shape=\(2,\)"),
    (
        np.zeros((3, 2, 2), np.float32),
        ValueError,
        r"shape \[n, d\] with d known. Received: {}.shape=\(3, 2, 2\)",
    ),
    (
        np.array([[np.nan, 0.0], [0.0, -np.inf]], np.float32),
        ValueError,
        "`{}` to be finite. Received: {} with 2 NaN or infinite values",
    ),
]


@pytest.mark.parametrize(
    ("name", "points", "error", "message"), _by_every_function(OF_POINTS, BAD_POINTS, [0, 4])
)
def test_points(name, points, error, message):
    with pytest.raises(error, match=message.replace("{}", name)):
        OF_POINTS[name](points)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("points", r"`points` .* `distribution.event_shape` .* points.shape=\(3, 5\)"),
        ("samples", r"`samples` .* `distribution.event_shape` .* samples.shape=\(3, 5\)"),
        ("means", r"`means` .* `distribution.event_shape` .* means.shape=\(3, 5\)"),
        ("variances", r"`variances` .* shape of `means`. .* variances.shape=\(3, 5\)"),
        ("x", r"`y` to have as many columns .* y.shape=\(3, 2\), x.shape=\(3, 5\)"),
        ("y", r"`y` to have as many columns .* y.shape=\(3, 5\), x.shape=\(3, 2\)"),
    ],
)
def test_dimensions(name, message):
    with pytest.raises(ValueError, match=message):
        OF_POINTS[name](np.zeros((3, 5), np.float32))


def test_points_of_unknown_dimension():
    @tf.function(input_signature=[tf.TensorSpec([None, None])], autograph=False)
    def trace(x):
        return mmd.squared_mmd(x, NORMAL, KERNEL)

    with pytest.raises(ValueError, match=r"d known. Received: samples.shape=\(None, None\)"):
        trace.get_concrete_function()


def test_two_samples_of_different_dtypes():
    with pytest.raises(TypeError, match=r"dtype of `x`. Received: x.dtype=float64, y.d"):
        mmd.squared_mmd_two_samples(POINTS.astype("float64"), POINTS, KERNEL)


@pytest.mark.parametrize("function", OF_ESTIMATOR)
def test_estimator(function):
    message = "`estimator` to be one of 'unbiased', 'biased', 'linear'. Received: estimator='cubic'"
    with pytest.raises(ValueError, match=message):
        OF_ESTIMATOR[function]("cubic", POINTS)


@pytest.mark.parametrize("function", OF_ESTIMATOR)
@pytest.mark.parametrize(("estimator", "count"), [("unbiased", 1), ("biased", 0)])
def test_count(function, estimator, count):
    name = {"squared_mmd": "samples"}.get(function, function)
    message = (
        rf"`{name}` to have at least {count + 1} rows for the {estimator} estimator. "
        rf"Received: {name}.shape=\({count}, 2\)"
    )
    with pytest.raises(ValueError, match=message):
        OF_ESTIMATOR[function](estimator, POINTS[:count])
    assert np.isfinite(OF_ESTIMATOR[function](estimator, POINTS[: count + 1]))


BAD_WEIGHTS = [
    (np.ones(4), r"one entry per row. Received: {}.shape=\(4,\), rows=3"),
    (np.ones((3, 1)), r"one entry per row. Received: {}.shape=\(3, 1\), rows=3"),
    ([1.0, -1.0, 2.0], r"finite and not negative. Received: {}=\[ 1. -1.  2.\]"),
    ([1.0, np.nan, 2.0], r"finite and not negative. Received: {}=\[ 1. nan  2.\]"),
]


@pytest.mark.parametrize(
    ("name", "weights", "message"), _by_every_function(OF_WEIGHTS, BAD_WEIGHTS, [0, 3])
)
def test_weights(name, weights, message):
    argument = name.split()[0]
    with pytest.raises(ValueError, match=f"`{argument}` to .*{message}".replace("{}", argument)):
        OF_WEIGHTS[name](weights)
