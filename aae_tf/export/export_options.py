"""What goes into an export beside its model."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.exportable import Signature
from aae_tf.export.model_card import check_json
from aae_tf.export.warmup import check_num_requests


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Options that are the same for every SavedModel of one export.

    Args:
        batching: how a server shall gather requests into batches; None leaves it to the server.
        data: what the model was trained on, in JSON types, for the card.
        metrics: how well it does, in JSON types, for the card.
        verify: whether every signature is run and compared with the model.

    Attributes:
        export: what the cards of one export have in common, and no two exports.

    Raises:
        TypeError, ValueError: if a card cannot hold `data` or `metrics`.

    Example:

    >>> ExportOptions(BatchingParameters(max_batch_size=8, allowed_batch_sizes=(4, 8))).batch_sizes
    (4, 8)
    """

    batching: BatchingParameters | None = None
    data: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    verify: bool = True
    export: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.batching, BatchingParameters | None):
            raise TypeError(
                "Expected `batching` to be a BatchingParameters or None. "
                f"Received: batching={self.batching!r}."
            )
        check_json("data", self.data)
        check_json("metrics", self.metrics)

    @property
    def batch_sizes(self) -> Sequence[int]:
        """Rows of the warm-up requests: the allowed batch sizes, or one row."""
        return (self.batching.allowed_batch_sizes if self.batching else ()) or (1,)

    def check(self, signatures: dict[str, Signature]) -> None:
        """Refuses signatures that cannot be exported with these options, before it is begun.

        Raises:
            ValueError: if a server would not accept as many warm-up requests.
        """
        check_num_requests(signatures, self.batch_sizes)
