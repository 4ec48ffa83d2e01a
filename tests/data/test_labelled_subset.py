import numpy as np
import pytest

from aae_tf.data import labelled_subset

Y = np.repeat([2, 0, 1], [300, 100, 200])


@pytest.mark.parametrize("num_labels", [0, 3, 30, 300])
def test_every_class_keeps_the_same_number_of_its_own_labels(num_labels):
    kept = labelled_subset(Y, num_labels, seed=0)
    assert kept.dtype == np.int64
    known = kept >= 0
    np.testing.assert_array_equal(kept[known], Y[known])
    assert (kept[~known] == -1).all()
    np.testing.assert_array_equal(np.bincount(kept[known], minlength=3), [num_labels // 3] * 3)


def test_seed_decides_and_a_smaller_subset_is_part_of_a_larger_one():
    first, again, other = (labelled_subset(Y, 30, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    larger = labelled_subset(Y, 60, seed=0)
    np.testing.assert_array_equal(larger[first >= 0], first[first >= 0])


def test_every_label_of_a_class_is_as_likely_to_be_kept():
    chosen = sum((labelled_subset(Y, 75, seed=seed) >= 0).astype(int) for seed in range(400))
    # 25 of 100, 200, 300: binomial counts, five standard errors.
    expected = 400 * 25 / np.repeat([300, 100, 200], [300, 100, 200])
    assert (np.abs(chosen - expected) < 5 * np.sqrt(expected)).all()


def test_labels_that_are_unknown_stay_unknown():
    y = np.array([0, -1, 1, -1, 0, 1], np.int32)
    np.testing.assert_array_equal(labelled_subset(y, 4, seed=0), y)


def test_the_argument_is_left_as_it_is():
    y = Y.copy()
    labelled_subset(y, 30)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize(
    ("y", "num_labels", "seed", "error", "message"),
    [
        (
            Y,
            31,
            0,
            ValueError,
            r"Expected `num_labels` to be a multiple of the 3 classes, and at mo",
        ),
        (Y, 303, 0, ValueError, r"at most 300, as the smallest class has 100 labels. Received: n"),
        (Y, -3, 0, ValueError, r"Expected `num_labels` to be at least 0. Received: num_labels=-3."),
        (
            Y,
            3.0,
            0,
            TypeError,
            r"Expected `num_labels` to be an integer. Received: num_labels=3.0.",
        ),
        (Y, 3, -1, ValueError, r"Expected `seed` to be at least 0. Received: seed=-1."),
        (Y, 3, None, TypeError, r"Expected `seed` to be an integer. Received: seed=None."),
        (
            Y * 1.0,
            3,
            0,
            TypeError,
            r"Expected `y` to be an array of integers",
        ),
        (Y[None], 3, 0, ValueError, r"`y` to have shape \(n,\), .* Received: y.shape=\(1, 600\)."),
        (np.full(5, -1), 3, 0, ValueError, r"at least one known label. .* known labels=0."),
    ],
)
def test_wrong_arguments_are_named(y, num_labels, seed, error, message):
    with pytest.raises(error, match=message):
        labelled_subset(y, num_labels, seed)
