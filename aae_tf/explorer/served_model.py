"""The signatures of a model, wherever on a server they are, and the model's card."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.export.model_card import MODEL_CARD
from aae_tf.export.versions import list_versions
from aae_tf.runs.errors import UserError

if TYPE_CHECKING:
    from aae_tf.serving import Client

# Names that exports have, the first that has a signature gives it; then any others.
SERVABLES = ("decoder", "encoder", "autoencoder")
_SIGNATURES = ("encode", "decode", "sample", "reconstruct", "score", "classify")
_ROWS = 512
# Entries of a card that the explorer reads, and the types that they have where they are given.
_ENTRIES: dict[str, type] = {
    "variant": str,
    "priors": dict,
    "num_classes": int,
    "class_names": list,
    "table": dict,
    "cluster_heads": list,
}


class ServedModel:
    """What one autoencoder's servables can do, and how it is asked.

    Args:
        client: of the server.
        models: names of the server's models.
        card: entries of the model's `MODEL_CARD.json`; empty where there is no card.

    Attributes:
        card: as given.
        signatures: for each signature that the server has, the name of its "model", and its
            "inputs" and "outputs": "dtype" and "shape" of each by name.
    """

    def __init__(self, client: Client, models: Sequence[str], card: Mapping[str, Any]) -> None:
        self._client = client
        self.card = card
        self.signatures = find_signatures(client, models)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature on rows.

        Args:
            signature: its name, one of `signatures`.
            inputs: arrays [n, ...] by name.

        Returns:
            Arrays [n, ...] by name.

        Raises:
            ServingError: if the server refuses, or is gone.
        """
        model = self.signatures[signature]["model"]
        return self._client.predict(model, inputs, signature, batch_size=_ROWS, timeout=120.0)


def find_signatures(client: Client, models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Finds the signatures that the explorer knows among the models of a server.

    Raises:
        ServingError: if the server is gone or a model is not there.
    """
    found: dict[str, dict[str, Any]] = {}
    ordered = [name for name in SERVABLES if name in models]
    for model in [*ordered, *sorted(set(models) - set(ordered))]:
        for name, signature in client.metadata(model).items():
            if name in _SIGNATURES and name not in found:
                found[name] = {"model": model, **signature}
    return found


def remote_signatures(server: str) -> dict[str, dict[str, Any]]:
    """Asks another server for its signatures.

    Args:
        server: "http://HOST:PORT".

    Raises:
        UserError: if the address is of another form, or no servable answers there.
    """
    from aae_tf.serving import Client, ServingError

    address = urllib.parse.urlsplit(server)
    try:
        host, port = address.hostname, address.port
    except ValueError:
        host = port = None
    if address.scheme != "http" or not host or not port or address.path not in ("", "/"):
        raise UserError(f"Expected --server to be http://HOST:PORT. Received: --server {server}.")
    found: dict[str, dict[str, Any]] = {}
    refusals: list[str] = []
    with Client(host, rest_port=port, timeout=5.0, retries=None) as client:
        for model in SERVABLES:
            try:
                found |= {**find_signatures(client, [model]), **found}
            except ServingError as error:
                refusals.append(str(error))
    if not found:
        raise UserError(
            "Expected --server to serve `encoder`, `decoder` or `autoencoder`. "
            f"Received: --server {server}, which answers: {refusals[0]}."
        )
    return found


def read_card(folders: Sequence[Path]) -> dict[str, Any]:
    """Reads what the explorer needs of the card of the highest version in one of the folders.

    Args:
        folders: folders of versions.

    Returns:
        Entries of the first card that is found; empty if there is none.

    Raises:
        UserError: if a card is damaged.
    """
    for folder in folders:
        for _, path in sorted(list_versions(folder), reverse=True)[:1]:
            file = path / MODEL_CARD
            if not file.is_file():
                continue
            try:
                return select_entries(json.loads(file.read_text()))
            except (OSError, ValueError, TypeError) as error:
                raise UserError(
                    f"Expected {file} to be as `aae-tf export` writes it. Received: {error}."
                ) from error
    return {}


def select_entries(card: Any) -> dict[str, Any]:
    """Returns the entries of a card that the explorer reads.

    Raises:
        TypeError: if the card is no object, or an entry is of another type.
    """
    if not isinstance(card, Mapping):
        raise TypeError(f"a card of type {type(card).__name__}")
    entries = {name: card[name] for name in _ENTRIES if card.get(name) is not None}
    for name, value in entries.items():
        if not isinstance(value, _ENTRIES[name]):
            raise TypeError(f"an entry {name!r} of type {type(value).__name__}")
    return entries
