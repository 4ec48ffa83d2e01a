"""Compiled models, built from recipes; TensorFlow is imported when a function is called."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.runs.parts import (
    TABULAR_UNITS,
    build_decoder,
    build_divergence,
    build_encoder,
    build_optimizers,
    build_posterior,
    build_prior,
    build_reconstruction_loss,
    build_weight,
)
from aae_tf.runs.training_data import TrainingData

if TYPE_CHECKING:
    from aae_tf.models import BaseModel
    from aae_tf.runs.recipe import Recipe


def build_model(recipe: Recipe, data: TrainingData) -> BaseModel:
    """Builds the model of a recipe and compiles it.

    Args:
        recipe: recipe of the model.
        data: description of the data that it is to be fitted on.

    Returns:
        The model; its weights are a function of `recipe.seed`.

    Raises:
        ValueError: if values of the recipe do not fit together, or do not fit the data.
    """
    import keras

    if data.table is not None:
        _check_table(recipe)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = MODELS[recipe.model](recipe, data)
        model.compile(
            **build_optimizers(recipe, data.steps_per_epoch),
            reconstruction_loss=build_reconstruction_loss(recipe, data),
            reconstruction_weight=recipe.reconstruction_weight,
            schedule=recipe.schedule,
            steps_per_execution=recipe.steps_per_execution,
        )
    finally:
        keras.config.set_dtype_policy(before)
    return model


def _check_table(recipe: Recipe) -> None:
    for name, value, expected in (
        ("network", recipe.network, "mlp"),
        ("decoder_fit_steps", recipe.decoder_fit_steps, 0),
        ("model", recipe.model, "one with an encoder" if recipe.model in ("gan", "gmmn") else None),
    ):
        if expected is not None and value != expected:
            raise ValueError(
                f"Expected `{name}` to be {expected} for a table. Received: {name}={value!r}."
            )


def _aae(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import AAE

    return AAE(
        **_autoencoder(recipe, data, recipe.code_dim), **_latent(recipe, data, recipe.code_dim)
    )


def _label_guided(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import LabelGuidedAAE

    return LabelGuidedAAE(
        **_autoencoder(recipe, data, recipe.code_dim),
        # The discriminator's input includes the class, or that it is unknown, one-hot.
        **_latent(recipe, data, recipe.code_dim + data.num_classes + 1),
        num_classes=data.num_classes,
        class_names=data.class_names,
    )


def _supervised(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import SupervisedAAE

    # Within classes, the discriminator's input includes the label, or that it is unknown.
    labels_width = data.num_classes + 1 if recipe.match_within_classes else 0
    return SupervisedAAE(
        **_autoencoder(recipe, data, recipe.code_dim + data.num_classes),
        **_latent(recipe, data, recipe.code_dim + labels_width),
        num_classes=data.num_classes,
        class_names=data.class_names,
        match_within_classes=recipe.match_within_classes,
    )


def _semi_supervised(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import SemiSupervisedAAE

    return SemiSupervisedAAE(
        **_autoencoder(recipe, data, recipe.code_dim + data.num_classes),
        **_class_style(recipe, data, data.num_classes),
        num_classes=data.num_classes,
        class_names=data.class_names,
        classification_weight=recipe.classification_weight,
    )


def _clustering(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import ClusteringAAE

    clusters = recipe.clusters or data.num_classes
    return ClusteringAAE(
        **_autoencoder(recipe, data, recipe.code_dim + clusters),
        **_class_style(recipe, data, clusters),
        num_clusters=clusters,
    )


def _embedding(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import EmbeddingAAE

    clusters = recipe.clusters or data.num_classes
    if recipe.labels != 0 and clusters != data.num_classes:
        raise ValueError(
            f"Expected `clusters` to be the {data.num_classes} classes of the labels; labels=0 "
            f"uses none. Received: clusters={clusters}, labels={recipe.labels}."
        )
    heads = None
    if recipe.heads_scale is not None:
        if recipe.code_dim < clusters:
            raise ValueError(
                "Expected `code_dim` to be at least the number of clusters with heads_scale, "
                "which gives each an axis of its own. "
                f"Received: code_dim={recipe.code_dim}, clusters={clusters}."
            )
        heads = recipe.heads_scale * np.eye(clusters, recipe.code_dim)
    return EmbeddingAAE(
        **_autoencoder(recipe, data, recipe.code_dim),
        **_class_style(recipe, data, clusters),
        num_clusters=clusters,
        heads=heads,
        head_distance=recipe.head_distance,
        head_weight=recipe.head_weight,
        classification_weight=recipe.classification_weight,
    )


def _vae(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import VAE

    return VAE(
        **_autoencoder(recipe, data, recipe.code_dim),
        prior=build_prior(recipe, data.num_classes),
        kl_weight=recipe.kl_weight,
    )


def _gan(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import GAN

    return GAN(**_generator(recipe, data))


def _gmmn(recipe: Recipe, data: TrainingData) -> BaseModel:
    from aae_tf.models import GMMN

    return GMMN(**_generator(recipe, data))


# Constructor arguments that several variants share.


def _autoencoder(recipe: Recipe, data: TrainingData, decoder_width: int) -> dict[str, Any]:
    encoder_seed, decoder_seed, *_ = _seeds(recipe)
    return {
        "encoder": build_encoder(recipe, data, encoder_seed),
        "decoder": build_decoder(recipe, data, decoder_width, decoder_seed),
        "table": data.table,
        "posterior": build_posterior(recipe),
        "seed": recipe.seed,
    }


def _latent(recipe: Recipe, data: TrainingData, discriminator_width: int) -> dict[str, Any]:
    return {
        "prior": build_prior(recipe, data.num_classes),
        "divergence": build_divergence(
            recipe.divergence,
            recipe.divergence_weight,
            _discriminator_units(recipe, data),
            discriminator_width,
            _seeds(recipe)[2],
        ),
    }


def _discriminator_units(recipe: Recipe, data: TrainingData) -> tuple[int, ...] | None:
    """Gives the widths of the recipe; of columns by default those of a table's encoder."""
    has_columns = data.table is not None or data.columns is not None
    if recipe.discriminator_units is None and has_columns:
        return TABULAR_UNITS
    return recipe.discriminator_units


def _class_style(recipe: Recipe, data: TrainingData, num_classes: int) -> dict[str, Any]:
    from aae_tf import losses, priors

    latent = _latent(recipe, data, recipe.code_dim)
    steps = recipe.epochs * data.steps_per_epoch
    consistency = losses.VirtualAdversarial(
        recipe.consistency_radius,
        recipe.consistency_iterations,
        recipe.consistency_difference,
        build_weight(recipe.consistency_weight, recipe.consistency_weight_end, steps),
    )
    information = losses.MutualInformation(
        recipe.information_marginal,
        build_weight(recipe.information_weight, recipe.information_weight_end, steps),
    )
    shares = data.class_shares
    return {
        "style_prior": latent["prior"],
        "style_divergence": latent["divergence"],
        "class_prior": None if shares is None else priors.categorical(num_classes, shares),
        "class_divergence": build_divergence(
            recipe.class_divergence,
            recipe.class_divergence_weight,
            _discriminator_units(recipe, data),
            num_classes,
            _seeds(recipe)[3],
            round(recipe.class_divergence_start * steps),
        ),
        "consistency": consistency if consistency.weight else None,
        "information": information if information.weight else None,
    }


def _generator(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    return {
        "decoder": build_decoder(recipe, data, recipe.code_dim, _seeds(recipe)[1]),
        **_latent(recipe, data, math.prod(data.shape)),
        "seed": recipe.seed,
    }


def _seeds(recipe: Recipe) -> list[int]:
    """Gives the seeds of encoder, decoder, and the discriminators of latents and class."""
    return [int(word) for word in np.random.SeedSequence(recipe.seed).generate_state(4)]


# Builders by the names that `aae-tf train --model` takes.
MODELS: dict[str, Callable[[Recipe, TrainingData], BaseModel]] = {
    "aae": _aae,
    "label-guided": _label_guided,
    "supervised": _supervised,
    "semi-supervised": _semi_supervised,
    "clustering": _clustering,
    "embedding": _embedding,
    "vae": _vae,
    "gan": _gan,
    "gmmn": _gmmn,
}
