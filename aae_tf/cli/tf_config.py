"""What TF_CONFIG says of the workers that train together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_EXAMPLE = (
    '{"cluster": {"worker": ["host-0:2222", "host-1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class TFConfig(NamedTuple):
    """The place of this process in a cluster of workers.

    Attributes:
        addresses: host:port of every worker, the chief first.
        number: which of them this process is.
    """

    addresses: tuple[str, ...]
    number: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.number == 0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> TFConfig:
        """Reads and checks TF_CONFIG.

        Args:
            environment: variables by name.

        Raises:
            ValueError: if it is missing, or none of a cluster of workers.

        Example:

        >>> TFConfig.read({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, '
        ...                             '"task": {"type": "worker", "index": 1}}'}).is_chief
        False
        """
        text = environment.get("TF_CONFIG")
        if text is None:
            raise ValueError(
                "Expected TF_CONFIG in the environment with --strategy multi-worker, such as "
                f"{_EXAMPLE}, with another index on each worker. Received: none."
            )
        try:
            config = json.loads(text)
        except json.JSONDecodeError as error:
            raise _wrong(f"JSON, such as {_EXAMPLE}", text, f": {error}") from error
        workers = {
            kind: _addresses(text, addresses)
            for kind, addresses in _mapping(text, config, "cluster").items()
        }
        if not workers or not workers.keys() <= {"chief", "worker"}:
            raise _wrong("with a cluster of `worker` and perhaps one `chief` alone", text)
        if len(workers.get("chief", ["one"])) != 1:
            raise _wrong("with at most one `chief`", text)
        addresses = [*workers.get("chief", []), *workers.get("worker", [])]
        if len(set(addresses)) < len(addresses):
            raise _wrong("with an address of its own for each worker", text)
        task = _mapping(text, config, "task")
        kind, index = task.get("type"), task.get("index")
        if kind not in workers or type(index) is not int or index not in range(len(workers[kind])):
            raise _wrong(
                "with the `task` of this process, a type and an index in its cluster", text
            )
        before = len(workers.get("chief", [])) if kind == "worker" else 0
        return cls(tuple(addresses), before + index)


def _mapping(text: str, config: Any, name: str) -> dict[str, Any]:
    value = config.get(name) if isinstance(config, dict) else None
    if not isinstance(value, dict):
        raise _wrong(f"with `{name}`, such as {_EXAMPLE}", text)
    return value


def _addresses(text: str, addresses: Any) -> list[str]:
    if not isinstance(addresses, list) or not addresses or not all(map(_is_address, addresses)):
        raise _wrong("with lists of host:port", text)
    return addresses


def _is_address(address: Any) -> bool:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _wrong(expected: str, text: str, detail: str = "") -> ValueError:
    return ValueError(f"Expected TF_CONFIG to be {expected}{detail}. Received: TF_CONFIG={text!r}.")
