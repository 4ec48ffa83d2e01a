"""All nine models in a browser: the page opens, and what it draws is what the model decodes."""

import functools
from typing import Any

import numpy as np
import pytest

from aae_tf import models
from aae_tf.explorer.points import Inputs
from tests.models.rows import IMAGES, MODELS

pytestmark = pytest.mark.browser

ROWS = {
    "AAE": "AAE deterministic adversarial",
    "LabelGuidedAAE": "LabelGuidedAAE mmd",
    "SupervisedAAE": "SupervisedAAE mmd",
    "SemiSupervisedAAE": "SemiSupervisedAAE mmd nothing",
    "ClusteringAAE": "ClusteringAAE mmd nothing",
    "EmbeddingAAE": "EmbeddingAAE mmd nothing",
    "VAE": "VAE kl",
    "GAN": "GAN mmd",
    "GMMN": "GMMN mmd",
}
LABELS = np.arange(len(IMAGES)) % 3
INPUTS = Inputs("noise", {"inputs": IMAGES}, LABELS, ("a", "b", "c"))


@functools.cache
def build(name: str) -> Any:
    return MODELS[ROWS[name]][0]()


def decode(model: Any, code: list[float], label: int) -> np.ndarray:
    """What the picture must be, in 0 ... 255."""
    classes = "class_probabilities" in model.decoder_codes
    rows = model.decode([code], class_probabilities=np.eye(3)[[label]] if classes else None)
    return 255.0 * np.clip(rows[0, :, :, 0], 0.0, 1.0)


@pytest.mark.parametrize("name", ROWS)
def test_the_page_of_every_model_draws_what_it_decodes(name, serve, page):
    model = build(name)
    page.open(serve(model, INPUTS if isinstance(model, models.BaseAAE) else None, name))
    assert page.driver.find_element("tag name", "h1").text == name
    label = 1 if "class_probabilities" in model.decoder_codes else None
    code = [0.3, -0.7]
    drawn = page.decode(code, label)
    np.testing.assert_allclose(drawn, decode(model, code, 1), atol=1.0)
    has_encoder = isinstance(model, models.BaseAAE)
    assert page.run("return explorer.session.points.isData") == has_encoder
    assert bool(page.driver.find_elements("id", "own-file")) == has_encoder
    text = page.driver.find_element("class name", "caption").text
    assert ("codes of noise" if has_encoder else "samples of the prior") in text
    # Its own codes are those that the model gives.
    if has_encoder:
        codes = page.run("return [...explorer.session.points.codes]")
        np.testing.assert_allclose(np.reshape(codes, (-1, 2)), model.encode(IMAGES), atol=1e-5)


def test_heads_are_dragged_and_put_back(serve, page):
    model = build("EmbeddingAAE")
    page.open(serve(model, INPUTS, "EmbeddingAAE"))
    heads = page.run("return explorer.session.heads.map(h => [...h])")
    np.testing.assert_allclose(heads, model.cluster_heads)
    page.run("explorer.session.moveHead(1, Float32Array.of(3, 4))")
    moved = page.run("return [...explorer.session.code]")
    assert moved == [3.0, 4.0]
    places = np.reshape(page.run("return [...explorer.map.places]"), (-1, 2))
    is_moved = model.classify(IMAGES).argmax(axis=1) == 1
    shift = is_moved[:, None] * (np.array([3.0, 4.0]) - model.cluster_heads[1])
    np.testing.assert_allclose(places, model.encode(IMAGES) + shift, atol=1e-4)
    button = page.driver.find_element("id", "heads-back")
    button.click()
    np.testing.assert_allclose(page.run("return [...explorer.session.heads[1]]"), heads[1])
    assert not button.is_displayed()


def test_a_style_is_shown_in_every_class(serve, page):
    model = build("SemiSupervisedAAE")
    page.open(serve(model, INPUTS, "SemiSupervisedAAE"))
    page.decode([0.5, 0.25], 0)
    page.wait("document.querySelectorAll('#styles .empty').length === 0")
    rows = page.run(
        "await new Promise(done => setTimeout(done, 600));"
        "const cells = [...document.querySelectorAll('#styles tbody tr')].map(tr =>"
        "  [...tr.querySelectorAll('canvas')]);"
        "return cells.map(row => row.map(c => [...c.getContext('2d').getImageData(0, 0, 8, 8).data]"
        "  .filter((_, i) => i % 4 === 0)));"
    )
    expected = [decode(model, [0.5, 0.25], label).ravel() for label in range(3)]
    np.testing.assert_allclose(rows[0], expected, atol=1.0)
    sampled = model.sample(labels=[0, 1, 2], seed=np.array([1, 1, 1]))
    np.testing.assert_allclose(rows[1], 255.0 * sampled.reshape(3, -1).clip(0.0, 1.0), atol=1.0)
