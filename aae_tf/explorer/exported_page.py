"""One file that holds the explorer and its model, and asks nobody: `aae-tf explore --export`."""

from __future__ import annotations

import base64
import dataclasses
import graphlib
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.explorer.network_json import network_json, smallest_json
from aae_tf.explorer.page_app import PAGE, PageData
from aae_tf.explorer.points import Points, encode_array
from aae_tf.models import BaseAAE, BaseModel, EmbeddingAAE
from aae_tf.posteriors import Deterministic, Gaussian

# The page of a model of 10 MB of weights; browsers take more, mail does not.
LARGEST_PAGE = 16_000_000
# Up to this size the encoder is in the page, too.
_LARGEST_WITH_ENCODER = 8_000_000
_MOST_POINTS = 2000
_INPUT_BYTES = 1_500_000
_NUM_SEEDS = 256
_NUM_PROBES = 64
# Half of a step of a picture of 256 greys; of other rows, the same share of the range of outputs.
_TOLERANCE = 0.5 / 255
# Pairs of these axes have contours; those of others take a second each to compute.
_MOST_AXES = 4
_BASES = ("axes", "principal")
_START = "exported_boot.js"

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (async function|function|class|const) (\w+)", re.MULTILINE)


def exported_page(model: BaseModel, data: PageData) -> str:
    """Writes a page with everything in it.

    Args:
        model: model whose decoder, and encoder where there is room, are in the page.
        data: the description, the points and the contours of the same model.

    Returns:
        HTML, which a browser opens from a file.

    Raises:
        ValueError: if the decoder has a layer that the page cannot compute, or the page would be
            larger than 16 MB.
    """
    content = _content(model, data)
    encoder = _encoder(model)
    page = _html(content)
    if encoder is not None:
        whole = _html({**content, "encoder": encoder})
        page = whole if len(whole) <= _LARGEST_WITH_ENCODER else page
    if len(page) > LARGEST_PAGE:
        raise ValueError(
            f"Expected a model whose page has at most {LARGEST_PAGE / 1e6:.0f} MB. "
            f"Received: {len(page) / 1e6:.1f} MB, {model.decoder.count_params():,} weights."
        )
    return page


def bundle(start: str = _START, folder: Path = PAGE) -> str:
    """Joins a module with all that it imports to one script, each module in a function of its own.

    Args:
        start: name of the file that is run.
        folder: of the files, which import by name from one another.

    Returns:
        JavaScript without imports.

    Raises:
        ValueError: if modules import one another in a circle, or an import is written otherwise.
    """
    sources: dict[str, str] = {}
    waiting = [start.removesuffix(".js")]
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = (folder / f"{name}.js").read_text()
            waiting += [match[2] for match in _IMPORT.finditer(sources[name])]
    graph = {name: [m[2] for m in _IMPORT.finditer(text)] for name, text in sources.items()}
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise ValueError(
            f"Expected modules that import one another in no circle. Received: {error.args[1]}."
        ) from error
    return "\n".join(_module(name, sources[name]) for name in order)


def _module(name: str, source: str) -> str:
    def bind(match: re.Match[str]) -> str:
        names = ", ".join(part.strip().replace(" as ", ": ") for part in match[1].split(","))
        return f"const {{ {names} }} = module_{match[2]};\n"

    body = _IMPORT.sub(bind, source)
    exported = [match[2] for match in _EXPORT.finditer(body)]
    body = _EXPORT.sub(r"\1 \2", body)
    left = re.search(r"^(import|export)\b.*", body, re.MULTILINE)
    if left:
        raise ValueError(
            f"Expected imports and exports by name in {name}.js. Received: {left[0]!r}."
        )
    return f"const module_{name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"


def _html(content: dict[str, Any]) -> str:
    # In a script element only "<" can begin something else than text.
    model = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    script = f'"use strict";\n{bundle()}\n'.replace("</script", "<\\/script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (PAGE / "style.css").read_text()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<title>Explorer</title>\n'
        f'<link rel="icon" href="data:,">\n<style>\n{style}</style>\n</head>\n<body>\n'
        '<div id="root" aria-busy="true">Loading the model.</div>\n'
        "<noscript>The explorer needs JavaScript.</noscript>\n"
        f'<script type="application/json" id="model">{model}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _content(model: BaseModel, data: PageData) -> dict[str, Any]:
    description = {**data.describe(), "server": ""}
    if description["classes"]:
        # Samples are drawn beforehand, with classes that their seeds draw.
        description["classes"] = {**description["classes"], "sampled": False}
    points, inputs = _few_points(data, description["kind"])
    planes = {
        f"{basis}:{','.join(map(str, axes))}": data.contours(basis, axes)
        for basis in _BASES
        for axes in _planes(description["codeDim"])
    }
    codes = {
        name: np.asarray(values)
        for name, values in model.seed_codes(tf.range(_NUM_SEEDS, dtype=tf.int64)).items()
    }
    received = np.concatenate([codes[name] for name in model.decoder_codes], axis=1)
    classes = codes.get("class_probabilities")
    return {
        "description": description,
        "points": points.to_json(),
        "bases": {basis: data.basis(basis) for basis in _BASES},
        "contours": {name: plane for name, plane in planes.items() if plane is not None},
        "inputs": inputs,
        "samples": {
            "count": _NUM_SEEDS,
            "codes": encode_array(codes["latents"], np.float32),
            "classes": None if classes is None else encode_array(classes, np.float32),
        },
        "decoder": _decoder(model.decoder, received),
        "encoder": None,
    }


def _decoder(decoder: keras.Model, codes: np.ndarray) -> dict[str, Any]:
    probe = codes[:_NUM_PROBES]
    outputs = decoder(probe, training=False).numpy()
    return smallest_json(decoder, probe, _TOLERANCE * max(1.0, float(np.ptp(outputs))))


def _planes(code_dim: int) -> list[tuple[int, ...]]:
    if code_dim == 1:
        return [(0,)]
    return list(itertools.combinations(range(min(code_dim, _MOST_AXES)), 2))


def _few_points(data: PageData, kind: str) -> tuple[Points, dict[str, str] | None]:
    """Gives the first points, and their inputs as bytes where they are pictures."""
    points = data.points()
    count = min(len(points.codes), _MOST_POINTS)
    text = data.input_rows(np.arange(count)) if points.is_data and count else None
    inputs: dict[str, str] | None = None
    if text is not None:
        rows = np.frombuffer(base64.b64decode(text), "<f4").reshape(count, -1)
        is_picture = kind == "image" and rows.min() >= 0.0 and rows.max() <= 1.0
        count = max(1, min(count, _INPUT_BYTES // (rows.shape[1] * (1 if is_picture else 4))))
        rows = rows[:count]
        if is_picture:
            bytes_ = np.rint(255.0 * rows).astype(np.uint8)
            inputs = {"dtype": "uint8", "rows": encode_array(bytes_, np.uint8)}
        else:
            inputs = {"dtype": "float32", "rows": encode_array(rows, np.float32)}
    if count == len(points.codes):
        return points, inputs
    few = dataclasses.replace(
        points,
        source=f"{points.source}, the first {count:,}",
        codes=points.codes[:count],
        labels=None if points.labels is None else points.labels[:count],
        predicted=None if points.predicted is None else points.predicted[:count],
    )
    return few, inputs


def _encoder(model: BaseModel) -> dict[str, Any] | None:
    """Writes the encoder and its heads; None where the page cannot compute them."""
    if not isinstance(model, BaseAAE) or model.table is not None:
        return None
    posterior = model.posterior
    if not isinstance(posterior, Deterministic | Gaussian):
        return None
    features = keras.Input(model.encoder.output_shape[1:])
    latents = posterior.mean_layer(features)
    if posterior.normalization is not None:
        latents = posterior.normalization(latents)
        width = (latents.shape[1],)
        scale, offset = (
            np.broadcast_to(x, width).tolist() for x in (posterior._scale, posterior._loc)
        )
        latents = keras.layers.Rescaling(scale, offset)(latents)
    head = getattr(model, "class_head", None)
    try:
        return {
            "features": network_json(model.encoder),
            "latents": network_json(keras.Model(features, latents), "float32"),
            "classes": None
            if head is None
            else network_json(
                keras.Model(features, keras.layers.Softmax()(head(features))), "float32"
            ),
            "embeds": isinstance(model, EmbeddingAAE),
        }
    except ValueError:
        # The decoder alone is what the page is for.
        return None
