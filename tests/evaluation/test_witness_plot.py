"""The picture of the witness function."""

import sys

import numpy as np
import pytest
import tensorflow_probability as tfp

from aae_tf import evaluation, mmd, priors

RING = priors.ring_mixture(4)


def bands(figure):
    """The filled contours, and the zero line if there is one."""
    filled, *lines = [c for c in figure.axes[0].collections if hasattr(c, "levels")]
    return filled, lines


@pytest.mark.thorough
def test_colours_are_the_witness_centred_on_zero():
    codes = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    figure = evaluation.witness_plot(codes, RING, kernel)
    filled, (line,) = bands(figure)
    peak = filled.levels[-1]
    np.testing.assert_allclose(filled.levels, -filled.levels[::-1], atol=1e-7)
    low, high = filled.norm.vmin, filled.norm.vmax
    assert low == pytest.approx(-high)
    # The page is a grid around all codes and the prior; its strongest value is near the centre,
    # where the ring has no mass.
    centre = float(mmd.witness([[0.0, 0.0]], codes, RING, kernel)[0])
    assert 0.8 * peak < centre <= peak * 1.0001
    red, blue = filled.cmap(filled.norm(centre)), filled.cmap(filled.norm(-centre))
    assert red[0] > red[2] and blue[2] > blue[0]
    vertices = np.concatenate([path.vertices for path in line.get_paths()]).astype(np.float32)
    at_zero = mmd.witness(vertices[np.isfinite(vertices).all(axis=1)], codes, RING, kernel)
    assert np.abs(at_zero).max() < 0.02 * peak


def test_codes_are_dots_on_a_square_page_with_a_named_colour_bar():
    codes = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    figure = evaluation.witness_plot(codes, RING)
    axes, bar = figure.axes
    dots = axes.collections[-1].get_offsets().data
    np.testing.assert_allclose(np.sort(dots, axis=0), np.sort(codes, axis=0))
    assert bar.get_ylabel() == "witness: codes minus prior"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent 1", "latent 2")
    assert axes.get_aspect() == 1.0
    (low_x, high_x), (low_y, high_y) = axes.get_xlim(), axes.get_ylim()
    assert high_x - low_x == pytest.approx(high_y - low_y)
    radius = np.linalg.norm(RING.components_distribution.mean()[0])
    assert high_x > radius and low_y < -radius


@pytest.mark.thorough
def test_looks_at_two_thousand_codes_at_random(monkeypatch):
    monkeypatch.setattr(sys.modules[evaluation.witness_plot.__module__], "_GRID_SIZE", 10)
    codes = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
    shown = [
        evaluation.witness_plot(codes, RING, kernel, seed).axes[0].collections[-1].get_offsets()
        for seed in (0, 0, 1)
    ]
    assert len(np.unique(shown[0], axis=0)) == 2000
    np.testing.assert_array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])


@pytest.mark.sampled
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_collapsed_codes_can_be_drawn(offset, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[evaluation.witness_plot.__module__], "_GRID_SIZE", 40)
    codes = np.full((5, 2), offset, np.float32)
    evaluation.witness_plot(codes, priors.uniform(2)).savefig(tmp_path / "a.png")


class TestRefusals:
    def test_codes(self):
        with pytest.raises(ValueError, match=r"Expected `codes` to have rows of shape \(2,\)"):
            evaluation.witness_plot(np.zeros((5, 3)), RING)
        with pytest.raises(ValueError, match="Expected `codes` to have at least one entry"):
            evaluation.witness_plot(np.zeros((0, 2)), RING)
        with pytest.raises(ValueError, match="Expected `codes` to have finite values"):
            evaluation.witness_plot(np.full((5, 2), np.nan), RING)

    @pytest.mark.thorough
    def test_prior_and_kernel(self):
        codes = np.zeros((5, 2))
        with pytest.raises(ValueError, match=r"Expected `prior` to be a distribution with event_s"):
            evaluation.witness_plot(codes, priors.gaussian(3))
        with pytest.raises(TypeError, match="Expected `kernel` to be a kernel of"):
            evaluation.witness_plot(codes, RING, "gaussian")
        cauchy = tfp.distributions.Sample(tfp.distributions.Cauchy(0.0, 1.0), 2)
        kernel = tfp.math.psd_kernels.ExponentiatedQuadratic(length_scale=1.0)
        with pytest.raises(NotImplementedError, match="Expected a mean embedding"):
            evaluation.witness_plot(codes, cauchy, kernel)
