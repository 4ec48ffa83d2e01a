"""Measures what kernels of several widths see, for the tables of docs/mmd.md.

    python benchmarks/widths.py

The true MMD^2 between `priors.ring_mixture(10)` and laws near it, in units of the noise of the
unbiased estimate from 100 samples; all of it in closed form, since the laws are mixtures of
Gaussians. Then what that estimate does where both sides agree. Takes a minute of one core.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors

tfd = tfp.distributions
Kernel = tfp.math.psd_kernels.PositiveSemidefiniteKernel
COUNT = 100
BATCHES = 1000
FACTORS = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)


def mixture(weights: np.ndarray, locs: np.ndarray, covariances: np.ndarray) -> tfd.Distribution:
    """Returns a mixture of Gaussians in float64."""
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=weights),
        tfd.MultivariateNormalTriL(locs, np.linalg.cholesky(covariances)),
    )


def ring(count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the parts of a ring of `count` components, each as in `priors.ring_mixture(10)`."""
    ten = priors.ring_mixture(10)
    tangential = float(np.sqrt(ten.components_distribution.covariance()[0, 1, 1]))
    parts = priors.ring_mixture(count, tangential_scale=tangential).components_distribution
    locs = parts.mean().numpy().astype(np.float64) + np.array([shift, 0.0])
    return np.full(count, 1.0 / count), locs, parts.covariance().numpy().astype(np.float64)


def squared_mmd(first: tuple, second: tuple, kernel: Kernel) -> float:
    """Returns the true MMD^2 of two mixtures: 2 E_pp k + 2 E_qq k - 4 E_mm k, m their average."""
    both = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    both[0] = both[0] / 2.0
    norms = [
        float(mmd.mean_embedding_norm(mixture(*parts), kernel)) for parts in (first, second, both)
    ]
    return 2.0 * norms[0] + 2.0 * norms[1] - 4.0 * norms[2]


def agreement(prior: tfd.Distribution, kernel: Kernel) -> np.ndarray:
    """Returns standardised estimates from samples of the prior itself."""
    estimate = tf.function(lambda z: mmd.standardized_mmd(z, prior, kernel), autograph=False)
    batches = tf.split(prior.sample(BATCHES * COUNT, seed=[0, 1]), BATCHES)
    return np.array([estimate(batch).numpy() for batch in batches])


def main() -> None:
    """Prints both tables."""
    prior, parts = priors.ring_mixture(10), ring(10)
    covariance = np.cov(parts[1].T, bias=True) + parts[2].mean(axis=0)
    laws = {
        "Gaussian of its covariance": (np.ones(1), np.zeros((1, 2)), covariance[np.newaxis]),
        "ring without gaps": ring(200),
        "ring moved by 1": ring(10, shift=1.0),
    }
    draws = prior.sample(1000, seed=[0, 0])
    kernels = {"default_kernel": mmd.default_kernel(prior)}
    kernels |= {f"{factor:g} x median": mmd.median_kernel(draws, (factor,)) for factor in FACTORS}
    kernels["1/8, 1/4, 1/2, 1 x median"] = mmd.median_kernel(draws, (0.125, 0.25, 0.5, 1.0))
    print(f"Width at 1 x median: {float(kernels['1 x median'].length_scale):.2f}\n")
    print("| kernel | " + " | ".join(laws) + " |")
    print("|---" * (len(laws) + 1) + "|")
    for name, kernel in kernels.items():
        noise = np.sqrt(2.0 * mmd.null_variance(prior, kernel) / (COUNT * (COUNT - 1)))
        values = [squared_mmd(parts, law, kernel) / noise for law in laws.values()]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")

    print(f"\nWhere both sides agree, {BATCHES} batches of {COUNT}:\n")
    print("| kernel | negative | mean, in units of noise | standard deviation |")
    print("|---|---|---|---|")
    for name in ("default_kernel", "1 x median"):
        values = agreement(prior, kernels[name])
        error = values.std() / np.sqrt(BATCHES)
        print(
            f"| {name} | {100 * (values < 0).mean():.0f} % | {values.mean():.2f} ± {error:.2f} "
            f"| {values.std():.2f} |"
        )


if __name__ == "__main__":
    main()
