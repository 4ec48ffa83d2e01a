"""The figure of anomaly scores and the threshold of their alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf import data
from aae_tf.checks import check_number
from aae_tf.evaluation.arguments import check_entries
from aae_tf.evaluation.canvas import FONT_SIZE, LINE_COLOR, new_axes, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUM_BINS = 60
_NORMAL, _ANOMALY, _UNKNOWN = "#3c78ff", "#e1691e", "#9a9a9a"
# Share of the scores at either end that may lie beyond the outermost bins.
_TAIL = 0.002


def score_histogram(
    anomaly_score: Any, threshold: float, y: Any = None, title: str | None = None
) -> Figure:
    """Draws how often each anomaly score occurs, and the threshold above which a row is an alarm.

    Bars are shares of their own rows, so that few anomalies stand beside many normal rows. Scores
    beyond the axis are counted in its last bar. Where all scores are positive and the largest is
    more than fifty times the median, the axis is logarithmic.

    Args:
        anomaly_score: float [n], nats, larger where a row is more anomalous.
        threshold: largest score that is no alarm.
        y: integers [n], 1 for an anomaly, 0 for a normal row, -1 where it is not known; None where
            nothing is known.
        title: text above the axes; None says the shares of alarms.

    Returns:
        Figure; the legend says which share of each kind of rows is above the threshold.

    Raises:
        TypeError: if scores are no floats, or `y` holds no integers.
        ValueError: if scores are not finite, or `y` is out of its range.

    Example:

    >>> figure = score_histogram([1.0, 2.0, 3.0, 9.0], threshold=2.5, y=[0, 0, 0, 1])
    >>> for text in figure.axes[0].get_legend().get_texts():
    ...     print(text.get_text())
    normal: 1 of 3 above (33.3%)
    anomaly: 1 of 1 above (100.0%)
    threshold 2.5
    """
    scores = check_entries("anomaly_score", anomaly_score, ())
    threshold = check_number("threshold", threshold)
    y = np.full(len(scores), -1) if y is None else data.check_labels(y, "y", 2, size=len(scores))
    low, high = np.quantile(scores, [_TAIL, 1.0 - _TAIL])
    low, high = min(low, threshold), max(high, threshold)
    is_log = scores.min() > 0.0 < low and high > 50.0 * max(float(np.median(scores)), low)
    if high - low < 1e-6 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
        is_log = False
    edges = (np.geomspace if is_log else np.linspace)(low, high, _NUM_BINS + 1)

    figure, axes = new_axes(5.6, 3.4)
    kinds = (("normal", 0, _NORMAL), ("anomaly", 1, _ANOMALY), ("rows", -1, _UNKNOWN))
    for name, kind, color in kinds:
        rows = scores[y == kind]
        if not len(rows):
            continue
        above = int((rows > threshold).sum())
        label = f"{name}: {above:,} of {len(rows):,} above ({above / len(rows):.1%})"
        axes.hist(
            np.clip(rows, edges[0], edges[-1]),
            edges.tolist(),
            weights=np.full(len(rows), 1.0 / len(rows)),
            color=color,
            alpha=0.65,
            label=label,
        )
    axes.axvline(threshold, color=LINE_COLOR, linewidth=1.2, label=f"threshold {threshold:.4g}")
    if is_log:
        axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("anomaly score, nats", fontsize=FONT_SIZE)
    axes.set_ylabel("share of the rows of its kind", fontsize=FONT_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=FONT_SIZE - 1)
    alarms = float((scores > threshold).mean())
    set_title(axes, f"alarms: {alarms:.1%} of {len(scores):,} rows" if title is None else title)
    return figure
