"""The blocks of docs/other_clients.md, each run against the embedded server."""

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from aae_tf import AAE, export, networks, priors
from aae_tf.serving import ModelServer

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "other_clients.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
ROWS = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)


@pytest.fixture(scope="module")
def model():
    return AAE(
        networks.mlp_encoder((4,), units=(8,), seed=1),
        networks.mlp_decoder((4,), code_dim=2, units=(8,), seed=2),
        prior=priors.gaussian(2),
        seed=0,
    )


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    export.export_servables(model, root, combined=True, verify=False)
    with ModelServer(root, grpc_port=0, rest_port=0) as server:
        yield server


def code_of(language, contains, server):
    (code,) = (code for name, code in BLOCKS if name == language and contains in code)
    return code.replace("8501", str(server.rest_port)).replace("8500", str(server.grpc_port))


def check(numbers, model):
    """Compares the numbers of a text, in the order latents, error, log density."""
    score = model.score(ROWS)
    expected = [*model.encode(ROWS)[0], score["reconstruction_error"][0]]
    expected.append(score["prior_log_prob"][0])
    np.testing.assert_allclose(numbers, expected, rtol=1e-4)


def floats(text):
    return [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)]


def by_name(text):
    """The numbers of a printed score, the error first, whatever the order of its names."""
    found = dict(re.findall(r"(reconstruction_error|prior_log_prob)[^\d-]+(-?\d+\.\d+)", text))
    return [float(found[name]) for name in ("reconstruction_error", "prior_log_prob")]


def run(command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_python(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, PAGE.name, "exec"), {"__name__": "example"})
    return printed.getvalue()


def test_every_block_is_run_here():
    assert [language for language, _ in BLOCKS] == ["sh", "python", "python", "js"]


def test_curl(server, model):
    encoded, _, scored = run(["sh", "-c", code_of("sh", "curl", server)]).partition("}{")
    latents = json.loads(encoded + "}")["predictions"]
    check([*latents[0], *by_name("{" + scored)], model)


def test_requests(server, model):
    pytest.importorskip("requests")
    latents, score = run_python(code_of("python", "import requests", server)).splitlines()
    check([*floats(latents), *by_name(score)], model)


def test_grpc(server, model):
    printed = run_python(code_of("python", "import grpc", server))
    latents, score = printed.split("}")[:2]
    check([*floats(latents), *by_name(score)], model)


def test_node(server, model):
    code = code_of("js", "fetch", server)
    printed = run(["node", "--input-type=module", "--eval", code])
    latents, _, score = printed.partition("score")
    check([*floats(latents), *by_name(score)], model)
