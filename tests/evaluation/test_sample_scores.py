import keras
import numpy as np
import pytest

from aae_tf.evaluation import (
    feature_network,
    frechet_distance,
    kid_interval,
    prdc,
    sample_scores,
)

RNG = np.random.default_rng(0)
Y = np.arange(400) % 3
# Classes lie along the first coordinate; the last one has by far the largest spread and tells none.
X = RNG.normal(size=(400, 4)) * [0.1, 0.3, 0.3, 2.0] + np.outer(Y, [1.0, 0.0, 0.0, 0.0])
REAL, GENERATED, OTHER = RNG.normal(size=(3, 200, 2, 3))


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_features_tell_the_classes_apart():
    unknown = np.where(np.arange(400) < 300, Y, -1)
    network = feature_network(X, unknown, num_features=16, epochs=4)
    assert network.output_shape == (None, 16)
    # The rows of unknown class by the nearest mean of features.
    features = network(X).numpy()
    means = np.stack([features[:300][Y[:300] == label].mean(axis=0) for label in range(3)])
    distances = np.linalg.norm(features[300:, np.newaxis] - means, axis=-1)
    assert np.mean(distances.argmin(axis=1) == Y[300:]) > 0.8
    first, again = (feature_network(X[:64], Y[:64], 4, epochs=1)(X).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_scores_are_those_of_each_measure():
    inputs = keras.Input((2, 3))
    outputs = keras.layers.Dense(5, kernel_initializer=keras.initializers.HeNormal(1))(inputs)
    network = keras.Model(inputs, outputs)
    scores = sample_scores(REAL, 0.5 * GENERATED, OTHER, network, seed=3)
    a, b, other = (network(x).numpy().reshape(200, 10) for x in (REAL, 0.5 * GENERATED, OTHER))
    value, error = kid_interval(a, b, 50, seed=3)
    assert scores == {
        "frechet_distance": pytest.approx(frechet_distance(a, b)),
        "frechet_distance_of_data": pytest.approx(frechet_distance(a, other)),
        "kid": pytest.approx(value),
        "kid_standard_error": pytest.approx(error),
        **prdc(a, b),
        "num_samples": 200,
        "num_features": 10,
    }
    scores = sample_scores(REAL, GENERATED)
    flat = REAL.reshape(200, 6), GENERATED.reshape(200, 6)
    assert scores["frechet_distance"] == pytest.approx(frechet_distance(*flat))
    assert "frechet_distance_of_data" not in scores


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`generated` to have rows of shape"):
        sample_scores(REAL, GENERATED[:, :1])
    with pytest.raises(ValueError, match="`reference` to have rows of shape"):
        sample_scores(REAL, GENERATED, OTHER[:, :1])
    few = np.zeros([5, 2, 3])
    for arrays, name in (
        ((few, GENERATED), "real"),
        ((REAL, few), "generated"),
        ((REAL, GENERATED, few), "reference"),
    ):
        with pytest.raises(ValueError, match=rf"`{name}` to have at least 6 .*: {name}.shape=\(5"):
            sample_scores(*arrays)
    with pytest.raises(ValueError, match="`seed`"):
        sample_scores(REAL, GENERATED, seed=-1)
    with pytest.raises(ValueError, match=r"`y` to hold at least two classes.* class 4 alone"):
        feature_network(X, np.where(Y == 0, 4, -1))
    with pytest.raises(ValueError, match=r"`y` to have shape \(400,\)"):
        feature_network(X, Y[:5])
    with pytest.raises(ValueError, match="`num_features`"):
        feature_network(X, Y, num_features=0)
    with pytest.raises(ValueError, match="`epochs`"):
        feature_network(X, Y, epochs=0)
    with pytest.raises(ValueError, match="`seed`"):
        feature_network(X, Y, seed=-1)
