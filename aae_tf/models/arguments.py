"""The arguments of models: checks of what is given, and values for a config."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import priors
from aae_tf.column_arrays import is_missing
from aae_tf.priors.row_families import known_row_family
from aae_tf.tables.schema import TableSchema


def check_network(argument: str, network: Any) -> None:
    """Refuses what is no built Keras model with one input, naming the argument."""
    if not isinstance(network, keras.Model):
        raise TypeError(
            f"Expected `{argument}` to be a keras.Model. Received: {argument}={network!r}."
        )
    if not network.built or not isinstance(getattr(network, "input_shape", None), tuple):
        raise ValueError(
            f"Expected `{argument}` to be a built model with one input: make it with the "
            "functional API, or give a Sequential its keras.Input. "
            f"Received: {argument}={network!r}."
        )


def check_table(table: Any, decoder: keras.Model) -> TableSchema | None:
    """Returns a schema that the outputs of a decoder fit, or None if that is given.

    Raises:
        TypeError: if `table` is no `TableSchema`.
        ValueError: if the decoder gives another number of outputs.
    """
    if table is None:
        return None
    if not isinstance(table, TableSchema):
        raise TypeError(f"Expected `table` to be a data.TableSchema. Received: table={table!r}.")
    if decoder.output_shape != (None, table.width):
        raise ValueError(
            f"Expected `decoder` to give the {table.width} outputs of `table`, see "
            "networks.tabular_decoder. "
            f"Received: decoder with output_shape={decoder.output_shape}."
        )
    return table


def check_class_names(names: Any, num_classes: int | None) -> tuple[str, ...] | None:
    """Returns the names of classes as a tuple, or None if that is given.

    Raises:
        TypeError: if a name is no str.
        ValueError: if there is not one name for each class, or two are equal.
    """
    if names is None:
        return None
    names = tuple(names)
    if not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"Expected `class_names` to be text. Received: class_names={names!r}.")
    if len(names) != num_classes or len(set(names)) < len(names):
        raise ValueError(
            "Expected `class_names` to be one for each class, all different. "
            f"Received: class_names={names!r}, number of classes={num_classes}."
        )
    return names


def number_names(labels: Any, names: Sequence[str], argument: str) -> Any:
    """Numbers labels that are names of classes, one or an array; others are returned as they are.

    Raises:
        ValueError: if a name is that of no class.

    Example:

    >>> number_names(["dog", "cat", None], ["cat", "dog"], "y").tolist()
    [1, 0, -1]
    """
    if labels is None or isinstance(labels, dict):
        return labels
    array = np.asarray(labels, None if hasattr(labels, "dtype") else object)
    values = np.ravel(array).tolist() if array.dtype.kind in "OUST" else []
    if not any(isinstance(value, str) for value in values):
        return labels
    ids = {name: number for number, name in enumerate(names)}
    wrong = [value for value in values if not is_missing(value) and value not in ids]
    if wrong:
        raise ValueError(
            f"Expected `{argument}` to be names of classes: {', '.join(map(repr, names))}. "
            f"Received: {wrong[0]!r}."
        )
    numbers = np.array([-1 if is_missing(value) else ids[value] for value in values], np.int64)
    return numbers.reshape(array.shape)


def check_prior(argument: str, prior: Any) -> int:
    """Checks that a distribution can be a prior, and returns the width of its samples.

    A prior is saved with its model, sampled row by row, and part of exported graphs: one that does
    not allow all three is refused before anything is trained.

    Args:
        argument: name of the argument, for messages.
        prior: what the caller gave.

    Returns:
        The code's width, event_shape[0].

    Raises:
        TypeError: if `prior` is not a tfd.Distribution or its samples are not float32.
        ValueError: if it has a batch shape, an event shape that is not one known dimension, or
            variables, such as those of a learned flow; if it cannot be saved or sampled.
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
    _check_saved_and_sampled(argument, prior)
    return prior.event_shape[0]


def _check_saved_and_sampled(argument: str, prior: tfp.distributions.Distribution) -> None:
    """Refuses a prior that is not described by constants, or not sampled from a seed alone."""
    advice = (
        f"Expected `{argument}` to be made of constants, so that it can be saved, sampled row by "
        "row and exported. A flow is a prior once it is trained: as a tfb.Bijector of your own, "
        "registered with `keras.saving.register_keras_serializable`, whose `get_config` holds its "
        f"weights as arrays. Received: {argument}={prior!r}."
    )
    if prior.variables:
        names = [variable.name for variable in prior.variables]
        raise ValueError(f"{advice} It has the variables {names}.")
    try:
        priors.serialize(prior)
    except ValueError as error:
        raise ValueError(f"{advice} {error}") from error
    try:
        if known_row_family(prior) is not None:
            return
        with tf.init_scope():
            graph = tf.function(
                lambda seeds: priors.sample_rows(prior, seeds), autograph=False
            ).get_concrete_function(tf.TensorSpec([None], tf.int64))
    except Exception as error:  # Whatever the distribution's own code raises.
        raise ValueError(f"{advice} Its `sample` raises {error!r}.") from error
    # A bijector's function may hold variables that the distribution does not know of.
    if any(tensor.dtype == tf.resource for tensor in graph.captured_inputs):
        raise ValueError(f"{advice} Its `sample` reads variables.")


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


def check_components(prior: Any, num_classes: int) -> tfp.distributions.Distribution:
    """Refuses a prior that has not one component for each class.

    Args:
        prior: what the caller gave as `prior`.
        num_classes: number of classes.

    Returns:
        The prior.

    Raises:
        TypeError: if `prior` is no distribution.
        ValueError: if it has no components, or another number of them.
    """
    check_prior("prior", prior)
    components = priors.num_components(prior)
    if components is None:
        raise ValueError(
            "Expected `prior` to be a mixture with one component for each class, such as "
            f"priors.ring_mixture({num_classes}). Received: prior={prior!r}."
        )
    if components != num_classes:
        raise ValueError(
            "Expected `num_classes` to be the number of components of `prior`. "
            f"Received: num_classes={num_classes}, prior with {components} components."
        )
    return prior


def row_seeds(n: int | None, seed: Any) -> np.ndarray:
    """Gives each row its seed.

    Args:
        n: number of rows; None where `seed` has one for each.
        seed: integer, or integers [n].

    Returns:
        int64 [n].

    Raises:
        ValueError: if `n` is missing, or does not match `seed`.
    """
    seeds = np.asarray(seed)
    if seeds.ndim == 0:
        if n is None:
            raise ValueError(
                "Expected `n` to be given where `seed` is one integer. Received: n=None."
            )
        return priors.row_seeds(n, int(seeds))
    if seeds.ndim != 1 or not np.issubdtype(seeds.dtype, np.integer) or n not in (None, len(seeds)):
        raise ValueError(
            "Expected `seed` to be an integer, or one integer for each of `n` rows. "
            f"Received: n={n}, seed with shape={seeds.shape}, dtype={seeds.dtype}."
        )
    return seeds.astype(np.int64)


def row_labels(labels: Any, n: int, num_classes: int) -> np.ndarray:
    """Gives each row its label.

    Args:
        labels: None, an integer, or integers [n].
        n: number of rows.
        num_classes: labels lie in [-1, num_classes).

    Returns:
        int64 [n]; -1 where the label is to be drawn.

    Raises:
        TypeError: if labels are no integers.
        ValueError: if there are not `n`, or one is out of its range.
    """
    array = np.asarray(-1 if labels is None else labels)
    if array.dtype.kind not in "iu":
        raise TypeError(
            "Expected `labels` to be an integer or integers [n]. "
            f"Received: labels with dtype={array.dtype}."
        )
    if array.shape not in ((), (n,)):
        raise ValueError(
            f"Expected `labels` to be one integer, or one for each of {n} samples. "
            f"Received: labels.shape={array.shape}."
        )
    if array.size and (array.min() < -1 or array.max() >= num_classes):
        raise ValueError(
            f"Expected `labels` in [-1, {num_classes}). "
            f"Received: labels from {array.min()} to {array.max()}."
        )
    return np.broadcast_to(array, [n]).astype(np.int64)


def constructor_arguments(cls: type) -> tuple[str, ...]:
    """Names the arguments of a model's constructor that its config holds beside name and dtype.

    A constructor that does not name `decoder` forwards the arguments of its base class, which are
    then named as well.
    """
    names: dict[str, None] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is not None:
            parameters = inspect.signature(constructor).parameters.values()
            named = (p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
            names |= dict.fromkeys(parameter.name for parameter in named)
        if "decoder" in names:
            break
    return tuple(name for name in names if name not in ("self", "name", "dtype"))


def serialize_argument(value: Any) -> Any:
    """Returns an argument in JSON types: a distribution, a Keras object, an array or a plain value.

    Raises:
        ValueError: if a distribution cannot be saved; the message says why.
    """
    if isinstance(value, tfp.distributions.Distribution):
        return priors.serialize(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    return keras.saving.serialize_keras_object(value)


def deserialize_argument(config: Any) -> Any:
    """Returns the argument that `serialize_argument` wrote; an array comes back as lists."""
    if isinstance(config, dict):
        if config.keys() == {"type", "arguments"}:
            return priors.deserialize(config)
        return keras.saving.deserialize_keras_object(config)
    return config
