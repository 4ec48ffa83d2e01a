import numpy as np
import pytest

from aae_tf import evaluation

LOGS = {
    "zeta": [1.0, np.nan, 3.0],
    "val_loss": [7.0, 6.0, np.nan],
    "loss": [500.0, 4.0, 3.0],
    "empty": [np.nan, np.inf, np.nan],
}


def test_a_panel_for_each_log_with_both_curves():
    figure = evaluation.learning_curves(LOGS, first_epoch=4, title="$ of a run")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "zeta"]
    loss, zeta = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert loss.lines[1].get_xydata().tolist() == [[4.0, 7.0], [5.0, 6.0]]
    assert zeta.lines[0].get_xydata().tolist() == [[4.0, 1.0], [6.0, 3.0]]
    assert (loss.get_yscale(), zeta.get_yscale()) == ("log", "linear")
    assert figure.get_suptitle() == "$ of a run"


def test_refuses_logs_without_a_finite_value():
    with pytest.raises(ValueError, match="Expected `history` to have a log with a finite value"):
        evaluation.learning_curves({"loss": [np.nan]})
