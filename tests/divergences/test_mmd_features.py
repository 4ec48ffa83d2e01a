"""MMD by random features, and the kernels of the package in saved models."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from aae_tf.divergences import MMD
from tests.models.rows import aae

psd_kernels = tfp.math.psd_kernels
MATERN = psd_kernels.MaternThreeHalves(np.float32(1.0), np.float32(1.5))
CODES = np.random.default_rng(0).normal(size=(40, 2)).astype("float32") + 0.5
SEED = (3, 4)

KERNELS = {
    "BlockProduct": mmd.BlockProduct([MATERN, MATERN + MATERN], [1, 1]),
    "CoordinateProduct": mmd.CoordinateProduct(MATERN),
    "Energy": mmd.Energy(0.7),
    "SlicedGaussian": mmd.SlicedGaussian(0.7),
    "FourierFeatures": mmd.FourierFeatures(MATERN, 2, 32, seed=5),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_survive_json(name):
    kernel = KERNELS[name]
    config = json.loads(json.dumps(priors.serialize(kernel)))
    assert config["type"] == f"registered:aae_tf>{name}"
    again = priors.deserialize(config)
    assert type(again) is type(kernel)
    np.testing.assert_array_equal(again.matrix(CODES, CODES), kernel.matrix(CODES, CODES))


@pytest.mark.sampled
@pytest.mark.parametrize("name", [*KERNELS, "num_features"])
def test_divergence_survives_saving(name, tmp_path):
    divergence = (
        MMD(kernel=MATERN, num_features=32, estimator="biased")
        if name == "num_features"
        else MMD(kernel=KERNELS[name], estimator="biased")
    )
    aae("deterministic", divergence, priors.gaussian(2)).save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").divergence
    expected = divergence.compare(CODES, SEED).encoder_loss
    np.testing.assert_array_equal(again.compare(CODES, SEED).encoder_loss, expected)
    assert type(again.kernel) is type(divergence.kernel)


@pytest.mark.parametrize("prior_terms", ["closed_form", "sampled"])
@pytest.mark.parametrize("estimator", ["unbiased", "biased", "linear"])
def test_features_stand_for_the_kernel(estimator, prior_terms):
    divergence = MMD(MATERN, estimator, prior_terms, num_features=64)
    prior = priors.gaussian(2)
    divergence.connect(prior, seed=7)
    kernel = mmd.FourierFeatures(MATERN, 2, 64, seed=7)
    weight = np.random.default_rng(1).random(40, dtype="float32")
    value = divergence.compare(CODES, SEED, weight).encoder_loss
    if prior_terms == "closed_form":
        expected = mmd.squared_mmd(CODES, prior, kernel, estimator, weight)
    else:
        draws = priors.sample(prior, 40, seed=SEED)
        expected = mmd.squared_mmd_two_samples(CODES, draws, kernel, estimator, weight)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    config = divergence.get_config()
    assert config["num_features"] == 64
    assert config["kernel"]["type"] == "tfp.math.psd_kernels.MaternThreeHalves"


def test_features_of_the_default_kernel_and_their_noise():
    prior = priors.gaussian(2)
    divergence = MMD(num_features=64, standardized=True)
    divergence.connect(prior, seed=7)
    kernel = mmd.FourierFeatures(mmd.default_kernel(prior), 2, 64, seed=7)
    value = divergence.compare(CODES, SEED).encoder_loss
    np.testing.assert_allclose(value, mmd.standardized_mmd(CODES, prior, kernel), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MMD(num_features=0), "`num_features` to be a positive integer"),
        (
            lambda: MMD(num_features=8, posterior_terms="closed_form"),
            "`num_features` to be None where the posterior.* num_features=8",
        ),
        (
            lambda: MMD(num_features=8).connect(priors.ring_mixture(3), 0, num_classes=3),
            "`num_features` to be None where labels .* num_features=8, num_classes=3",
        ),
        (
            lambda: MMD(num_features=7).connect(priors.gaussian(2), 0),
            "`num_features` to be even",
        ),
        (
            lambda: MMD(psd_kernels.Linear(), num_features=8).connect(priors.gaussian(2), 0),
            "`kernel` to be a Gaussian, rational quadratic or Matern kernel",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_step_is_linear_in_the_batch():
    divergence = MMD(num_features=16)
    divergence.connect(priors.gaussian(2), seed=0)
    count = 1009
    graph = (
        tf.function(lambda codes: divergence.compare(codes, SEED).encoder_loss, autograph=False)
        .get_concrete_function(tf.TensorSpec([count, 2]))
        .graph
    )
    sizes = [
        output.shape.num_elements() or 0 for op in graph.get_operations() for output in op.outputs
    ]
    assert max(sizes) <= count * 32
