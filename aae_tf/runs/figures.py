"""Figures of a model by its variant, drawn during and after its training."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.checks import import_extra
from aae_tf.runs.training_data import used_labels
from aae_tf.runs.variants import VARIANTS

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from aae_tf.data import Dataset
    from aae_tf.detector import AnomalyDetector
    from aae_tf.runs.recipe import Recipe

_Draw = Callable[[Any, "Dataset", str], "Figure | None"]

_NUM_DRAWINGS = 10
_NUM_POINTS = 2000
_NUM_RECONSTRUCTIONS = 36
_NUM_SAMPLES = 100
_NUM_STYLES = 10
_NUM_PATHS = 6
_ACRONYMS = ("aae", "vae", "gan", "gmmn")
_MOST_TRAVERSALS = 16


def figure_callbacks(
    recipe: Recipe, dataset: Dataset, logs: Path
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that draw figures, about ten times in a training."""
    # Without Matplotlib, the error comes before the training and not after it.
    import_extra("matplotlib", "figures", "the figures of a run")
    from aae_tf import callbacks

    pictures: dict[str, Any] = {
        "log_dir": logs,
        "every": -(-recipe.epochs // _NUM_DRAWINGS),
        "title": run_title(recipe),
    }
    x: Any = dataset.x_validation  # those of training may be `StoredRows`
    y = dataset.y_validation
    if not len(x):
        x, y = dataset.x_train, dataset.y_train
    drawn: list[keras.callbacks.Callback] = []
    if _are_images(dataset):
        drawn.append(callbacks.SampleGrid(_NUM_SAMPLES, **pictures))
    if VARIANTS[recipe.model].has_encoder:
        if _are_images(dataset):
            drawn.append(callbacks.Reconstructions(x[:_NUM_RECONSTRUCTIONS], **pictures))
        names = dataset.class_names or None
        drawn.append(
            callbacks.LatentScatter(x[:_NUM_POINTS], y[:_NUM_POINTS], class_names=names, **pictures)
        )
    return drawn


def draw_figures(
    model: Any, recipe: Recipe, dataset: Dataset, detector: AnomalyDetector | None = None
) -> Iterator[tuple[str, Figure]]:
    """Draws a trained model on the test split.

    Args:
        model: trained model of the recipe.
        recipe: recipe, whose variant decides which figures are drawn.
        dataset: data set with the test split.
        detector: that of an anomaly run, for the histogram of its scores.

    Yields:
        The name of each figure's file, without an ending, and the figure.
    """
    title = f"{run_title(recipe)}, {recipe.epochs} {'epoch' if recipe.epochs == 1 else 'epochs'}"
    for name, draw in _FIGURES[recipe.model].items():
        if name in _OF_ARRAYS or _are_images(dataset):
            figure = draw(model, dataset, title)
            if figure is not None:
                yield name, figure
    if getattr(model, "classifies", False) and used_labels(recipe, dataset) is not None:
        figure = _confusion(model, dataset, title)
        if figure is not None:
            yield "confusion", figure
    if detector is not None and math.isfinite(detector.threshold_):
        yield "scores", _scores(detector, dataset, title)


def run_title(recipe: Recipe) -> str:
    """Says which model is trained on what, such as "AAE on digits"."""
    name = recipe.model
    model = name.upper() if name in _ACRONYMS else f"{name.capitalize()} AAE"
    return f"{model} on {Path(recipe.data).name or recipe.data}"


def png(figure: Figure) -> bytes:
    """Gives the file of a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return buffer.getvalue()


def _are_images(dataset: Dataset) -> bool:
    return len(dataset.x_train.shape) == 4


def _samples(model: Any, dataset: Dataset, title: str) -> Figure:
    from aae_tf import evaluation

    samples = model.sample(_NUM_SAMPLES, seed=0)
    return evaluation.sample_grid(samples, title=f"{title}\n{_NUM_SAMPLES} samples of the prior")


def _reconstructions(model: Any, dataset: Dataset, title: str) -> Figure:
    from aae_tf import evaluation

    x = dataset.x_test[:_NUM_POINTS]
    outputs = model.reconstruct(x)
    error = math.sqrt(np.mean(np.square(x - outputs), dtype=np.float64))
    return evaluation.reconstructions(
        x[:_NUM_RECONSTRUCTIONS],
        outputs[:_NUM_RECONSTRUCTIONS],
        f"{title}\ntest images, root mean squared error {error:.3f} per pixel",
    )


def _latent(model: Any, dataset: Dataset, title: str) -> Figure:
    from aae_tf import evaluation
    from aae_tf.models import EmbeddingAAE
    from aae_tf.training.prior_mismatch import prior_mismatch

    x = dataset.x_test
    title += f"\n{len(x):,} test inputs"
    if not isinstance(model, EmbeddingAAE) and len(x) > 1:
        value, noise = prior_mismatch(model.encode(x[:_NUM_POINTS]), model.latent_prior, seed=0)
        title += f", distance to the prior {value / noise:.1f} (below 2: chance)"
    return evaluation.model_latents(model, x, dataset.y_test, dataset.class_names or None, title)


def _manifold(model: Any, dataset: Dataset, title: str) -> Figure | None:
    from aae_tf import evaluation

    if _width(model.prior) != 2:
        return None
    title += "\ngrey: codes outside 99% of the prior's mass"
    return evaluation.manifold(model.decode, model.prior, title=title)


def _traversals(model: Any, dataset: Dataset, title: str) -> Figure | None:
    from aae_tf import evaluation

    width = _width(model.prior)
    if width == 2:
        return None
    code = model.encode(dataset.x_test[:1])[0]
    rows = evaluation.traverse(model, code, count=11)[:_MOST_TRAVERSALS]
    title += "\nthe first test input's code, one latent at a time over 90% of its prior"
    return evaluation.image_rows({f"latent {i + 1}": row for i, row in enumerate(rows)}, title)


def _interpolations(model: Any, dataset: Dataset, title: str) -> Figure | None:
    from aae_tf import evaluation

    codes = model.encode(dataset.x_test[: _NUM_PATHS + 1])
    if len(codes) <= _NUM_PATHS:
        return None
    pairs = itertools.pairwise(codes)
    rows = {
        f"{i} to {i + 1}": evaluation.interpolate(model, a, b, steps=11)
        for i, (a, b) in enumerate(pairs, start=1)
    }
    return evaluation.image_rows(rows, f"{title}\nstraight ways between codes of test images")


def _styles_by_class(prior: str) -> _Draw:
    """Makes a function that draws styles in rows and classes in columns.

    Args:
        prior: name of the model's attribute from which styles are sampled.
    """

    def draw(model: Any, dataset: Dataset, title: str) -> Figure:
        from aae_tf import evaluation

        styles = getattr(model, prior).sample(_NUM_STYLES, seed=[0, 0]).numpy()
        images = model.decode(
            np.repeat(styles, model.num_classes, axis=0),
            class_probabilities=np.tile(np.eye(model.num_classes), (_NUM_STYLES, 1)),
        )
        grid = images.reshape(_NUM_STYLES, model.num_classes, *images.shape[1:])
        title += "\nrows: one style of the prior each"
        return evaluation.style_grid(grid, dataset.class_names, title)

    return draw


def _clusters(model: Any, dataset: Dataset, title: str) -> Figure:
    styles = np.zeros((model.num_classes, _width(model.style_prior)))
    heads = model.decode(styles, class_probabilities=np.eye(model.num_classes))
    return _cluster_grid(model, dataset, heads, title)


def _embedded_clusters(model: Any, dataset: Dataset, title: str) -> Figure:
    return _cluster_grid(model, dataset, model.decode(model.cluster_heads), title)


def _cluster_grid(model: Any, dataset: Dataset, heads: np.ndarray, title: str) -> Figure:
    from aae_tf import evaluation

    clusters = model.classify(dataset.x_test).argmax(axis=1)
    used = len(np.unique(clusters))
    title += f"\n{used} of {len(heads)} clusters have test images"
    return evaluation.cluster_grid(heads, dataset.x_test, clusters, title=title)


def _confusion(model: Any, dataset: Dataset, title: str) -> Figure | None:
    from aae_tf import evaluation

    known = np.flatnonzero(dataset.y_test >= 0)
    if not len(known):
        return None
    y = dataset.y_test[known]
    predicted = model.classify(dataset.x_test[known]).argmax(axis=1)
    title += f"\nerror {np.mean(y != predicted):.2%} of {len(y):,} test inputs"
    return evaluation.confusion_matrix(y, predicted, dataset.class_names or None, title=title)


def _scores(detector: AnomalyDetector, dataset: Dataset, title: str) -> Figure:
    from aae_tf import evaluation

    y, normal = dataset.y_test, dataset.y_train[0]
    kinds = np.where(y < 0, -1, y != normal) if normal >= 0 else None
    scores = detector.score(dataset.x_test)["anomaly_score"]
    rate = f"{detector.false_alarm_rate:.2%} of normal rows may be alarms"
    title += f"\nscores of {len(scores):,} test rows; {rate}"
    return evaluation.score_histogram(scores, -detector.threshold_, kinds, title)


def _width(prior: Any) -> int:
    return prior.event_shape[0]


# Figures of inputs of any shape; the others are of images.
_OF_ARRAYS = ("latent",)
# Functions that draw a figure, by the name of its file.
_GENERATOR: dict[str, _Draw] = {"samples": _samples}
_AUTOENCODER = {**_GENERATOR, "reconstructions": _reconstructions, "latent": _latent}
_ONE_LATENT = {
    **_AUTOENCODER,
    "manifold": _manifold,
    "traversals": _traversals,
    "interpolations": _interpolations,
}
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
