"""The density of a prior on the grid of a figure, whatever the prior is."""

from collections.abc import Sequence

import numpy as np
import tensorflow_probability as tfp
from scipy import ndimage

from aae_tf.evaluation.prior_samples import prior_samples
from aae_tf.evaluation.projection import Projection

_NUM_SAMPLES = 500_000
# How many samples a smoothed cell averages, within limits of the smoothing, in cells.
_AVERAGED = 5000.0
_SMOOTHING = (1.0, 3.0)
_TAIL = 2e-4
# Cells at a time: the density of a mixture is computed for all its components at once.
_ROWS = 4096
# The share of a density's mass that may move when it is smoothed over one cell.
_MOVED = 0.5


class PriorDensity:
    """A prior as a figure shows it: how far it reaches, and how dense it is where.

    The density is exact where the prior has one, codes are shown as they are, and the grid is fine
    enough for it. Otherwise it is a histogram of 500,000 samples, smoothed over one to three
    cells, the fewer the more samples lie in each.

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
        self._points = np.concatenate(
            [projection.apply(chunk) for chunk in prior_samples(prior, _NUM_SAMPLES, seed)]
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
        steps = [axis[1] - axis[0] for axis in axes]
        if not self._is_projected:
            density = self._evaluate(axes)
            if density is not None and _is_resolved(density):
                return density
        edges = [
            np.append(axis - step / 2, axis[-1] + step / 2)
            for axis, step in zip(axes, steps, strict=True)
        ]
        counts, _ = np.histogramdd(self._points, edges)
        # Of the cell that a sample lies in, on average over samples.
        crowd = np.sum(counts**2) / max(counts.sum(), 1.0)
        smoothing = np.clip(np.sqrt(_AVERAGED / (4.0 * np.pi * max(crowd, 1.0))), *_SMOOTHING)
        return ndimage.gaussian_filter(counts, smoothing) / (len(self._points) * np.prod(steps))

    def _evaluate(self, axes: Sequence[np.ndarray]) -> np.ndarray | None:
        codes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
        rows = codes.reshape(-1, len(axes))
        try:
            densities = [
                np.asarray(self._prior.prob(rows[start : start + _ROWS]), np.float64)
                for start in range(0, len(rows), _ROWS)
            ]
        # TensorFlow Probability's word for having no density.
        except NotImplementedError:
            return None
        return np.concatenate(densities).reshape(codes.shape[:-1])


def _is_resolved(density: np.ndarray) -> bool:
    """Tells whether a density is wider than the cells, and has mass in the grid at all."""
    mass = density.sum()
    if not 0.0 < mass < np.inf:
        return False
    return bool(np.abs(density - ndimage.gaussian_filter(density, 1.0)).sum() < _MOVED * mass)


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


def thickness(region: np.ndarray) -> float:
    """Measures the farthest that a cell of a region is from its edge, in cells."""
    return float(ndimage.distance_transform_edt(np.pad(region, 1)).max())
