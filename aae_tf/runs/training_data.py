"""Batches and labels that a recipe takes from its data, and what they say about the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aae_tf.runs.errors import UserError
from aae_tf.runs.variants import VARIANTS

if TYPE_CHECKING:
    import tensorflow as tf

    from aae_tf.data import Dataset
    from aae_tf.runs.recipe import Recipe
    from aae_tf.tables.schema import TableSchema

_DEFAULT_LABELLED = 100


class TrainingData(NamedTuple):
    """Properties of the training data that a model is built with, and its validation data.

    Attributes:
        shape: shape of one input.
        num_classes: number of classes in the data.
        class_shares: float [num_classes], share of each class; None if the model uses no labels,
            or if some are unknown.
        steps_per_epoch: number of batches in an epoch.
        fit: arguments of `fit` for validation; none where no rows are held out.
        table: the columns of a table; None for arrays.
        class_names: names of the classes; None where they are the numbers, or there are none.
        columns: of windows of a time series the names of the columns, and their means and variances
            in the training windows, by which networks standardize; None elsewhere.
        in_unit_interval: whether inputs lie in [0, 1], so that a decoder may end in a sigmoid.
    """

    shape: tuple[int, ...]
    num_classes: int
    class_shares: np.ndarray | None
    steps_per_epoch: int
    fit: dict[str, Any]
    table: TableSchema | None = None
    in_unit_interval: bool = True
    class_names: tuple[str, ...] | None = None
    columns: WindowColumns | None = None


class WindowColumns(NamedTuple):
    """The columns of windows of a time series.

    Attributes:
        names: names of the columns.
        mean: float64 [columns], over the training windows.
        variance: float64 [columns], positive.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    variance: np.ndarray


def training_data(recipe: Recipe, dataset: Dataset) -> TrainingData:
    """Describes the data to the model of a recipe.

    Args:
        recipe: recipe, whose model decides which labels are used.
        dataset: data set, with the labels that the recipe keeps.

    Raises:
        UserError: if a column of a time series has one value in the windows that train.
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
    if not len(dataset.x_validation):
        fit = {}
    x, names = dataset.x_train, dataset.class_names
    has_names = bool(names) and names != tuple(map(str, range(len(names))))
    return TrainingData(
        x.shape[1:],
        dataset.num_classes,
        shares,
        steps,
        fit,
        dataset.table,
        isinstance(x, np.ndarray)
        and dataset.table is None
        and bool(x.min() >= 0.0 and x.max() <= 1.0),
        names if has_names else None,
        _window_columns(dataset),
    )


def _window_columns(dataset: Dataset) -> WindowColumns | None:
    if dataset.steps is None:
        return None
    import keras

    x = np.asarray(dataset.x_train)
    mean = x.mean(axis=(0, 1), dtype=np.float64)
    # Not of the squares: a column may be far from zero.
    variance = np.square(x - mean).mean(axis=(0, 1))
    smallest = keras.backend.epsilon()
    for name, deviation in zip(dataset.column_names, np.sqrt(variance), strict=True):
        if deviation < smallest:
            raise UserError(
                f"Expected column {name!r} to have a standard deviation of {smallest:g} or more "
                "in the windows that train, which are the normal ones with task='anomaly'; leave "
                f"it out, or give it in another unit. Received: {deviation:.3g}."
            )
    return WindowColumns(dataset.column_names, mean, variance)


def training_batches(recipe: Recipe, dataset: Dataset, epoch: int, step: int) -> tf.data.Dataset:
    """Makes the batches of a training that starts at a step of an epoch.

    Where some labels are unknown, each batch consists of `recipe.labelled_batch` labelled rows and
    `recipe.unlabelled_batch` others, see `data.mix_labels`.

    Args:
        recipe: recipe, which gives the seed and the sizes.
        dataset: data set, with the labels that the recipe keeps.
        epoch: number of the first epoch, counted from 0.
        step: number of batches that are skipped. They are skipped in every epoch, so that with
            `step` > 0 the result is for one epoch.
    """
    from aae_tf.data import mix_labels, shuffled_batches

    x, labels = dataset.x_train, used_labels(recipe, dataset)
    if labels is not None and (labels < 0).any():
        sizes = _mixed_sizes(recipe, labels)
        batches = mix_labels(x, labels, *sizes, seed=recipe.seed, first_epoch=epoch)
    else:
        batches = shuffled_batches(x, labels, recipe.batch_size, recipe.seed, epoch)
    return batches.skip(step) if step else batches


def batch_sizes(recipe: Recipe, dataset: Dataset) -> dict[str, int]:
    """Gives the numbers of rows that make up a batch, by the names of their fields."""
    labels = used_labels(recipe, dataset)
    if labels is not None and (labels < 0).any():
        sizes = _mixed_sizes(recipe, labels)
        return dict(zip(("labelled_batch", "unlabelled_batch"), sizes, strict=True))
    return {"batch_size": recipe.batch_size}


def used_labels(recipe: Recipe, dataset: Dataset) -> np.ndarray | None:
    """Gives the training labels if the model uses labels and any is known, else None."""
    y = dataset.y_train
    return y if VARIANTS[recipe.model].labels != "none" and (y >= 0).any() else None


def _mixed_sizes(recipe: Recipe, labels: np.ndarray) -> tuple[int, int]:
    """Gives the numbers of labelled and of unlabelled rows in a batch."""
    known = int(np.count_nonzero(labels >= 0))
    labelled = min(recipe.labelled_batch or _DEFAULT_LABELLED, known)
    return labelled, min(recipe.unlabelled_batch or recipe.batch_size, len(labels))


def halve_validation(dataset: Dataset) -> Dataset:
    """Puts every other row of the validation split in place of the test split.

    Raises:
        UserError: if there are fewer than four rows.
    """
    x, y = dataset.x_validation, dataset.y_validation
    if len(x) < 4:
        raise UserError(
            "Expected a run that held out four validation rows or more, to measure on them. "
            f"Received: {len(x)} rows."
        )
    return replace(
        dataset, x_validation=x[::2], y_validation=y[::2], x_test=x[1::2], y_test=y[1::2]
    )
