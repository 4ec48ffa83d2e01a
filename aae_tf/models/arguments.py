"""Checks of what a model takes as a prior."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors


def check_prior(argument: str, prior: Any) -> int:
    """Checks that a distribution can be a prior, and returns the width of its samples.

    Args:
        argument: name of the argument, for messages.
        prior: what the caller gave.

    Returns:
        The code's width, event_shape[0].

    Raises:
        TypeError: if `prior` is not a tfd.Distribution or its samples are not float32.
        ValueError: if it has a batch shape, an event shape that is not one known dimension, or
            variables.
    """
    if not isinstance(prior, tfp.distributions.Distribution):
        raise TypeError(
            f"Expected `{argument}` to be a tfp.distributions.Distribution. "
            f"Received: {argument}={prior!r}."
        )
    if prior.dtype != tf.float32:
        raise TypeError(
            f"Expected `{argument}` to draw float32 samples. Received: {argument}={prior!r}."
        )
    if prior.batch_shape.rank != 0:
        raise ValueError(
            f"Expected `{argument}` to be one distribution, not a batch; tfd.Independent turns "
            f"batch dimensions into an event. Received: {argument}={prior!r}."
        )
    if prior.event_shape.rank != 1 or prior.event_shape[0] is None:
        raise ValueError(
            f"Expected `{argument}` to have event_shape [code_dim]. Received: {argument}={prior!r}."
        )
    if prior.variables:
        raise ValueError(
            f"Expected `{argument}` to have no tf.Variable: a prior is neither trained nor would "
            f"its variables be saved. Received: {argument} with variables="
            f"{[variable.name for variable in prior.variables]}."
        )
    return prior.event_shape[0]


def check_class_prior(
    prior: Any, num_classes: int, classes_argument: str
) -> tfp.distributions.OneHotCategorical:
    """Returns the prior of a class code, checked; the uniform one if None is given.

    Args:
        prior: what the caller gave as `class_prior`.
        num_classes: number of classes.
        classes_argument: name of the argument that says so, for messages.

    Raises:
        TypeError: if `prior` is no float32 one-hot categorical distribution.
        ValueError: if it has another number of outcomes.
    """
    if prior is None:
        return priors.categorical(num_classes)
    if not isinstance(prior, tfp.distributions.OneHotCategorical):
        raise TypeError(
            "Expected `class_prior` to be a tfd.OneHotCategorical, such as priors.categorical and "
            f"priors.from_labels make, or None. Received: class_prior={prior!r}."
        )
    outcomes = check_prior("class_prior", prior)
    if outcomes != num_classes:
        raise ValueError(
            f"Expected `class_prior` to have {classes_argument} outcomes. "
            f"Received: class_prior with {outcomes}, {classes_argument}={num_classes}."
        )
    return prior
