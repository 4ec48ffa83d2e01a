"""`data.load` with a time column: order, splits by time, windows and their labels."""

import numpy as np
import pandas as pd
import pytest

from aae_tf import data

HOURS = pd.date_range("2024-01-01", periods=60, freq="h")
FRAME = pd.DataFrame(
    {
        "load": np.arange(60.0),
        "time": HOURS,
        "heat": 1e4 + np.arange(60.0),
        "state": np.where(np.arange(60) == 52, "bad", "ok"),
    }
)


def write(folder, frame=FRAME):
    path = folder / "series.csv"
    frame.to_csv(path, index=False)
    return str(path)


def load(path, **options):
    return data.load(path, **{"time_column": "time", "window": 4, "exclude": ["state"], **options})


def test_splits_follow_each_other_in_time(tmp_path):
    path = write(tmp_path, FRAME.sample(frac=1.0, random_state=0))
    found = load(path, exclude=[], label_column="state", stride=2)
    assert found.column_names == ("load", "heat")
    # Forty steps train, in windows that overlap; those that validate do not.
    assert found.x_train[:, :, 0].tolist() == [list(range(i, i + 4)) for i in range(0, 37, 2)]
    assert found.x_validation[:, 0, 0].tolist() == [40, 44]
    assert found.x_test[:, 0, 1].tolist() == [1e4 + i for i in (50, 52, 54, 56)]
    assert found.steps.times[0] == "2024-01-03 02:00:00" and len(found.steps) == 10
    # The rarest label of the steps is that of the window.
    assert found.class_names == ("bad", "ok")
    assert set(found.y_train) == {1} and found.y_test.tolist() == [0, 0, 1, 1]


def test_no_window_spans_a_gap(tmp_path):
    late = FRAME["time"] + pd.to_timedelta([0] * 10 + [9] * 50, "h")
    found = load(write(tmp_path, FRAME.assign(time=late)), stride=4)
    assert found.x_train[:, 0, 0].tolist()[:4] == [0, 4, 10, 14]
    whole = load(write(tmp_path, FRAME.assign(time=late)), stride=4, largest_gap=10 * 3600.0)
    assert whole.x_train[:, 0, 0].tolist()[:4] == [0, 4, 8, 12]


def test_shares_may_be_numbers_and_nothing(tmp_path):
    found = load(write(tmp_path), validation=0, test=20)
    assert len(found.x_train) == 37 and found.x_validation.shape == (0, 4, 2)
    assert len(found.steps) == 20


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        (
            FRAME,
            {"time_column": "when"},
            ValueError,
            "`time_column` to be a column of .*csv: 'load'",
        ),
        (FRAME, {"exclude": []}, TypeError, "column 'state' of .*csv to hold numbers.*in row 0"),
        (FRAME, {"exclude": ["x"]}, ValueError, "`exclude` to name columns"),
        (
            FRAME,
            {"exclude": ["state", "load", "heat"]},
            ValueError,
            "a column beside that of times",
        ),
        (FRAME, {"window": 0}, ValueError, "`window`"),
        (FRAME, {"window": 11}, ValueError, "`window` to be at most 10, .* the validation split"),
        (FRAME, {"stride": 0}, ValueError, "`stride`"),
        (FRAME, {"largest_gap": 0.0}, ValueError, "`largest_gap`"),
        (FRAME, {"validation": 30, "test": 30}, ValueError, "to leave steps of 60 to train on"),
        (FRAME, {"stream": True}, ValueError, "`time_column` for a table"),
        (FRAME, {"kinds": {"load": "count"}}, ValueError, "with `kinds` and `stream` left out"),
        (FRAME.assign(heat=np.r_[[np.nan], np.ones(59)]), {}, ValueError, "'heat'.*nan in row 0"),
        (FRAME.assign(heat=np.r_[np.ones(50), np.zeros(10)]), {}, ValueError, "'heat' to have val"),
        (FRAME.assign(time=HOURS.repeat(2)[:60]), {}, ValueError, "rows 0 and 1"),
        (FRAME.assign(time=[None, *HOURS[1:]]), {}, ValueError, "a time in each row.*row 0"),
        (FRAME.assign(time="soon"), {}, ValueError, "'time' of .* to hold dates"),
    ],
)
def test_bad_input_is_named(tmp_path, frame, options, error, message):
    with pytest.raises(error, match=message):
        load(write(tmp_path, frame), **options)


@pytest.mark.parametrize("option", [{"window": 8}, {"stride": 2}, {"largest_gap": 9.0}])
def test_windows_without_times_are_refused(option):
    with pytest.raises(ValueError, match=r"`window`, `stride` and `largest_gap` to be left out"):
        data.load("digits", **option)


def test_other_data_have_no_times():
    with pytest.raises(ValueError, match=r"`time_column` for a table.*name='digits'"):
        data.load("digits", time_column="time")
