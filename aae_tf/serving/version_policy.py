"""Which of a model's versions should be served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class VersionPolicy:
    """TensorFlow Serving's `model_version_policy`.

    Args:
        kind: "latest" serves the highest `num_versions`, "all" every version that is there,
            "specific" those of `versions` that are there.
        num_versions: of "latest", >= 1.
        versions: of "specific".

    Example:

        >>> VersionPolicy("latest", num_versions=2).choose([1, 20, 3])
        {3, 20}
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    num_versions: int = 1
    versions: tuple[int, ...] = ()

    @classmethod
    def from_proto(cls, message: Any) -> VersionPolicy:
        """Reads a `ServableVersionPolicy`; one that says nothing is the default."""
        kind: Any = message.WhichOneof("policy_choice") or "latest"
        return cls(kind, max(message.latest.num_versions, 1), tuple(message.specific.versions))

    def choose(self, there: Iterable[int]) -> set[int]:
        """Returns those of the versions on disk that should be served."""
        if self.kind == "all":
            return set(there)
        if self.kind == "specific":
            return set(self.versions) & set(there)
        return set(sorted(there)[-self.num_versions :])
