import matplotlib
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba

from aae_tf import evaluation, priors

tfd = tfp.distributions

RNG = np.random.default_rng(0)
IMAGES = RNG.random((7, 8, 6, 1), dtype=np.float32)


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


def contour_radii(figure):
    """Mean distance from the origin of each contour line, the outermost first."""
    lines = [c for c in figure.axes[0].collections if hasattr(c, "levels")][-1]
    return [np.linalg.norm(path.vertices, axis=1).mean() for path in lines.get_paths()]


def tile(page, row, column, height=8, width=6, gap=1):
    top, left = row * (height + gap), column * (width + gap)
    return page[top : top + height, left : left + width]


def test_figures_need_no_display_and_leave_matplotlib_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    figure = evaluation.sample_grid(IMAGES)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.savefig(tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before


class TestSampleGrid:
    def test_draws_every_image_in_place(self):
        (image,) = evaluation.sample_grid(IMAGES, columns=4).axes[0].images
        page = image.get_array()
        assert page.shape == (2 * 9 - 1, 4 * 7 - 1)
        for i in range(7):
            np.testing.assert_array_equal(tile(page, i // 4, i % 4), IMAGES[i, ..., 0])
        np.testing.assert_array_equal(tile(page, 1, 3), 1.0)
        np.testing.assert_array_equal(page[8], 1.0)
        assert image.get_clim() == (0.0, 1.0)
        assert image.get_cmap().name == "gray"

    def test_is_square_by_default(self):
        figure = evaluation.sample_grid(IMAGES[..., 0])
        assert figure.axes[0].images[0].get_array().shape == (3 * 9 - 1, 3 * 7 - 1)

    def test_shows_colours_and_clips_them(self):
        images = np.full((2, 4, 4, 3), [2.0, 0.5, -1.0])
        page = evaluation.sample_grid(images).axes[0].images[0].get_array()
        np.testing.assert_array_equal(page[0, 0], [1.0, 0.5, 0.0])

    @pytest.mark.parametrize("shape", [(3, 8), (3, 8, 8, 2), (0, 8, 8, 1), (3, 2, 8, 8, 1)])
    def test_refuses_what_is_no_image(self, shape):
        with pytest.raises(ValueError, match=r"Expected `samples` to be images .* at least one"):
            evaluation.sample_grid(np.zeros(shape))

    @pytest.mark.parametrize("columns", [0, 2.0])
    def test_refuses_columns(self, columns):
        with pytest.raises(ValueError, match="Expected `columns` to be a positive integer"):
            evaluation.sample_grid(IMAGES, columns=columns)


class TestReconstructions:
    def test_pairs_inputs_with_outputs_below(self):
        inputs = RNG.random((13, 8, 6, 1), dtype=np.float32)
        figure = evaluation.reconstructions(inputs, 1.0 - inputs)
        axes = figure.axes[0]
        page = axes.images[0].get_array()
        pair = 2 * 9 - 1
        assert page.shape == (2 * pair + 3, 12 * 7 - 1)
        for i in range(13):
            rows = page[(i // 12) * (pair + 3) :]
            np.testing.assert_array_equal(tile(rows, 0, i % 12), inputs[i, ..., 0])
            np.testing.assert_array_equal(tile(rows, 1, i % 12), 1.0 - inputs[i, ..., 0])
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == ["input", "output", "input", "output"]
        np.testing.assert_allclose(axes.get_yticks(), [3.5, 12.5, 23.5, 32.5])

    def test_refuses_other_shapes(self):
        with pytest.raises(ValueError, match="Expected `outputs` to have the shape of `inputs`"):
            evaluation.reconstructions(IMAGES, IMAGES[:3])
        with pytest.raises(ValueError, match="Expected `inputs` to be images"):
            evaluation.reconstructions(IMAGES[0, 0], IMAGES)
        with pytest.raises(ValueError, match="Expected `outputs` to be images"):
            evaluation.reconstructions(IMAGES, IMAGES[0, 0])


class TestManifold:
    def test_decodes_the_quantiles_of_the_prior(self):
        seen = []

        def decode(codes):
            seen.append(codes)
            # The picture of a code: its first coordinate on top, its second below.
            return np.repeat(codes[:, :, np.newaxis, np.newaxis] / 10 + 0.5, 2, axis=2)

        prior = tfd.MultivariateNormalDiag([1.0, -1.0], [1.0, 0.5])
        figure = evaluation.manifold(decode, prior, count=3)
        (codes,) = seen
        # Quantiles 1/6, 1/2, 5/6 of a normal: -0.967, 0, 0.967. Five standard errors of 100,000
        # samples are at most 0.03.
        x, y = 1.0 + np.array([-0.967, 0.0, 0.967]), -1.0 + 0.5 * np.array([-0.967, 0.0, 0.967])
        expected = [(a, b) for b in y[::-1] for a in x]
        np.testing.assert_allclose(codes, expected, atol=0.03)
        page = figure.axes[0].images[0].get_array()
        assert page.shape == (3 * 3 - 1, 3 * 3 - 1)
        # Right is up in the first coordinate, up is up in the second.
        assert page[0, 0] < page[0, 3] < page[0, 6]
        assert page[1, 0] > page[4, 0] > page[7, 0]
        ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert ticks == ["\N{MINUS SIGN}1.5", "\N{MINUS SIGN}1", "\N{MINUS SIGN}0.5"]
        assert np.all(np.diff(figure.axes[0].get_yticks()) < 0)

    def test_refuses_arguments(self):
        def decode(codes):
            return codes

        with pytest.raises(ValueError, match=r"Expected `prior` to be .* event_shape \[2\]"):
            evaluation.manifold(decode, priors.gaussian(3))
        with pytest.raises(ValueError, match="Expected `count` to be a positive integer"):
            evaluation.manifold(decode, priors.gaussian(2), count=0)
        with pytest.raises(ValueError, match=r"Expected `decode\(codes\)` to be images"):
            evaluation.manifold(decode, priors.gaussian(2), count=2)


class TestLatentScatter:
    def test_draws_every_code_in_its_colour(self):
        codes = RNG.normal(size=(60, 2)).astype(np.float32)
        labels = np.arange(60) % 3
        figure = evaluation.latent_scatter(codes, labels, priors.gaussian(2))
        axes = figure.axes[0]
        points = axes.collections[0]
        shown = {
            tuple(p): tuple(c)
            for p, c in zip(points.get_offsets().data, points.get_facecolors(), strict=True)
        }
        palette = ["#3f90da", "#ffa90e", "#bd1f01"]
        assert len(shown) == 60
        for code, label in zip(codes, labels, strict=True):
            assert shown[tuple(code.astype(float))][:3] == to_rgba(palette[label])[:3]
        assert axes.get_aspect() == 1.0
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent 1", "latent 2")
        assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == [
            "0",
            "1",
            "2",
            "prior",
        ]
        (low_x, high_x), (low_y, high_y) = axes.get_xlim(), axes.get_ylim()
        assert low_x < codes[:, 0].min() and high_x > codes[:, 0].max()
        assert low_y < codes[:, 1].min() and high_y > codes[:, 1].max()
        assert high_x - low_x == pytest.approx(high_y - low_y)

    def test_drawing_order_is_a_function_of_the_seed(self):
        codes = RNG.normal(size=(50, 2))

        def order(seed):
            figure = evaluation.latent_scatter(codes, np.arange(50) % 2, seed=seed)
            return figure.axes[0].collections[0].get_offsets().data

        np.testing.assert_array_equal(order(1), order(1))
        assert not np.array_equal(order(1), order(2))
        assert not np.array_equal(order(1), codes)

    @pytest.mark.parametrize("prior", [priors.gaussian(2), Unknown()], ids=["density", "samples"])
    def test_contours_hold_half_four_fifths_and_95_percent(self, prior):
        figure = evaluation.latent_scatter(RNG.normal(size=(20, 2)), prior=prior)
        # A circle around N(0, I) holds the mass m within r = sqrt(-2 log(1 - m)).
        expected = np.sqrt(-2.0 * np.log(1.0 - np.array([0.95, 0.8, 0.5])))
        np.testing.assert_allclose(contour_radii(figure), expected, rtol=0.03)

    def test_projects_wide_codes_and_their_prior_onto_principal_components(self):
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

    def test_uniform_prior_is_its_box(self):
        figure = evaluation.latent_scatter(RNG.normal(size=(20, 2)), prior=priors.uniform(2))
        lines = [c for c in figure.axes[0].collections if hasattr(c, "levels")][-1]
        assert len(lines.levels) == 1
        vertices = lines.get_paths()[0].vertices
        np.testing.assert_allclose(np.abs(vertices).max(axis=1), 1.0, atol=0.05)

    def test_one_dimension_is_a_histogram_under_the_density(self):
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

    def test_unknown_labels_are_gray_and_classes_keep_their_colour(self):
        codes = RNG.normal(size=(4, 2))
        figure = evaluation.latent_scatter(codes, [-1, 9, 4, 4])
        handles = figure.axes[0].get_legend().get_patches()
        assert [handle.get_facecolor() for handle in handles] == [
            to_rgba(color) for color in ("#d8d8d8", "#832db6", "#92dadd")
        ]
        assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == [
            "unknown",
            "4",
            "9",
        ]

    def test_many_classes_get_a_colour_bar(self):
        codes = RNG.normal(size=(60, 2))
        figure = evaluation.latent_scatter(codes, np.arange(60) % 20)
        assert figure.axes[0].get_legend() is None
        assert figure.axes[1].get_ylabel() == "class"
        assert figure.axes[1].get_ylim() == (0.0, 19.0)

    def test_labels_above_nine_are_coloured_by_rank(self):
        figure = evaluation.latent_scatter(RNG.normal(size=(4, 2)), [10, 30, 20, 10])
        assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["10", "20", "30"]

    def test_collapsed_codes_can_be_drawn(self, tmp_path):
        for width in (1, 2, 3):
            figure = evaluation.latent_scatter(np.ones((5, width)))
            figure.savefig(tmp_path / "a.png")
            low, high = figure.axes[0].get_xlim()
            assert low < high

    def test_codes_far_from_the_prior_can_be_drawn(self, tmp_path):
        codes = 1e6 + RNG.normal(size=(20, 2))
        evaluation.latent_scatter(codes, prior=priors.gaussian(2)).savefig(tmp_path / "a.png")

    def test_refuses_arguments(self):
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
