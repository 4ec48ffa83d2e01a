import numpy as np
import pytest
from sklearn import datasets

from aae_tf import data

SPLITS = ("train", "validation", "test")


def images(dataset):
    return {split: getattr(dataset, f"x_{split}") for split in SPLITS}


def labels(dataset):
    return {split: getattr(dataset, f"y_{split}") for split in SPLITS}


def test_digits_are_those_of_scikit_learn_scaled_and_each_in_one_split():
    dataset = data.load("digits")
    x = np.concatenate(list(images(dataset).values()))
    y = np.concatenate(list(labels(dataset).values()))
    assert x.dtype == np.float32
    assert x.shape == (1797, 8, 8, 1)
    assert (x.min(), x.max()) == (0.0, 1.0)

    def rows(pixels, targets):
        return sorted(map(tuple, np.column_stack([pixels.reshape(len(pixels), -1), targets])))

    bundled = datasets.load_digits()
    assert rows(x * 16, y) == rows(bundled.images, bundled.target)


def test_digits_are_split_by_class_in_the_documented_sizes():
    dataset = data.load("digits")
    sizes = {"train": 1250, "validation": 250, "test": 297}
    assert {split: len(y) for split, y in labels(dataset).items()} == sizes
    shares = np.bincount(datasets.load_digits().target) / 1797
    for split, y in labels(dataset).items():
        assert y.dtype == np.int64
        np.testing.assert_allclose(np.bincount(y), shares * sizes[split], atol=1)
    assert dataset.name == "digits"
    assert dataset.num_classes == 10
    assert dataset.class_names == tuple("0123456789")


def test_seed_moves_validation_and_labels_but_never_the_test_split():
    first, again, other = (data.load("digits", labels=100, seed=seed) for seed in (1, 1, 2))
    for split in SPLITS:
        np.testing.assert_array_equal(images(first)[split], images(again)[split])
        np.testing.assert_array_equal(labels(first)[split], labels(again)[split])
    assert not np.array_equal(first.x_validation, other.x_validation)
    assert not np.array_equal(first.y_train, other.y_train)
    smaller = data.load("digits", validation=50)
    for dataset in (other, smaller):
        np.testing.assert_array_equal(first.x_test, dataset.x_test)
        np.testing.assert_array_equal(first.y_test, dataset.y_test)


def test_labels_are_kept_in_balance_and_only_of_training_images():
    complete = data.load("digits", seed=3)
    dataset = data.load("digits", labels=50, seed=3)
    known = dataset.y_train >= 0
    np.testing.assert_array_equal(np.bincount(dataset.y_train[known]), np.full(10, 5))
    np.testing.assert_array_equal(dataset.y_train[known], complete.y_train[known])
    assert (dataset.y_train[~known] == -1).all()
    np.testing.assert_array_equal(dataset.y_validation, complete.y_validation)
    np.testing.assert_array_equal(dataset.y_test, complete.y_test)


@pytest.mark.parametrize(("validation", "size"), [(0, 0), (0.0, 0), (10, 10), (0.2, 300)])
def test_validation_is_a_fraction_or_a_number_of_the_train_split(validation, size):
    dataset = data.load("digits", validation=validation)
    assert dataset.x_validation.shape == (size, 8, 8, 1)
    assert len(dataset.y_validation) == size
    assert len(dataset.x_train) == len(dataset.y_train) == 1500 - size


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"validation": 1.0},
            ValueError,
            r"Expected `validation` to be a fraction in \[0, 1\), or",
        ),
        ({"validation": -0.1}, ValueError, r"Received: validation=-0.1."),
        ({"validation": float("nan")}, ValueError, r"Received: validation=nan."),
        ({"validation": -1}, ValueError, "Expected `validation` to be at least 0. Received: val"),
        ({"validation": "all"}, TypeError, "Expected `validation` to be an integer"),
        (
            {"validation": 9},
            ValueError,
            "Expected `validation` to leave each of 10 classes an image",
        ),
        ({"validation": 1491}, ValueError, "Received: validation=1491, which is 1491 images."),
        ({"validation": 0.999}, ValueError, "Received: validation=0.999, which is 1498 images."),
        ({"seed": -1}, ValueError, "Expected `seed` to be at least 0. Received: seed=-1."),
        (
            {"seed": 2**32},
            ValueError,
            f"Expected `seed` to be at most {2**32 - 1}. Received: seed=",
        ),
        ({"seed": 0.5}, TypeError, "Expected `seed` to be an integer. Received: seed=0.5."),
        (
            {"labels": "100"},
            TypeError,
            "Expected `labels` to be an integer. Received: labels='100'",
        ),
        ({"labels": True}, TypeError, "Expected `labels` to be an integer. Received: labels=True"),
        ({"labels": -10}, ValueError, "Expected `labels` to be at least 0. Received: labels=-10."),
        ({"labels": 15}, ValueError, "Expected `num_labels` to be a multiple of the 10 classes"),
        ({"labels": 1250}, ValueError, "Expected `num_labels` to be a multiple of the 10 classes"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        data.load("digits", **arguments)


@pytest.mark.mnist
@pytest.mark.integration
def test_mnist_is_the_published_one(machine_data):
    dataset = data.load("mnist", labels=100)
    assert {split: x.shape for split, x in images(dataset).items()} == {
        "train": (50_000, 28, 28, 1),
        "validation": (10_000, 28, 28, 1),
        "test": (10_000, 28, 28, 1),
    }
    # What every user of MNIST knows by heart: the classes of the test images, and the mean and the
    # standard deviation of the pixels of the 60,000 others.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(np.bincount(dataset.y_test), counts)
    pixels = np.concatenate([dataset.x_train, dataset.x_validation])
    assert round(float(pixels.mean(dtype=np.float64)), 4) == 0.1307
    assert round(float(pixels.std(dtype=np.float64)), 4) == 0.3081
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)
    assert (dataset.y_train >= 0).sum() == 100
    assert dataset.class_names == tuple("0123456789")
