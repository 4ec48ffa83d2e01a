import numpy as np
import pytest

from aae_tf import evaluation

RNG = np.random.default_rng(0)
SCORES = np.concatenate([RNG.normal(5.0, 1.0, 900), RNG.normal(9.0, 1.0, 100)])
KINDS = np.repeat([0, 1], [900, 100])


def test_bars_are_shares_of_their_kind_and_alarms_are_counted(tmp_path):
    figure = evaluation.score_histogram(SCORES, 7.5, KINDS)
    axes = figure.axes[0]
    for bars in axes.containers:
        assert sum(bar.get_height() for bar in bars) == pytest.approx(1.0)
    below, above = ((SCORES[kind == KINDS] > 7.5).sum() for kind in (0, 1))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        f"normal: {below} of 900 above ({below / 900:.1%})",
        f"anomaly: {above} of 100 above ({above / 100:.1%})",
        "threshold 7.5",
    ]
    assert axes.lines[0].get_xdata() == [7.5, 7.5]
    assert axes.get_title(loc="left") == f"alarms: {(below + above) / 1000:.1%} of 1,000 rows"
    figure.savefig(tmp_path / "a.png")


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("scores", "scale"),
    [([1.0, 2.0, 3.0], "linear"), ([1.0, 2.0, 1e5], "log"), ([3.0] * 4, "linear")],
)
def test_the_axis_holds_scores_and_threshold(scores, scale, tmp_path):
    figure = evaluation.score_histogram(scores, 3.0)
    axes = figure.axes[0]
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert low <= 3.0 <= high
    assert axes.get_legend().get_texts()[0].get_text().startswith("rows: ")
    figure.savefig(tmp_path / "a.png")


def test_refuses_arguments():
    with pytest.raises(ValueError, match="Expected `anomaly_score` to have finite values"):
        evaluation.score_histogram([np.nan], 1.0)
    with pytest.raises(ValueError, match="Expected `threshold` to be finite"):
        evaluation.score_histogram([1.0], np.inf)
    with pytest.raises(ValueError, match="`y`"):
        evaluation.score_histogram([1.0, 2.0], 1.0, [0, 2])
