import numpy as np
import pytest
from scipy import optimize, special, stats

from aae_tf.evaluation import linear_probe

RNG = np.random.default_rng(0)


def test_reaches_the_accuracy_of_the_best_rule():
    # Two Gaussians two standard deviations apart: no rule does better than Phi(1).
    y, test_y = RNG.integers(2, size=4000), RNG.integers(2, size=20_000)
    codes = RNG.normal(size=(4000, 3)) + 2.0 * y[:, np.newaxis] * [1.0, 0.0, 0.0]
    test_codes = RNG.normal(size=(20_000, 3)) + 2.0 * test_y[:, np.newaxis] * [1.0, 0.0, 0.0]
    accuracy = linear_probe(codes, y, test_codes, test_y)
    best = stats.norm.cdf(1.0)
    assert accuracy == pytest.approx(best, abs=4 * np.sqrt(best * (1 - best) / 20_000))


@pytest.mark.parametrize("penalty", [0.1, 300.0])
def test_is_the_penalised_fit(penalty):
    y = np.arange(90) % 3
    codes = RNG.normal(size=(90, 2)) + np.array([[0, 0], [1, 0], [0, 1]])[y]
    test_codes, test_y = RNG.normal(size=(500, 2)) + 0.3, RNG.integers(3, size=500)
    mean, deviation = codes.mean(axis=0), codes.std(axis=0)

    def logits(weights, z):
        weights = weights.reshape(3, 3)
        return (z - mean) / deviation @ weights[:2] + weights[2]

    def objective(weights):
        nats = -special.log_softmax(logits(weights, codes), axis=1)[np.arange(90), y].sum()
        return nats + 0.5 * penalty * np.square(weights[:6]).sum()

    fit = optimize.minimize(objective, np.zeros(9), method="BFGS")
    expected = np.mean(logits(fit.x, test_codes).argmax(axis=1) == test_y)
    # The boundaries agree to a thousandth: at most a few of the codes lie between them.
    assert linear_probe(codes, y, test_codes, test_y, penalty) == pytest.approx(expected, abs=0.005)


def test_scale_offset_and_idle_coordinates_do_not_matter():
    y = np.arange(60) % 3
    codes = RNG.normal(size=(60, 2)) + np.array([[0, 0], [3, 0], [0, 3]])[y]
    expected = linear_probe(codes[:30], y[:30], codes[30:], y[30:])
    moved = np.concatenate([codes * [100.0, 0.01] + [7.0, -3.0], np.ones((60, 1))], axis=1)
    assert linear_probe(moved[:30], y[:30], moved[30:], y[30:]) == expected


def test_unknown_classes_are_not_learnt_from():
    codes, y = np.array([[0.0], [1.0], [0.0], [1.0]]), [0, 1, -1, -1]
    assert linear_probe(codes, y, codes[:2], [0, 1]) == 1.0
    with pytest.raises(ValueError, match="Expected `y` to hold at least one known label"):
        linear_probe(codes, [-1, -1, -1, -1], codes[:2], [0, 1])


def test_refuses_arguments():
    codes, y = np.zeros((3, 2)), [0, 1, 1]
    with pytest.raises(ValueError, match="Expected `test_codes` to have the width of `codes`"):
        linear_probe(codes, y, codes[:, :1], y)
    with pytest.raises(ValueError, match=r"Expected `y` to hold at least two classes.* class 1 al"):
        linear_probe(codes, [1, 1, -1], codes, y)
    with pytest.raises(ValueError, match="Expected `test_y` to hold the label of every row"):
        linear_probe(codes, y, codes, [0, 1, -1])
    with pytest.raises(ValueError, match="Expected `test_codes` to have at least one entry"):
        linear_probe(codes, y, codes[:0], [])
    with pytest.raises(ValueError, match="Expected `codes` to have finite values"):
        linear_probe(codes + np.nan, y, codes, y)
    with pytest.raises(ValueError, match="Expected `penalty` to be positive"):
        linear_probe(codes, y, codes, y, penalty=0.0)
    with pytest.raises(ValueError, match="Expected `max_iterations` to be a positive integer"):
        linear_probe(codes, y, codes, y, max_iterations=0)
