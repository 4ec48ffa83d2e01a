"""The model that finds clusters: what it does not look at, and that it finds some."""

import keras
import numpy as np
import pytest

from aae_tf import ClusteringAAE, priors
from aae_tf.divergences import MMD
from tests.models.small import INPUTS, build, gradient_step, measure

pytestmark = pytest.mark.usefixtures("eager_steps")


def _model(num_clusters=5, **kwargs):
    arguments = {
        "style_prior": priors.gaussian(2),
        "num_clusters": num_clusters,
        "style_divergence": "mmd",
        "class_divergence": "mmd",
    }
    return build(ClusteringAAE, 2 + num_clusters, **{**arguments, **kwargs})


@pytest.mark.thorough
def test_labels_beside_the_inputs_are_ignored_whatever_they_are():
    logs = []
    for labels in (None, np.linspace(0.0, 1.0, 40), np.full(40, 99)):
        model = _model()
        model.compile()
        logs.append(gradient_step(model, labels, epochs=2))
    assert logs[1:] == logs[:1] * 2


def test_logs_have_no_classification():
    keys = {"loss", "reconstruction_loss", "style_divergence", "class_divergence"}
    assert measure(_model()).keys() == keys
    more = {"consistency_loss", "information_loss"}
    model = _model(consistency="virtual_adversarial", information="mutual_information")
    assert measure(model).keys() == keys | more


@pytest.mark.integration
@pytest.mark.usefixtures("graph_steps")
def test_clusters_are_found():
    generator = np.random.default_rng(0)
    blobs = np.arange(150) % 3
    inputs = (0.8 * np.eye(4)[blobs] + 0.1 * generator.random((150, 4))).astype("float32")
    model = _model(3, class_divergence=MMD(weight=30.0), information="mutual_information", seed=4)
    model.compile(keras.optimizers.Adam(0.01), reconstruction_weight=10.0)
    model.fit(inputs, batch_size=50, epochs=100, verbose=0)
    clusters = model.classify(inputs).argmax(axis=1)
    # Each blob is a cluster, and each cluster a blob.
    assert len({(int(a), int(b)) for a, b in zip(blobs, clusters, strict=True)}) == 3
    assert len(set(clusters)) == 3


def test_number_of_clusters_is_an_attribute_and_counts_as_that_of_classes():
    model = _model(7)
    assert model.num_clusters == model.num_classes == 7
    assert model.classify(INPUTS).shape == (40, 7)
    assert model.sample(3, labels=6, seed=0).shape == (3, 4)
