"""What a recipe takes of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aae_tf.cli.variants import VARIANTS

if TYPE_CHECKING:
    import tensorflow as tf

    from aae_tf.cli.recipe import Recipe
    from aae_tf.data import Dataset

_LABELLED = 100


class TrainingData(NamedTuple):
    """What a model is built for and validated on; `training_batches` is what it is fitted on.

    Attributes:
        shape: of one input, without the batch.
        num_classes: of the data.
        class_shares: float [num_classes], how often each class occurs; None where the model
            looks at no labels, or not all are known.
        steps_per_epoch: number of batches.
        fit: arguments of `fit` that say what is validated on.
    """

    shape: tuple[int, ...]
    num_classes: int
    class_shares: np.ndarray | None
    steps_per_epoch: int
    fit: dict[str, Any]


def training_data(recipe: Recipe, dataset: Dataset) -> TrainingData:
    """Says what a model of a recipe is built for.

    Args:
        recipe: says which labels the model looks at.
        dataset: with the labels that the recipe keeps.
    """
    n, labels = len(dataset.x_train), used_labels(recipe, dataset)
    validation: Any = dataset.x_validation
    if labels is not None:
        validation = (dataset.x_validation, dataset.y_validation)
    shares = None
    steps = -(-n // recipe.batch_size)
    if labels is not None and (labels < 0).any():
        steps = n // _mixed_sizes(recipe, labels)[1]
    elif labels is not None:
        shares = np.bincount(labels, minlength=dataset.num_classes) / n
    fit = {"validation_data": validation, "validation_batch_size": recipe.batch_size}
    return TrainingData(dataset.x_train.shape[1:], dataset.num_classes, shares, steps, fit)


def training_batches(recipe: Recipe, dataset: Dataset, epoch: int, step: int) -> tf.data.Dataset:
    """Gives the batches from a step of an epoch on: plain ones, or such that mix labels.

    Batches are mixed where labels are few, so that each holds some: `recipe.labelled_batch`
    labelled rows and `recipe.unlabelled_batch` others, see `data.mix_labels`.

    Args:
        recipe: gives the seed and the sizes.
        dataset: with the labels that the recipe keeps.
        epoch: number of the epoch that comes first, counted from 0.
        step: how many batches of it are left out. As they are left out of every epoch, a data set
            of `step` > 0 is for one epoch.
    """
    from aae_tf.data.mix_labels import mix_labels
    from aae_tf.data.shuffled_batches import shuffled_batches

    x, labels = dataset.x_train, used_labels(recipe, dataset)
    if labels is not None and (labels < 0).any():
        sizes = _mixed_sizes(recipe, labels)
        batches = mix_labels(x, labels, *sizes, seed=recipe.seed, first_epoch=epoch)
    else:
        batches = shuffled_batches(x, labels, recipe.batch_size, recipe.seed, epoch)
    return batches.skip(step) if step else batches


def batch_sizes(recipe: Recipe, dataset: Dataset) -> dict[str, int]:
    """Gives the numbers of rows that make a batch, by the fields that say them."""
    labels = used_labels(recipe, dataset)
    if labels is not None and (labels < 0).any():
        sizes = _mixed_sizes(recipe, labels)
        return dict(zip(("labelled_batch", "unlabelled_batch"), sizes, strict=True))
    return {"batch_size": recipe.batch_size}


def used_labels(recipe: Recipe, dataset: Dataset) -> np.ndarray | None:
    """Gives the training labels, if the model looks at labels and one is known."""
    y = dataset.y_train
    return y if VARIANTS[recipe.model].labels != "none" and (y >= 0).any() else None


def _mixed_sizes(recipe: Recipe, labels: np.ndarray) -> tuple[int, int]:
    """Gives how many labelled and how many unlabelled rows a batch has."""
    known = int(np.count_nonzero(labels >= 0))
    labelled = min(recipe.labelled_batch or _LABELLED, known)
    return labelled, min(recipe.unlabelled_batch or recipe.batch_size, len(labels))
