import numpy as np
import pytest
import tensorflow as tf

from aae_tf import data
from aae_tf.runs.named_recipes import make_recipe
from aae_tf.runs.training_data import training_batches, training_data


def load(**options):
    recipe = make_recipe(options)
    return recipe, data.load("digits", labels=recipe.labels)


def prepare(**options):
    return training_data(*load(**options))


def batches(epoch=0, step=0, **options):
    return training_batches(*load(**options), epoch, step)


@pytest.mark.parametrize("model", ["aae", "clustering", "vae", "gan", "gmmn"])
def test_models_that_look_at_no_labels_get_none(model):
    prepared = prepare(model=model, batch_size=300)
    assert prepared.shape == (8, 8, 1)
    assert (prepared.num_classes, prepared.class_shares) == (10, None)
    assert prepared.steps_per_epoch == 5
    assert set(prepared.fit) == {"validation_data", "validation_batch_size"}
    assert prepared.fit["validation_data"].shape == (250, 8, 8, 1)
    fitted = batches(model=model, batch_size=300)
    assert fitted.element_spec == tf.TensorSpec([None, 8, 8, 1])
    assert len(fitted) == 5


@pytest.mark.sampled
@pytest.mark.parametrize("model", ["label-guided", "supervised", "semi-supervised", "embedding"])
def test_all_labels_need_no_mixing(model):
    prepared = prepare(model=model, batch_size=250)
    digits = data.load("digits")
    _, labels = next(iter(batches(model=model, batch_size=1250)))
    assert np.bincount(labels).tolist() == np.bincount(digits.y_train).tolist()
    np.testing.assert_array_equal(prepared.fit["validation_data"][1], digits.y_validation)
    np.testing.assert_allclose(prepared.class_shares, np.bincount(digits.y_train) / 1250)
    assert prepared.steps_per_epoch == len(batches(model=model, batch_size=250)) == 5


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
    mixed = batches(model="label-guided", batch_size=70, **options)
    assert prepared.fit["validation_batch_size"] == 70
    assert prepared.steps_per_epoch == len(mixed) == 1250 // unlabelled
    _, labels = next(iter(mixed))
    assert len(labels) == labelled + unlabelled
    assert np.count_nonzero(labels >= 0) == labelled
    assert prepared.class_shares is None


def test_without_held_out_rows_there_is_no_validation():
    recipe = make_recipe({"validation": 0})
    whole = training_data(recipe, data.load("digits", validation=0))
    assert (whole.fit, whole.steps_per_epoch) == ({}, 15)


def test_no_labels_are_none():
    prepared = prepare(model="embedding", labels=0)
    assert batches(model="embedding", labels=0).element_spec == tf.TensorSpec([None, 8, 8, 1])
    assert prepared.fit["validation_data"].shape == (250, 8, 8, 1)
    assert prepared.class_shares is None


@pytest.mark.sampled
@pytest.mark.parametrize("options", [{}, {"model": "label-guided", "labels": 50}], ids=str)
def test_batches_go_on_from_any_step(options):
    def inputs(dataset):
        return [batch[0] if options else batch for batch in dataset.as_numpy_iterator()]

    whole = batches(batch_size=300, **options)
    for epoch in range(3):
        expected = inputs(whole)
        later = batches(epoch, batch_size=300, **options)
        np.testing.assert_array_equal(np.concatenate(inputs(later)), np.concatenate(expected))
    last = batches(2, 3, batch_size=300, **options)
    assert len(last) == len(whole) - 3
    np.testing.assert_array_equal(np.concatenate(inputs(last)), np.concatenate(expected[3:]))
