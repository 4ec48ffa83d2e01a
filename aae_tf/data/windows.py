"""Windows over time series, and numbers of windows as numbers of steps."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from typing import Any

import numpy as np

from aae_tf.checks import check_dimension, check_positive
from aae_tf.column_arrays import as_column, columns_of, is_missing, numbers_of, strings_of
from aae_tf.data.check_arrays import check_array
from aae_tf.tables.columns import seconds_of


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows over the rows of a time series.

    Attributes:
        x: float32 [windows, length, columns].
        starts: int64 [windows], the row that each window begins with.
        num_rows: number of rows of the series.
        column_names: names of the columns; empty where the series was an array.

    Example:

    >>> windows(np.zeros((10, 2)), length=4, stride=3).starts.tolist()
    [0, 3, 6]
    """

    x: np.ndarray
    starts: np.ndarray
    num_rows: int
    column_names: tuple[str, ...] = ()

    def per_step(self, values: Any) -> np.ndarray:
        """Turns numbers of windows into numbers of steps: the mean over the windows of a step.

        Args:
            values: float [windows, length, ...], a number for each step of each window; or float
                [windows], a number for each window, which is that of all its steps.

        Returns:
            float32 [num_rows, ...]; NaN for rows that no window has.

        Raises:
            ValueError: if `values` are of another shape.

        Example:

        >>> two = windows(np.arange(5.0).reshape(5, 1), length=3, stride=2)
        >>> two.per_step([1.0, 3.0]).tolist()
        [1.0, 1.0, 2.0, 3.0, 3.0]
        """
        values = np.asarray(values, np.float64)
        if values.shape[:2] != self.x.shape[:2] and values.shape != self.x.shape[:1]:
            raise ValueError(
                f"Expected `values` of shape {list(self.x.shape[:2])}, or {[len(self.x)]}. "
                f"Received: values.shape={values.shape}."
            )
        if values.ndim == 1:
            values = np.broadcast_to(values[:, None], self.x.shape[:2])
        sums = np.zeros([self.num_rows, *values.shape[2:]])
        counts = np.zeros(self.num_rows)
        for step in range(self.x.shape[1]):
            # A step of different windows is in different rows.
            sums[self.starts + step] += values[:, step]
            counts[self.starts + step] += 1
        with np.errstate(invalid="ignore"):
            return (sums.T / counts).T.astype(np.float32)


def windows(
    x: Any,
    length: int,
    stride: int = 1,
    *,
    time_column: str | None = None,
    largest_gap: float | None = None,
) -> Windows:
    """Cuts a time series into windows.

    Rows are in the order of time, at equal distances. With a time column, no window is cut across
    a gap: where the distance of two rows is larger than `largest_gap`.

    Args:
        x: float [rows, columns], finite; or a frame, or dict of columns, of numbers.
        length: steps of a window.
        stride: steps from one window to the next.
        time_column: name of the column of times of a frame, which is no input: dates as text or as
            datetimes, with or without a zone, or numbers.
        largest_gap: in seconds, or in the units of numbers; by default 1.5 times the median
            distance.

    Returns:
        `Windows`. Its `x` are the inputs of a model, such as one of `networks.conv1d_encoder`, and
        its `per_step` makes scores of steps of scores of windows.

    Raises:
        TypeError: if `x` holds no numbers, or a size is no integer.
        ValueError: if values are not finite, times are missing or go backwards, a size is out of
            its range, or there is no window.

    Example:

    >>> hours = {"hour": [0, 1, 2, 7, 8, 9, 10], "load": [5.0, 6.0, 7.0, 1.0, 2.0, 3.0, 4.0]}
    >>> found = windows(hours, length=3, time_column="hour")
    >>> found.starts.tolist(), found.x[:, :, 0].tolist()
    ([0, 3, 4], [[5.0, 6.0, 7.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]])
    """
    check_dimension("length", length)
    check_dimension("stride", stride)
    columns = columns_of(x)
    if columns is None and time_column is not None:
        raise TypeError(
            "Expected `time_column` for a frame or a dict of columns. "
            f"Received: time_column={time_column!r}, x of type {type(x).__name__}."
        )
    begins = np.zeros(0, np.int64)
    names: tuple[str, ...] = ()
    if columns is not None:
        if time_column is not None:
            if time_column not in columns:
                raise ValueError(
                    f"Expected `time_column` to be one of {', '.join(map(repr, columns))}. "
                    f"Received: time_column={time_column!r}."
                )
            place = f"column {time_column!r} of `x`"
            column = as_column(columns.pop(time_column), place)
            times = times_of(column, place)
            backwards = np.flatnonzero(np.diff(times) < 0.0)
            if len(backwards):
                row = int(backwards[0]) + 1
                raise ValueError(
                    f"Expected {place} to have times that do not go backwards. "
                    f"Received: {column[row]} in row {row}."
                )
            begins = ends_of_gaps(times, largest_gap)
        names = tuple(columns)
        places = {name: f"column {name!r} of `x`" for name in names}
        x = np.column_stack(
            [numbers_of(as_column(columns[name], places[name]), places[name]) for name in names]
        )
    series = check_array(x, "x")
    if series.ndim != 2:
        raise ValueError(
            f"Expected `x` of shape [rows, columns]. Received: x.shape={series.shape}."
        )
    return cut(series, begins, length, stride, names)


def cut(
    series: np.ndarray, begins: np.ndarray, length: int, stride: int, names: tuple[str, ...]
) -> Windows:
    """Cuts rows into windows.

    Args:
        series: float32 [rows, columns].
        begins: int64 [gaps], the first row after each gap.
        length: steps of a window.
        stride: steps from one window to the next.
        names: names of the columns, or none.

    Raises:
        ValueError: if there is no window.
    """
    # Between two gaps, windows begin anew.
    edges = [0, *begins.tolist(), len(series)]
    starts = np.concatenate(
        [np.arange(first, last - length + 1, stride) for first, last in itertools.pairwise(edges)]
    ).astype(np.int64)
    if not len(starts):
        longest = longest_part(begins, len(series))
        raise ValueError(
            f"Expected `length` to be at most {longest}, the longest part of `x` without a gap. "
            f"Received: length={length}."
        )
    return Windows(series[starts[:, None] + np.arange(length)], starts, len(series), names)


def longest_part(begins: np.ndarray, rows: int) -> int:
    """Returns the number of rows of the longest part without a gap."""
    return int(np.diff([0, *begins.tolist(), rows]).max())


def times_of(column: np.ndarray, place: str) -> np.ndarray:
    """Turns dates into seconds; numbers stay as they are.

    Args:
        column: dates as text or datetimes, or numbers [n], as `as_column` gives them.
        place: what it is, for messages.

    Returns:
        float64 [n].

    Raises:
        ValueError: if one is missing, or no date; the message names its row.
    """
    exact = column
    known = (each for each in column.tolist() if not is_missing(each))
    if column.dtype.kind == "O" and not isinstance(next(known, 0.0), int | float):
        seconds_of(strings_of(column, place), place)  # refuses what is no date
        exact = np.array([_exact_time(each) for each in column.tolist()], "datetime64[us]")
    if exact.dtype.kind == "M":
        times = exact.astype("datetime64[ns]").astype(np.float64) / 1e9
        times[np.isnat(exact)] = np.nan
    else:
        times = column.astype(np.float64)
    missing = np.flatnonzero(np.isnan(times))
    if len(missing):
        row = int(missing[0])
        raise ValueError(
            f"Expected {place} to have a time in each row. Received: {column[row]} in row {row}."
        )
    return times


def ends_of_gaps(times: np.ndarray, largest_gap: float | None) -> np.ndarray:
    """Finds the rows that follow a gap.

    Args:
        times: float64 [n], in order.
        largest_gap: distance of two rows above which there is a gap; None is 1.5 times the median.

    Returns:
        int64 [gaps].
    """
    steps = np.diff(times)
    if largest_gap is None:
        largest_gap = 1.5 * float(np.median(steps)) if len(steps) else 0.0
    else:
        check_positive("largest_gap", largest_gap)
    return np.flatnonzero(steps > largest_gap) + 1


def _exact_time(value: Any) -> np.datetime64:
    """Returns a date with its parts of seconds, in UTC where it has a zone."""
    if is_missing(value):
        return np.datetime64("NaT", "us")
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    text = value if isinstance(value, str) else value.isoformat()
    return np.datetime64(text.removesuffix("Z"), "us")
