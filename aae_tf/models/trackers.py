"""The running means behind the logs."""

from collections.abc import Sequence

import keras

from aae_tf.divergences import Divergence


def make_trackers(
    divergences: dict[str, Divergence], extra_keys: Sequence[str]
) -> dict[str, keras.metrics.Mean]:
    """Makes a metric for every log key but `loss`, which Keras tracks itself.

    Args:
        divergences: divergence of each code, by the code's name.
        extra_keys: keys of the extra losses.

    Returns:
        Metrics by key, in the order of the logs.
    """
    keys = ["reconstruction_loss"]
    for code, divergence in divergences.items():
        keys.append(f"{code}_divergence")
        if divergence.has_discriminator:
            keys += [f"{code}_discriminator_loss", f"{code}_discriminator_accuracy"]
    return {key: keras.metrics.Mean(name=key) for key in (*keys, *extra_keys)}
