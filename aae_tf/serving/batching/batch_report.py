"""What an observer of batching is told."""

from typing import NamedTuple


class BatchReport(NamedTuple):
    """One batch that ran, for metrics.

    Attributes:
        signature_name: The signature that ran.
        request_rows: Rows of each request, in the order of the batch.
        waits: How long each request waited in the queue, seconds, in the same order.
        padding: Copies of a row that were added to reach an allowed size.
        run_seconds: How long merging and running took.
        error: What the requests got instead of outputs; None where the batch ran well.

    Example:

        >>> report = BatchReport("encode", (1, 2), (0.002, 0.001), 1, 0.004, None)
        >>> report.processed_rows
        4
    """

    signature_name: str
    request_rows: tuple[int, ...]
    waits: tuple[float, ...]
    padding: int
    run_seconds: float
    error: Exception | None

    @property
    def processed_rows(self) -> int:
        """Rows that the model saw."""
        return sum(self.request_rows) + self.padding
