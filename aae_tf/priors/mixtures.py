"""Mixtures with one component for each class: Gaussians on a ring, pieces of a swiss roll."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.checks import check_integer, check_number, check_positive

tfd = tfp.distributions


def ring_mixture(
    num_components: int = 10,
    dim: int = 2,
    radius: float = 4.0,
    radial_scale: float = 1.0,
    tangential_scale: float | None = None,
) -> tfp.distributions.Distribution:
    """Builds a mixture of Gaussians on a ring, equally weighted, each elongated along its radius.

    With K = `num_components`, component k lies in the first two dimensions, at the angle
    a = 2 pi k / K:

        mean_k = radius (cos a, sin a)
        cov_k  = radial_scale^2 u u' + tangential_scale^2 v v',  u = (cos a, sin a),
                                                                 v = (-sin a, cos a)

    Further dimensions are N(0, radial_scale^2) in every component, independent of the first two.

    Args:
        num_components: int, number of components K, at least 1.
        dim: int, dimension of the code, at least 2.
        radius: float, distance of the components' means from the origin, positive.
        radial_scale: float, standard deviation along the radius, positive.
        tangential_scale: float, standard deviation across the radius, positive. By default
            `radius * sin(pi / K) / 3`, and at most `radial_scale / 2`: the means of neighbours are
            six standard deviations apart, so that components touch but do not merge. With the
            other defaults 1.3% of the samples are more probable under a neighbour.

    Returns:
        `tfd.MixtureSameFamily` of `tfd.MultivariateNormalTriL`, float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:

    >>> prior = ring_mixture(num_components=4, radius=2.0)
    >>> prior.components_distribution.mean().numpy().round(3).tolist()
    [[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [-0.0, -2.0]]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 2.3
        (arXiv:1511.05644). The paper uses 10 components in two dimensions and names no scales.
    """
    check_integer("num_components", num_components, minimum=1)
    check_integer("dim", dim, minimum=2)
    check_positive("radius", radius)
    check_positive("radial_scale", radial_scale)
    if tangential_scale is None:
        # A single component has no neighbour; it is as wide as each of two would be.
        half_gap = radius * math.sin(math.pi / max(num_components, 2))
        tangential_scale = min(half_gap / 3, radial_scale / 2)
    check_positive("tangential_scale", tangential_scale)

    angles = 2 * np.pi * np.arange(num_components) / num_components
    cos, sin = np.cos(angles), np.sin(angles)
    means = np.zeros([num_components, dim])
    means[:, :2] = radius * np.stack([cos, sin], axis=-1)
    # The Cholesky factor of cov_k in closed form: no difference of squares cancels.
    factors = np.tile(radial_scale * np.eye(dim), [num_components, 1, 1])
    factors[:, 0, 0] = np.hypot(radial_scale * cos, tangential_scale * sin)
    slope = (radial_scale - tangential_scale) * (radial_scale + tangential_scale) * cos * sin
    factors[:, 1, 0] = slope / factors[:, 0, 0]
    factors[:, 1, 1] = radial_scale * tangential_scale / factors[:, 0, 0]
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        return tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.full(num_components, 1 / num_components, np.float32)),
            tfd.MultivariateNormalTriL(
                loc=means.astype(np.float32), scale_tril=factors.astype(np.float32)
            ),
        )


# Straight pieces that stand for the spiral where its length is computed.
_NUM_STEPS = 20_000


def swiss_roll(
    num_components: int = 10,
    dim: int = 2,
    turns: float = 2.0,
    inner_radius: float = 1.0,
    outer_radius: float = 6.0,
    scale: float = 0.3,
    points_per_component: int | None = None,
) -> tfp.distributions.Distribution:
    """Builds the swiss roll: Gaussian noise around a spiral, component k around its k-th piece.

    The spiral lies in the first two dimensions; its radius grows evenly with the angle t,

        (r cos t, r sin t),  r = inner_radius + (outer_radius - inner_radius) t / (2 pi turns)

    and is cut, from the inside out, into K = `num_components` pieces of equal length, equally
    weighted. A piece is a mixture of Gaussians N(point, scale^2 I) at evenly spaced points, which
    are so close together by default that the density is even along the spiral (to 0.3%), and still
    has a closed form. Further dimensions are N(0, scale^2).

    Args:
        num_components: int, number of pieces K, at least 1.
        dim: int, dimension of the code, at least 2.
        turns: float, number of turns of the spiral, positive.
        inner_radius: float, distance from the origin where the spiral starts, zero or more.
        outer_radius: float, distance from the origin where the spiral ends, greater than
            `inner_radius`.
        scale: float, standard deviation of the noise, positive. The distance between neighbouring
            turns, (outer_radius - inner_radius) / turns, should be several times as large; with the
            defaults it is eight times as large.
        points_per_component: int, number of Gaussians in a piece, at least 1. None takes as many as
            are at most `scale` apart: 15 with the other defaults, with which the standard deviation
            of the prior is 3 in both dimensions, like that of `ring_mixture`.

    Returns:
        `tfd.MixtureSameFamily` of K `tfd.MixtureSameFamily` of `tfd.MultivariateNormalDiag`,
        float32, event_shape [dim].

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if an argument is out of range.

    Example:

    >>> prior = swiss_roll(num_components=4)
    >>> radii = tf.norm(prior.components_distribution.sample(500, seed=[0, 1]), axis=-1)
    >>> tf.reduce_mean(radii, axis=0).numpy().round().tolist()
    [2.0, 4.0, 5.0, 6.0]

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders*, section 2.3 (arXiv:1511.05644). The paper
        names no parameters. Differs: samples are even in the length of the spiral.
    """
    check_integer("num_components", num_components, minimum=1)
    check_integer("dim", dim, minimum=2)
    check_positive("turns", turns)
    if check_number("inner_radius", inner_radius) < 0.0:
        raise ValueError(
            f"Expected `inner_radius` to be zero or more. Received: inner_radius={inner_radius!r}."
        )
    if not np.float32(check_number("outer_radius", outer_radius)) > np.float32(inner_radius):
        raise ValueError(
            "Expected `outer_radius` to be greater than inner_radius in float32. "
            f"Received: outer_radius={outer_radius!r}, inner_radius={inner_radius!r}."
        )
    check_positive("scale", scale)

    angles = np.linspace(0.0, 2 * np.pi * turns, _NUM_STEPS + 1)
    radii = np.linspace(inner_radius, outer_radius, _NUM_STEPS + 1)
    curve = radii[:, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=-1)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    if points_per_component is None:
        points_per_component = math.ceil(lengths[-1] / (num_components * scale))
    check_integer("points_per_component", points_per_component, minimum=1)

    shape = [num_components, points_per_component]
    count = num_components * points_per_component
    middles = (np.arange(count) + 0.5) * lengths[-1] / count
    locs = np.zeros([count, dim])
    for j in range(2):
        locs[:, j] = np.interp(middles, lengths, curve[:, j])
    # Parameters are eager constants, also if this runs inside a tf.function.
    with tf.init_scope():
        return tfd.MixtureSameFamily(
            tfd.Categorical(probs=np.full(num_components, 1 / num_components, np.float32)),
            tfd.MixtureSameFamily(
                tfd.Categorical(probs=np.full(shape, 1 / points_per_component, np.float32)),
                tfd.MultivariateNormalDiag(
                    loc=locs.reshape([*shape, dim]).astype(np.float32),
                    scale_diag=np.full([*shape, dim], scale, np.float32),
                ),
            ),
        )
