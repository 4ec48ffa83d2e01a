import matplotlib
import numpy as np
import pytest
import tensorflow_probability as tfp
from matplotlib.backends.backend_agg import FigureCanvasAgg

from aae_tf import evaluation, priors

tfd = tfp.distributions

RNG = np.random.default_rng(0)
IMAGES = RNG.random((7, 8, 6, 1), dtype=np.float32)


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
        minus = "\N{MINUS SIGN}"
        assert ticks == [f"{minus}1.5\n17%", f"{minus}1\n50%", f"{minus}0.5\n83%"]
        assert np.all(np.diff(figure.axes[0].get_yticks()) < 0)

    @pytest.mark.thorough
    def test_what_lies_outside_the_prior_is_greyed(self):
        prior = priors.ring_mixture(10)
        figure = evaluation.manifold(
            lambda codes: np.ones((len(codes), 1, 1, 1), np.float32), prior, count=21
        )
        page = figure.axes[0].images[0].get_array()[::2, ::2]
        # No code lies in the middle of the ring, nor in the corners of its square.
        assert page.shape == (21, 21)
        assert page[10, 10] == page[0, 0] == page[20, 0] == pytest.approx(0.865)
        assert page[10, 0] == page[10, 20] == page[5, 5] == 1.0

    @pytest.mark.thorough
    def test_where_a_gaussian_has_its_mass_nothing_is_grey(self):
        figure = evaluation.manifold(
            lambda codes: np.ones((len(codes), 1, 1, 1), np.float32), priors.gaussian(2), count=5
        )
        # 99% of N(0, I) lie within 3.03; the corners are at 1.28 * sqrt(2).
        np.testing.assert_array_equal(figure.axes[0].images[0].get_array()[::2, ::2], 1.0)

    def test_refuses_arguments(self):
        def decode(codes):
            return codes

        with pytest.raises(ValueError, match=r"Expected `prior` to be .* event_shape \[2\]"):
            evaluation.manifold(decode, priors.gaussian(3))
        with pytest.raises(ValueError, match="Expected `count` to be a positive integer"):
            evaluation.manifold(decode, priors.gaussian(2), count=0)
        with pytest.raises(ValueError, match=r"Expected `decode\(codes\)` to be images"):
            evaluation.manifold(decode, priors.gaussian(2), count=2)


class TestStyleGrid:
    def test_rows_are_styles_and_columns_are_classes(self):
        images = RNG.random((2, 3, 8, 6, 1), dtype=np.float32)
        figure = evaluation.style_grid(images, titles=["a", "b", "c"])
        axes = figure.axes[0]
        page = axes.images[0].get_array()
        assert page.shape == (2 * 9 - 1, 3 * 7 - 1)
        for style in range(2):
            for k in range(3):
                expected = images[style, k, ..., 0]
                np.testing.assert_array_equal(tile(page, style, k), expected)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
        np.testing.assert_allclose(axes.get_xticks(), [2.5, 9.5, 16.5])
        assert axes.xaxis.get_ticks_position() == "top"

    def test_classes_are_numbered_by_default(self):
        figure = evaluation.style_grid(np.zeros((1, 2, 8, 8)))
        assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0", "1"]

    def test_refuses_arguments(self):
        with pytest.raises(ValueError, match=r"Expected `images` to be \[styles, classes, height"):
            evaluation.style_grid(IMAGES[0])
        with pytest.raises(ValueError, match=r"Expected `images\[style\]` to be images"):
            evaluation.style_grid(np.zeros((2, 2, 8, 8, 2)))
        with pytest.raises(ValueError, match="Expected `titles` to have one entry for each of the"):
            evaluation.style_grid(np.zeros((2, 3, 8, 8)), titles=["a"])


class TestClusterGrid:
    def test_rows_are_a_head_and_the_first_examples(self):
        examples = RNG.random((7, 8, 6, 1), dtype=np.float32)
        heads = RNG.random((3, 8, 6), dtype=np.float32)
        clusters = [1, 0, 1, -1, 1, 1, 0]
        figure = evaluation.cluster_grid(heads, examples, clusters, columns=3, names=["a", "", "c"])
        axes = figure.axes[0]
        page = axes.images[0].get_array()
        # One head, a space of four gaps, three examples.
        assert page.shape == (3 * 9 - 1, 6 + 4 + 3 * 7 - 1)
        rows = [[1, 6], [0, 2, 4], []]
        for cluster, members in enumerate(rows):
            np.testing.assert_array_equal(tile(page, cluster, 0), heads[cluster])
            for place in range(3):
                shown = tile(page[:, 10:], cluster, place)
                expected = examples[members[place], ..., 0] if place < len(members) else 1.0
                np.testing.assert_array_equal(shown, expected)
        assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "", "c"]
        np.testing.assert_allclose(axes.get_yticks(), [3.5, 12.5, 21.5])
        np.testing.assert_allclose(axes.get_xticks(), [2.5, 19.5])

    def test_clusters_are_numbered_by_default(self):
        figure = evaluation.cluster_grid(IMAGES[:2], IMAGES, np.zeros(7, int))
        assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["0", "1"]

    def test_refuses_arguments(self):
        with pytest.raises(ValueError, match="Expected `examples` to have the image shape of `he"):
            evaluation.cluster_grid(IMAGES[:2, :4], IMAGES, np.zeros(7, int))
        with pytest.raises(ValueError, match="Expected `heads` to be images"):
            evaluation.cluster_grid(IMAGES[0, 0], IMAGES, np.zeros(7, int))
        with pytest.raises(ValueError, match="Expected `clusters` to hold classes from 0 to 1"):
            evaluation.cluster_grid(IMAGES[:2], IMAGES, np.full(7, 2))
        with pytest.raises(ValueError, match=r"Expected `clusters` to have shape \(7,\)"):
            evaluation.cluster_grid(IMAGES[:2], IMAGES, [0])
        with pytest.raises(ValueError, match="Expected `columns` to be a positive integer"):
            evaluation.cluster_grid(IMAGES[:2], IMAGES, np.zeros(7, int), columns=0)
        with pytest.raises(ValueError, match="Expected `names` to have one entry for each of the"):
            evaluation.cluster_grid(IMAGES[:2], IMAGES, np.zeros(7, int), names=["a"])


class TestImageRows:
    def test_rows_are_named_and_a_short_one_ends_in_white(self):
        figure = evaluation.image_rows({"one": IMAGES[:3], "$two$": IMAGES[:2]}, title="paths")
        axes = figure.axes[0]
        page = axes.images[0].get_array()
        assert page.shape == (2 * 9 - 1, 3 * 7 - 1)
        np.testing.assert_array_equal(tile(page, 1, 1), IMAGES[1, ..., 0])
        np.testing.assert_array_equal(tile(page, 1, 2), 1.0)
        assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "$two$"]
        assert not any(label.get_parse_math() for label in axes.get_yticklabels())
        assert axes.get_title(loc="left") == "paths"

    def test_refuses_arguments(self):
        with pytest.raises(TypeError, match="Expected `rows` to be a mapping from names"):
            evaluation.image_rows([IMAGES])
        with pytest.raises(ValueError, match="Expected `rows` to have at least one entry"):
            evaluation.image_rows({})
        with pytest.raises(ValueError, match="Expected `rows` to hold images of one size"):
            evaluation.image_rows({"a": IMAGES, "b": IMAGES[:, :4]})
        with pytest.raises(ValueError, match=r"Expected `rows\['a'\]` to be images"):
            evaluation.image_rows({"a": IMAGES[0, 0]})


def test_titles_stand_above_every_grid(tmp_path):
    grid = IMAGES[:6].reshape(2, 3, 8, 6, 1)
    figures = [
        evaluation.sample_grid(IMAGES, title="two\nlines"),
        evaluation.reconstructions(IMAGES, IMAGES, "two\nlines"),
        evaluation.style_grid(grid, ["a", "b", "a long name"], "two\nlines"),
        evaluation.cluster_grid(IMAGES[:2], IMAGES, np.arange(7) % 2, title="two\nlines"),
    ]
    for figure in figures:
        assert figure.axes[0].get_title(loc="left") == "two\nlines"
        figure.savefig(tmp_path / "a.png")
    assert {label.get_rotation() for label in figures[2].axes[0].get_xticklabels()} == {90.0}
