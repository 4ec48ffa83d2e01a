"""The plane, or the axis, that a figure shows of a space of codes."""

from typing import NamedTuple

import numpy as np


class Projection(NamedTuple):
    """A linear map from codes to what a figure shows.

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
    """Shows one or two dimensions as they are, more by their first two principal components.

    Args:
        codes: float [n, code_dim].

    Returns:
        The projection; a component points to where its largest coefficient is positive.
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
