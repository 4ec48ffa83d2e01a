"""The description of a model that the page works from, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.explorer.served_model import ServedModel
from aae_tf.tables.column import Column

FORMAT = 1
_CHANNELS = (1, 3)


def describe(
    model: ServedModel, name: str, server: str = "", signatures: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describes a model for the page, `aae_tf/explorer/page/source.js` says what each entry is.

    Args:
        model: the model.
        name: what the page calls it.
        server: address of the TensorFlow Serving that the page asks; "" is where the page is from.
        signatures: those of that server; None takes the model's.

    Returns:
        JSON types.
    """
    card = model.card
    columns = table_columns(card)
    shape = row_shape(model)
    prior = latent_prior(card)
    return {
        "format": FORMAT,
        "name": name,
        "variant": card.get("variant"),
        "kind": "table" if columns else kind_of(shape),
        "shape": [len(columns)] if columns else list(shape),
        "columns": [_describe_column(column) for column in columns] or None,
        "codeDim": code_dim(model),
        "classes": _describe_classes(model),
        "prior": None if prior is None else describe_prior(prior),
        "heads": card.get("cluster_heads"),
        "signatures": model.signatures if signatures is None else signatures,
        "server": server,
    }


def row_shape(model: ServedModel) -> tuple[int, ...]:
    """Returns the shape of what the model decodes, or of what it encodes where it does not."""
    for name, side, tensor in (
        ("decode", "outputs", "outputs"),
        ("sample", "outputs", "outputs"),
        ("encode", "inputs", "inputs"),
    ):
        spec = model.signatures.get(name, {}).get(side, {}).get(tensor)
        if spec is not None and spec["shape"] is not None and None not in spec["shape"][1:]:
            return tuple(spec["shape"][1:])
    return ()


def kind_of(shape: tuple[int, ...]) -> str:
    """Tells whether rows of a shape are drawn as an "image" or as a "vector".

    Without an axis of channels, only what is as high as wide is an image: windows of a time series,
    [length, columns], have two axes, too.

    Example:

    >>> kind_of((28, 28, 1)), kind_of((28, 28)), kind_of((64,)), kind_of((24, 3))
    ('image', 'image', 'vector', 'vector')
    """
    is_square = len(shape) == 2 and shape[0] == shape[1]
    is_image = is_square or (len(shape) == 3 and shape[2] in _CHANNELS)
    return "image" if is_image and math.prod(shape[:2]) > 1 else "vector"


def code_dim(model: ServedModel) -> int | None:
    """Returns the width of the latents; None where no signature says it."""
    for name, side in (("decode", "inputs"), ("encode", "outputs"), ("sample", "outputs")):
        spec = model.signatures.get(name, {}).get(side, {}).get("latents")
        if spec is not None and spec["shape"]:
            width: int | None = spec["shape"][-1]
            return width
    return None


def table_columns(card: Mapping[str, Any]) -> list[Column]:
    """Returns the columns of a model of a table; none for others."""
    entries = card.get("table", {}).get("columns", [])
    return [Column(**{**entry, "vocabulary": tuple(entry["vocabulary"])}) for entry in entries]


def latent_prior(card: Mapping[str, Any]) -> tfp.distributions.Distribution | None:
    """Returns the distribution that latents are drawn to.

    That of an embedding is the mixture of the style prior about its heads.
    """
    written = card.get("priors", {})
    entry = written.get("prior") or written.get("style_prior")
    if entry is None:
        return None
    prior, heads = priors.deserialize(entry), card.get("cluster_heads")
    if heads is None:
        return prior
    tfd = tfp.distributions
    written_shares = written.get("class_prior")
    shares = (
        np.full(len(heads), 1.0 / len(heads), np.float32)
        if written_shares is None
        else priors.deserialize(written_shares).mean()
    )
    about_heads = tfp.bijectors.Shift(np.array(heads, np.float32))(
        tfd.BatchBroadcast(prior, [len(heads)])
    )
    return tfd.MixtureSameFamily(tfd.Categorical(probs=shares), about_heads)


def describe_prior(prior: tfp.distributions.Distribution) -> str:
    """Says in words what a prior is.

    Example:

    >>> describe_prior(priors.ring_mixture(10)), describe_prior(priors.gaussian(8))
    ('a mixture of 10 components', 'a Gaussian')
    """
    components = priors.num_components(prior)
    if components is not None and components > 1:
        return f"a mixture of {components} components"
    names = " ".join(_class_names(prior))
    for part, words in (("Normal", "a Gaussian"), ("Uniform", "uniform"), ("Bernoulli", "binary")):
        if part in names:
            return words
    return type(prior).__name__


def _class_names(prior: tfp.distributions.Distribution) -> list[str]:
    inner = getattr(prior, "distribution", None)
    own = [base.__name__ for base in type(prior).__mro__]
    return own if inner is None else [*own, *_class_names(inner)]


def _describe_classes(model: ServedModel) -> dict[str, Any] | None:
    count = model.card.get("num_classes")
    if count is None:
        return None
    decoder = model.signatures.get("decode", {}).get("inputs", {})
    sampler = model.signatures.get("sample", {}).get("inputs", {})
    names = model.card.get("class_names") or list(range(count))
    return {
        "names": [str(name) for name in names],
        "decoded": "class_probabilities" in decoder,
        "sampled": "label" in sampler,
        "clusters": model.card.get("variant") in ("ClusteringAAE", "EmbeddingAAE"),
    }


def _describe_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "dtype": column.dtype,
        "mean": column.mean,
        "deviation": column.deviation,
        "vocabulary": list(column.vocabulary),
    }
