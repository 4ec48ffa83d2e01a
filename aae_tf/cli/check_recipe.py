"""What fits together in a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aae_tf.checks import check_integer
from aae_tf.cli.variants import VARIANTS, WITH_STYLE

if TYPE_CHECKING:
    from aae_tf.cli.recipe import Recipe

Values = Mapping[str, Any]

# Fields that mean something only beside certain values of others: when, and what says so.
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
        ("input_noise", "dropout", "decoder_input_noise"),
        lambda values: values["network"] == "mlp",
        ("network",),
    ),
    # None keeps all labels, and leaves nothing to mix them with.
    (("labelled_batch", "unlabelled_batch"), lambda values: bool(values["labels"]), ("labels",)),
    (("ring_radius",), lambda values: values["prior"] == "ring_mixture", ("prior",)),
    (
        ("head_distance", "head_weight"),
        lambda values: values["heads_scale"] is None,
        ("heads_scale",),
    ),
)

# What some variants insist on.
_DEMANDS: dict[str, dict[str, tuple[str, ...]]] = {
    "label-guided": {"prior": ("ring_mixture", "swiss_roll")},
    "vae": {"posterior": ("gaussian",)},
    "gmmn": {"divergence": ("mmd",)},
}


def unused_fields(fields: Sequence[dataclasses.Field[Any]], values: Values) -> dict[str, str]:
    """Finds the fields of a recipe that mean nothing beside the values of others.

    Args:
        fields: of the recipe.
        values: of all of them.

    Returns:
        For each such field what makes it so, such as "model='gan'".
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


def check_recipe(recipe: Recipe) -> None:
    """Raises where the values of a recipe do not fit together, each in its domain.

    Raises:
        ValueError: naming the field.
    """
    fields, values = dataclasses.fields(recipe), vars(recipe)
    unused = unused_fields(fields, values)
    for field in fields:
        value = values[field.name]
        if field.name in unused and value != field.default:
            raise ValueError(
                f"Expected `{field.name}` to be left out with {unused[field.name]}, where it means "
                f"nothing. Received: {field.name}={value!r}."
            )
    for name, choices in _DEMANDS.get(recipe.model, {}).items():
        if values[name] not in choices:
            raise ValueError(
                f"Expected `{name}` to be {' or '.join(map(repr, choices))} with "
                f"model={recipe.model!r}. Received: {name}={values[name]!r}."
            )
    if recipe.labels is not None and VARIANTS[recipe.model].labels == "some":
        check_integer("labels", recipe.labels, minimum=1)


def _divergences(values: Values) -> dict[str, str]:
    """Gives the divergence of each code of the model."""
    if values["model"] == "vae":
        return {}
    codes = {"latent": values["divergence"]}
    if values["model"] in WITH_STYLE:
        codes["class"] = values["class_divergence"]
    return codes
