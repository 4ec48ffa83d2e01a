"""Samples of every code of a model."""

from typing import Any

import numpy as np

from aae_tf.models import BaseAAE, Batch

_ROWS = 1024


def sample_codes(model: BaseAAE, x: np.ndarray, y: Any, seed: int) -> dict[str, np.ndarray]:
    """Draws one sample of each code for every input, as in evaluation: without noise of training.

    Args:
        model: model with an encoder.
        x: float [n, ...], inputs of its shape.
        y: integers [n], their classes, -1 where unknown; None if there are none.
        seed: non-negative integer that fixes the samples of stochastic posteriors.

    Returns:
        float32 [n, width] by the name of the code.
    """
    labels = np.full(len(x), -1) if y is None else np.asarray(y)
    batches: dict[str, list[Any]] = {name: [] for name in model.codes}
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        batch = Batch(x[rows], labels[rows].astype(np.int32), None)
        samples = model.sample_codes(batch, [seed, start], training=False)
        for name, code in model.codes.items():
            batches[name].append(np.asarray(samples[code.output], np.float32))
    return {name: np.concatenate(parts) for name, parts in batches.items()}
