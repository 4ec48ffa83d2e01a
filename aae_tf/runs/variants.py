"""The variants by name, and which fields of a recipe each uses; TensorFlow is not imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aae_tf.checks import check_integer

Values = Mapping[str, Any]


class Variant(NamedTuple):
    """What a model of the family has, known before TensorFlow is imported.

    Attributes:
        labels: labels that it asks for, as `models.BaseModel.labels`: "none", "any", "some" or
            "all".
        has_encoder: whether it encodes inputs.
        has_classes: whether `sample` takes classes.
        splits_code: whether its code consists of a class and a style.
    """

    labels: str = "none"
    has_encoder: bool = True
    has_classes: bool = False
    splits_code: bool = False


VARIANTS = {
    "aae": Variant(),
    "label-guided": Variant(labels="some", has_classes=True),
    "supervised": Variant(labels="all", has_classes=True),
    "semi-supervised": Variant(labels="some", has_classes=True, splits_code=True),
    "clustering": Variant(has_classes=True, splits_code=True),
    "embedding": Variant(labels="any", has_classes=True, splits_code=True),
    "vae": Variant(),
    "gan": Variant(has_encoder=False),
    "gmmn": Variant(has_encoder=False),
}

# Groups of names, for the fields of a recipe that not every model has.
WITH_ENCODER = tuple(name for name, variant in VARIANTS.items() if variant.has_encoder)
WITH_DIVERGENCE = tuple(name for name in VARIANTS if name != "vae")
WITH_FEW_LABELS = tuple(name for name, v in VARIANTS.items() if v.labels in ("some", "any"))
WITH_STYLE = tuple(name for name, variant in VARIANTS.items() if variant.splits_code)

# Their terms change inputs by a length, which asks for columns in the same units.
WITHOUT_STYLE = tuple(name for name in WITH_ENCODER if name not in WITH_STYLE)
# Networks of windows of a time series.
SEQUENCE_NETWORKS = ("conv1d", "recurrent")

# Fields that have an effect only with certain values of others: the fields, the condition, and the
# fields that an error message names as its reason.
_RULES: tuple[tuple[Sequence[str], Callable[[Values], bool], Sequence[str]], ...] = (
    (
        ("discriminator_units", "discriminator_learning_rate", "discriminator_momentum"),
        lambda values: "adversarial" in _divergences(values).values(),
        ("divergence", "class_divergence"),
    ),
    (
        ("class_divergence_weight", "class_divergence_start"),
        lambda values: values["class_divergence"] != "none",
        ("class_divergence",),
    ),
    (
        ("regularization_learning_rate", "regularization_momentum"),
        lambda values: values["schedule"] == "alternating",
        ("schedule",),
    ),
    (
        ("learning_rate_steps",),
        lambda values: values["learning_rate_schedule"] == "step",
        ("learning_rate_schedule",),
    ),
    (
        ("window", "stride", "largest_gap"),
        lambda values: values["time_column"] is not None,
        ("time_column",),
    ),
    # Windows have a loss of their own, in standard deviations of their columns.
    (
        ("column_kinds", "reconstruction_loss", "decoder_fit_steps"),
        lambda values: values["time_column"] is None,
        ("time_column",),
    ),
    (
        ("batch_normalization", "input_noise", "dropout", "decoder_input_noise"),
        lambda values: values["network"] not in SEQUENCE_NETWORKS,
        ("network",),
    ),
    (
        ("activation", "decoder_activation"),
        lambda values: values["network"] != "recurrent",
        ("network",),
    ),
    (("start_epochs",), lambda values: values["starts"] > 1, ("starts",)),
    # With `labels=None` all labels are kept, and batches have no unlabelled part.
    (("labelled_batch", "unlabelled_batch"), lambda values: bool(values["labels"]), ("labels",)),
    (("ring_radius",), lambda values: values["prior"] == "ring_mixture", ("prior",)),
    (
        ("head_distance", "head_weight"),
        lambda values: values["heads_scale"] is None,
        ("heads_scale",),
    ),
)

# Values that some variants require.
_REQUIRED_VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "label-guided": {"prior": ("ring_mixture", "swiss_roll")},
    "vae": {"posterior": ("gaussian",)},
    "gmmn": {"divergence": ("mmd",)},
}


def unused_fields(fields: Sequence[dataclasses.Field[Any]], values: Values) -> dict[str, str]:
    """Finds the fields of a recipe that have no effect with the values of the others.

    Args:
        fields: fields of the recipe.
        values: the value of each field, by name.

    Returns:
        The reason for each unused field, such as "model='gan'", by its name.
    """
    unused = {}
    for field in fields:
        models = field.metadata["models"]
        if models and values["model"] not in models:
            unused[field.name] = f"model={values['model']!r}"
    for names, is_used, sources in _RULES:
        if not is_used(values):
            reason = ", ".join(
                f"{source}={values[source]!r}" for source in sources if source not in unused
            )
            unused |= {name: reason for name in names if name not in unused}
    return unused


def check_compatible(fields: Sequence[dataclasses.Field[Any]], values: Values) -> None:
    """Checks that the values of a recipe fit together; each is in its domain already.

    Args:
        fields: fields of the recipe.
        values: the value of each field, by name.

    Raises:
        ValueError: if a field that has no effect is set, or if the model does not take a value;
            the message names the field.
    """
    unused = unused_fields(fields, values)
    for field in fields:
        value = values[field.name]
        if field.name in unused and value != field.default:
            raise ValueError(
                f"Expected `{field.name}` to be left out with {unused[field.name]}, where it means "
                f"nothing. Received: {field.name}={value!r}."
            )
    model, labels = values["model"], values["labels"]
    for name, choices in _REQUIRED_VALUES.get(model, {}).items():
        if values[name] not in choices:
            raise ValueError(
                f"Expected `{name}` to be {' or '.join(map(repr, choices))} with "
                f"model={model!r}. Received: {name}={values[name]!r}."
            )
    network, is_series = values["network"], values["time_column"] is not None
    if (network in SEQUENCE_NETWORKS) != is_series:
        raise ValueError(
            f"Expected `network` to be {' or '.join(map(repr, SEQUENCE_NETWORKS))} with "
            "`time_column`, and only there. "
            f"Received: network={network!r}, time_column={values['time_column']!r}."
        )
    if network == "conv1d" and values["window"] % 4:
        raise ValueError(
            "Expected `window` to be divisible by 4 with network='conv1d', which halves it twice. "
            f"Received: window={values['window']}."
        )
    if labels is not None and VARIANTS[model].labels == "some":
        check_integer("labels", labels, minimum=1)
    if values["starts"] > 1 and values["start_epochs"] >= values["epochs"]:
        raise ValueError(
            f"Expected `start_epochs` to be less than the {values['epochs']} epochs of the "
            f"training. Received: start_epochs={values['start_epochs']}."
        )
    if values["task"] == "anomaly" and values["validation"] == 0:
        raise ValueError(
            "Expected `validation` to be positive with task='anomaly', whose detector is "
            "calibrated on that split. Received: validation=0."
        )


def _divergences(values: Values) -> dict[str, str]:
    """Gives the divergence of each code of the model."""
    if values["model"] == "vae":
        return {}
    codes = {"latent": values["divergence"]}
    if values["model"] in WITH_STYLE:
        codes["class"] = values["class_divergence"]
    return codes
