import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib.colors import to_rgba

from aae_tf import evaluation, priors

tfd = tfp.distributions

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(60, 2)).astype(np.float32)
LABELS = np.arange(60) % 3


class Unknown(tfd.Distribution):
    """A prior that can only be sampled: N(0, I) in two dimensions."""

    def __init__(self):
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
        )

    def _batch_shape(self):
        return tf.TensorShape([])

    def _event_shape(self):
        return tf.TensorShape([2])

    def _sample_n(self, n, seed=None):
        return tf.random.stateless_normal([n, 2], tfp.random.sanitize_seed(seed))


MASSES = ["prior's mass within", "50%", "80%", "95%"]


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def contour_radii(figure):
    """Mean distance from the origin of each contour line, the outermost first."""
    lines = [c for c in figure.axes[0].collections if hasattr(c, "levels")][-1]
    return [np.linalg.norm(path.vertices, axis=1).mean() for path in lines.get_paths()]


@pytest.mark.thorough
def test_draws_every_code_in_its_colour():
    codes = RNG.normal(size=(60, 2)).astype(np.float32)
    labels = np.arange(60) % 3
    figure = evaluation.latent_scatter(codes, labels, priors.gaussian(2))
    axes = figure.axes[0]
    points = axes.collections[0]
    shown = {
        tuple(p): tuple(c)
        for p, c in zip(points.get_offsets().data, points.get_facecolors(), strict=True)
    }
    palette = ["#3c78ff", "#ffc300", "#4b9669"]
    assert len(shown) == 60
    for code, label in zip(codes, labels, strict=True):
        assert shown[tuple(code.astype(float))][:3] == to_rgba(palette[label])[:3]
    assert axes.get_aspect() == 1.0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent 1", "latent 2")
    assert legend(figure) == ["class", "0", "1", "2", *MASSES]
    (low_x, high_x), (low_y, high_y) = axes.get_xlim(), axes.get_ylim()
    assert low_x < codes[:, 0].min() and high_x > codes[:, 0].max()
    assert low_y < codes[:, 1].min() and high_y > codes[:, 1].max()
    assert high_x - low_x == pytest.approx(high_y - low_y)


def test_drawing_order_is_a_function_of_the_seed():
    codes = RNG.normal(size=(50, 2))

    def order(seed):
        figure = evaluation.latent_scatter(codes, np.arange(50) % 2, seed=seed)
        return figure.axes[0].collections[0].get_offsets().data

    np.testing.assert_array_equal(order(1), order(1))
    assert not np.array_equal(order(1), order(2))
    assert not np.array_equal(order(1), codes)


@pytest.mark.thorough
@pytest.mark.parametrize("prior", [priors.gaussian(2), Unknown()], ids=["density", "samples"])
def test_contours_hold_half_four_fifths_and_95_percent(prior):
    figure = evaluation.latent_scatter(RNG.normal(size=(20, 2)), prior=prior)
    # A circle around N(0, I) holds the mass m within r = sqrt(-2 log(1 - m)).
    expected = np.sqrt(-2.0 * np.log(1.0 - np.array([0.95, 0.8, 0.5])))
    np.testing.assert_allclose(contour_radii(figure), expected, rtol=0.03)


@pytest.mark.thorough
def test_projects_wide_codes_and_their_prior_onto_principal_components():
    scales = np.array([0.1, 3.0, 0.2, 2.0], np.float32)
    codes = RNG.normal(size=(500, 4)) * scales + 7.0
    prior = tfd.MultivariateNormalDiag(np.full(4, 7.0, np.float32), [0.1, 2.0, 0.1, 2.0])
    figure = evaluation.latent_scatter(codes, prior=prior)
    axes = figure.axes[0]
    variances = codes.var(axis=0)
    shares = np.sort(variances)[[-1, -2]] / variances.sum()
    assert axes.get_xlabel() == f"principal component 1 ({shares[0]:.0%} of variance)"
    assert axes.get_ylabel() == f"principal component 2 ({shares[1]:.0%} of variance)"
    shown = axes.collections[0].get_offsets().data
    order = np.random.default_rng(0).permutation(500)
    centered = codes - codes.mean(axis=0)
    # The components are almost the second and the fourth coordinate.
    np.testing.assert_allclose(shown, centered[order][:, [1, 3]], atol=0.5)
    expected = 2.0 * np.sqrt(-2.0 * np.log(1.0 - np.array([0.95, 0.8, 0.5])))
    np.testing.assert_allclose(contour_radii(figure), expected, rtol=0.05)


def test_uniform_prior_is_its_box():
    figure = evaluation.latent_scatter(RNG.normal(size=(20, 2)), prior=priors.uniform(2))
    lines = [c for c in figure.axes[0].collections if hasattr(c, "levels")][-1]
    assert len(lines.levels) == 1
    vertices = lines.get_paths()[0].vertices
    np.testing.assert_allclose(np.abs(vertices).max(axis=1), 1.0, atol=0.05)


def test_one_dimension_is_a_histogram_under_the_density():
    codes, labels = RNG.normal(size=(200, 1)), np.arange(200) % 2
    figure = evaluation.latent_scatter(codes, labels, priors.gaussian(1))
    axes = figure.axes[0]
    heights = [[bar.get_height() for bar in group] for group in axes.containers]
    width = axes.containers[0][0].get_width()
    assert np.sum(heights) * width == pytest.approx(1.0)
    assert np.sum(heights[0]) * width == pytest.approx(0.5)
    x, density = axes.lines[0].get_data()
    np.testing.assert_allclose(density, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), rtol=1e-4)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent 1", "density")


def test_unknown_labels_are_gray_and_classes_keep_their_colour():
    codes = RNG.normal(size=(4, 2))
    figure = evaluation.latent_scatter(codes, [-1, 9, 4, 4])
    handles = figure.axes[0].get_legend().get_patches()
    assert [handle.get_facecolor() for handle in handles] == [
        to_rgba(color) for color in ("#d8d8d8", "#693c0f", "#7800a5")
    ]
    assert legend(figure) == ["class", "unknown", "4", "9"]


def test_many_classes_get_a_colour_bar():
    codes = RNG.normal(size=(60, 2))
    figure = evaluation.latent_scatter(codes, np.arange(60) % 20)
    assert figure.axes[0].get_legend() is None
    assert figure.axes[1].get_ylabel() == "class"
    assert figure.axes[1].get_ylim() == (0.0, 19.0)


def test_class_names_are_text_in_the_legend(tmp_path):
    names = ["_private", "$x^2$", "a name that is longer than a legend is wide"]
    figure = evaluation.latent_scatter(CODES, LABELS, class_names=names, title="a $ b")
    assert legend(figure) == ["class", "_private", "$x^2$", "a name that is longer..."]
    assert not any(text.get_parse_math() for text in figure.axes[0].get_legend().get_texts())
    assert figure.axes[0].get_title(loc="left") == "a $ b"
    figure.savefig(tmp_path / "a.png")
    with pytest.raises(ValueError, match="Expected `class_names` to name every label"):
        evaluation.latent_scatter(CODES, LABELS, class_names=["a", "b"])


@pytest.mark.thorough
def test_a_few_codes_far_out_do_not_hide_the_prior():
    prior = priors.gaussian(2)
    codes = np.concatenate([CODES, CODES, CODES, [[40.0, 0.0]]])
    figure = evaluation.latent_scatter(codes, prior=prior)
    low, high = figure.axes[0].get_xlim()
    assert -6.0 < low < high < 6.0
    assert legend(figure) == [*MASSES, "1 code outside,", "shown on the frame"]
    shown = figure.axes[0].collections[0].get_offsets().data
    assert shown[:, 0].max() == pytest.approx(high)
    # Many codes out there are what the figure is about.
    wide = evaluation.latent_scatter(20.0 * codes, prior=prior)
    assert wide.axes[0].get_xlim()[1] > 20.0


def test_contours_of_a_flat_prior_are_named_by_the_mass_that_they_hold():
    assert legend(evaluation.latent_scatter(CODES, prior=priors.uniform(2)))[1:] == ["100%"]


def test_labels_above_nine_are_coloured_by_rank():
    figure = evaluation.latent_scatter(RNG.normal(size=(4, 2)), [10, 30, 20, 10])
    assert legend(figure) == ["class", "10", "20", "30"]


def test_collapsed_codes_can_be_drawn(tmp_path):
    for width in (1, 2, 3):
        figure = evaluation.latent_scatter(np.ones((5, width)))
        figure.savefig(tmp_path / "a.png")
        low, high = figure.axes[0].get_xlim()
        assert low < high


@pytest.mark.thorough
def test_codes_far_from_the_prior_can_be_drawn(tmp_path):
    codes = 1e6 + RNG.normal(size=(20, 2))
    evaluation.latent_scatter(codes, prior=priors.gaussian(2)).savefig(tmp_path / "a.png")


def test_refuses_arguments():
    codes = np.zeros((3, 2))
    with pytest.raises(ValueError, match="Expected `codes` to have at least one entry"):
        evaluation.latent_scatter(codes[:0])
    with pytest.raises(ValueError, match="Expected `codes` to have finite values"):
        evaluation.latent_scatter(codes + np.nan)
    with pytest.raises(TypeError, match="Expected `labels` to be an array of integers"):
        evaluation.latent_scatter(codes, [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"Expected `labels` to have shape \(3,\)"):
        evaluation.latent_scatter(codes, [0, 1])
    with pytest.raises(ValueError, match="Expected `prior` to have the width of `codes`"):
        evaluation.latent_scatter(codes, prior=priors.gaussian(3))


def test_heads_are_numbered_circles_within_the_page():
    codes, heads = RNG.normal(size=(50, 2)), np.array([[0.0, 0.0], [9.0, 1.0], [1.0, -2.0]])
    figure = evaluation.latent_scatter(codes, heads=heads)
    axes = figure.axes[0]
    circles = axes.collections[-1]
    np.testing.assert_allclose(circles.get_offsets(), heads)
    np.testing.assert_array_equal(circles.get_facecolors(), [[1.0, 1.0, 1.0, 1.0]])
    assert [(t.get_text(), tuple(t.xy)) for t in axes.texts] == [
        ("0", (0.0, 0.0)),
        ("1", (9.0, 1.0)),
        ("2", (1.0, -2.0)),
    ]
    assert axes.get_xlim()[1] > 9.0
    assert legend(figure) == ["cluster head"]


def test_heads_lie_in_the_plane_and_on_the_axis_of_the_codes():
    codes = RNG.normal(size=(200, 4)) * [5.0, 2.0, 0.1, 0.1]
    axes = evaluation.latent_scatter(codes, heads=codes[:1]).axes[0]
    # The first code is drawn somewhere among the others, and its head on top of it.
    mark = axes.collections[-1].get_offsets().data
    points = axes.collections[0].get_offsets().data
    assert np.linalg.norm(points - mark, axis=1).min() < 1e-4
    axes = evaluation.latent_scatter(codes[:, :1], heads=[[2.0], [-3.0]]).axes[0]
    np.testing.assert_allclose(axes.collections[-1].get_offsets(), [[2.0, 0.0], [-3.0, 0.0]])


def outline(figure):
    """The vertices of the outermost contour, and the number of contours."""
    lines = [c for c in figure.axes[0].collections if hasattr(c, "levels")][-1]
    return lines.get_paths()[0].vertices, len(lines.levels)


def distance_to_roll(points, turns, outer_radius):
    angles = np.linspace(0.0, 2 * np.pi * turns, 5000)
    radii = np.linspace(1.0, outer_radius, 5000)
    curve = radii[:, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.sqrt(np.square(points[:, np.newaxis] - curve).sum(axis=2).min(axis=1))


@pytest.mark.thorough
def test_contours_of_a_swiss_roll_follow_it():
    prior = priors.swiss_roll()
    codes = np.asarray(priors.sample_rows(prior, np.arange(100)))
    vertices, count = outline(evaluation.latent_scatter(codes, prior=prior))
    assert count == 3
    # Across a long band, 95% of the mass of a Gaussian of 0.3 lies within 1.96 of it.
    assert np.median(distance_to_roll(vertices, 2.0, 6.0)) == pytest.approx(0.588, rel=0.05)


@pytest.mark.sampled
@pytest.mark.parametrize(("scale", "width"), [(0.04, 0.078), (0.004, 0.1)])
def test_a_narrow_swiss_roll_is_outlined_and_keeps_its_colours(scale, width):
    prior = priors.swiss_roll(4, turns=1.0, outer_radius=5.0, scale=scale, points_per_component=100)
    codes = np.asarray(priors.sample_rows(prior, np.arange(100)))
    vertices, count = outline(evaluation.latent_scatter(codes, prior=prior))
    assert count == 1
    # The finer one is narrower than the cells of the page, 0.05: it is drawn two cells wide.
    distances = distance_to_roll(vertices, 1.0, 5.0)
    assert np.median(distances) == pytest.approx(width, rel=0.2)
    assert distances.max() < 0.2


def test_refuses_heads():
    with pytest.raises(ValueError, match=r"Expected `heads` to have rows of shape \(2,\)"):
        evaluation.latent_scatter(np.zeros((3, 2)), heads=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="Expected `heads` to have at least one entry"):
        evaluation.latent_scatter(np.zeros((3, 2)), heads=np.zeros((0, 2)))


class TestPanels:
    def test_panels_show_their_codes_on_the_same_axes(self):
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
                color = to_rgba(["#3c78ff", "#ffc300", "#4b9669"][label])
                assert shown[tuple(code.astype(float))][:3] == color[:3]
            assert axes.get_aspect() == 1.0
        left, right = figure.axes
        assert left.get_xlim() == right.get_xlim()
        assert left.get_ylim() == right.get_ylim()
        assert right.get_xlim()[1] > 9.0 * CODES[:, 0].max()
        levels = [
            [c.levels for c in axes.collections if hasattr(c, "levels")][-1]
            for axes in (left, right)
        ]
        np.testing.assert_array_equal(*levels)
        # The vertical axis is named once, and so are the colours.
        assert (left.get_ylabel(), right.get_ylabel()) == ("latent 2", "")
        assert left.get_legend() is None
        names = [text.get_text() for text in right.get_legend().get_texts()]
        assert names[:4] == ["class", "0", "1", "2"]
        assert names[-1].endswith("outside,") or "95%" in names

    def test_wide_codes_share_the_plane_of_all(self):
        codes = RNG.normal(size=(300, 4))
        # The widest coordinates of both together are the first and the last.
        first, second = codes * [9.0, 1.0, 1.0, 1.0], codes * [1.0, 1.0, 1.0, 5.0]
        left, right = evaluation.latent_panels({"A": first, "B": second}).axes
        order = np.random.default_rng(0).permutation(300)
        for axes, shown in ((left, first), (right, second)):
            points = axes.collections[0].get_offsets().data
            np.testing.assert_allclose(points, shown[order][:, [0, 3]], atol=1.0)
        assert left.get_xlabel() == right.get_xlabel()

    def test_more_than_three_panels_wrap(self, tmp_path):
        figure = evaluation.latent_panels(dict.fromkeys("ABCDE", CODES), LABELS)
        figure.savefig(tmp_path / "a.png")
        assert [axes.get_title() for axes in figure.axes] == list("ABCDE")
        corners = [axes.get_position() for axes in figure.axes]
        assert corners[3].y1 < corners[0].y0
        assert corners[3].x0 == pytest.approx(corners[0].x0)
        assert [axes.get_legend() is not None for axes in figure.axes] == [0, 0, 1, 0, 0]

    def test_many_classes_get_one_colour_bar(self, tmp_path):
        figure = evaluation.latent_panels({"A": CODES, "B": CODES}, np.arange(60))
        figure.savefig(tmp_path / "a.png")
        assert len(figure.axes) == 3
        assert figure.axes[-1].get_ylabel() == "class"

    def test_one_dimension_is_histograms(self):
        figure = evaluation.latent_panels(
            {"A": CODES[:, :1], "B": CODES[:, 1:]}, LABELS, priors.gaussian(1)
        )
        densities = [axes.lines[0].get_data() for axes in figure.axes]
        np.testing.assert_array_equal(densities[0], densities[1])
        assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()

    def test_refuses_arguments(self):
        with pytest.raises(TypeError, match="`codes` to be a mapping from titles to arrays"):
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
