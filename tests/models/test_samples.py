"""A sample is a function of its seed and its label alone."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import (
    ClusteringAAE,
    EmbeddingAAE,
    LabelGuidedAAE,
    SemiSupervisedAAE,
    SupervisedAAE,
    export,
    priors,
)
from tests.models.small import NUM_CLASSES, build

STYLE = {"style_prior": priors.gaussian(2), "style_divergence": "mmd", "class_divergence": "mmd"}
RING = priors.ring_mixture(NUM_CLASSES)
MODELS = {
    cls.__name__: lambda cls=cls, arguments=arguments: build(cls, **arguments)
    for cls, arguments in {
        LabelGuidedAAE: {"prior": RING, "num_classes": NUM_CLASSES, "divergence": "mmd"},
        SupervisedAAE: {
            "code_dim": 5,
            "prior": priors.gaussian(2),
            "num_classes": NUM_CLASSES,
            "divergence": "mmd",
        },
        SemiSupervisedAAE: {"code_dim": 5, "num_classes": NUM_CLASSES, **STYLE},
        ClusteringAAE: {"code_dim": 5, "num_clusters": NUM_CLASSES, **STYLE},
        EmbeddingAAE: {"num_clusters": NUM_CLASSES, **STYLE},
    }.items()
}
SEEDS = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 30)
LABELS = np.arange(30) % (NUM_CLASSES + 1) - 1


@functools.cache
def _model(name):
    """One model of each class, since samples leave it as it is."""
    return MODELS[name]()


@pytest.mark.sampled
@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_sample(name):
    model = _model(name)
    for labels in (None, 1, [0, 1, 2, -1]):
        first = model.sample(4, labels=labels, seed=3)
        np.testing.assert_array_equal(model.sample(4, labels=labels, seed=3), first)
        assert not np.allclose(model.sample(4, labels=labels, seed=4), first)
    np.testing.assert_array_equal(model.sample(4, labels=-1, seed=3), model.sample(4, seed=3))
    # Without a seed, the model's generator goes on.
    assert not np.allclose(model.sample(4, labels=1), model.sample(4, labels=1))


def _check_rows(latents):
    together = latents(SEEDS, LABELS)
    alone = [latents(SEEDS[i : i + 1], LABELS[i : i + 1]) for i in range(4)]
    np.testing.assert_array_equal(together[:4], np.concatenate(alone))
    np.testing.assert_array_equal(together[::-1], latents(SEEDS[::-1], LABELS[::-1]))
    # Another label elsewhere changes nothing here.
    changed = np.where(np.arange(30) % 2, (LABELS + 2) % NUM_CLASSES, LABELS)
    np.testing.assert_array_equal(together[::2], latents(SEEDS, changed)[::2])
    return together


@pytest.mark.parametrize("name", MODELS)
def test_a_row_depends_on_its_seed_and_label_alone(name):
    model = _model(name)

    def codes(seeds, labels):
        drawn = model.seed_codes(tf.constant(seeds), tf.constant(labels))
        return np.concatenate([code.numpy() for code in drawn.values()], axis=1)

    _check_rows(codes)
    outputs = model.sample(labels=LABELS, seed=SEEDS)
    np.testing.assert_allclose(
        model.sample(labels=LABELS[[4, 1]], seed=SEEDS[[4, 1]]), outputs[[4, 1]], atol=1e-6
    )


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["LabelGuidedAAE", "EmbeddingAAE"])
def test_a_row_of_the_export_depends_on_its_seed_and_label_alone(name, tmp_path):
    model = _model(name)
    paths = export.export_servables(model, tmp_path)
    with export.SavedModelSession(paths["decoder"]) as session:

        def latents(seeds, labels):
            return session.run("sample", {"seed": seeds, "label": labels})["latents"]

        served = _check_rows(latents)
        expected = model.seed_codes(tf.constant(SEEDS), tf.constant(LABELS))["latents"]
        np.testing.assert_array_equal(served, expected)
        # Nothing is asserted of a label: one that is none is drawn.
        strange = latents(SEEDS, np.full(30, 10**9))
        np.testing.assert_array_equal(strange, latents(SEEDS, np.full(30, -1)))
        assert latents(SEEDS[:0], LABELS[:0]).shape == (0, 2)


@pytest.mark.parametrize("name", MODELS)
def test_the_style_of_a_seed_is_the_same_for_every_label(name):
    model = _model(name)
    components = RING.components_distribution
    styles = []
    for label in range(NUM_CLASSES):
        codes = model.seed_codes(tf.constant(SEEDS), tf.fill([30], tf.constant(label, tf.int64)))
        style = codes["latents"].numpy()
        if name == "EmbeddingAAE":
            style = style - model.cluster_heads[label]
        if name == "LabelGuidedAAE":  # there, the style is the noise of the component
            factor = components.scale_tril.numpy()[label]
            style = np.linalg.solve(factor, (style - components.loc.numpy()[label]).T).T
        else:
            expected = np.eye(NUM_CLASSES)[np.full(30, label)]
            np.testing.assert_array_equal(codes["class_probabilities"], expected)
        styles.append(style)
    for style in styles[1:]:
        np.testing.assert_allclose(style, styles[0], atol=1e-5)
    assert np.unique(styles[0][:, 0]).size == 30
