"""Keras networks as JSON, for `page/network.js`, which computes them in a browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

# Names that `page/network.js` knows; "swish" and the like are other names that Keras has for them.
_ACTIVATIONS = (
    "linear", "relu", "leaky_relu", "elu", "selu", "gelu", "softplus", "softsign", "tanh",
    "sigmoid", "silu", "exponential", "softmax",
)  # fmt: skip
# Slopes that Keras' functions of these names have.
_SLOPES = {"leaky_relu": 0.2, "elu": 1.0}
# Layers that do nothing outside of training.
_NOTHING = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.ActivityRegularization,
    keras.layers.RandomTranslation,
    keras.layers.RandomRotation,
)

_Step = dict[str, Any]
_Weights = dict[str, np.ndarray]


def network_json(network: keras.Model, dtype: str = "float16") -> dict[str, Any]:
    """Writes a network of one input and one output as JSON types.

    Known are Dense, Conv2D, Conv2DTranspose, BatchNormalization, LayerNormalization, Rescaling,
    Reshape, Flatten, UpSampling2D, max, average and global average pooling, Concatenate, Add,
    activations, dropout, noise, random shifts and rotations. Moving averages of a batch
    normalisation become a scale and an offset, and what does nothing outside of training is left
    out.

    Args:
        network: functional or sequential model of such layers.
        dtype: of the weights, "float16" or "float32".

    Returns:
        `NetworkJson` of `page/network.js`.

    Raises:
        ValueError: if it has several inputs or outputs, a layer or a setting that the page does not
            know, or weights that float16 does not hold.

    Example:

    >>> from aae_tf import networks
    >>> decoder = networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,))
    >>> [step["op"] for step in network_json(decoder)["steps"]]
    ['dense', 'dense', 'reshape', 'activation']
    """
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise ValueError(
            "Expected `network` to have one input and one output. Received: "
            f"{len(network.inputs)} inputs, {len(network.outputs)} outputs."
        )
    weights: list[np.ndarray] = []
    steps: list[_Step] = []
    places: dict[tuple[str, int], int] = {}
    graph = keras.Model(network.inputs, network.outputs)
    nodes = list(_nodes(graph))
    for name, index, sources in nodes:
        layer = graph.get_layer(name)
        if not sources:
            places[name, index] = 0
            continue
        inputs = [places[source] for source in sources]
        if isinstance(layer, _NOTHING):
            places[name, index] = inputs[0]
            continue
        node = layer._inbound_nodes[index]
        shapes = [tuple(tensor.shape[1:]) for tensor in node.input_tensors]
        step, own = _write_layer(layer, shapes)
        step |= {"from": inputs, "shape": list(node.output_tensors[0].shape[1:])}
        step["weights"] = {}
        for key, array in own.items():
            start = sum(each.size for each in weights)
            step["weights"][key] = {"start": start, "shape": list(array.shape)}
            weights.append(np.asarray(array, np.float32).ravel())
        steps.append(step)
        places[name, index] = len(steps)
    output = places[_output(graph)]
    if output != len(steps):
        steps.append({"op": "reshape", "from": [output], "shape": list(graph.output_shape[1:])})
    return {
        "shape": list(network.input_shape[1:]),
        "steps": steps,
        "dtype": dtype,
        "weights": _pack(weights, dtype),
    }


def smallest_json(network: keras.Model, probe: np.ndarray, tolerance: float) -> dict[str, Any]:
    """Writes a network with half-precision weights where its outputs stay nearly the same.

    Args:
        network: as for `network_json`.
        probe: float32 [n, ...], inputs whose outputs are compared.
        tolerance: largest difference of an output.

    Returns:
        As `network_json`, with weights in float16, or else in float32.

    Raises:
        ValueError: as `network_json`.
    """
    exact = network_json(network, "float32")
    originals = network.get_weights()
    with np.errstate(over="ignore"):
        halves = [array.astype(np.float16).astype(np.float32) for array in originals]
    if not all(np.isfinite(array).all() for array in halves):
        return exact
    expected = network(probe, training=False).numpy()
    rounded = keras.models.clone_model(network)
    rounded.set_weights(halves)
    for layer in rounded.layers:  # Scale and offset are settings there, and weights on the page.
        if isinstance(layer, keras.layers.Rescaling):
            with np.errstate(over="ignore"):
                layer.scale = np.asarray(layer.scale, np.float16).astype(np.float32)
                layer.offset = np.asarray(layer.offset, np.float16).astype(np.float32)
    difference = np.abs(rounded(probe, training=False).numpy() - expected).max()
    return network_json(network) if difference <= tolerance else exact


def _pack(weights: list[np.ndarray], dtype: str) -> str:
    if dtype not in ("float16", "float32"):
        raise ValueError(
            f"Expected `dtype` to be 'float16' or 'float32'. Received: dtype={dtype!r}."
        )
    joined = np.concatenate(weights) if weights else np.zeros(0, np.float32)
    with np.errstate(over="ignore"):
        packed = joined.astype("<f2" if dtype == "float16" else "<f4")
    if not np.isfinite(packed).all():
        raise ValueError(
            f"Expected weights that {dtype} holds. Received: {np.abs(joined).max():.3g}."
        )
    return base64.b64encode(packed.tobytes()).decode()


def _nodes(graph: keras.Model) -> Iterator[tuple[str, int, list[tuple[str, int]]]]:
    """Yields the calls of layers in the order in which they can be computed, with their sources."""
    waiting = [
        (layer["config"]["name"], index, list(_sources(node)))
        for layer in graph.get_config()["layers"]
        for index, node in enumerate(layer["inbound_nodes"] or [{}])
    ]
    done: set[tuple[str, int]] = set()
    while waiting:
        ready = [node for node in waiting if done.issuperset(node[2])]
        for name, index, sources in ready:
            done.add((name, index))
            yield name, index, sources
        waiting = [node for node in waiting if node not in ready]


def _sources(node: Any) -> Iterator[tuple[str, int]]:
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            name, index, _ = node["config"]["keras_history"]
            yield name, index
            return
        node = list(node.values())
    if isinstance(node, list | tuple):
        for each in node:
            yield from _sources(each)


def _output(graph: keras.Model) -> tuple[str, int]:
    written = graph.get_config()["output_layers"]
    name, index, _ = written[0] if isinstance(written[0], list | tuple) else written
    return name, index


def _write_layer(
    layer: keras.layers.Layer, shapes: list[tuple[int, ...]]
) -> tuple[_Step, _Weights]:
    for kind, write in _LAYERS.items():
        if isinstance(layer, kind):
            return write(layer, shapes)
    raise _refusal(layer, f"a layer of type {type(layer).__name__}")


def _refusal(layer: keras.layers.Layer, what: str) -> ValueError:
    return ValueError(
        "Expected layers that the page can compute, see `aae_tf.explorer.network_json`. "
        f"Received: {what}, {layer.name!r}."
    )


def _activation(layer: keras.layers.Layer) -> _Step:
    name = json.loads(json.dumps(keras.activations.serialize(layer.activation)))
    if name not in _ACTIVATIONS:
        raise _refusal(layer, f"the activation {name!r} of the layer")
    return {"activation": name, "slope": _SLOPES[name]} if name in _SLOPES else {"activation": name}


def _kernel(layer: keras.layers.Layer) -> _Weights:
    weights = {"kernel": np.asarray(layer.kernel)}
    return weights if layer.bias is None else {**weights, "bias": np.asarray(layer.bias)}


def _dense(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    return {"op": "dense", **_activation(layer)}, _kernel(layer)


def _conv(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    is_transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    _check_channels_last(layer)
    if tuple(layer.dilation_rate) != (1, 1) or getattr(layer, "groups", 1) != 1:
        raise _refusal(layer, "dilated or grouped convolutions of the layer")
    if is_transposed and layer.output_padding is not None:
        raise _refusal(layer, f"output_padding={layer.output_padding} of the layer")
    step = {
        "op": "conv2d_transpose" if is_transposed else "conv2d",
        "strides": list(layer.strides),
        "before": [
            _padding(layer, size, window, stride, is_transposed)
            for size, window, stride in zip(
                shapes[0], layer.kernel_size, layer.strides, strict=False
            )
        ],
    }
    return {**step, **_activation(layer)}, _kernel(layer)


def _padding(layer: Any, size: int, window: int, stride: int, is_transposed: bool) -> int:
    """Gives the rows or columns of padding before the first, as TensorFlow pads."""
    if layer.padding == "valid":
        return 0
    if layer.padding != "same":
        raise _refusal(layer, f"padding={layer.padding!r} of the layer")
    # A transposed convolution of `size` is the gradient of one of `size * stride`.
    whole = size * stride if is_transposed else size
    steps = -(-whole // stride)
    return max((steps - 1) * stride + window - whole, 0) // 2


def _pool(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_channels_last(layer)
    is_max = isinstance(layer, keras.layers.MaxPooling2D)
    return {
        "op": "max_pool" if is_max else "average_pool",
        "size": list(layer.pool_size),
        "strides": list(layer.strides),
        "before": [
            _padding(layer, size, window, stride, False)
            for size, window, stride in zip(shapes[0], layer.pool_size, layer.strides, strict=False)
        ],
    }, {}


def _global_pool(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_channels_last(layer)
    return {"op": "global_average_pool"}, {}


def _upsample(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_channels_last(layer)
    if layer.interpolation != "nearest":
        raise _refusal(layer, f"interpolation={layer.interpolation!r} of the layer")
    return {"op": "upsample", "size": list(layer.size)}, {}


def _batch_norm(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_last_axis(layer, layer.axis, shapes[0])
    deviation = np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
    scale = (1.0 if layer.gamma is None else np.asarray(layer.gamma)) / deviation
    offset = (0.0 if layer.beta is None else np.asarray(layer.beta)) - scale * np.asarray(
        layer.moving_mean
    )
    return {"op": "affine"}, {"scale": scale, "offset": offset}


def _layer_norm(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_last_axis(layer, layer.axis, shapes[0])
    if getattr(layer, "rms_scaling", False):
        raise _refusal(layer, "rms_scaling=True of the layer")
    width = shapes[0][-1]
    return {"op": "layer_norm", "epsilon": layer.epsilon}, {
        "scale": np.ones(width) if layer.gamma is None else np.asarray(layer.gamma),
        "offset": np.zeros(width) if layer.beta is None else np.asarray(layer.beta),
    }


def _rescale(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    scale, offset = (np.atleast_1d(np.asarray(x, np.float32)) for x in (layer.scale, layer.offset))
    if any(len(x) not in (1, shapes[0][-1]) for x in (scale, offset)):
        raise _refusal(layer, "scales of another shape than the last axis of the layer")
    return {"op": "affine"}, {"scale": scale, "offset": offset}


def _relu(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    if layer.max_value is not None or layer.threshold != 0.0:
        raise _refusal(layer, "max_value or threshold of the layer")
    return {
        "op": "activation",
        "activation": "leaky_relu",
        "slope": float(layer.negative_slope),
    }, {}


def _plain(op: str, **step: Any) -> Callable[..., tuple[_Step, _Weights]]:
    return lambda layer, shapes: ({"op": op, **step}, {})


def _joined(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_last_axis(layer, layer.axis, shapes[0])
    return {"op": "concatenate"}, {}


def _added(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    if len(set(shapes)) > 1:
        raise _refusal(layer, f"inputs of different shapes {shapes} of the layer")
    return {"op": "add"}, {}


def _softmax(layer: Any, shapes: list[tuple[int, ...]]) -> tuple[_Step, _Weights]:
    _check_last_axis(layer, layer.axis, shapes[0])
    return {"op": "activation", "activation": "softmax"}, {}


def _check_last_axis(layer: Any, axis: Any, shape: tuple[int, ...]) -> None:
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [len(shape)]):
        raise _refusal(layer, f"axis={axis} of the layer")


def _check_channels_last(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise _refusal(layer, f"data_format={layer.data_format!r} of the layer")


_LAYERS: dict[type, Callable[..., tuple[_Step, _Weights]]] = {
    keras.layers.Dense: _dense,
    keras.layers.Conv2DTranspose: _conv,
    keras.layers.Conv2D: _conv,
    keras.layers.BatchNormalization: _batch_norm,
    keras.layers.LayerNormalization: _layer_norm,
    keras.layers.Rescaling: _rescale,
    keras.layers.Reshape: _plain("reshape"),
    keras.layers.Flatten: _plain("reshape"),
    keras.layers.UpSampling2D: _upsample,
    keras.layers.MaxPooling2D: _pool,
    keras.layers.AveragePooling2D: _pool,
    keras.layers.GlobalAveragePooling2D: _global_pool,
    keras.layers.Concatenate: _joined,
    keras.layers.Add: _added,
    keras.layers.ReLU: _relu,
    keras.layers.LeakyReLU: lambda layer, shapes: (
        {"op": "activation", "activation": "leaky_relu", "slope": float(layer.negative_slope)},
        {},
    ),
    keras.layers.ELU: lambda layer, shapes: (
        {"op": "activation", "activation": "elu", "slope": float(layer.alpha)},
        {},
    ),
    keras.layers.Softmax: _softmax,
    keras.layers.Activation: lambda layer, shapes: (
        {"op": "activation", **_activation(layer)},
        {},
    ),
}
