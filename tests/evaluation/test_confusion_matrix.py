import numpy as np
import pytest
from sklearn import metrics

from aae_tf import evaluation

RNG = np.random.default_rng(0)
Y, PREDICTED = RNG.integers(0, 4, 200), RNG.integers(0, 4, 200)


def test_cells_are_those_of_scikit_learn(tmp_path):
    y = np.append(Y, [-1, -1])
    figure = evaluation.confusion_matrix(y, np.append(PREDICTED, [0, 1]), num_classes=5)
    axes = figure.axes[0]
    counts = metrics.confusion_matrix(Y, PREDICTED, labels=range(5))
    expected = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(axes.images[0].get_array(), expected)
    shown = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert shown == {place: str(n) for place, n in np.ndenumerate(counts) if n}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "class")
    error = (Y != PREDICTED).mean()
    assert axes.get_title(loc="left") == f"error {error:.1%} of 200 inputs"
    figure.savefig(tmp_path / "a.png")


def test_names_are_text():
    names = ["a", "$b$", "<img onerror=x>", "d"]
    axes = evaluation.confusion_matrix(Y, PREDICTED, names, title="t").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert not any(label.get_parse_math() for label in axes.get_xticklabels())


@pytest.mark.thorough
def test_many_classes_have_colours_alone(tmp_path):
    figure = evaluation.confusion_matrix(np.arange(100), np.arange(100))
    assert not figure.axes[0].texts
    assert len(figure.axes[0].get_xticks()) <= 40
    figure.savefig(tmp_path / "a.png")


def test_refuses_arguments():
    with pytest.raises(ValueError, match="Expected `y` to have a known class"):
        evaluation.confusion_matrix([-1], [0])
    with pytest.raises(ValueError, match="Expected `class_names` to have one entry"):
        evaluation.confusion_matrix([0, 1], [0, 1], ["a", "b", "c"], num_classes=2)
    with pytest.raises(ValueError, match="Expected `predicted` to have shape"):
        evaluation.confusion_matrix([0, 1], [0])
    with pytest.raises(ValueError, match="`y`"):
        evaluation.confusion_matrix([0, 3], [0, 1], ["a", "b"])
