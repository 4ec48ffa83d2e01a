"""A table whose rows are the steps of a time series, cut into windows in three splits by time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aae_tf.checks import check_dimension, check_positive
from aae_tf.column_arrays import as_column, numbers_of
from aae_tf.data.windows import Windows, cut, ends_of_gaps, longest_part, times_of
from aae_tf.tables.inference import check_names


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of a time series, in the order of time.

    Attributes:
        x: float32 [steps, columns].
        y: int64 [steps], -1 where the label is unknown.
        times: [steps], as the file has them.
        seconds: float64 [steps], the same as numbers.
        column_names: names of the columns.
    """

    x: np.ndarray
    y: np.ndarray
    times: np.ndarray
    seconds: np.ndarray
    column_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x)

    def part(self, start: int, stop: int) -> Steps:
        """Returns the steps from one to before another."""
        rows = slice(start, stop)
        return dataclasses.replace(
            self, x=self.x[rows], y=self.y[rows], times=self.times[rows], seconds=self.seconds[rows]
        )

    def windows(
        self, length: int, stride: int, largest_gap: float | None, place: str = "the file"
    ) -> Windows:
        """Cuts the steps into windows, none of them across a gap; none of no steps.

        Args:
            length: steps of a window.
            stride: steps from one window to the next.
            largest_gap: see `data.windows`.
            place: what they are, for messages.

        Raises:
            ValueError: if there are steps and no window.
        """
        if not len(self):
            empty = np.empty([0, length, len(self.column_names)], np.float32)
            return Windows(empty, np.empty(0, np.int64), 0, self.column_names)
        begins = ends_of_gaps(self.seconds, largest_gap)
        longest = longest_part(begins, len(self))
        if longest < length:
            raise ValueError(
                f"Expected `window` to be at most {longest}, the most steps without a gap in "
                f"{place}. Received: window={length}."
            )
        return cut(self.x, begins, length, stride, self.column_names)

    def window_labels(self, windows: Windows, frequencies: np.ndarray) -> np.ndarray:
        """Gives each window the rarest of the known labels of its steps.

        A window with a single step that is no normal one is no normal window.

        Args:
            windows: windows over these steps.
            frequencies: int [classes], by which classes are rare.

        Returns:
            int64 [windows], -1 where no label of a step is known.
        """
        if not len(frequencies) or not len(windows.x):
            return np.full(len(windows.x), -1)
        by_frequency = np.argsort(frequencies, kind="stable")
        ranks = np.empty(len(by_frequency) + 1, np.int64)
        ranks[by_frequency] = np.arange(len(by_frequency))
        # An unknown label, -1, is the last one, and ranks behind all others.
        ranks[-1] = len(by_frequency)
        of_steps = ranks[self.y][windows.starts[:, None] + np.arange(windows.x.shape[1])]
        return np.append(by_frequency, -1)[of_steps.min(axis=1)]


def read_steps(
    columns: Mapping[str, Any],
    y: np.ndarray,
    time_column: str,
    place: str,
    *,
    names: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
) -> Steps:
    """Reads the steps of one series, and puts them into the order of time.

    Args:
        columns: columns by name, of numbers but for that of times.
        y: int64 [rows], their labels.
        time_column: name of the column of times: dates, or numbers.
        place: name of the file, for messages.
        names: names of the columns that are used, in their order; None takes all.
        exclude: names of columns that are left out.

    Raises:
        TypeError: if a column holds text; the message names file, row and column.
        ValueError: if a column is not there; if a time is missing or stands in two rows, as those
            of two series do; if a number is missing or infinite.
    """
    if time_column not in columns:
        raise ValueError(
            f"Expected `time_column` to be a column of {place}: "
            f"{', '.join(map(repr, columns))}. Received: time_column={time_column!r}."
        )
    rest = [name for name in columns if name != time_column]
    check_names(rest, {}, exclude, place)
    used = [name for name in rest if name not in exclude] if names is None else list(names)
    missing = [name for name in used if name not in columns]
    if missing or not used:
        expected = f"have the columns {used}" if used else "have a column beside that of times"
        raise ValueError(f"Expected {place} to {expected}. Received: {list(columns)}.")
    where = f"column {time_column!r} of {place}"
    times = as_column(columns[time_column], where)
    seconds = times_of(times, where)
    order = np.argsort(seconds, kind="stable")
    repeated = np.flatnonzero(np.diff(seconds[order]) == 0.0)
    if len(repeated):
        first, second = order[repeated[0]], order[repeated[0] + 1]
        raise ValueError(
            f"Expected {where} to have times of one series, which differ. "
            f"Received: {times[first]} in rows {first} and {second}."
        )
    x = np.column_stack([_read_numbers(columns[name], name, place) for name in used])
    return Steps(x[order], y[order], times[order], seconds[order], tuple(used))


def split_steps(
    steps: Steps, validation: float | int, test: float | int
) -> tuple[Steps, Steps, Steps]:
    """Divides steps into training, validation and test: the first, the next, and the last ones.

    Args:
        steps: steps in the order of time.
        validation: share of all steps, or their number.
        test: the same of the test split.

    Raises:
        ValueError: if none are left to train on, or a column has one value in those that are.
    """
    count = len(steps)
    tested, held_out = (
        round(share * count) if isinstance(share, float) else int(share)
        for share in (test, validation)
    )
    train = count - tested - held_out
    if train < 1:
        raise ValueError(
            f"Expected `validation` and `test` to leave steps of {count} to train on. "
            f"Received: validation={validation}, test={test}."
        )
    first = steps.part(0, train)
    for name, column in zip(steps.column_names, first.x.T, strict=True):
        if (column == column[0]).all():
            raise ValueError(
                f"Expected column {name!r} to have values that differ; leave it out. "
                f"Received: {column[0]:g} in all {train} steps of the train split."
            )
    return first, steps.part(train, count - tested), steps.part(count - tested, count)


def check_window(length: int, stride: int, largest_gap: float | None) -> None:
    """Checks how windows are cut.

    Raises:
        TypeError, ValueError: if an argument is no positive integer, or no positive number.
    """
    check_dimension("window", length)
    check_dimension("stride", stride)
    if largest_gap is not None:
        check_positive("largest_gap", largest_gap)


def _read_numbers(values: Any, name: str, place: str) -> np.ndarray:
    where = f"column {name!r} of {place}"
    numbers = numbers_of(as_column(values, where), where)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise ValueError(
            f"Expected {where} to have a finite number in each step of a time series: fill in what "
            f"is missing. Received: {numbers[wrong[0]]} in row {wrong[0]}."
        )
    return numbers
