"""Planes through the codes: principal axes, and the contours of the prior in any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf.checks import import_extra
from aae_tf.evaluation.prior_density import (
    PriorDensity,
    Projection,
    mass_levels,
    square_limits,
)

MASSES = (0.5, 0.8, 0.95)
_GRID_SIZE = 160
_MARGIN = 1.15
_DIGITS = 4


def principal_axes(codes: np.ndarray) -> dict[str, Any]:
    """Returns the principal axes of codes.

    Args:
        codes: float [n, code_dim].

    Returns:
        "origin" [code_dim], "directions" [code_dim][code_dim], a row per axis, the one of the
        largest variance first, and "shares" [code_dim] of the variance, in JSON types. The largest
        coefficient of each axis is positive.
    """
    origin = codes.mean(axis=0, dtype=np.float64)
    centered = codes - origin
    variances, vectors = np.linalg.eigh(centered.T @ centered / max(len(codes), 1))
    directions = vectors.T[::-1]
    variances = np.maximum(variances[::-1], 0.0)
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    shares = variances / max(variances.sum(), np.finfo(float).tiny)
    return {
        "origin": _round(origin),
        "directions": [_round(row) for row in directions * signs[:, np.newaxis]],
        "shares": _round(shares),
    }


def prior_contours(
    prior: tfp.distributions.Distribution,
    origin: Sequence[float],
    directions: Sequence[Sequence[float]],
) -> dict[str, Any]:
    """Computes the contours that 50, 80 and 95% of the prior's mass lie in, in a plane.

    Args:
        prior: distribution with event_shape [code_dim].
        origin: [code_dim], the code at the plane's zero.
        directions: [2][code_dim], orthonormal; or [1][code_dim] for codes of one dimension.

    Returns:
        "levels", for each mass, the outermost first, its "mass" and its "lines": lists of points
        x, y, x, y, ... in the plane; and "limits" [[low, high], [low, high]] of nearly all mass.
        For one direction "levels" is empty, and "curve" has the points of the density. In JSON
        types.
    """
    matrix = np.asarray(directions, np.float64).T
    width = len(matrix)
    is_identity = matrix.shape == (width, width) and np.array_equal(matrix, np.eye(width))
    is_identity = is_identity and not np.any(origin)
    projection = Projection(np.asarray(origin, np.float64), matrix, ("", "")[:width], is_identity)
    density = PriorDensity(prior, projection, 0)
    limits = square_limits(density.extent())
    centre, radius = limits.mean(axis=1), np.ptp(limits, axis=1) / 2.0 * _MARGIN
    grid = [np.linspace(c - r, c + r, _GRID_SIZE) for c, r in zip(centre, radius, strict=True)]
    values = density.on_grid(grid)
    found = {"limits": [_round(pair) for pair in limits], "levels": []}
    if len(grid) == 1:
        return {**found, "curve": _round(np.stack([grid[0], values], axis=1).ravel())}
    return {**found, "levels": _lines(grid, values)}


def _lines(grid: list[np.ndarray], density: np.ndarray) -> list[dict[str, Any]]:
    contourpy = import_extra("contourpy", "figures", "the contours of a prior")
    # A frame of zeros closes the lines.
    steps = [axis[1] - axis[0] for axis in grid]
    axes = [
        np.concatenate([[axis[0] - step], axis, [axis[-1] + step]])
        for axis, step in zip(grid, steps, strict=True)
    ]
    generator = contourpy.contour_generator(*axes, np.pad(density, 1).T)
    levels = mass_levels(density, MASSES)
    masses = sorted(MASSES, reverse=True)[: len(levels)]
    return [
        {"mass": mass, "lines": [_round(line.ravel()) for line in generator.lines(level)]}
        for mass, level in zip(masses, levels, strict=True)
    ]


def _round(values: np.ndarray) -> list[float]:
    """Rounds to what a screen shows; a page has thousands of these numbers."""
    return [float(f"{value:.{_DIGITS + 1}g}") for value in np.asarray(values).tolist()]
