import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from sklearn.neighbors import KernelDensity

from aae_tf import evaluation
from aae_tf.evaluation import gaussian_windows

RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(1500, 3)).astype(np.float32)
X = RNG.normal(1.0, 1.0, size=(1100, 3)).astype(np.float32)


def by_hand(x, samples, sigma):
    """The definition, in NumPy and float64, by differences of all pairs."""
    x, samples = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (x, samples))
    distances = np.square(x[:, np.newaxis] - samples).sum(axis=2)
    logs = -distances / (2 * sigma**2) - x.shape[1] * np.log(np.sqrt(2 * np.pi) * sigma)
    return special.logsumexp(logs, axis=1) - np.log(len(samples))


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class TestLogLikelihood:
    @pytest.mark.parametrize("sigma", [0.05, 0.4, 30.0])
    def test_is_the_definition(self, sigma):
        values = evaluation.parzen_log_likelihood(X, SAMPLES, sigma)
        assert values.dtype == np.float64
        assert values.shape == (1100,)
        np.testing.assert_allclose(values, by_hand(X, SAMPLES, sigma), rtol=1e-5, atol=2e-3)

    def test_agrees_with_scikit_learn(self):
        density = KernelDensity(kernel="gaussian", bandwidth=0.3).fit(SAMPLES)
        values = evaluation.parzen_log_likelihood(X, SAMPLES, 0.3)
        np.testing.assert_allclose(values, density.score_samples(X), atol=2e-3)

    def test_one_sample_is_one_gaussian(self):
        values = evaluation.parzen_log_likelihood(X[:5], np.ones((1, 3)), 0.5)
        expected = stats.multivariate_normal(np.ones(3), 0.25).logpdf(X[:5])
        np.testing.assert_allclose(values, expected, rtol=1e-5)

    def test_images_are_vectors(self):
        x, samples = RNG.random((4, 2, 3, 1)), RNG.random((6, 2, 3, 1))
        values = evaluation.parzen_log_likelihood(x, samples, 0.2)
        np.testing.assert_allclose(values, by_hand(x, samples, 0.2), rtol=1e-4)

    @pytest.mark.parametrize(
        "samples",
        [
            lambda: (SAMPLES[i : i + 700] for i in range(0, 1500, 700)),
            (SAMPLES[i : i + 7] for i in range(0, 1500, 7)),
            (SAMPLES[:0], SAMPLES),
            tf.data.Dataset.from_tensor_slices(SAMPLES).batch(400),
            SAMPLES.tolist(),
            tf.constant(SAMPLES),
            lambda: SAMPLES,
        ],
        ids=["function", "generator", "tuple", "dataset", "list", "tensor", "function of array"],
    )
    def test_chunks_make_no_difference(self, samples):
        whole = evaluation.parzen_log_likelihood(X[:20], SAMPLES, 0.3)
        values = evaluation.parzen_log_likelihood(X[:20], samples, 0.3)
        np.testing.assert_allclose(values, whole, rtol=1e-6)

    def test_close_points_far_from_the_origin_do_not_cancel(self):
        # Centring helps with the first offset, not with two groups that lie far apart.
        x = np.repeat([[300.0, 0.0], [700.0, 0.0]], 20, axis=0) + RNG.normal(0, 0.05, (40, 2))
        x = x.astype(np.float32)
        samples = x[::-1] + RNG.normal(0, 0.05, (40, 2)).astype(np.float32)
        values = evaluation.parzen_log_likelihood(x, samples, 0.05)
        np.testing.assert_allclose(values, by_hand(x, samples, 0.05), atol=1e-3)

    def test_rounding_is_within_its_tolerance(self, monkeypatch):
        x, samples = RNG.random((2, 200, 784), dtype=np.float32)
        exact = by_hand(x[:50], samples, 0.15)
        values = evaluation.parzen_log_likelihood(x[:50], samples, 0.15)
        np.testing.assert_allclose(values, exact, atol=0.01)
        # Double precision, as on a GPU whose products keep ten bits.
        monkeypatch.setattr(gaussian_windows, "_unit_roundoff", lambda: 2.0**-11)
        values = evaluation.parzen_log_likelihood(x[:50], samples, 0.15)
        np.testing.assert_allclose(values, exact, atol=1e-8)

    def test_coarse_products_of_a_gpu_are_known(self, monkeypatch):
        assert gaussian_windows._unit_roundoff() == 2.0**-24
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
        assert gaussian_windows._unit_roundoff() == 2.0**-11

    @pytest.mark.parametrize("sigma", [1e-30, 1e30])
    def test_widths_at_the_ends_of_float32(self, sigma):
        x = np.array([[0.0], [1.0]])
        values = evaluation.parzen_log_likelihood(x, x[:1], sigma)
        expected = -0.5 * (x[:, 0] / sigma) ** 2 - np.log(np.sqrt(2 * np.pi) * sigma)
        np.testing.assert_allclose(values, expected, rtol=1e-6)

    @pytest.mark.thorough
    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc is Linux's")
    def test_memory_does_not_grow_with_the_samples(self):
        resident = []

        def chunks():
            # 60 chunks of 4 MB: 240 MB if they were kept.
            for i in range(60):
                resident.append(resident_bytes())
                yield np.random.default_rng(i).random((1000, 1000), dtype=np.float32)

        evaluation.parzen_log_likelihood(np.zeros((10, 1000)), chunks, 1.0)
        assert max(resident[10:]) - resident[10] < 40e6

    def test_refuses_arguments(self):
        with pytest.raises(TypeError, match="Expected `x` to be an array of floats"):
            evaluation.parzen_log_likelihood([1], SAMPLES, 1.0)
        with pytest.raises(ValueError, match="Expected `x` to have at least one entry"):
            evaluation.parzen_log_likelihood(X[:0], SAMPLES, 1.0)
        with pytest.raises(ValueError, match=r"Expected `samples` to have rows of shape \(3,\)"):
            evaluation.parzen_log_likelihood(X, SAMPLES[:, :2], 1.0)
        with pytest.raises(ValueError, match="Expected `samples` to have finite values"):
            evaluation.parzen_log_likelihood(X, iter([SAMPLES, SAMPLES * np.nan]), 1.0)
        with pytest.raises(TypeError, match="Expected `samples` to be an array, or to yield arr"):
            evaluation.parzen_log_likelihood(X, 3, 1.0)
        with pytest.raises(ValueError, match="Expected `samples` to have at least one row"):
            evaluation.parzen_log_likelihood(X, iter([]), 1.0)
        with pytest.raises(TypeError, match="Expected `sigma` to be a number"):
            evaluation.parzen_log_likelihood(X, SAMPLES, "1")
        with pytest.raises(ValueError, match="Expected `sigma` to be positive"):
            evaluation.parzen_log_likelihood(X, SAMPLES, 0.0)


class TestBandwidth:
    @pytest.mark.sampled
    @pytest.mark.parametrize(("scale", "dim"), [(1e-3, 1), (1e4, 20)])
    def test_is_the_best_of_all(self, scale, dim):
        samples, x = scale * RNG.normal(size=(200, dim)), scale * RNG.normal(size=(100, dim))
        sigma = evaluation.parzen_bandwidth(samples, x)
        fine = sigma * np.geomspace(0.25, 4.0, 281)
        likelihoods = [by_hand(x, samples, s).mean() for s in fine]
        best = fine[np.argmax(likelihoods)]
        assert sigma == pytest.approx(best, rel=0.03)
        assert by_hand(x, samples, sigma).mean() > max(likelihoods) - 2.5e-4 * dim

    def test_of_a_model_that_gives_one_sample_is_the_distance_to_it(self):
        # The best sigma^2 is then the mean squared distance per dimension.
        x = RNG.normal(3.0, 1.0, size=(500, 4))
        expected = np.sqrt(np.square(x).mean())
        sigma = evaluation.parzen_bandwidth(np.zeros((10, 4)), x)
        assert sigma == pytest.approx(expected, rel=0.02)

    def test_chunks_make_no_difference(self):
        def chunks():
            return (SAMPLES[i : i + 400] for i in range(0, 1500, 400))

        x = SAMPLES[:100] + 0.3
        whole = evaluation.parzen_bandwidth(SAMPLES, x)
        assert evaluation.parzen_bandwidth(chunks, x) == pytest.approx(whole, rel=0.05)
        grid = [0.8, 0.1, 0.2, 0.4]
        assert evaluation.parzen_bandwidth(chunks(), x, grid) in grid

    def test_chooses_from_a_grid(self):
        grid = np.geomspace(0.05, 2.0, 9)
        expected = grid[np.argmax([by_hand(X[:200], SAMPLES, s).mean() for s in grid])]
        assert evaluation.parzen_bandwidth(SAMPLES, X[:200], grid) == expected

    @pytest.mark.parametrize("grid", [[1e-3, 1e-2, 2e-2], [5.0, 6.0, 9.0]])
    def test_refuses_a_grid_that_ends_before_the_best(self, grid):
        with pytest.raises(ValueError, match=r"Expected `sigmas` to reach beyond .* the best is "):
            evaluation.parzen_bandwidth(SAMPLES, X[:200], grid)

    def test_refuses_samples_that_hold_the_data(self):
        message = "Expected `x` to be held out: rows that are not among `samples`"
        with pytest.raises(ValueError, match=message):
            evaluation.parzen_bandwidth(SAMPLES, SAMPLES[:100])
        with pytest.raises(ValueError, match=message):
            evaluation.parzen_bandwidth(np.ones((3, 2)), np.ones((2, 2)))

    def test_refuses_arguments(self):
        with pytest.raises(ValueError, match="Expected `x` to have at least one entry"):
            evaluation.parzen_bandwidth(SAMPLES, X[:0])
        with pytest.raises(TypeError, match="Expected `samples` to be an array, or a function"):
            evaluation.parzen_bandwidth(iter([SAMPLES]), X)
        with pytest.raises(ValueError, match="Expected `samples` to have at least one row"):
            evaluation.parzen_bandwidth(lambda: iter([]), X)
        with pytest.raises(ValueError, match="Expected `sigmas` to be at least three different"):
            evaluation.parzen_bandwidth(SAMPLES, X, [0.1, 0.1, 0.2])
        with pytest.raises(ValueError, match="Expected `sigmas` to be positive"):
            evaluation.parzen_bandwidth(SAMPLES, X, [0.1, 0.0, 0.2])


class TestParzen:
    def test_measures_a_known_density(self):
        seeds = []

        def sample(n, seed):
            seeds.append(seed)
            return np.random.default_rng(seed).normal(size=(n, 1))

        x_validation, x_test = RNG.normal(size=(500, 1)), RNG.normal(size=(2000, 1))
        numbers = evaluation.parzen(sample, x_validation, x_test, 5000, seed=3, chunk_size=1800)
        exact = stats.norm.logpdf(x_test)
        # A window of the best width loses about 0.01 nat in one dimension.
        assert numbers["log_likelihood"] == pytest.approx(exact.mean(), abs=0.02)
        assert numbers["standard_error"] == pytest.approx(stats.sem(exact, axis=None), rel=0.1)
        assert numbers["num_samples"] == 5000
        samples = np.concatenate(
            [
                np.random.default_rng(seed).normal(size=(n, 1))
                for seed, n in zip(seeds[-3:], [1800, 1800, 1400], strict=True)
            ]
        )
        expected = evaluation.parzen_log_likelihood(x_test, samples, numbers["sigma"]).mean()
        assert numbers["log_likelihood"] == pytest.approx(expected, rel=1e-6)
        assert len(set(seeds)) == 3
        assert all(0 <= seed < 2**31 for seed in seeds)
        assert json.loads(json.dumps(numbers)) == numbers

    def test_is_a_function_of_the_seed(self):
        def sample(n, seed):
            return np.random.default_rng(seed).normal(size=(n, 2))

        first = evaluation.parzen(sample, X[:50, :2], X[50:99, :2], 200, seed=1)
        assert evaluation.parzen(sample, X[:50, :2], X[50:99, :2], 200, seed=1) == first
        assert evaluation.parzen(sample, X[:50, :2], X[50:99, :2], 200, seed=2) != first

    def test_takes_arrays(self):
        numbers = evaluation.parzen(SAMPLES, X[:300], X[300:600])
        sigma = evaluation.parzen_bandwidth(SAMPLES, X[:300])
        expected = evaluation.parzen_log_likelihood(X[300:600], SAMPLES, sigma).mean()
        assert (numbers["sigma"], numbers["num_samples"]) == (sigma, 1500)
        assert numbers["log_likelihood"] == pytest.approx(expected, rel=1e-6)

    def test_refuses_a_sampler_that_ignores_its_seed(self):
        rng = np.random.default_rng(0)
        with pytest.raises(ValueError, match="to give the same for the same `seed`"):
            evaluation.parzen(lambda n, seed: rng.normal(size=(n, 3)), X[:50], X[50:99])
        with pytest.raises(ValueError, match="to give other samples for another `seed`"):
            evaluation.parzen(lambda n, seed: SAMPLES[:n], X[:50], X[50:99], 200, chunk_size=150)

    def test_measures_a_model(self, make_aae, images):
        model = make_aae()
        numbers = evaluation.parzen(model.sample, images[:30], images[30:], 100, chunk_size=60)
        assert np.isfinite(list(numbers.values())).all()

    def test_refuses_arguments(self):
        def sample(n, seed):
            return np.zeros((n, 4))

        with pytest.raises(ValueError, match="Expected `x_test` to have at least two rows"):
            evaluation.parzen(sample, X, X[:1])
        with pytest.raises(ValueError, match="Expected `x_validation` to have at least one entry"):
            evaluation.parzen(sample, X[:0], X)
        with pytest.raises(ValueError, match="Expected `x_validation` to have rows of the shape"):
            evaluation.parzen(sample, X[:, :2], X)
        with pytest.raises(ValueError, match=r"Expected `samples` to have rows of shape \(3,\)"):
            evaluation.parzen(sample, X, X)
        with pytest.raises(ValueError, match="Expected `num_samples` to be a positive integer"):
            evaluation.parzen(sample, X, X, 0)
        with pytest.raises(ValueError, match="Expected `chunk_size` to be a positive integer"):
            evaluation.parzen(sample, X, X, chunk_size=0)
        with pytest.raises(TypeError, match="Expected `seed` to be an integer"):
            evaluation.parzen(sample, X, X, seed=None)
