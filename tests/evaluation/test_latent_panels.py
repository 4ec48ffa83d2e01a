import numpy as np
import pytest
from matplotlib.colors import to_rgba

from aae_tf import evaluation, priors

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(60, 2)).astype(np.float32)
LABELS = np.arange(60) % 3


def test_panels_show_their_codes_on_the_same_axes():
    prior = priors.gaussian(2)
    figure = evaluation.latent_panels({"A": CODES, "B": 9.0 * CODES}, LABELS, prior)
    assert [axes.get_title() for axes in figure.axes] == ["A", "B"]
    for axes, codes in zip(figure.axes, [CODES, 9.0 * CODES], strict=True):
        points = axes.collections[0]
        shown = {
            tuple(p): tuple(c)
            for p, c in zip(points.get_offsets().data, points.get_facecolors(), strict=True)
        }
        for code, label in zip(codes, LABELS, strict=True):
            color = to_rgba(["#3f90da", "#ffa90e", "#bd1f01"][label])
            assert shown[tuple(code.astype(float))][:3] == color[:3]
        assert axes.get_aspect() == 1.0
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    assert right.get_xlim()[1] > 9.0 * CODES[:, 0].max()
    levels = [
        [c.levels for c in axes.collections if hasattr(c, "levels")][-1] for axes in (left, right)
    ]
    np.testing.assert_array_equal(*levels)
    # The vertical axis is named once, and so are the colours.
    assert (left.get_ylabel(), right.get_ylabel()) == ("latent 2", "")
    assert left.get_legend() is None
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["0", "1", "2", "prior"]


def test_wide_codes_share_the_plane_of_all():
    codes = RNG.normal(size=(300, 4))
    # The widest coordinates of both together are the first and the last.
    first, second = codes * [9.0, 1.0, 1.0, 1.0], codes * [1.0, 1.0, 1.0, 5.0]
    left, right = evaluation.latent_panels({"A": first, "B": second}).axes
    order = np.random.default_rng(0).permutation(300)
    for axes, shown in ((left, first), (right, second)):
        points = axes.collections[0].get_offsets().data
        np.testing.assert_allclose(points, shown[order][:, [0, 3]], atol=1.0)
    assert left.get_xlabel() == right.get_xlabel()


def test_more_than_three_panels_wrap(tmp_path):
    figure = evaluation.latent_panels(dict.fromkeys("ABCDE", CODES), LABELS)
    figure.savefig(tmp_path / "a.png")
    assert [axes.get_title() for axes in figure.axes] == list("ABCDE")
    corners = [axes.get_position() for axes in figure.axes]
    assert corners[3].y1 < corners[0].y0
    assert corners[3].x0 == pytest.approx(corners[0].x0)
    assert [axes.get_legend() is not None for axes in figure.axes] == [0, 0, 1, 0, 0]


def test_many_classes_get_one_colour_bar(tmp_path):
    figure = evaluation.latent_panels({"A": CODES, "B": CODES}, np.arange(60))
    figure.savefig(tmp_path / "a.png")
    assert len(figure.axes) == 3
    assert figure.axes[-1].get_ylabel() == "class"


def test_one_dimension_is_histograms():
    figure = evaluation.latent_panels(
        {"A": CODES[:, :1], "B": CODES[:, 1:]}, LABELS, priors.gaussian(1)
    )
    densities = [axes.lines[0].get_data() for axes in figure.axes]
    np.testing.assert_array_equal(densities[0], densities[1])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_refuses_arguments():
    with pytest.raises(TypeError, match="Expected `codes` to be a mapping from titles to arrays"):
        evaluation.latent_panels(CODES)
    with pytest.raises(ValueError, match="Expected `codes` to have at least one entry"):
        evaluation.latent_panels({})
    with pytest.raises(TypeError, match=r"Expected `codes\['A'\]` to be an array of floats"):
        evaluation.latent_panels({"A": LABELS})
    with pytest.raises(ValueError, match="Expected `codes` to be of one shape"):
        evaluation.latent_panels({"A": CODES, "B": CODES[:3]})
    with pytest.raises(ValueError, match=r"Expected `labels` to have shape \(60,\)"):
        evaluation.latent_panels({"A": CODES}, LABELS[:3])
    with pytest.raises(ValueError, match="Expected `prior` to have the width of `codes`"):
        evaluation.latent_panels({"A": CODES}, prior=priors.gaussian(3))
