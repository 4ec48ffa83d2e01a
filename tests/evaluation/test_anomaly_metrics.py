"""Numbers of a detector against worked examples, and the figure of a score."""

import numpy as np
import pytest

from aae_tf.evaluation import anomaly_metrics, column_chart


def test_numbers_are_those_of_a_worked_example():
    y = [0, 0, 0, 0, 1, 1]
    numbers = anomaly_metrics(y, [1.0, 2.0, 3.0, 6.0, 5.0, 7.0], [0, 0, 0, 1, 0, 1])
    # 7 of the 8 pairs are in order; precision 1 at recall 1/2, and 2/3 at recall 1.
    assert numbers["auroc"] == pytest.approx(7 / 8)
    assert numbers["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert numbers["f1"] == 0.5 and numbers["recall"] == 0.5
    assert numbers["false_alarm_rate"] == 0.25
    # Clopper and Pearson 1934: the bounds at which 1 or more, or 1 or fewer, of 4 have 2.5%.
    low, high = numbers["false_alarm_rate_interval"]
    assert 1 - (1 - low) ** 4 == pytest.approx(0.025)
    assert (1 - high) ** 4 + 4 * high * (1 - high) ** 3 == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("`y` to have anomalies, 1, and normal rows", ([0, 0], [1.0, 2.0], [0, 1])),
        ("Expected `y`", ([0, 2], [1.0, 2.0], [0, 1])),
        ("Expected `is_anomaly`", ([0, 1], [1.0, 2.0], [0, 1, 1])),
        ("Expected `anomaly_score`", ([0, 1], [1.0, np.nan], [0, 1])),
    ],
)
def test_bad_arguments_are_refused(message, arguments):
    with pytest.raises(ValueError, match=message):
        anomaly_metrics(*arguments)


def test_bars_add_up_to_the_score():
    scores = np.arange(20.0)
    figure = column_chart(scores, [f"column {i}" for i in range(20)], code_score=3.5, most=5)
    (axes,) = figure.axes
    bars = [bar.get_width() for bar in axes.patches]
    assert bars == [19.0, 18.0, 17.0, 16.0, scores.sum() + 3.5 - 70.0]
    assert axes.get_yticklabels()[-1].get_text() == "17 others"


def test_as_many_names_as_columns():
    with pytest.raises(ValueError, match=r"a name for each of 2 columns\. Received: 1"):
        column_chart([1.0, 2.0], ["a"])
