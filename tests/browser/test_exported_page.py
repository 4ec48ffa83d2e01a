"""The page of one file in a browser: it opens from a folder, and decodes as the model does."""

from typing import Any

import numpy as np
import pytest

from aae_tf import AAE, networks, priors
from aae_tf.explorer.explorer import Explorer, export_for_page
from aae_tf.explorer.exported_page import exported_page
from aae_tf.explorer.points import Inputs
from tests.models.rows import IMAGES, MODELS

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=window.hacked=1>"
LABELS = np.arange(len(IMAGES)) % 3
INPUTS = Inputs("noise", {"inputs": IMAGES}, LABELS, ("a", HOSTILE, "c"))


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Writes the page of a model, and gives its address in the file system and its size."""

    def to_file(model: Any, inputs: Inputs | None) -> tuple[str, int]:
        folder = tmp_path_factory.mktemp("page")
        load = None if inputs is None else lambda: inputs
        with Explorer(export_for_page(model, folder / "root"), HOSTILE, load) as explorer:
            text = exported_page(model, explorer)
        path = folder / "page.html"
        path.write_text(text)
        return path.as_uri(), path.stat().st_size

    return to_file


def drawn_by(model: Any, code: list[float], label: int | None) -> np.ndarray:
    classes = None if label is None else np.eye(3)[[label]]
    return 255.0 * np.clip(model.decode([code], classes)[0, :, :, 0], 0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("AAE deterministic adversarial", None),
        ("SemiSupervisedAAE mmd nothing", 1),
        ("EmbeddingAAE mmd nothing", None),
        ("GMMN mmd", None),
    ],
)
def test_a_page_from_a_file_draws_what_the_model_decodes(name, label, write, page):
    model = MODELS[name][0]()
    inputs = None if name.startswith("GMMN") else INPUTS
    address, _ = write(model, inputs)
    page.open(address)
    assert page.driver.find_element("tag name", "h1").text == HOSTILE
    assert page.run("return window.hacked ?? null") is None
    for code in ([0.3, -0.7], [2.0, 1.0]):
        np.testing.assert_allclose(page.decode(code, label), drawn_by(model, code, label), atol=1.0)
    page.run("await explorer.session.sample(5)")
    code = page.run("return [...explorer.session.code]")
    expected = np.asarray(model.seed_codes(np.array([5]))["latents"])[0]
    np.testing.assert_allclose(code, expected, rtol=1e-5)


def test_the_page_of_an_mnist_model_is_small_quick_and_exact(write, page):
    model = AAE(
        networks.mlp_encoder((28, 28, 1), (1000, 1000), seed=1),
        networks.mlp_decoder((28, 28, 1), 2, (1000, 1000), seed=2),
        prior=priors.ring_mixture(10),
        seed=0,
    )
    x = np.random.default_rng(0).random((2000, 28, 28, 1), np.float32)
    from selenium.webdriver import ActionChains

    address, size = write(model, Inputs("noise", {"inputs": x}))
    assert size < 8_000_000
    page.open(address)
    decoded = page.decode([3.0, -2.0])
    np.testing.assert_allclose(decoded, drawn_by(model, [3.0, -2.0], None), atol=1.0)
    milliseconds = page.run(
        """
        const { source, codeDim } = explorer.session;
        const times = [];
        for (let i = 0; i < 60; i++) {
          const start = performance.now();
          await source.decode(Float32Array.of(Math.cos(i), Math.sin(i)), 1, null);
          times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[30];
        """
    )
    assert milliseconds < 40.0
    before = page.run("return [...explorer.session.output]")
    surface = page.driver.find_element("id", "map")
    actions = ActionChains(page.driver, duration=20)
    x, y = page.run(
        "const f = explorer.map.frame(); const [x, y] = explorer.map.ring; return ["
        "(f.left + x * f.scale - f.width / 2) / f.ratio,"
        "(f.top - y * f.scale - f.height / 2) / f.ratio]"
    )
    actions.move_to_element_with_offset(surface, round(x), round(y)).click_and_hold()
    actions.move_by_offset(40, -20).move_by_offset(30, 10).release().perform()
    page.wait("!explorer.session.decoder.busy")
    after = page.run("return [...explorer.session.output]")
    code = page.run("return [...explorer.session.code]")
    assert np.abs(np.subtract(code, [3.0, -2.0])).max() > 0.1
    assert np.abs(np.subtract(after, before)).max() > 0.0
    np.testing.assert_allclose(after, model.decode([code]).ravel(), atol=1 / 255)
