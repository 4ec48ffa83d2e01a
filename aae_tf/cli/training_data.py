"""What a recipe takes of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aae_tf.cli.variants import VARIANTS

if TYPE_CHECKING:
    from aae_tf.cli.recipe import Recipe
    from aae_tf.data import Dataset

_LABELLED = 100


class TrainingData(NamedTuple):
    """What a model is built for and fitted on.

    Attributes:
        shape: of one input, without the batch.
        num_classes: of the data.
        class_shares: float [num_classes], how often each class occurs; None where the model
            looks at no labels, or not all are known.
        steps_per_epoch: number of batches.
        fit: arguments of `fit`.
    """

    shape: tuple[int, ...]
    num_classes: int
    class_shares: np.ndarray | None
    steps_per_epoch: int
    fit: dict[str, Any]


def training_data(recipe: Recipe, dataset: Dataset) -> TrainingData:
    """Prepares what a model is fitted on: plain batches, or batches that mix labels.

    Batches are mixed where labels are few, so that each holds some: `recipe.labelled_batch`
    labelled rows and `recipe.unlabelled_batch` others, see `data.mix_labels`.

    Args:
        recipe: says which labels the model looks at.
        dataset: with the labels that the recipe keeps.
    """
    x, y = dataset.x_train, dataset.y_train
    known = int(np.count_nonzero(y >= 0))
    with_labels = VARIANTS[recipe.model].labels != "none" and known > 0
    validation: Any = dataset.x_validation
    if with_labels:
        validation = (dataset.x_validation, dataset.y_validation)
    fit: dict[str, Any] = {
        "validation_data": validation,
        "validation_batch_size": recipe.batch_size,
    }
    if with_labels and known < len(y):
        from aae_tf import data

        unlabelled = min(recipe.unlabelled_batch or recipe.batch_size, len(x))
        labelled = min(recipe.labelled_batch or _LABELLED, known)
        fit["x"] = data.mix_labels(x, y, labelled, unlabelled, recipe.seed)
        steps = len(x) // unlabelled
    else:
        fit |= {"x": x, "batch_size": recipe.batch_size}
        if with_labels:
            fit["y"] = y
        steps = -(-len(x) // recipe.batch_size)
    shares = None
    if with_labels and known == len(y):
        shares = np.bincount(y, minlength=dataset.num_classes) / len(y)
    return TrainingData(x.shape[1:], dataset.num_classes, shares, steps, fit)
