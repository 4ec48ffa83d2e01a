"""The numbers of a trained model on held-out data."""

from typing import Any

import numpy as np

from aae_tf import data
from aae_tf.checks import check_dimension
from aae_tf.evaluation.prior_mismatch import prior_mismatch
from aae_tf.models import AAE, Batch

_ROWS = 1024


def evaluate_model(model: AAE, x: Any, batch_size: int = 100, seed: int = 0) -> dict[str, Any]:
    """Measures how well a model reconstructs and how closely its codes follow the prior.

    - `half_squared_error`: 0.5 |x - x'|^2 per image, nats, x' decoded from the mean code;
    - `mmd_squared`: unbiased estimate of the squared maximum mean discrepancy between codes and
      prior under `mmd.default_kernel`, from at most 2,000 of the codes; about zero, of either
      sign, where both agree;
    - `standardized_mmd`: the same in standard deviations of its noise; below 2, the codes cannot
      be told from the prior;
    - `code_mean`, `code_stddev`: of each coordinate of the codes;
    - what `model.evaluate` gives, by the names of the logs: with an adversarial divergence,
      `latent_discriminator_accuracy` is the discriminator's on the codes of `x`.

    Codes are samples of q(z|x), which is what the prior is matched to.

    Args:
        model: compiled model.
        x: float [n, ...], inputs that were not trained on, at least two.
        batch_size: examples at a time. The divergence is an average over batches, so it depends
            on this: compare values of one size only.
        seed: non-negative integer that fixes the codes, which of them enter `mmd_squared`, and
            the prior's samples where its terms have no closed form.

    Returns:
        Numbers and lists of numbers by name, ready for JSON.

    Raises:
        TypeError: if `x` is no array of floats.
        ValueError: if `x` is not finite or not of the encoder's input shape, has fewer than two
            rows, or `batch_size` is no positive integer.

    Example:

    >>> from aae_tf import networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> numbers = evaluate_model(model, np.random.default_rng(0).random((50, 4)))
    >>> sorted(numbers)[:4]
    ['code_mean', 'code_stddev', 'half_squared_error', 'latent_discriminator_accuracy']

    References:
        Gretton et al. 2012, lemma 6.
    """
    check_dimension("batch_size", batch_size)
    x = data.check_array(x, "x", model.encoder.input_shape[1:])
    if len(x) < 2:
        raise ValueError(f"Expected `x` to have at least two rows. Received: x.shape={x.shape}.")
    logs = model.evaluate(x, batch_size=batch_size, verbose=0, return_dict=True)
    errors = np.square(x - model.reconstruct(x), dtype=np.float64)
    codes = _sample_codes(model, x, seed)
    mmd_squared, noise = prior_mismatch(codes, model.prior, seed)
    return {
        "half_squared_error": 0.5 * float(errors.sum()) / len(x),
        "mmd_squared": mmd_squared,
        "standardized_mmd": mmd_squared / noise,
        "code_mean": codes.mean(axis=0, dtype=np.float64).tolist(),
        "code_stddev": codes.std(axis=0, dtype=np.float64).tolist(),
        **{key: float(value) for key, value in logs.items()},
    }


def _sample_codes(model: AAE, x: np.ndarray, seed: int) -> np.ndarray:
    starts = range(0, len(x), _ROWS)
    return np.concatenate(
        [
            model.sample_codes(
                Batch(x[start : start + _ROWS], None, None), [seed, start], training=False
            )["latents"]
            for start in starts
        ]
    )
