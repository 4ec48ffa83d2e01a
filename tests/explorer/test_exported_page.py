import base64
import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest

from aae_tf import AAE, models, networks, posteriors, priors
from aae_tf.explorer import exported_page as exported
from aae_tf.explorer.points import Points, _column_numbers, encode_array
from tests.explorer.in_node import needs_node, run_in_node
from tests.models.rows import IMAGES, MODELS
from tests.tables import small as tables

HOSTILE = "</script><img src=x onerror=alert(1)>"
NAMES = [
    "AAE deterministic adversarial",
    "LabelGuidedAAE mmd",
    "SupervisedAAE mmd",
    "SemiSupervisedAAE mmd nothing",
    "EmbeddingAAE mmd nothing",
    "VAE kl",
    "GMMN mmd",
]
# More inputs than fit: 8x8 pixels are 64 bytes.
COUNT = 30


class Data:
    """What `Explorer` says of a model, without a server."""

    def __init__(self, model, class_names=("a", HOSTILE, "c")):
        self.model = model
        self.has_encoder = isinstance(model, models.BaseAAE)
        self.names = class_names

    def describe(self):
        classes = None
        if self.model.num_classes is not None:
            decoded = "class_probabilities" in self.model.decoder_codes
            names = list(self.names)
            classes = {"names": names, "decoded": decoded, "sampled": True, "clusters": False}
        return {
            "format": 1, "name": HOSTILE, "kind": "image", "shape": [8, 8, 1], "columns": None,
            "codeDim": self.model.code_widths()["latents"], "classes": classes,
            "heads": np.asarray(getattr(self.model, "cluster_heads", [[0, 0]])).tolist(),
            "server": "http://elsewhere", "signatures": {},
        }  # fmt: skip

    def points(self):
        codes = self.model.encode(IMAGES) if self.has_encoder else np.zeros((40, 2), np.float32)
        return Points("noise", self.has_encoder, codes, np.arange(40) % 3)

    def basis(self, name):
        return {"origin": [0.0, 0.0], "directions": [[1.0, 0.0], [0.0, 1.0]], "shares": [0.6, 0.4]}

    def contours(self, basis, axes):
        return {"limits": [[-1, 1], [-1, 1]], "levels": []} if basis == "axes" else None

    def input_rows(self, rows):
        return encode_array(IMAGES[rows].reshape(len(rows), -1), np.float32)


def content_of(page):
    found = re.search(r'<script type="application/json" id="model">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def pages():
    """Pages by the name of their model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported, "_INPUT_BYTES", 64 * COUNT)
        return {
            name: (model, exported.exported_page(model, Data(model)))
            for name, model in ((name, MODELS[name][0]()) for name in NAMES)
        }


PROGRAM = """
const { openLocalSource } = await load("local_source.js");
const answers = {};
for (const [name, { content, codes, classes, rows, n }] of Object.entries(input)) {
  const source = openLocalSource(content);
  const given = source.description.classes?.decoded ? Float32Array.from(classes) : null;
  const points = await source.points();
  const found = source.encode && await source.encode(Float32Array.from(rows), n);
  const drawn = await source.sample([0, 7], null);
  let refusal = "";
  try { await source.sample([256], null); } catch (error) { refusal = error.message; }
  answers[name] = {
    outputs: [...await source.decode(Float32Array.from(codes), n, given)],
    points: [points.n, points.source, ...points.codes],
    inputs: [...await source.inputs([0, 2]) ?? []],
    codes: found && [...found.codes],
    classes: found?.classes && [...found.classes],
    outputs_of_rows: found && [...await source.reconstruct(Float32Array.from(rows), n)],
    drawn: [...drawn.codes], drawn_outputs: [...drawn.outputs], refusal,
    contours: [await source.contours("axes", [0, 1]), await source.contours("principal", [0, 1])],
  };
}
answer(answers);
"""


@needs_node
@pytest.mark.integration
def test_the_source_of_the_page_answers_as_the_model_does(pages, tmp_path):
    n = 3
    codes = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    classes = np.eye(3, dtype=np.float32)
    given = {
        name: {
            "content": content_of(page), "codes": codes.ravel().tolist(), "n": n,
            "classes": classes.ravel().tolist(), "rows": IMAGES[:n].ravel().tolist(),
        }
        for name, (_, page) in pages.items()
    }  # fmt: skip
    answers = run_in_node(tmp_path, PROGRAM, given)
    for name, (model, _) in pages.items():
        answer = answers[name]

        def check(key, expected, atol=1 / 255, answer=answer, name=name):
            np.testing.assert_allclose(answer[key], np.ravel(expected), atol=atol, err_msg=name)

        decoded = "class_probabilities" in model.decoder_codes
        check("outputs", model.decode(codes, classes if decoded else None))
        seeds = np.array([0, 7])
        check("drawn_outputs", model.sample(seed=seeds))
        assert "seeds 0 to 255" in answer["refusal"]
        assert answer["contours"][0]["levels"] == []
        assert answer["contours"][1] is None
        if not isinstance(model, models.BaseAAE):
            assert answer["codes"] is None
            continue
        assert answer["points"][:2] == [COUNT, f"noise, the first {COUNT}"]
        np.testing.assert_allclose(
            answer["points"][2:], model.encode(IMAGES[:COUNT]).ravel(), atol=1e-6
        )
        check("inputs", IMAGES[[0, 2]])
        if isinstance(model.posterior, posteriors.Universal):
            # Its head takes noise beside the features.
            assert answer["codes"] is None
            continue
        check("codes", model.encode(IMAGES[:n]), atol=0.01)
        check("outputs_of_rows", model.reconstruct(IMAGES[:n]), atol=0.01)
        if answer["classes"]:
            check("classes", model.classify(IMAGES[:n]), atol=0.01)


@needs_node
@pytest.mark.integration
def test_rows_of_a_table_are_those_of_the_model(tmp_path):
    model = tables.build_aae()
    codes = np.random.default_rng(1).normal(size=(40, 2), scale=4.0).astype(np.float32)
    schema = tables.schema()
    # Outputs of the decoder, wide enough for every value, and for missing ones.
    outputs = 3.0 * model.decoder(codes, training=False).numpy()
    given = {
        "columns": [dataclasses.asdict(column) for column in schema.columns],
        "outputs": outputs.ravel().tolist(),
        "n": len(codes),
    }
    program = """
    const { readFeatures } = await load("local_source.js");
    const rows = readFeatures(input.columns, Float32Array.from(input.outputs), input.n);
    answer([...rows].map(x => Number.isNaN(x) ? null : x));
    """
    rows = np.reshape(np.array(run_in_node(tmp_path, program, given), float), (40, -1))
    answer = {k: v.numpy() for k, v in networks.TableColumns(schema)(outputs).items()}
    expected = np.stack(
        [_column_numbers(column, answer[column.name]) for column in schema.columns], axis=1
    )
    assert np.isnan(expected).any() and not np.isnan(expected).all(axis=0).any()
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-5)
    assert exported._encoder(model) is None


@pytest.mark.thorough
def test_names_are_text_and_one_script_may_run(pages):
    _, page = pages["SemiSupervisedAAE mmd nothing"]
    content = content_of(page)
    assert content["description"]["classes"]["names"][1] == HOSTILE
    assert "<img" not in page
    assert content["description"]["server"] == ""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_bundle_has_every_module_once_and_no_import():
    script = exported.bundle()
    names = re.findall(r"^const module_(\w+) = ", script, re.MULTILINE)
    assert names[-1] == "exported_boot"
    assert len(names) == len(set(names))
    assert {"network", "operations", "local_source", "main", "source"} <= set(names)
    assert "boot" not in names
    assert not re.search(r"^\s*(import|export)\s", script, re.MULTILINE)


def test_bundle_refuses_what_it_cannot_join(tmp_path):
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = b;\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = a;\n')
    with pytest.raises(ValueError, match=r"no circle\. Received: \["):
        exported.bundle("a.js", tmp_path)
    (tmp_path / "b.js").write_text("export default 3;\n")
    with pytest.raises(ValueError, match=r"by name in b\.js\. Received: 'export default 3;'"):
        exported.bundle("a.js", tmp_path)


def test_a_large_encoder_is_left_out_and_a_large_decoder_refused(pages, monkeypatch):
    model, page = pages["AAE deterministic adversarial"]
    content = content_of(page)
    assert content["encoder"]
    monkeypatch.setattr(exported, "_content", lambda *args: {**content, "encoder": None})
    monkeypatch.setattr(exported, "_LARGEST_WITH_ENCODER", 1000)
    assert content_of(exported.exported_page(model, Data(model)))["encoder"] is None
    monkeypatch.setattr(exported, "LARGEST_PAGE", 10_000)
    with pytest.raises(ValueError, match="Expected a model whose page has at most 0 MB"):
        exported.exported_page(model, Data(model))


def test_a_ring_model_of_1000_units_fits_into_8_mb():
    model = AAE(
        networks.mlp_encoder((28, 28, 1), (1000, 1000), seed=1),
        networks.mlp_decoder((28, 28, 1), 2, (1000, 1000), seed=2),
        prior=priors.ring_mixture(10),
    )
    content = exported._decoder(model.decoder, np.zeros((4, 2), np.float32))
    assert content["dtype"] == "float16"
    assert len(json.dumps(content)) < 5_000_000
