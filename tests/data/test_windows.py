"""Windows over time series: where they begin, what a gap does, and scores of steps."""

import numpy as np
import pandas as pd
import pytest

from aae_tf import data

SERIES = np.arange(20.0, dtype=np.float32).reshape(10, 2)


@pytest.mark.parametrize(("stride", "starts"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6])])
def test_windows_are_the_rows_from_their_starts_on(stride, starts):
    found = data.windows(SERIES, 4, stride)
    assert found.starts.tolist() == starts and found.num_rows == 10
    for x, start in zip(found.x, starts, strict=True):
        np.testing.assert_array_equal(x, SERIES[start : start + 4])


TIMES = pd.date_range("2024-01-01", periods=10, freq="h") + pd.to_timedelta([0] * 4 + [5] * 6, "h")


@pytest.mark.parametrize(
    "times",
    [TIMES, TIMES.strftime("%Y-%m-%dT%H:%M:%S"), TIMES.astype("datetime64[s]").astype(int)],
    ids=["datetimes", "text", "numbers"],
)
def test_no_window_is_cut_across_a_gap(times):
    frame = pd.DataFrame({"a": SERIES[:, 0], "time": times, "b": SERIES[:, 1]})
    found = data.windows(frame, 3, 2, time_column="time")
    assert found.starts.tolist() == [0, 4, 6] and found.column_names == ("a", "b")
    np.testing.assert_array_equal(found.x[1], SERIES[4:7])
    wide = data.windows(frame, 3, 2, time_column="time", largest_gap=7 * 3600)
    assert wide.starts.tolist() == [0, 2, 4, 6]


def test_times_with_a_zone_are_compared_in_utc():
    # The clock goes back by an hour.
    times = pd.date_range("2024-10-27", periods=10, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"time": times, "a": SERIES[:, 0]})
    assert data.windows(frame, 3, time_column="time").starts.tolist() == list(range(8))


def test_scores_of_steps_are_means_over_windows():
    frame = {"time": [0, 1, 2, 3, 9, 10, 11], "a": np.zeros(7), "b": np.zeros(7)}
    found = data.windows(frame, 3, time_column="time")
    values = np.random.default_rng(0).normal(size=(3, 3, 2)).astype(np.float32)
    expected = [
        values[0, 0], (values[0, 1] + values[1, 0]) / 2, (values[0, 2] + values[1, 1]) / 2,
        values[1, 2], *values[2],
    ]  # fmt: skip
    np.testing.assert_allclose(found.per_step(values), expected, rtol=1e-6)
    np.testing.assert_allclose(found.per_step([1, 2, 5]), [1, 1.5, 1.5, 2, 5, 5, 5])
    strided = data.windows(SERIES, 4, 4)
    assert np.isnan(strided.per_step([1.0, 2.0])[8:]).all()


def with_times(times):
    return {"time": times, "a": np.zeros(len(times))}


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (SERIES, {"length": 0}, ValueError, "`length`"),
        (SERIES, {"stride": 0}, ValueError, "`stride`"),
        (SERIES, {"length": 11}, ValueError, "`length` to be at most 10"),
        (SERIES, {"time_column": "t"}, TypeError, "`time_column` for a frame"),
        (SERIES[:, 0], {}, ValueError, r"`x` of shape \[rows, columns\]"),
        (with_times([0, 1, 5, 6]), {"time_column": "time"}, ValueError, "at most 2.*a gap"),
        (with_times([0, 1, 2]), {"time_column": "when"}, ValueError, "one of 'time', 'a'"),
        (
            with_times(["2024-01-02", "2024-01-01", "2024-01-03"]),
            {"time_column": "time"},
            ValueError,
            "not go backwards. Received: 2024-01-01 in row 1",
        ),
        (with_times([0.0, np.nan, 2.0]), {"time_column": "time"}, ValueError, "nan in row 1"),
        (with_times([0, 1, 2]), {"time_column": "time", "largest_gap": 0}, ValueError, "largest"),
        ({"a": [1.0, "x", 2.0]}, {}, TypeError, "column 'a' of `x` to hold numbers.*'x' in row 1"),
        ([[1.0], [np.inf], [2.0]], {}, ValueError, "finite"),
    ],
)
def test_bad_input_is_named(x, options, error, message):
    with pytest.raises(error, match=message):
        data.windows(x, **{"length": 3, **options})


def test_numbers_of_other_windows_are_refused():
    with pytest.raises(ValueError, match=r"`values` of shape \[8, 3\], or \[8\]"):
        data.windows(SERIES, 3).per_step(np.zeros(7))
