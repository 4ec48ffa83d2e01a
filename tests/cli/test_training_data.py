import numpy as np
import pytest
import tensorflow as tf

from aae_tf import data
from aae_tf.cli.make_recipe import make_recipe
from aae_tf.cli.training_data import training_data


def prepare(**options):
    recipe = make_recipe(options)
    return training_data(recipe, data.load("digits", labels=recipe.labels))


@pytest.mark.parametrize("model", ["aae", "clustering", "vae", "gan", "gmmn"])
def test_models_that_look_at_no_labels_get_none(model):
    prepared = prepare(model=model, batch_size=300)
    assert prepared.shape == (8, 8, 1)
    assert (prepared.num_classes, prepared.class_shares) == (10, None)
    assert prepared.steps_per_epoch == 5
    assert set(prepared.fit) == {"x", "batch_size", "validation_data", "validation_batch_size"}
    assert prepared.fit["validation_data"].shape == (250, 8, 8, 1)


@pytest.mark.parametrize("model", ["label-guided", "supervised", "semi-supervised", "embedding"])
def test_all_labels_need_no_mixing(model):
    prepared = prepare(model=model, batch_size=250)
    digits = data.load("digits")
    np.testing.assert_array_equal(prepared.fit["y"], digits.y_train)
    np.testing.assert_array_equal(prepared.fit["validation_data"][1], digits.y_validation)
    np.testing.assert_allclose(prepared.class_shares, np.bincount(digits.y_train) / 1250)
    assert prepared.steps_per_epoch == 5
    assert prepared.fit["batch_size"] == 250


@pytest.mark.parametrize(
    ("options", "labelled", "unlabelled"),
    [
        ({"labels": 200}, 100, 70),
        ({"labels": 50}, 50, 70),
        ({"labels": 50, "labelled_batch": 20, "unlabelled_batch": 30}, 20, 30),
        # All there are, and no more.
        ({"labels": 50, "labelled_batch": 90, "unlabelled_batch": 3000}, 50, 1250),
    ],
)
def test_few_labels_are_mixed_in(options, labelled, unlabelled):
    prepared = prepare(model="label-guided", batch_size=70, **options)
    batches = prepared.fit["x"]
    assert isinstance(batches, tf.data.Dataset)
    assert "y" not in prepared.fit
    assert "batch_size" not in prepared.fit
    assert prepared.fit["validation_batch_size"] == 70
    assert prepared.steps_per_epoch == len(batches) == 1250 // unlabelled
    _, labels = next(iter(batches))
    assert len(labels) == labelled + unlabelled
    assert np.count_nonzero(labels >= 0) == labelled
    assert prepared.class_shares is None


def test_no_labels_are_none():
    prepared = prepare(model="embedding", labels=0)
    assert "y" not in prepared.fit
    assert prepared.fit["validation_data"].shape == (250, 8, 8, 1)
    assert prepared.class_shares is None
