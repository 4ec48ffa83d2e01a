"""What a REST URL asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from tensorflow_serving.apis.model_pb2 import ModelSpec

from aae_tf.serving.errors import invalid_argument

_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_NAME = r"/(?P<name>[^/:]+)"
_PATTERNS = {
    "POST": re.compile(
        rf"/v1/models{_NAME}{_VERSION}:(?P<verb>predict|classify|regress)", re.IGNORECASE
    ),
    "GET": re.compile(rf"/v1/models(?:{_NAME})?{_VERSION}(?:/(?P<verb>metadata))?", re.IGNORECASE),
}


@dataclass(frozen=True)
class RestCall:
    """One request's address, taken apart.

    Args:
        verb: "predict", "classify", "regress", "metadata" or "status".
        spec: The model, with the version or label where the address has one.
    """

    verb: str
    spec: ModelSpec


def parse_rest_call(method: str, path: str) -> RestCall:
    """Takes the address of a request apart.

    Args:
        method: The HTTP method.
        path: The path as sent, still percent-encoded, with the query if there is one.

    Raises:
        ServingError: INVALID_ARGUMENT if the real server has no such address.

    Example:

        >>> call = parse_rest_call("POST", "/v1/models/encoder/versions/3:predict")
        >>> call.verb, call.spec.name, call.spec.version.value
        ('predict', 'encoder', 3)
    """
    pattern = _PATTERNS.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise invalid_argument(f"Malformed request: {method} {path}")
    name, version, label, verb = match.group("name", "version", "label", "verb")
    spec = ModelSpec(name=unquote(name or ""))
    if version is not None:
        if len(version.lstrip("0")) > 19 or int(version) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = unquote(label)
    # The pattern ignores case, the server's choice among the verbs does not.
    if method == "POST" and verb != verb.lower():
        raise invalid_argument(f"Malformed request: {method} {path}")
    if method == "GET" and verb != "metadata":
        verb = "status"
    if not name:
        raise invalid_argument("Missing model name in request.")
    return RestCall(verb, spec)
