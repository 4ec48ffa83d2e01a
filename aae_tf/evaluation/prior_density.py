"""The density of a prior on the grid of a figure, whatever the prior is."""

import contextlib
from collections.abc import Sequence

import numpy as np
import tensorflow_probability as tfp
from scipy import ndimage

from aae_tf.evaluation.projection import Projection

_NUM_CHUNKS, _CHUNK_SIZE = 5, 100_000
_SMOOTHING = 3.0  # cells
_TAIL = 2e-4


class PriorDensity:
    """A prior as a figure shows it: how far it reaches, and how dense it is where.

    The density is exact where the prior has one and codes are shown as they are; otherwise it is
    a histogram of 500,000 samples, smoothed over three cells.

    Args:
        prior: distribution with event_shape [code_dim].
        projection: what the figure shows of a code.
        seed: integer that fixes the prior's samples.
    """

    def __init__(
        self, prior: tfp.distributions.Distribution, projection: Projection, seed: int
    ) -> None:
        self._prior = prior
        self._is_projected = not projection.is_identity
        # In chunks: wide codes of that many samples would not fit.
        self._points = np.concatenate(
            [
                projection.apply(np.asarray(prior.sample(_CHUNK_SIZE, seed=[chunk, seed])))
                for chunk in range(_NUM_CHUNKS)
            ]
        )

    def extent(self) -> np.ndarray:
        """Returns the corners of the box that nearly all samples lie in, float64 [2, k]."""
        return np.quantile(self._points, [_TAIL, 1.0 - _TAIL], axis=0)

    def on_grid(self, axes: Sequence[np.ndarray]) -> np.ndarray:
        """Evaluates the density.

        Args:
            axes: centres of the grid's cells along each dimension, equally spaced.

        Returns:
            float64 [len(axes[0])] or [len(axes[0]), len(axes[1])].
        """
        if not self._is_projected:
            codes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
            # TensorFlow Probability's word for having no density.
            with contextlib.suppress(NotImplementedError):
                return np.asarray(self._prior.prob(codes), np.float64)
        steps = [axis[1] - axis[0] for axis in axes]
        edges = [
            np.append(axis - step / 2, axis[-1] + step / 2)
            for axis, step in zip(axes, steps, strict=True)
        ]
        counts, _ = np.histogramdd(self._points, edges)
        return ndimage.gaussian_filter(counts, _SMOOTHING) / (len(self._points) * np.prod(steps))


def mass_levels(density: np.ndarray, masses: Sequence[float]) -> np.ndarray:
    """Finds the densities whose regions of higher density hold given shares of the mass.

    Args:
        density: on a regular grid that covers the distribution.
        masses: shares in (0, 1).

    Returns:
        float64, strictly increasing; fewer than `masses` where the density is flat, none where it
        is zero.
    """
    falling = np.sort(density, axis=None)[::-1]
    mass = np.cumsum(falling)
    levels = falling[np.searchsorted(mass, np.asarray(masses) * mass[-1])]
    # A contour at the very height of a plateau, such as a uniform prior's, would be undefined.
    return np.unique(levels[levels > 0.0] * (1.0 - 1e-4))
