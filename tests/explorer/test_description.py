"""Tests of what the page is told of a model."""

import numpy as np
import pytest

from aae_tf import priors
from aae_tf.explorer import description
from aae_tf.explorer.served_model import select_entries
from aae_tf.tables.schema import TableSchema


class Model:
    """Stands in for a `ServedModel`: its card and its signatures."""

    def __init__(self, card, **signatures):
        self.card = card
        self.signatures = signatures


def tensor(*shape, dtype="float32"):
    return {"dtype": dtype, "shape": (None, *shape)}


def decoder(*shape, dim=2, **inputs):
    return {
        "model": "decoder",
        "inputs": {"latents": tensor(dim), **inputs},
        "outputs": {"outputs": tensor(*shape)},
    }


def test_describes_a_model_of_images():
    prior = priors.ring_mixture(10)
    card = {"variant": "AAE", "priors": {"prior": priors.serialize(prior)}}
    described = description.describe(Model(card, decode=decoder(8, 8, 1)), "digits")
    assert (described["kind"], described["shape"]) == ("image", [8, 8, 1])
    assert described["codeDim"] == 2
    assert described["prior"] == "a mixture of 10 components"
    assert described["classes"] is described["columns"] is described["heads"] is None
    assert described["signatures"]["decode"]["model"] == "decoder"


def test_describes_classes_by_name_where_there_are_names():
    probabilities = {"class_probabilities": tensor(3)}
    model = Model({"num_classes": 3}, decode=decoder(4, **probabilities))
    classes = description.describe(model, "m")["classes"]
    assert classes == {
        "names": ["0", "1", "2"], "decoded": True, "sampled": False, "clusters": False
    }  # fmt: skip
    model.card["class_names"] = ["a", "b", "<img src=x onerror=alert(1)>"]
    model.card["variant"] = "ClusteringAAE"
    classes = description.describe(model, "m")["classes"]
    assert classes["names"][2] == "<img src=x onerror=alert(1)>" and classes["clusters"]


def test_describes_columns_of_a_table():
    schema = TableSchema.infer({"size": [1.5, 3.5], "color": ["red", "blue"]})
    card = {"table": {"columns": [vars(column) for column in schema.columns]}}
    described = description.describe(Model(card, decode=decoder(6)), "t")
    assert described["kind"] == "table" and described["shape"] == [2]
    assert [each["name"] for each in described["columns"]] == ["size", "color"]
    assert described["columns"][1]["vocabulary"] == list(schema.columns[1].vocabulary)


def test_a_model_without_a_card_is_described_by_its_signatures():
    described = description.describe(Model({}, decode=decoder(5, dim=7)), "bare")
    assert (described["kind"], described["codeDim"]) == ("vector", 7)
    assert described["variant"] is described["prior"] is None


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (5, 4, 3)])
def test_images(shape):
    assert description.kind_of(shape) == "image"


@pytest.mark.parametrize("shape", [(64,), (24, 3), (1, 1, 1), (8, 8, 2), (4, 4, 4, 1)])
def test_vectors(shape):
    assert description.kind_of(shape) == "vector"


def test_the_prior_of_an_embedding_stands_about_its_heads():
    heads = [[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]]
    shares = [0.2, 0.3, 0.5]
    card = {
        "priors": {
            "style_prior": priors.serialize(priors.gaussian(2, scale=0.5)),
            "class_prior": priors.serialize(priors.categorical(3, probs=shares)),
        },
        "cluster_heads": heads,
    }
    prior = description.latent_prior(card)
    codes = np.float32([[1.0, 0.5], [6.0, 0.0], [0.2, 5.0]])
    distances = ((codes[:, None] - np.array(heads)) ** 2).sum(axis=2)
    expected = (np.array(shares) * np.exp(-distances / 0.5) / (2 * np.pi * 0.25)).sum(axis=1)
    np.testing.assert_allclose(prior.prob(codes), expected, rtol=1e-5)


def test_a_card_of_another_form_is_refused():
    assert select_entries({"variant": "AAE", "seed": 3}) == {"variant": "AAE"}
    with pytest.raises(TypeError, match="'variant' of type int"):
        select_entries({"variant": 3})
    with pytest.raises(TypeError, match="a card of type list"):
        select_entries([])
