"""The running means behind the logs."""

from collections.abc import Mapping, Sequence

import keras

from aae_tf.divergences import Divergence


def make_trackers(
    reconstructs: bool, divergences: Mapping[str, Divergence], extra_keys: Sequence[str]
) -> dict[str, keras.metrics.Mean]:
    """Makes a metric for every log key but `loss`, which Keras tracks itself.

    Args:
        reconstructs: whether there is a reconstruction loss.
        divergences: divergence of each code, by the code's name.
        extra_keys: keys of the extra terms.

    Returns:
        Metrics by key, in the order of the logs.
    """
    keys = ["reconstruction_loss"] if reconstructs else []
    for code, divergence in divergences.items():
        keys.append(f"{code}_divergence")
        if divergence.has_discriminator:
            keys += [f"{code}_discriminator_loss", f"{code}_discriminator_accuracy"]
    return {key: keras.metrics.Mean(name=key) for key in (*keys, *extra_keys)}
