"""Paths through the codes, decoded row by row."""

import numpy as np
import pytest

from aae_tf import AAE, GAN, SemiSupervisedAAE, priors
from aae_tf.evaluation import interpolate, nearest, traverse
from tests.models import small
from tests.models.small import NUM_CLASSES

A, B = np.float32([3.0, 0.0]), np.float32([0.0, 1.0])


@pytest.fixture(scope="module")
def model():
    return small.build(AAE, prior=priors.gaussian(2, scale=2.0))


@pytest.fixture(scope="module")
def with_classes():
    return small.build(
        SemiSupervisedAAE,
        2 + NUM_CLASSES,
        style_prior=priors.gaussian(2),
        num_classes=NUM_CLASSES,
    )


def test_straight_way_is_decoded(model):
    codes = np.array([[3.0, 0.0], [2.0, 1 / 3], [1.0, 2 / 3], [0.0, 1.0]])
    expected = model.decode(codes.astype("float32"))
    np.testing.assert_allclose(interpolate(model, A, B, steps=4), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
def test_spherical_way_turns_evenly(model):
    angles, radii = np.array([0.0, 45.0, 90.0]) * np.pi / 180.0, np.array([3.0, 2.0, 1.0])
    codes = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    outputs = interpolate(model, A, B, steps=3, spherical=True)
    np.testing.assert_allclose(outputs, model.decode(codes.astype("float32")), atol=1e-6)
    same = interpolate(model, A, 2.0 * A, steps=3, spherical=True)
    np.testing.assert_allclose(same, interpolate(model, A, 2.0 * A, steps=3), atol=1e-6)


@pytest.mark.thorough
def test_classes_stay_as_they_are(with_classes):
    one = np.eye(NUM_CLASSES, dtype="float32")[1]
    outputs = interpolate(with_classes, A, B, steps=2, class_probabilities=one)
    expected = with_classes.decode(np.stack([A, B]), np.stack([one, one]))
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)


def test_one_coordinate_at_a_time_by_quantiles_of_the_prior(model):
    seen = []
    outputs = traverse(_Recorder(model, seen), [0.5, -0.5], count=5)
    (codes,) = seen
    codes = codes.reshape(2, 5, 2)
    # Quantiles of a normal distribution of deviation 2, at 0.1, 0.3, ... 0.9.
    quantiles = 2.0 * np.array([-1.2816, -0.5244, 0.0, 0.5244, 1.2816])
    np.testing.assert_allclose(codes[0, :, 0], quantiles, atol=0.3)
    np.testing.assert_allclose(codes[1, :, 1], quantiles, atol=0.3)
    assert (codes[0, :, 1] == -0.5).all() and (codes[1, :, 0] == 0.5).all()
    np.testing.assert_allclose(outputs[1, 2], model.decode(codes[1, 2:3])[0], rtol=1e-5)


class _Recorder:
    """A model whose decoded codes are kept."""

    def __init__(self, model, seen):
        self._model, self._seen = model, seen

    def __getattr__(self, name):
        return getattr(self._model, name)

    def decode(self, codes, class_probabilities=None):
        self._seen.append(codes)
        return self._model.decode(codes, class_probabilities)


@pytest.mark.thorough
def test_a_code_is_drawn_where_none_is_given(with_classes):
    first, again = (traverse(with_classes, count=2, seed=3) for _ in range(2))
    assert first.shape == (2, 2, *with_classes.decoder.output_shape[1:])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, traverse(with_classes, count=2, seed=4))
    gan = small.build(GAN, 2, (4,), prior=priors.gaussian(2), divergence="mmd")
    assert traverse(gan, count=3).shape[:2] == (2, 3)


def test_nearest_codes_come_first():
    codes = np.random.default_rng(0).normal(size=(50, 3))
    rows = nearest(codes, codes[7], count=50)
    assert rows[0] == 7
    assert (np.diff(np.linalg.norm(codes[rows] - codes[7], axis=1)) >= 0.0).all()


@pytest.mark.thorough
def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match="`a`"):
        interpolate(model, [1.0], B)
    with pytest.raises(ValueError, match="`b` to have finite values"):
        interpolate(model, A, [np.nan, 0.0])
    with pytest.raises(ValueError, match="`steps`"):
        interpolate(model, A, B, steps=1)
    with pytest.raises(ValueError, match="differ from the origin"):
        interpolate(model, A, 0.0 * B, spherical=True)
    with pytest.raises(ValueError, match="opposite directions"):
        interpolate(model, A, -A, spherical=True)
    with pytest.raises(ValueError, match="`class_probabilities` where the decoder receives them"):
        interpolate(model, A, B, class_probabilities=[1.0, 0.0])
    with pytest.raises(ValueError, match="`code`"):
        traverse(model, [1.0])
    with pytest.raises(ValueError, match="`count`"):
        traverse(model, count=0)
    with pytest.raises(ValueError, match="`count`"):
        nearest([[0.0], [1.0]], [0.0], count=3)
    with pytest.raises(ValueError, match="`code`"):
        nearest([[0.0], [1.0]], [0.0, 1.0])
