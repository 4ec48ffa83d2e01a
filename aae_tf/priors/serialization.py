"""The JSON form of distributions, with which a prior is saved in its model's config."""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf.registered_classes import find_registered_class

tfk = tfp.math.psd_kernels

_NAMESPACES = {
    "tfp.distributions": (tfp.distributions, tfp.distributions.Distribution),
    "tfp.bijectors": (tfp.bijectors, tfp.bijectors.Bijector),
    "tfp.math.psd_kernels": (tfk, tfk.PositiveSemidefiniteKernel),
    "tf.linalg": (tf.linalg, tf.linalg.LinearOperator),
}
_BASES = tuple(base for _, base in _NAMESPACES.values())
# Loading looks up these names and no others: no module is imported and no other code is called.
_CLASSES = {
    f"{namespace}.{name}": value
    for namespace, (module, base) in _NAMESPACES.items()
    for name, value in sorted(vars(module).items())
    if not name.startswith("_") and isinstance(value, type) and issubclass(value, base)
}
# The classes of k1 + k2 and k1 * k2 have no public names.
_CLASSES["tfp.math.psd_kernels.sum"] = type(tfk.Linear() + tfk.Linear())
_CLASSES["tfp.math.psd_kernels.product"] = type(tfk.Linear() * tfk.Linear())
_REGISTERED = "registered:"
_SAVEABLE = (
    "to be a real number, string, bool, None, array, constant tensor, dtype, shape, distribution, "
    "bijector, kernel or linear operator, or a list, tuple or dict of them"
)


def serialize(distribution: Any) -> dict[str, Any]:
    """Describes a distribution by its class and constructor arguments, as JSON.

    The description is recursive: arguments may be numbers, strings, arrays, constant tensors,
    dtypes, shapes, other distributions, public bijectors, kernels and linear operators, and lists,
    tuples and dicts of these. Floating-point values survive `json.dumps` and `json.loads` exactly.
    A class of your own can be described if it is registered with
    `keras.saving.register_keras_serializable` and its `get_config` returns such values.

    Args:
        distribution: `tfd.Distribution`; a `tfb.Bijector`, a `tfp.math.psd_kernels` kernel or a
            `tf.linalg.LinearOperator` is described in the same way.

    Returns:
        A dict of JSON types with the keys `type` (the public name, such as
        `"tfp.distributions.Normal"`) and `arguments`.

    Raises:
        TypeError: if `distribution` is none of the above.
        ValueError: if the class is neither public nor registered, or an argument cannot be saved:
            a function, a variable, a symbolic tensor. The message names the argument.

    Example:

    >>> import tensorflow_probability as tfp
    >>> config = serialize(tfp.distributions.Normal(loc=0.0, scale=2.0))
    >>> config["type"], config["arguments"]["scale"]
    ('tfp.distributions.Normal', 2.0)
    >>> float(deserialize(config).stddev())
    2.0
    """
    if not isinstance(distribution, _BASES):
        raise TypeError(
            "Expected `distribution` to be a tfd.Distribution. "
            f"Received: distribution={distribution!r}."
        )
    config = _encode_object(distribution)
    try:
        deserialize(config)
    except Exception as error:  # Loading would raise it too, when it is too late.
        raise ValueError(
            f"Expected {config['type']} to be built again by the arguments that describe it. "
            f"Received: arguments={config['arguments']!r}, which raise {error!r}."
        ) from error
    return config


def deserialize(config: dict[str, Any]) -> Any:
    """Builds the distribution that `serialize` described.

    Only public classes of `tfp.distributions`, `tfp.bijectors`, `tfp.math.psd_kernels` and
    `tf.linalg`, and classes registered with Keras, are looked up: no module is imported and no
    code is read from `config`.

    Args:
        config: dict made by `serialize`, possibly after a round trip through JSON.

    Returns:
        A distribution with the class and the constructor arguments of the original.

    Raises:
        ValueError: if `config` is not such a dict, or names an unknown class.

    Example:

    >>> deserialize({"type": "tfp.distributions.Uniform", "arguments": {"high": 3.0}}).mean()
    <tf.Tensor: shape=(), dtype=float32, numpy=1.5>
    """
    if not isinstance(config, dict) or not isinstance(config.get("arguments"), dict):
        raise ValueError(
            "Expected `config` to be a dict with the keys 'type' and 'arguments'. "
            f"Received: config={config!r}."
        )
    return _decode_object(config)


def _encode_object(value: Any) -> dict[str, Any]:
    cls = type(value)
    name = _public_name(cls)
    if name is None:
        registered = keras.saving.get_registered_name(cls)
        if find_registered_class(registered) is not cls:
            raise ValueError(
                f"Expected {cls.__module__}.{cls.__qualname__} to be a public class of "
                f"{', '.join(_NAMESPACES)}, or a class with `get_config` that is registered with "
                "`keras.saving.register_keras_serializable`, so that it can be saved. "
                f"Received: {value!r}."
            )
        name, arguments = _REGISTERED + registered, value.get_config()
    else:
        arguments = _constructor_arguments(value)
    return {
        "type": name,
        "arguments": {
            key: _encode(argument, f"argument `{key}` of {name}")
            for key, argument in arguments.items()
        },
    }


def _constructor_arguments(value: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for key, parameter in inspect.signature(type(value).__init__).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(value.parameters.get(key, {}))
        elif key in value.parameters:
            argument = value.parameters[key]
            # A default that is a function (`kwargs_split_fn`) is not saved.
            if not (callable(argument) and argument is parameter.default):
                arguments[key] = argument
    return arguments


def _public_name(cls: type) -> str | None:
    for name, public in _CLASSES.items():
        # `tfd.Independent(...)` makes an instance of its private parent, `_Independent`, where an
        # argument is no composite tensor.
        if cls is public or (cls.__name__.startswith("_") and cls is public.__mro__[1]):
            return name
    return None


def _encode(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, np.generic):
        return _encode_array(np.asarray(value), "array", where)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": str(value)}
    if isinstance(value, np.ndarray):
        return _encode_array(value, "array", where)
    if isinstance(value, tf.Tensor) and not tf.is_symbolic_tensor(value):
        return _encode_array(value.numpy(), "tensor", where)
    if isinstance(value, (tf.DType, np.dtype)) or (
        isinstance(value, type) and issubclass(value, np.generic)
    ):
        return {"type": "dtype", "name": tf.as_dtype(value).name}
    if isinstance(value, tf.TensorShape):
        return {"type": "shape", "value": None if value.rank is None else value.as_list()}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(
                f"Expected {where} to be a dict whose keys are strings, so that it can be saved. "
                f"Received: {value!r}."
            )
        return {
            "type": "dict",
            "items": {key: _encode(item, f"{where}, key {key!r}") for key, item in value.items()},
        }
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{where}, element {i}") for i, item in enumerate(value)]
        return {"type": "tuple", "items": items} if isinstance(value, tuple) else items
    if isinstance(value, _BASES):
        return _encode_object(value)
    raise _unsaveable(value, where)


def _unsaveable(value: Any, where: str) -> ValueError:
    if isinstance(value, (tf.Variable, keras.Variable, tfp.util.DeferredTensor)):
        advice = "Pass a constant instead: `tf.constant(variable)`; priors are not trained."
    elif isinstance(value, tf.Tensor):
        advice = "Build the distribution outside of `tf.function`, from constants."
    else:
        advice = (
            "Write a distribution class with `get_config` and register it with "
            "`keras.saving.register_keras_serializable`."
        )
    return ValueError(
        f"Expected {where} {_SAVEABLE}, so that it can be saved. Received: {value!r}. {advice}"
    )


def _encode_array(array: np.ndarray, kind: str, where: str) -> dict[str, Any]:
    try:
        dtype = tf.as_dtype(array.dtype)
    except TypeError:
        raise _unsaveable(array, where) from None
    flat = array.ravel()
    if dtype.is_complex:
        flat = flat.view(dtype.real_dtype.as_numpy_dtype)
    if dtype.is_complex or dtype.is_floating:
        # Floats of all widths are exact in float64, which Python writes and reads without loss.
        numbers = flat.astype(np.float64).tolist()
        values = [x if math.isfinite(x) else str(x) for x in numbers]
    elif dtype.is_integer or dtype.is_bool:
        values = flat.tolist()
    else:
        raise _unsaveable(array, where)
    return {"type": kind, "dtype": dtype.name, "shape": list(array.shape), "values": values}


def _decode_object(config: dict[str, Any]) -> Any:
    cls = _find_class(config.get("type"))
    arguments = {key: _decode(value) for key, value in config["arguments"].items()}
    if config["type"].startswith(_REGISTERED) and hasattr(cls, "from_config"):
        return cls.from_config(arguments)
    return cls(**arguments)


def _find_class(name: Any) -> Any:
    cls: Any = None
    if isinstance(name, str) and name.startswith(_REGISTERED):
        cls = find_registered_class(name.removeprefix(_REGISTERED))
    elif isinstance(name, str):
        cls = _CLASSES.get(name)
    if not (isinstance(cls, type) and issubclass(cls, _BASES)):
        raise ValueError(
            f"Expected `type` to be a public class of {', '.join(_NAMESPACES)}, or 'registered:' "
            "and the name under which a class is registered with Keras (import the module that "
            f"registers it before loading). Received: type={name!r}."
        )
    return cls


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("arguments"), dict):
        return _decode_object(value)
    try:
        return _DECODERS[value["type"]](value)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"Expected a value that `serialize` wrote. Received: value={value!r}."
        ) from error


def _decode_array(value: dict[str, Any]) -> np.ndarray:
    dtype = tf.as_dtype(value["dtype"])
    # The strings 'inf', '-inf' and 'nan' stand for values that JSON has no numbers for.
    numbers = [float(x) if isinstance(x, str) else x for x in value["values"]]
    if dtype.is_complex:
        flat = np.array(numbers, dtype.real_dtype.as_numpy_dtype).view(dtype.as_numpy_dtype)
    else:
        flat = np.array(numbers, dtype.as_numpy_dtype)
    return flat.reshape(value["shape"])


_DECODERS = {
    "array": lambda value: _decode_array(value)[()],
    "tensor": lambda value: tf.constant(_decode_array(value)),
    "float": lambda value: float(value["value"]),
    "dtype": lambda value: tf.as_dtype(value["name"]),
    "shape": lambda value: tf.TensorShape(value["value"]),
    "tuple": lambda value: tuple(_decode(item) for item in value["items"]),
    "dict": lambda value: {key: _decode(item) for key, item in value["items"].items()},
}
