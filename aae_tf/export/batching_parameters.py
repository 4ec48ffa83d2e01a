"""`BatchingParameters`: how a server gathers requests into batches, as TensorFlow Serving says."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from google.protobuf.message import Message

from aae_tf.checks import check_integer
from aae_tf.export.serving_protos import make_message, parse_text

# The file in a version's directory that TensorFlow Serving reads with
# `--enable_per_model_batching_parameters`.
BATCHING_FILE = "batching_params.pbtxt"
# Scalar fields of the message; the others are wrapped, as in `max_batch_size { value: 8 }`.
_SCALARS = ("allowed_batch_sizes", "pad_variable_length_inputs")


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """Options of dynamic batching: TensorFlow Serving's names, defaults and text file.

    Args:
        max_batch_size: rows of a request, at most, and of a batch; >= 1.
        batch_timeout_micros: how long the first request of a batch waits for others,
            microseconds; >= 0. 0 runs what the queue holds.
        max_enqueued_batches: batches that may wait in a queue; >= 1. A further request is
            answered with UNAVAILABLE.
        num_batch_threads: batches that run at the same time; >= 1. None: the number of CPUs.
        thread_pool_name: name of those threads.
        allowed_batch_sizes: sizes that batches are padded up to, increasing; the last is
            `max_batch_size`, whether or not requests are split. Empty: any.
        pad_variable_length_inputs: pad inputs of different lengths, with their first element.
        enable_large_batch_splitting: split a request over batches of `max_execution_batch_size`
            rows.
        max_execution_batch_size: rows of a batch, where requests are split; None:
            `max_batch_size`.

    Raises:
        TypeError, ValueError: if a value is out of its domain, or values do not fit together.

    Example:

    >>> text = "max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 8"
    >>> BatchingParameters.from_text(text).allowed_batch_sizes
    (4, 8)
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int | None = None
    thread_pool_name: str = "batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    def __post_init__(self) -> None:
        check_integer("max_batch_size", self.max_batch_size, minimum=1)
        check_integer("batch_timeout_micros", self.batch_timeout_micros, minimum=0)
        check_integer("max_enqueued_batches", self.max_enqueued_batches, minimum=1)
        if self.num_batch_threads is not None:
            check_integer("num_batch_threads", self.num_batch_threads, minimum=1)
        if self.max_execution_batch_size is not None:
            check_integer("max_execution_batch_size", self.max_execution_batch_size, minimum=1)
            if self.max_execution_batch_size > self.max_batch_size:
                raise ValueError(
                    "Expected `max_execution_batch_size` to be at most `max_batch_size`. "
                    f"Received: max_execution_batch_size={self.max_execution_batch_size}, "
                    f"max_batch_size={self.max_batch_size}."
                )
        sizes = self.allowed_batch_sizes
        if any(small >= large for small, large in zip((0, *sizes), sizes, strict=False)):
            raise ValueError(
                "Expected `allowed_batch_sizes` to be positive and increasing. "
                f"Received: allowed_batch_sizes={sizes}."
            )
        if sizes and sizes[-1] != self.max_batch_size:
            raise ValueError(
                "Last entry in allowed_batch_sizes must match max_batch_size. "
                f"Received: allowed_batch_sizes={sizes}, max_batch_size={self.max_batch_size}."
            )

    @property
    def largest_batch(self) -> int:
        """The largest number of rows that a batch runs with."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size is not None:
            return self.max_execution_batch_size
        return self.max_batch_size

    @property
    def padded_sizes(self) -> tuple[int, ...]:
        """Those of `allowed_batch_sizes` that a batch may be padded to."""
        pairs = zip((0, *self.allowed_batch_sizes), self.allowed_batch_sizes, strict=False)
        return tuple(size for smaller, size in pairs if smaller < self.largest_batch)

    @property
    def num_threads(self) -> int:
        """The number of batches that run at the same time."""
        return self.num_batch_threads or os.cpu_count() or 1

    def padded_size(self, rows: int) -> int:
        """Returns the number of rows that a batch of `rows` is padded to: the next allowed size.

        Example:

        >>> BatchingParameters(max_batch_size=8, allowed_batch_sizes=(4, 8)).padded_size(5)
        8
        """
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)

    @classmethod
    def from_text(cls, text: str) -> BatchingParameters:
        """Reads the text of `--batching_parameters_file` or of a version's `batching_params.pbtxt`.

        Raises:
            ValueError: if the text is no such message, or its values do not fit together.
        """
        message = parse_text("BatchingParameters", text)
        return cls(
            **{field.name: _field_value(message, field.name) for field, _ in message.ListFields()}
        )

    def to_text(self) -> str:
        """Returns the text that `from_text` reads; values that are the default are left out."""
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                fields[field.name] = value if field.name in _SCALARS else {"value": value}
        return str(make_message("BatchingParameters", **fields))


def _field_value(message: Message, name: str) -> Any:
    value = getattr(message, name)
    if name not in _SCALARS:
        return value.value
    return tuple(value) if name == "allowed_batch_sizes" else value
