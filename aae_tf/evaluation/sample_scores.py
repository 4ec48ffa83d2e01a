"""All distances of generated samples from data, on features of a classifier of that data."""

from typing import Any

import keras
import numpy as np

from aae_tf import data, networks
from aae_tf.checks import check_dimension, check_integer
from aae_tf.evaluation.arguments import check_entries
from aae_tf.evaluation.sample_quality import frechet_distance, kid_interval, prdc

_BATCH_SIZE = 128
_LEARNING_RATE = 1e-3
_NUM_SUBSETS = 50
# What the neighbours of `prdc` need.
LEAST_ROWS = 6


def feature_network(
    x: Any, y: Any, num_features: int = 64, epochs: int = 5, seed: int = 0
) -> keras.Model:
    """Trains a small classifier on data and returns it up to its last hidden layer.

    It has two fully connected layers, of 256 units and of `num_features`, and learns with Adam at
    a rate of 1e-3 in batches of 128. Nothing is downloaded: the features are those that tell the
    classes of `x` apart, and see little of what all classes share.

    Args:
        x: float [n, ...], at least two rows, in one unit.
        y: integers [n], their classes, two or more; rows of unknown class, -1, are left out.
        num_features: units of the last hidden layer.
        epochs: over the rows of known class.
        seed: non-negative integer that fixes weights and batches.

    Returns:
        `keras.Model` from [batch, ...] to float32 [batch, num_features].

    Raises:
        TypeError: if `x` holds no floats, or another argument no integers.
        ValueError: if `x` is not finite, `y` has another length or fewer than two classes, or an
            integer is out of its range.

    Example:

    >>> x = np.random.default_rng(0).random((64, 8, 8, 1))
    >>> feature_network(x, np.arange(64) % 2, num_features=16, epochs=1).output_shape
    (None, 16)
    """
    x = check_entries("x", x)
    y = data.check_labels(y, "y", required="some", size=len(x))
    check_dimension("num_features", num_features)
    check_dimension("epochs", epochs)
    check_integer("seed", seed)
    known = y >= 0
    x, classes = x[known], np.unique(y[known])
    if len(classes) < 2:
        raise ValueError(
            f"Expected `y` to hold at least two classes. Received: y of class {classes[0]} alone."
        )
    y = np.searchsorted(classes, y[known])
    inputs = keras.Input(x.shape[1:])
    scale = 1.0 / max(float(x.std()), 1e-6)
    layers = networks.mlp_encoder(
        x.shape[1:], (256, num_features), batch_normalization=True, seed=seed
    )
    features = layers(keras.layers.Rescaling(scale, -scale * float(x.mean()))(inputs))
    logits = keras.layers.Dense(
        len(classes), kernel_initializer=keras.initializers.GlorotUniform(seed)
    )(features)
    classifier = keras.Model(inputs, logits)
    classifier.compile(
        keras.optimizers.Adam(_LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # A program of XLA takes longer to make than this training takes.
        jit_compile=False,
    )
    batches = data.shuffled_batches(x, y, _BATCH_SIZE, seed)
    classifier.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    return keras.Model(inputs, features)


def sample_scores(
    real: Any,
    generated: Any,
    reference: Any = None,
    features: keras.Model | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures the distance of generated samples from data in every way that this package has.

    Args:
        real: float [n, ...], data, more than five rows.
        generated: float [m, ...], samples of a model, more than five.
        reference: float [k, ...], other data of the same distribution, more than five rows, to
            tell what the biased measure gives where nothing is wrong; k should be m, on which the
            bias depends, and `features` should not know these rows. None leaves that out.
        features: network from rows to float [batch, d], such as that of `feature_network`; None
            takes the values of the rows themselves.
        seed: non-negative integer that fixes the subsets of `kid_interval`.

    Returns:
        Ready for JSON: `frechet_distance`, biased upwards; `frechet_distance_of_data`, that of
        `reference` in the place of `generated`, with `reference` alone; `kid`, the unbiased
        squared MMD, with its `kid_standard_error`; `precision`, `recall`, `density` and
        `coverage`, see `prdc`; `num_samples`, m, and `num_features`, d.

    Raises:
        TypeError: if an array holds no floats.
        ValueError: if an array is not finite, has five rows or fewer, or rows of another shape.

    Example:

    >>> real, generated, other = np.random.default_rng(0).normal(size=(3, 300, 4))
    >>> scores = sample_scores(real, 0.5 * generated, other)
    >>> scores["frechet_distance"] > 10 * scores["frechet_distance_of_data"]
    True
    >>> scores["precision"] > 0.9, scores["coverage"] < 0.9
    (True, True)
    """
    check_integer("seed", seed)
    real = check_entries("real", real)
    arrays = {"real": real, "generated": data.check_array(generated, "generated", real.shape[1:])}
    if reference is not None:
        arrays["reference"] = data.check_array(reference, "reference", real.shape[1:])
    for name, rows in arrays.items():
        check_rows(name, rows)
    a, b, *others = (_features(rows, features) for rows in arrays.values())
    scores: dict[str, Any] = {"frechet_distance": frechet_distance(a, b)}
    for other in others:
        scores["frechet_distance_of_data"] = frechet_distance(a, other)
    value, error = kid_interval(a, b, _NUM_SUBSETS, seed=seed)
    return {
        **scores,
        "kid": value,
        "kid_standard_error": error,
        **prdc(a, b),
        "num_samples": len(b),
        "num_features": b.shape[1],
    }


def check_rows(argument: str, x: np.ndarray) -> None:
    """Raises a ValueError if there are too few rows to measure."""
    if len(x) < LEAST_ROWS:
        raise ValueError(
            f"Expected `{argument}` to have at least {LEAST_ROWS} rows. "
            f"Received: {argument}.shape={x.shape}."
        )


def _features(x: np.ndarray, network: keras.Model | None) -> np.ndarray:
    """Returns the features of rows as [n, d]."""
    if network is None:
        return x.reshape(len(x), -1)
    parts = [
        np.asarray(network(x[start : start + 1024], training=False), np.float32)
        for start in range(0, len(x), 1024)
    ]
    features = np.concatenate(parts)
    return features.reshape(len(features), -1)
