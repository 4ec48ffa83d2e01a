"""The page in a browser: dragging, choosing, links, refusals, and what happens without a server."""

import functools
import shutil

import numpy as np
import pytest

from aae_tf import AAE, evaluation, networks, priors
from aae_tf.explorer.explorer import Explorer, export_for_page
from aae_tf.explorer.points import Inputs
from aae_tf.export import export_servables
from aae_tf.serving import ModelServer
from aae_tf.tables.columns import to_columns
from tests.tables import small as tables

pytestmark = pytest.mark.browser

SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(1).random((10_000, *SHAPE), dtype="float32")
MARKUP = "<img src=x onerror=window.hacked=1>"
INPUTS = Inputs(MARKUP, {"inputs": IMAGES}, np.arange(10_000) % 3, (MARKUP, "b", "c"))


@functools.cache
def build(code_dim: int = 2) -> AAE:
    """An AAE whose codes of noise are about as wide as its prior."""
    return AAE(
        networks.mlp_encoder(SHAPE, units=(16,), seed=1),
        networks.mlp_decoder(SHAPE, code_dim, units=(16,), seed=2),
        prior=priors.gaussian(code_dim),
        divergence="mmd",
        seed=0,
    )


@pytest.fixture
def opened(serve, page):
    """The page of 10,000 points of codes of two dimensions."""
    page.open(serve(build(), INPUTS, MARKUP))
    page.wait("explorer.session.output && explorer.session.contours")
    return page


def test_a_drag_changes_the_picture_to_what_the_model_decodes(opened):
    from selenium.webdriver import ActionChains

    surface = opened.driver.find_element("id", "map")
    before = opened.run("return [...explorer.session.output]")
    ring, half = opened.run("return [explorer.map.ring, explorer.map.half]")
    place = "const f = explorer.map.frame(); const [x, y] = explorer.map.ring;"
    x, y, width, height = opened.run(
        place + "const r = f.ratio; return [(f.left + x * f.scale) / r, (f.top - y * f.scale) / r,"
        " f.width / r, f.height / r]"
    )
    actions = ActionChains(opened.driver, duration=20)
    actions.move_to_element_with_offset(surface, round(x - width / 2), round(y - height / 2))
    actions.click_and_hold()
    for _ in range(10):
        actions.move_by_offset(9, -4)
    actions.release().perform()
    opened.wait("!explorer.session.decoder.busy")
    code = opened.run("return [...explorer.session.code]")
    moved = np.subtract(code, ring) * min(width, height) / (2 * half)
    np.testing.assert_allclose(moved, [90.0, 40.0], atol=2.0)
    after = opened.run("return [...explorer.session.output]")
    assert np.abs(np.subtract(after, before)).max() > 1e-3
    np.testing.assert_allclose(after, build().decode([code]).ravel(), atol=1e-5)
    drawn = opened.decode(code)
    np.testing.assert_allclose(drawn, 255.0 * build().decode([code])[0, :, :, 0], atol=1.0)


def test_names_are_text_and_never_markup(opened):
    assert opened.driver.find_element("tag name", "h1").text == MARKUP
    assert opened.driver.find_element("class name", "legend").text.startswith(MARKUP)
    assert MARKUP in opened.driver.find_element("class name", "caption").text
    opened.run("explorer.session.choose(0); explorer.session.choose(3)")
    opened.wait("document.querySelectorAll('#chosen .strip button').length > 6")
    assert opened.driver.find_elements("tag name", "img") == []
    assert opened.run("return window.hacked ?? null") is None


def test_ten_thousand_points_are_drawn_and_moved(opened):
    caption = opened.driver.find_element("class name", "caption").text
    assert caption.startswith("10,000 points")
    opened.run("explorer.map.fit(); await new Promise(requestAnimationFrame)")
    # Each point that has no other one near it has its colour at its place.
    wrong = opened.run(
        """
        const { map } = explorer;
        map.draw();
        const { left, top, scale, width, height } = map.frame();
        const context = document.querySelector("#map .points").getContext("2d");
        const { data } = context.getImageData(0, 0, width, height);
        let missing = 0;
        for (let row = 0; row < map.groups.length; row++) {
          const x = Math.round(left + map.places[2 * row] * scale);
          const y = Math.round(top - map.places[2 * row + 1] * scale);
          if (data[4 * (y * width + x) + 3] === 0) missing++;
        }
        return [map.groups.length, missing];
        """
    )
    assert wrong == [10_000, 0]


def test_a_click_chooses_a_point_and_shows_its_neighbours(opened):
    opened.run("explorer.session.choose(17)")
    opened.wait("document.querySelectorAll('#chosen figure').length === 3")
    code = build().encode(IMAGES[17:18])[0]
    expected = evaluation.nearest(build().encode(IMAGES), code, 7)[1:]
    names = [
        button.get_attribute("title")
        for button in opened.driver.find_elements("css selector", "#chosen .strip button")
    ]
    assert [int(name.split(" ")[1]) for name in names] == expected.tolist()
    half = 0.5 * float(((IMAGES[17:18] - build().reconstruct(IMAGES[17:18])) ** 2).sum())
    captions = opened.driver.find_elements("tag name", "figcaption")
    assert captions[2].text == f"Error, half its square {half:.3g}"


@pytest.mark.parametrize(("path", "spherical"), [("straight", False), ("spherical", True)])
def test_ways_are_those_of_interpolate(opened, path, spherical):
    a, b = build().encode(IMAGES[[4, 9]])
    opened.run("explorer.session.choose(4); explorer.session.choose(9)")
    opened.run("explorer.session.setPath(args[0])", path)
    opened.wait("document.querySelectorAll('#strip canvas').length === 9")
    opened.wait(f"document.querySelector('#chosen h3').textContent.match(/{path[:3]}|about/)")
    drawn = opened.run(
        "return [...document.querySelectorAll('#strip canvas')].map(c =>"
        " [...c.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, i) => i % 4 === 0))"
    )
    expected = evaluation.interpolate(build(), a, b, steps=9, spherical=spherical)
    np.testing.assert_allclose(drawn, 255.0 * expected.reshape(9, -1), atol=1.0)


def test_the_dense_way_goes_around_a_gap(opened):
    # Codes on three quarters of a circle: the straight way leads through its centre.
    angles = np.linspace(0.0, 1.5 * np.pi, 200)
    codes = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
    way = opened.run(
        "const { densePath } = await import('/paths.js'); const codes = Float32Array.from(args[0]);"
        "return [...densePath(codes.slice(0, 2), codes.slice(-2), 31, codes, 200)]",
        codes.ravel().tolist(),
    )
    way = np.reshape(way, (31, 2))
    np.testing.assert_allclose(way[[0, -1]], codes[[0, -1]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1.0, atol=0.01)
    steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    np.testing.assert_allclose(steps, 1.5 * np.pi / 30, rtol=0.02)


def test_a_selection_shows_mean_and_spread(opened):
    rows = list(range(0, 500, 5))
    opened.run("explorer.session.select(args[0])", rows)
    opened.wait("document.querySelectorAll('#spread canvas').length === 5")
    codes = build().encode(IMAGES[rows]).astype("float64")
    text = opened.driver.find_element("id", "selection").text.replace("\N{MINUS SIGN}", "-")
    mean, deviation = codes.mean(axis=0), codes.std(axis=0)
    assert text.startswith("100 points")
    for value in (*mean, *deviation):
        assert f"{float(f'{value:.3g}'):g}" in text
    _, values, vectors = np.linalg.svd(codes - mean)
    end = mean + 2.0 * values[0] / np.sqrt(len(rows)) * vectors[0] * np.array([[1.0], [-1.0]])
    drawn = opened.run(
        "const c = document.querySelectorAll('#spread canvas')[4];"
        "return [...c.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, i) => i % 4 === 0)"
    )
    expected = 255.0 * build().decode(end.astype("float32")).reshape(2, -1)
    # The direction has no sign of its own.
    assert min(np.abs(expected - drawn).max(axis=1)) <= 1.5


def test_a_seed_and_a_link_show_the_same_again(opened):
    field = opened.driver.find_element("id", "seed")
    field.clear()
    field.send_keys("7", "\n")
    opened.wait("explorer.session.seed === 7 && location.hash.includes('seed=7')")
    drawn = opened.run("return [...explorer.session.output]")
    expected = build().sample(seed=np.array([7])).ravel()
    np.testing.assert_allclose(drawn, expected, atol=1e-5)
    fragment = opened.run("return '#' + explorer.session.fragment()")
    opened.open(opened.run("return location.origin + '/'"), fragment)
    opened.wait("explorer.session.output")
    np.testing.assert_allclose(
        opened.run("return [...explorer.session.output]"), expected, atol=1e-4
    )
    assert opened.driver.find_element("id", "seed").get_attribute("value") == "7"


@pytest.mark.parametrize("text", ["-1", "1.5", ""])
def test_a_seed_that_is_none_is_refused(opened, text):
    opened.run("document.getElementById('seed').value = args[0]", text)
    opened.driver.find_element("id", "sample").click()
    status = opened.driver.find_element("id", "status").text
    assert status == "Expected the seed to be an integer, 0 or more."


def _image(tmp_path, size):
    from matplotlib import image

    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    image.imsave(tmp_path / "own.png", pixels)
    return str(tmp_path / "own.png"), pixels


def test_an_image_of_ones_own_is_encoded_and_scored(opened, tmp_path):
    path, pixels = _image(tmp_path, (8, 8))
    opened.driver.find_element("id", "own-file").send_keys(path)
    opened.wait("document.querySelectorAll('#own-result figure').length === 3")
    grey = (pixels / 255.0) @ [0.299, 0.587, 0.114]
    x = grey[np.newaxis, :, :, np.newaxis].astype("float32")
    code = opened.run("return [...explorer.session.code]")
    np.testing.assert_allclose(code, build().encode(x)[0], atol=1e-4)
    error = build().score(x)["reconstruction_error"][0]
    text = opened.driver.find_element("id", "own-result").text
    assert f"reconstruction error: {float(f'{error:.3g}'):g}" in text


def test_an_image_of_another_size_is_refused_and_scaled(opened, tmp_path):
    path, _ = _image(tmp_path, (20, 30))
    opened.driver.find_element("id", "own-file").send_keys(path)
    opened.wait("document.getElementById('own-scale')")
    text = opened.driver.find_element("id", "own-message").text
    text = text.replace("\N{MULTIPLICATION SIGN}", "x")
    assert text.startswith("Expected an image of 8x8 pixels. Received: own.png of 30x20.")
    opened.driver.find_element("id", "own-scale").click()
    opened.wait("document.querySelectorAll('#own-result figure').length === 3")


def test_keys_move_the_ring_and_the_map(opened):
    from selenium.webdriver import Keys

    surface = opened.driver.find_element("id", "map")
    opened.run("explorer.map.fit(); document.getElementById('map').focus()")
    ring, half = opened.run("return [explorer.map.ring, explorer.map.half]")
    surface.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_UP)
    np.testing.assert_allclose(
        np.subtract(opened.run("return explorer.map.ring"), ring),
        [0.02 * half, 0.04 * half],
        rtol=1e-3,
    )
    surface.send_keys("+")
    assert opened.run("return explorer.map.half") == pytest.approx(half / 1.2)


def test_a_server_that_is_gone_is_said_and_comes_back(tmp_path, page):
    root = export_for_page(build(), tmp_path)
    with Explorer(root, "first") as explorer:
        page.open(explorer.url)
        page.wait("explorer.session.output && explorer.session.contours")
        port = int(explorer.url.rsplit(":", 1)[1].rstrip("/"))
    page.run("explorer.session.setCode(Float32Array.of(0.5, 0.5))")
    page.wait("!document.getElementById('status').hidden")
    said = page.driver.find_element("id", "status").text
    assert said.startswith("The server does not answer.")
    with Explorer(root, "second", port=port):
        page.wait("document.getElementById('status').hidden && !explorer.session.decoder.busy")
        expected = 255.0 * build().decode([[0.5, 0.5]])[0, :, :, 0]
        np.testing.assert_allclose(page.decode([0.5, 0.5]), expected, atol=1.0)
    # The console has the refused connections, and nothing else.
    assert all("net::ERR" in message for message in page.errors())


def test_codes_of_five_dimensions_have_planes_and_sliders(serve, page):
    model = build(5)
    page.open(serve(model, Inputs("noise", {"inputs": IMAGES[:500]}), "five"))
    page.wait("document.querySelectorAll('.slider').length === 3")
    page.run("await explorer.session.setPlane('principal', [0, 1])")
    codes = model.encode(IMAGES[:500]).astype("float64")
    _, _, vectors = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    places = np.reshape(page.run("return [...explorer.map.places]"), (-1, 2))
    expected = (codes - codes.mean(axis=0)) @ vectors[:2].T
    # Axes have no sign of their own.
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=2e-3)
    slice_before = page.driver.find_elements("class name", "caption")[1].text
    assert slice_before.startswith(
        "The map moves principal axes 1 and 2. Held by the sliders: 3 at"
    )
    page.run("explorer.session.setCode(explorer.session.plane.withCoordinate("
             "explorer.session.code, 3, 1.25))")  # fmt: skip
    assert "4 at 1.25" in page.driver.find_elements("class name", "caption")[1].text
    code = page.run("return [...explorer.session.code]")
    moved = abs((code - codes.mean(axis=0)) @ vectors[3])
    np.testing.assert_allclose(moved, 1.25, atol=2e-3)
    np.testing.assert_allclose(page.decode(code), 255 * model.decode([code])[0, :, :, 0], atol=1.0)


def test_an_export_without_decode_has_a_sentence_and_no_dead_controls(tmp_path, page):
    export_servables(build(), tmp_path, verify=False)
    shutil.rmtree(tmp_path / "decoder")
    inputs = Inputs("noise", {"inputs": IMAGES[:50]})
    with Explorer(tmp_path, "encoder alone", lambda: inputs) as explorer:
        page.open(explorer.url)
        text = page.driver.find_element("class name", "decoded-panel").text
        assert "This export has no signature decode" in text
        assert "This export has no signature sample" in text
        assert not page.driver.find_elements("id", "sample")
        assert not page.driver.find_elements("id", "decoded")
        assert page.run("return explorer.session.points.n") == 50
        page.wait("explorer.session.contours")
        page.driver.get("about:blank")  # before the server stops


def test_a_table_is_shown_by_columns_and_takes_rows(serve, page):
    model = tables.build_aae()
    columns = model.table
    inputs = Inputs("a table", to_columns(tables.COLUMNS, columns))
    page.open(serve(model, inputs, "table"))
    page.wait("explorer.session.output")
    page.run("explorer.session.setCode(Float32Array.of(0.5, -1))")
    page.wait("!explorer.session.decoder.busy")
    decoded = model.decode([[0.5, -1.0]])
    names, values = page.run(
        "return ['dt', '.value'].map(kind => [...document.querySelectorAll(`#decoded ${kind}`)]"
        ".map(e => e.textContent))"
    )
    shown = dict(zip(names, values, strict=True))
    assert list(shown) == list(tables.COLUMNS)
    assert shown["Länd"] == (decoded["Länd"][0] or "missing")
    flags = {0.0: "no", 1.0: "yes"}
    assert shown["is_new"] == flags.get(decoded["is_new"][0], "missing")
    amount = float(shown["amount (EUR)"].replace("missing", "nan"))
    assert amount == pytest.approx(decoded["amount (EUR)"][0], rel=1e-3, nan_ok=True)
    # Inputs of points come back as they were.
    page.run("explorer.session.choose(1)")
    page.wait("document.querySelectorAll('#chosen figure').length === 3")
    first = page.run(
        "return [...document.querySelectorAll('#chosen figure:first-child .value')]"
        ".map(e => e.textContent)"
    )
    assert first[3:] == ["2024-01-02 00:00", "fr", "443"]
    row = {name: [values[1]] for name, values in tables.COLUMNS.items()}
    area = page.driver.find_element("id", "own-row")
    area.send_keys("19.5,12,1,2024-01-02,fr,443")
    page.driver.find_element("id", "own-send").click()
    page.wait("document.querySelectorAll('#own-result figure').length === 3")
    row |= {"amount (EUR)": [19.5], "packets": [12], "is_new": [True]}
    code = page.run("return [...explorer.session.code]")
    np.testing.assert_allclose(code, model.encode(row)[0], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Expected a row. Received: nothing."),
        ("1,2", "Expected 6 values. Received: 2."),
        ("a,1,1,2024-01-02,fr,443", "Expected column amount (EUR) to be a number. Received: a."),
        (
            "1,1,1,soon,fr,443",
            "Expected column when to be a date such as 2024-05-31. Received: soon.",
        ),
        ('{"color": 3}', "Expected columns of the table. Received: color."),
        ("{", "Expected a JSON object of values by column. Received: text that is no JSON."),
    ],
)  # fmt: skip
def test_a_row_of_another_form_is_refused(opened, text, sentence):
    columns = [
        {"name": c.name, "kind": c.kind, "dtype": c.dtype, "vocabulary": list(c.vocabulary)}
        for c in tables.schema().columns
    ]
    said = opened.run(
        "const { readRow } = await import('/read_row.js');"
        "return readRow({ columns: args[0], shape: [6] }, args[1])",
        columns,
        text,
    )
    assert said == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 2 NaN", "Expected finite numbers. Received: number 3, NaN."),
        ("1, 2", "Expected 3 numbers. Received: 2."),
        ("1 x 3", "Expected finite numbers. Received: number 2, x."),
    ],
)
def test_numbers_of_another_form_are_refused(opened, text, sentence):
    said = opened.run(
        "const { readRow } = await import('/read_row.js');"
        "return readRow({ columns: null, shape: [3] }, args[0])",
        text,
    )
    assert said == sentence


def test_the_page_asks_another_server_where_it_may(tmp_path, page):
    export_servables(build(), tmp_path, verify=False, combined=True)
    with ModelServer(tmp_path, rest_api_enable_cors_support=True) as server:
        remote = f"http://127.0.0.1:{server.rest_port}"
        with Explorer(tmp_path, "remote", server=remote) as explorer:
            page.open(explorer.url)
            page.wait("explorer.session.output && explorer.session.contours")
            asked = page.run("return performance.getEntriesByType('resource').map(e => e.name)")
            assert f"{remote}/v1/models/decoder:predict" in asked
            expected = 255.0 * build().decode([[0.5, -0.5]])[0, :, :, 0]
            np.testing.assert_allclose(page.decode([0.5, -0.5]), expected, atol=1.0)
            page.driver.get("about:blank")  # before the servers stop


def test_a_server_that_does_not_let_pages_call_is_said(tmp_path, page):
    export_servables(build(), tmp_path, verify=False)
    with ModelServer(tmp_path) as server:
        remote = f"http://127.0.0.1:{server.rest_port}"
        with Explorer(tmp_path, "remote", server=remote) as explorer:
            page.open(explorer.url)
            page.wait("explorer.session.status && explorer.session.contours")
            said = page.driver.find_element("id", "status").text
            assert said.startswith("The server does not answer.")
            assert "--rest_api_enable_cors_support=true" in said
            page.driver.get("about:blank")
    refused = page.errors()
    assert refused and all("CORS" in each or "net::ERR" in each for each in refused), refused
