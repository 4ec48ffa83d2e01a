"""What a card says, and what it proves of the files beside it."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

import aae_tf
from aae_tf import export, priors
from aae_tf.export.model_card import verify_files

NAMES = ("encoder", "decoder")


def test_card_says_what_it_is(exported, model):
    cards = [json.loads((exported / n / "1" / "MODEL_CARD.json").read_text()) for n in NAMES]
    for name, card in zip(NAMES, cards, strict=True):
        assert card["servable"] == name
        assert card["variant"] == "AAE" and card["seed"] == 5
        prior = priors.deserialize(card["priors"]["prior"])
        np.testing.assert_allclose(prior.log_prob([1.0, 2.0]), -2.5 - np.log(2 * np.pi), 1e-6)
        assert card["data"] == {"name": "made up"}
        assert card["metrics"] == {"error": 0.25, "by": [None]}
        assert card["package_versions"]["tensorflow"] == tf.__version__
        assert card["package_versions"]["aae_tf"] == aae_tf.__version__
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", card["created"])
    assert cards[0]["export"] == cards[1]["export"]
    assert cards[1]["signatures"]["sample"] == {
        "inputs": {"seed": {"dtype": "int64", "shape": [None]}},
        "outputs": {
            "latents": {"dtype": "float32", "shape": [None, 2]},
            "outputs": {"dtype": "float32", "shape": [None, 4]},
        },
    }


def test_card_hashes_agree_with_sha256sum(exported):
    version = exported / "encoder" / "1"
    hashes = json.loads((version / "MODEL_CARD.json").read_text())["sha256"]
    files = {str(p.relative_to(version)) for p in version.rglob("*") if p.is_file()}
    assert hashes.keys() == files - {"MODEL_CARD.json"}
    lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    command = ["sha256sum", "--check", "--status"]
    assert subprocess.run(command, input=lines, text=True, cwd=version).returncode == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: (path / "variables" / "variables.index").unlink(),
            r"missing=\['variables/variables.index'\]\.$",
        ),
        (
            lambda path: (path / "saved_model.pb").write_bytes(b"other"),
            r"changed=\['saved_model.pb'\]\.$",
        ),
        (
            lambda path: (path / "assets.extra" / "more").write_bytes(b""),
            r"additional=\['assets.extra/more'\]\.$",
        ),
        (lambda path: (path / "MODEL_CARD.json").unlink(), "Expected a readable .*No such"),
        (lambda path: (path / "MODEL_CARD.json").write_text("{"), "Expected a readable"),
        (
            lambda path: (path / "MODEL_CARD.json").write_text("[]"),
            "to be an object that lists files under 'sha256'",
        ),
    ],
)
def test_names_what_differs(exported, tmp_path, damage, message):
    copy = shutil.copytree(exported / "encoder" / "1", tmp_path / "1")
    verify_files(copy)
    damage(copy)
    with pytest.raises(export.ExportError, match=message):
        verify_files(copy)
