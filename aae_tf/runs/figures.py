"""Figures of a model by its variant, drawn during and after its training."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.checks import import_extra
from aae_tf.files import write_new
from aae_tf.runs.variants import VARIANTS

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from aae_tf.data import Dataset
    from aae_tf.runs.recipe import Recipe

_Draw = Callable[[Any, "Dataset"], "Figure | None"]

_NUM_DRAWINGS = 10
_NUM_POINTS = 2000
_NUM_RECONSTRUCTIONS = 36
_NUM_SAMPLES = 100
_NUM_STYLES = 10


def figure_callbacks(
    recipe: Recipe, dataset: Dataset, logs: Path
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that draw figures, about ten times in a training."""
    # Without Matplotlib, the error comes before the training and not after it.
    import_extra("matplotlib", "figures", "the figures of a run")
    from aae_tf import callbacks

    pictures: dict[str, Any] = {"log_dir": logs, "every": -(-recipe.epochs // _NUM_DRAWINGS)}
    x, y = dataset.x_validation, dataset.y_validation
    if not len(x):
        x, y = dataset.x_train, dataset.y_train
    drawn: list[keras.callbacks.Callback] = []
    if _are_images(dataset):
        drawn.append(callbacks.SampleGrid(_NUM_SAMPLES, **pictures))
    if VARIANTS[recipe.model].has_encoder:
        if _are_images(dataset):
            drawn.append(callbacks.Reconstructions(x[:_NUM_RECONSTRUCTIONS], **pictures))
        drawn.append(callbacks.LatentScatter(x[:_NUM_POINTS], y[:_NUM_POINTS], **pictures))
    return drawn


def write_figures(directory: Path, model: Any, recipe: Recipe, dataset: Dataset) -> None:
    """Draws a trained model on the test split and writes PNG files.

    Args:
        directory: directory that is made for them.
        model: trained model of the recipe.
        recipe: recipe, whose variant decides which figures are drawn.
        dataset: data set with the test split.
    """
    directory.mkdir()
    for name, draw in _FIGURES[recipe.model].items():
        if name != "latent" and not _are_images(dataset):
            continue
        figure = draw(model, dataset)
        if figure is not None:
            buffer = io.BytesIO()
            figure.savefig(buffer)
            write_new(directory / f"{name}.png", buffer.getvalue())


def _are_images(dataset: Dataset) -> bool:
    return dataset.x_train.ndim == 4


def _samples(model: Any, dataset: Dataset) -> Figure:
    from aae_tf import evaluation

    return evaluation.sample_grid(model.sample(_NUM_SAMPLES, seed=0))


def _reconstructions(model: Any, dataset: Dataset) -> Figure:
    from aae_tf import evaluation

    x = dataset.x_test[:_NUM_RECONSTRUCTIONS]
    return evaluation.reconstructions(x, model.reconstruct(x))


def _latent(model: Any, dataset: Dataset) -> Figure:
    from aae_tf import evaluation

    return evaluation.model_latents(model, dataset.x_test, dataset.y_test)


def _manifold(model: Any, dataset: Dataset) -> Figure | None:
    from aae_tf import evaluation

    return evaluation.manifold(model.decode, model.prior) if _width(model.prior) == 2 else None


def _styles_by_class(prior: str) -> _Draw:
    """Makes a function that draws styles in rows and classes in columns.

    Args:
        prior: name of the model's attribute from which styles are sampled.
    """

    def draw(model: Any, dataset: Dataset) -> Figure:
        from aae_tf import evaluation

        styles = getattr(model, prior).sample(_NUM_STYLES, seed=[0, 0]).numpy()
        images = model.decode(
            np.repeat(styles, model.num_classes, axis=0),
            class_probabilities=np.tile(np.eye(model.num_classes), (_NUM_STYLES, 1)),
        )
        grid = images.reshape(_NUM_STYLES, model.num_classes, *images.shape[1:])
        return evaluation.style_grid(grid, dataset.class_names)

    return draw


def _clusters(model: Any, dataset: Dataset) -> Figure:
    styles = np.zeros((model.num_classes, _width(model.style_prior)))
    heads = model.decode(styles, class_probabilities=np.eye(model.num_classes))
    return _cluster_grid(model, dataset, heads)


def _embedded_clusters(model: Any, dataset: Dataset) -> Figure:
    return _cluster_grid(model, dataset, model.decode(model.cluster_heads))


def _cluster_grid(model: Any, dataset: Dataset, heads: np.ndarray) -> Figure:
    from aae_tf import evaluation

    x = dataset.x_test
    return evaluation.cluster_grid(heads, x, model.classify(x).argmax(axis=1))


def _width(prior: Any) -> int:
    return prior.event_shape[0]


# Functions that draw a figure, by the name of its file.
_GENERATOR: dict[str, _Draw] = {"samples": _samples}
_AUTOENCODER = {**_GENERATOR, "reconstructions": _reconstructions, "latent": _latent}
_ONE_LATENT = {**_AUTOENCODER, "manifold": _manifold}
_FIGURES: dict[str, dict[str, _Draw]] = {
    "aae": _ONE_LATENT,
    "label-guided": _ONE_LATENT,
    "supervised": {**_AUTOENCODER, "styles": _styles_by_class("prior")},
    "semi-supervised": {
        **_AUTOENCODER,
        "styles": _styles_by_class("style_prior"),
    },
    "clustering": {**_AUTOENCODER, "clusters": _clusters},
    "embedding": {**_AUTOENCODER, "clusters": _embedded_clusters},
    "vae": _ONE_LATENT,
    "gan": _GENERATOR,
    "gmmn": _GENERATOR,
}
