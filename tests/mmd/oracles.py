"""Expectations by Gauss-Legendre rules, from densities and kernels written in NumPy."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
# Fine where a kernel has its kink.
_DISTANCES = np.array([0.0, 1e-3, 1e-2, 0.1, *np.arange(0.5, 6.1, 0.5), 8.0, 11.0, 16.0])

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Law:
    """A distribution on the line: its density, where to cut the line, and where it has kinks."""

    density: Function
    edges: tuple[float, ...]
    kinks: tuple[float, ...] = ()


def panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns nodes and weights of the rules between neighbouring edges, along the last axis."""
    starts, sides = edges[..., :-1, None], np.diff(edges, axis=-1)[..., None]
    nodes, weights = starts + sides * (_NODES + 1.0) / 2.0, sides * _WEIGHTS / 2.0
    shape = (*edges.shape[:-1], -1)
    return nodes.reshape(shape), weights.reshape(shape)


def embedding_on_line(law: Law, kernel: Function, points: np.ndarray) -> np.ndarray:
    """E k(|z - X|) for every z in `points`."""
    cuts = np.clip(points, law.edges[0], law.edges[-1])[:, None]
    edges = np.sort(np.concatenate([np.tile(law.edges, (len(points), 1)), cuts], axis=1), axis=1)
    nodes, weights = panels(edges)
    return np.sum(weights * law.density(nodes) * kernel(np.abs(points[:, None] - nodes)), axis=1)


def norm_on_line(first: Law, second: Law, kernel: Function) -> float:
    """E k(|X - Y|) for independent X and Y."""
    nodes, weights = panels(np.array(first.edges))
    return float(np.sum(weights * first.density(nodes) * embedding_on_line(second, kernel, nodes)))


def embedding_in_plane(laws: tuple[Law, Law], kernel: Function, points: np.ndarray) -> np.ndarray:
    """E k(|z - X|) for every row of `points`, X with independent coordinates."""

    def factor(law, z):
        kinks = [abs(z - kink) for kink in law.kinks]
        nodes, weights = _half_line(law, kinks)
        return nodes, weights * (law.density(z - nodes) + law.density(z + nodes))

    return np.array(
        [
            _sum_over_quadrant(kernel, *(factor(law, z) for law, z in zip(laws, row, strict=True)))
            for row in points
        ]
    )


def norm_in_plane(laws: tuple[Law, Law], kernel: Function) -> float:
    """E k(|X - Y|) for independent X and Y, each with independent coordinates."""

    return _sum_over_quadrant(kernel, *map(_difference, laws))


def embedding_by_polar(density: Function, kernel: Function, points: np.ndarray) -> np.ndarray:
    """E k(|z - X|) for every row of `points`, X with a smooth density on the plane."""
    radii, weights = panels(np.array([*np.arange(0.0, 12.1, 0.5), 20.0, 40.0, 100.0, 400.0]))
    angles = 2.0 * np.pi * np.arange(200) / 200
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    around = radii[:, None, None] * directions
    weights = weights * radii * kernel(radii) * (2.0 * np.pi)
    return np.array([weights @ density(point + around).mean(axis=1) for point in points])


def norm_by_polar(radial: Function, embedding: Function) -> float:
    """E mu(X) for X with density radial(|x|) on the plane, and mu, which is radial too."""
    radii, weights = panels(np.array([0.0, 1.0, 2.0, 4.0, 8.0, 20.0, 60.0, 200.0]))
    return float(np.sum(2.0 * np.pi * radii * weights * radial(radii) * embedding(radii)))


@functools.cache
def _difference(law: Law) -> tuple[np.ndarray, np.ndarray]:
    """Returns distances and how much of |X - Y| each stands for."""
    nodes, weights = _half_line(law, [abs(a - b) for a in law.kinks for b in law.kinks])
    # The density of the difference is an integral too, with kinks of its own.
    edges = np.concatenate([np.tile(law.edges, (len(nodes), 1)), law.edges - nodes[:, None]], 1)
    inner, inner_weights = panels(np.sort(edges, axis=1))
    density = law.density(inner) * law.density(inner + nodes[:, None])
    return nodes, 2.0 * weights * np.sum(inner_weights * density, axis=1)


def _half_line(law: Law, kinks: list[float]) -> tuple[np.ndarray, np.ndarray]:
    far = max(np.abs(law.edges)) * np.geomspace(0.05, 2.0, 12)
    return panels(np.unique([*_DISTANCES, *far[far > 16.0], *kinks]))


def _sum_over_quadrant(kernel: Function, first: tuple, second: tuple) -> float:
    (x, x_weights), (y, y_weights) = first, second
    return float(x_weights @ kernel(np.hypot(x[:, None], y)) @ y_weights)
