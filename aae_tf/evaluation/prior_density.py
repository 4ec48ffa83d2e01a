"""The density of a prior in the plane that a figure of codes shows."""

import weakref
from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_probability as tfp
from scipy import ndimage

from aae_tf import priors

_NUM_SAMPLES = 500_000
_CHUNK_SIZE = 100_000
# Number of samples that a smoothed cell should average, and limits of the smoothing, in cells.
_SAMPLES_PER_CELL = 5000.0
_SMOOTHING_LIMITS = (1.0, 3.0)
# Share of the samples that lies outside the shown box at either end of an axis.
_TAIL_MASS = 2e-4
# Cells evaluated at a time: the density of a mixture is computed for all its components at once.
_CELLS = 4096
# Share of its mass that smoothing over one cell may move in a density that the grid resolves.
_MOVED_MASS = 0.5
# Samples of a prior that are kept, and their size at most: those of eight dimensions have 16 MB.
_KNOWN_SAMPLES: MutableMapping[Any, dict[int, np.ndarray]] = weakref.WeakKeyDictionary()
_MOST_BYTES = 40e6
# Half the side of a square of limits, over half the range of the points.
_MARGIN = 1.04


class Projection(NamedTuple):
    """A linear map from codes to the points of a figure.

    Attributes:
        origin: float64 [code_dim], the code at zero.
        directions: float64 [code_dim, k], orthonormal columns.
        names: of the k axes, for labels.
        is_identity: whether codes are shown as they are.
    """

    origin: np.ndarray
    directions: np.ndarray
    names: tuple[str, ...]
    is_identity: bool

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """Maps codes [n, code_dim] to points float64 [n, k]."""
        return (codes - self.origin) @ self.directions


def project(codes: np.ndarray) -> Projection:
    """Returns the identity for one or two dimensions, else the first two principal components.

    Args:
        codes: float [n, code_dim].

    Returns:
        The projection; the largest coefficient of each component is positive.
    """
    width = codes.shape[1]
    if width <= 2:
        names = tuple(f"latent {i + 1}" for i in range(width))
        return Projection(np.zeros(width), np.eye(width), names, is_identity=True)
    origin = codes.mean(axis=0, dtype=np.float64)
    centered = codes - origin
    variances, vectors = np.linalg.eigh(centered.T @ centered / len(codes))
    directions = vectors[:, [-1, -2]]
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    shares = variances[[-1, -2]] / max(variances.sum(), np.finfo(float).tiny)
    names = tuple(
        f"principal component {i} ({share:.0%} of variance)" for i, share in enumerate(shares, 1)
    )
    return Projection(origin, directions, names, is_identity=False)


def square_limits(points: np.ndarray) -> np.ndarray:
    """Returns the limits of a square around points, with a margin.

    Args:
        points: [n, 2], at least one.

    Returns:
        [2, 2]: low and high of either axis.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    # The square of codes that have collapsed to one point has a side of about 0.002.
    radius = _MARGIN * max((high - low).max() / 2.0, 1e-3)
    centre = (low + high) / 2.0
    return np.stack([centre - radius, centre + radius], axis=1)


class PriorDensity:
    """The density of a projected prior on a grid, and the box that nearly all its mass lies in.

    The density is exact where the prior has one, codes are shown as they are, and the grid is fine
    enough for it. Otherwise it is a histogram of 500,000 samples, smoothed over one to three
    cells: fewer where more samples lie in each.

    Args:
        prior: distribution with event_shape [code_dim].
        projection: from codes to the points of the figure.
        seed: integer that fixes the prior's samples.
    """

    def __init__(
        self, prior: tfp.distributions.Distribution, projection: Projection, seed: int
    ) -> None:
        self._prior = prior
        self._is_projected = not projection.is_identity
        samples = _samples(prior, seed)
        self._points = np.concatenate(
            [
                projection.apply(samples[start : start + _CHUNK_SIZE])
                for start in range(0, len(samples), _CHUNK_SIZE)
            ]
        )

    def extent(self) -> np.ndarray:
        """Returns the corners of the box that nearly all samples lie in, float64 [2, k]."""
        return np.quantile(self._points, [_TAIL_MASS, 1.0 - _TAIL_MASS], axis=0)

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
        # The number of samples in the cell of a sample, averaged over the samples.
        occupancy = np.sum(counts**2) / max(counts.sum(), 1.0)
        width = np.sqrt(_SAMPLES_PER_CELL / (4.0 * np.pi * max(occupancy, 1.0)))
        smoothing = np.clip(width, *_SMOOTHING_LIMITS)
        return ndimage.gaussian_filter(counts, smoothing) / (len(self._points) * np.prod(steps))

    def _evaluate(self, axes: Sequence[np.ndarray]) -> np.ndarray | None:
        codes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
        rows = codes.reshape(-1, len(axes))
        try:
            densities = [
                np.asarray(self._prior.prob(rows[start : start + _CELLS]), np.float64)
                for start in range(0, len(rows), _CELLS)
            ]
        except NotImplementedError:  # The distribution has no density.
            return None
        return np.concatenate(densities).reshape(codes.shape[:-1])


def _is_resolved(density: np.ndarray) -> bool:
    """Tells whether a density has mass in the grid, and is wider than its cells."""
    mass = density.sum()
    if not 0.0 < mass < np.inf:
        return False
    return bool(np.abs(density - ndimage.gaussian_filter(density, 1.0)).sum() < _MOVED_MASS * mass)


def mass_levels(density: np.ndarray, masses: Sequence[float]) -> np.ndarray:
    """Returns the densities above which given shares of the mass lie.

    Args:
        density: on a regular grid that covers the distribution.
        masses: shares in (0, 1).

    Returns:
        float64, strictly increasing; fewer than `masses` where the density is flat, none where it
        is zero everywhere.
    """
    falling = np.sort(density, axis=None)[::-1]
    mass = np.cumsum(falling)
    levels = falling[np.searchsorted(mass, np.asarray(masses) * mass[-1])]
    # A contour at exactly the height of a plateau, such as a uniform prior's, is undefined.
    return np.unique(levels[levels > 0.0] * (1.0 - 1e-4))


def thickness(region: np.ndarray) -> float:
    """Returns the largest distance of a cell of a region from its edge, in cells."""
    return float(ndimage.distance_transform_edt(np.pad(region, 1)).max())


def _samples(prior: tfp.distributions.Distribution, seed: int) -> np.ndarray:
    """Draws samples of the prior, float [500,000, code_dim].

    Those of few dimensions are kept as long as the prior: a training that draws its codes ten times
    spent most of that time on them.
    """
    known = _KNOWN_SAMPLES.setdefault(prior, {})
    if seed in known:
        return known[seed]
    # `prior.sample` of a mixture draws from every component; `priors.sample` from one.
    samples = np.concatenate(
        [
            np.asarray(priors.sample(prior, min(_CHUNK_SIZE, _NUM_SAMPLES - start), [chunk, seed]))
            for chunk, start in enumerate(range(0, _NUM_SAMPLES, _CHUNK_SIZE))
        ]
    )
    # Variables may have other values next time.
    if samples.nbytes <= _MOST_BYTES and not prior.variables:
        known.clear()
        known[seed] = samples
    return samples
