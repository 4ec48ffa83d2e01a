"""Numbers and a figure of an anomaly detector: ranking, alarms, and what makes a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from aae_tf import data
from aae_tf.checks import check_dimension, import_extra
from aae_tf.evaluation.arguments import check_entries
from aae_tf.evaluation.canvas import FONT_SIZE, LINE_COLOR, new_axes, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def anomaly_metrics(y: Any, anomaly_score: Any, is_anomaly: Any) -> dict[str, Any]:
    """Compares the scores and alarms of a detector with what is known of the rows.

    Args:
        y: integers [n], 1 for an anomaly and 0 for a normal row, at least one of each.
        anomaly_score: float [n], larger where a row is more anomalous.
        is_anomaly: integers [n], 1 where the detector alarms and 0 elsewhere.

    Returns:
        Ready for JSON:

        - `auroc`: probability that an anomaly has a larger score than a normal row;
        - `average_precision`: area under precision over recall;
        - `f1`: harmonic mean of precision and recall of the alarms;
        - `recall`: share of the anomalies that are found;
        - `false_alarm_rate`: share of the normal rows with an alarm, and
          `false_alarm_rate_interval`, that of Clopper and Pearson at 95%.

    Raises:
        ValueError: if lengths differ, values are out of their range, or there is no anomaly or no
            normal row.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> numbers = anomaly_metrics([0, 0, 1, 1], [0.1, 0.9, 0.8, 2.0], [0, 1, 0, 1])
    >>> numbers["auroc"], numbers["f1"], numbers["false_alarm_rate"]
    (0.75, 0.5, 0.5)
    """
    scores = check_entries("anomaly_score", anomaly_score, ())
    y = data.check_labels(y, "y", 2, required="all", size=len(scores))
    alarms = data.check_labels(is_anomaly, "is_anomaly", 2, required="all", size=len(scores))
    if len(np.unique(y)) < 2:
        raise ValueError(
            "Expected `y` to have anomalies, 1, and normal rows, 0. "
            f"Received: {len(y)} labels that are all {y[0]}."
        )
    metrics = import_extra("sklearn.metrics", "data", "anomaly_metrics")
    false_alarms = stats.binomtest(int(alarms[y == 0].sum()), int((y == 0).sum()))
    interval = false_alarms.proportion_ci(0.95)
    return {
        "auroc": float(metrics.roc_auc_score(y, scores)),
        "average_precision": float(metrics.average_precision_score(y, scores)),
        "f1": float(metrics.f1_score(y, alarms, zero_division=0.0)),
        "recall": float(alarms[y == 1].mean()),
        "false_alarm_rate": float(false_alarms.statistic),
        "false_alarm_rate_interval": [float(interval.low), float(interval.high)],
    }


def column_chart(
    column_scores: Any, names: Sequence[str], code_score: float = 0.0, most: int = 12
) -> Figure:
    """Draws what makes the score of one row: a bar for each of the columns that add most.

    Args:
        column_scores: float [columns], nats, zero or more: a row of what `explain` gives.
        names: of the columns.
        code_score: the surprise at the row's code, nats; a bar of its own.
        most: bars at most; the other columns share the last one.

    Returns:
        Figure; the lengths of its bars add up to the score.

    Raises:
        ValueError: if scores are not finite, or there are not as many names.
        ImportError: if Matplotlib is not installed.

    Example:

    >>> figure = column_chart([0.1, 9.0, 0.4], ["age", "income", "height"], code_score=1.5)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['income', 'code', 'height', 'age']
    """
    scores = check_entries("column_scores", column_scores, ())
    check_dimension("most", most)
    if len(names) != len(scores):
        raise ValueError(
            f"Expected `names` to have a name for each of {len(scores)} columns. "
            f"Received: {len(names)}."
        )
    labels = [*map(str, names), "code"]
    lengths = np.append(scores, np.float32(code_score))
    order = np.argsort(-lengths, kind="stable")
    shown, rest = order, order[:0]
    if len(order) > most:
        shown, rest = order[: most - 1], order[most - 1 :]
    bars = [float(lengths[i]) for i in shown]
    texts = [shorten(labels[i]) for i in shown]
    if len(rest):
        bars.append(float(lengths[rest].sum()))
        texts.append(f"{len(rest)} others")
    figure, axes = new_axes(4.4, 0.6 + 0.24 * len(bars))
    axes.barh(range(len(bars)), bars, color=LINE_COLOR)
    axes.set_yticks(range(len(bars)), texts, fontsize=FONT_SIZE - 1, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(f"nats, of {sum(bars):.3g}", fontsize=FONT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
