"""Outputs along paths through the codes, and the neighbours of a code."""

from typing import Any

import numpy as np
import tensorflow as tf
from scipy.spatial import distance

from aae_tf.checks import check_bool, check_dimension, check_integer
from aae_tf.data import check_array
from aae_tf.evaluation.arguments import check_entries
from aae_tf.models.generative_model import GenerativeModel

_NUM_SAMPLES = 2000


def interpolate(
    model: GenerativeModel,
    a: Any,
    b: Any,
    steps: int = 8,
    spherical: bool = False,
    class_probabilities: Any = None,
) -> np.ndarray:
    """Decodes codes on the way from one code to another, both ends included.

    The straight way through a Gaussian prior of many dimensions leads through its centre, which has
    a high density and next to no mass. The spherical way turns the direction at a constant speed
    and changes the distance from the origin evenly.

    Args:
        model: model with a decoder of arrays.
        a: float [code_dim], such as a row of `model.encode(x)`.
        b: float [code_dim].
        steps: number of codes, at least two.
        spherical: whether to turn about the origin. Opposite directions have no shortest way, and
            are refused.
        class_probabilities: float [num_classes], where the decoder receives them beside the
            latents.

    Returns:
        float32 [steps, ...], outputs of the decoder.

    Raises:
        TypeError: if a code holds no floats, or `steps` is no integer.
        ValueError: if a code is not finite or not of the model's width, there are fewer than two
            steps, or the spherical way is not defined.

    Example:

    >>> from aae_tf import AAE, networks, priors
    >>> encoder = networks.mlp_encoder((8, 8, 1), units=(16,))
    >>> decoder = networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,))
    >>> model = AAE(encoder, decoder, prior=priors.gaussian(2))
    >>> interpolate(model, [-1.0, 0.0], [1.0, 2.0], steps=5).shape
    (5, 8, 8, 1)

    References:
        White 2016, *Sampling generative networks*, section 2.1, for the spherical way.
    """
    check_integer("steps", steps, 2)
    check_bool("spherical", spherical)
    a, b = _code(model, "a", a), _code(model, "b", b)
    shares = np.linspace(0.0, 1.0, steps)[:, np.newaxis]
    codes = _turn(a, b, shares) if spherical else (1.0 - shares) * a + shares * b
    return _decode(model, codes, class_probabilities)


def traverse(
    model: GenerativeModel,
    code: Any = None,
    count: int = 9,
    class_probabilities: Any = None,
    seed: int = 0,
) -> np.ndarray:
    """Decodes codes that differ from one code in a single coordinate, for each coordinate.

    The coordinate runs through the quantiles (i + 1/2) / `count` of the prior's marginal, from
    2,000 samples.

    Args:
        model: model with a decoder of arrays.
        code: float [code_dim]; None draws it from the prior.
        count: values of each coordinate, positive.
        class_probabilities: float [num_classes], where the decoder receives them beside the
            latents; None draws them with the code.
        seed: integer, of the code that is drawn and of the prior's samples.

    Returns:
        float32 [code_dim, count, ...], outputs of the decoder.

    Raises:
        TypeError: if `code` holds no floats, or `count` or `seed` is no integer.
        ValueError: if `code` is not finite or not of the model's width, or `count` not positive.

    Example:

    >>> from aae_tf import AAE, networks, priors
    >>> encoder = networks.mlp_encoder((8, 8, 1), units=(16,))
    >>> decoder = networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,))
    >>> model = AAE(encoder, decoder, prior=priors.gaussian(2))
    >>> traverse(model, [0.0, 0.0], count=3).shape
    (2, 3, 8, 8, 1)
    """
    check_dimension("count", count)
    seeds = check_integer("seed", seed) + np.arange(_NUM_SAMPLES, dtype=np.int64)
    drawn = {name: values.numpy() for name, values in model.seed_codes(tf.constant(seeds)).items()}
    code = drawn["latents"][0] if code is None else _code(model, "code", code)
    if class_probabilities is None and "class_probabilities" in model.decoder_codes:
        class_probabilities = drawn["class_probabilities"][0]
    levels = (np.arange(count) + 0.5) / count
    values = np.quantile(drawn["latents"], levels, axis=0).T
    codes = np.tile(code, [len(code), count, 1])
    for coordinate, row in enumerate(values):
        codes[coordinate, :, coordinate] = row
    outputs = _decode(model, codes.reshape(-1, len(code)), class_probabilities)
    return outputs.reshape(len(code), count, *outputs.shape[1:])


def nearest(codes: Any, code: Any, count: int = 5) -> np.ndarray:
    """Finds the codes that are nearest to one code, by Euclidean distance.

    Args:
        codes: float [n, code_dim], such as `model.encode(x)`.
        code: float [code_dim].
        count: number of neighbours, positive, at most n.

    Returns:
        int64 [count], their rows, the nearest first; of equal distances the lower row.

    Raises:
        TypeError: if an argument holds no floats, or `count` is no integer.
        ValueError: if codes are not finite or not of one width, or `count` is out of its range.

    Example:

    >>> nearest([[0.0, 0.0], [3.0, 0.0], [0.5, 0.5]], [1.0, 0.0], count=2).tolist()
    [2, 0]
    """
    codes = check_entries("codes", codes, (None,))
    code = check_array([code], "code", [codes.shape[1]])
    check_integer("count", count, 1, len(codes))
    return np.argsort(distance.cdist(code, codes)[0], kind="stable")[:count]


def _code(model: GenerativeModel, argument: str, code: Any) -> np.ndarray:
    width = model.code_widths()["latents"]
    return check_array([code], argument, [width])[0].astype(np.float64)


def _turn(a: np.ndarray, b: np.ndarray, shares: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if 0.0 in lengths:
        raise ValueError(
            "Expected `a` and `b` to differ from the origin, about which the way turns. "
            f"Received: a={a}, b={b}."
        )
    angle = np.arccos(np.clip(a @ b / np.prod(lengths), -1.0, 1.0))
    if np.pi - angle < 1e-6:
        raise ValueError(
            "Expected `a` and `b` not to have opposite directions, between which no way is the "
            f"shortest. Received: a={a}, b={b}."
        )
    # sin(t angle) / sin(angle), which is t where both directions are equal.
    weights = (
        np.sinc(t * angle / np.pi) * t / np.sinc(angle / np.pi) for t in (1.0 - shares, shares)
    )
    first, second = weights
    radii = (1.0 - shares) * lengths[0] + shares * lengths[1]
    return radii * (first * a / lengths[0] + second * b / lengths[1])


def _decode(model: GenerativeModel, codes: np.ndarray, class_probabilities: Any) -> np.ndarray:
    if class_probabilities is not None:
        width = model.code_widths().get("class_probabilities")
        row = check_array([class_probabilities], "class_probabilities", [width])
        class_probabilities = np.repeat(row, len(codes), axis=0)
    return np.asarray(model.decode(codes.astype(np.float32), class_probabilities))
