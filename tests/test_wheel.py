"""The wheel that users install: the files it carries, and the first use of each extra.

No network: the wheel goes into a folder of its own, and a `sitecustomize` hides every installed
package that the core and the extra do not ask for.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[1]

SITECUSTOMIZE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""

MODEL = """
import os, sys, numpy as np, keras, aae_tf
from aae_tf import networks, priors
assert aae_tf.__file__.startswith(os.environ["INSTALLED"]), aae_tf.__file__
"""

CORE = (
    MODEL
    + """
model = aae_tf.AAE(
    encoder=networks.mlp_encoder((4,), units=(8,)),
    decoder=networks.mlp_decoder((4,), 2, units=(8,)),
    prior=priors.gaussian(2),
    seed=0,
)
x = np.random.default_rng(0).random((32, 4), dtype="float32")
model.compile()
model.fit(x, verbose=0)
model.save("model.keras")
keras.models.load_model("model.keras").export("exports/tiny/1", verbose=False)

def refuse(use, extra):
    try:
        use()
    except ImportError as error:
        assert f"aae_tf[{extra}]" in str(error) and "\\n" not in str(error), error
    else:
        raise AssertionError(f"[{extra}] was not missing")

from pathlib import Path
page = Path(aae_tf.__file__).parent / "explorer" / "page"
assert {file.suffix for file in page.iterdir()} == {".html", ".css", ".js"}, list(page.iterdir())

from aae_tf import callbacks, data, evaluation, serving
refuse(lambda: serving.ModelServer("exports"), "serving")
refuse(lambda: data.load("digits"), "data")
q, y = np.eye(4, 2, dtype="float32") + 0.5, np.arange(4) % 2
q = q / q.sum(1, keepdims=True)
refuse(lambda: evaluation.clustering_scores(q, y, q, y), "data")
refuse(lambda: evaluation.latent_scatter(np.zeros((8, 2))), "figures")
print("used")
"""
)

FIRST_USES = {
    "serving": MODEL
    + """
from aae_tf.serving import Client, ModelServer
with ModelServer("exports", grpc_port=0, rest_port=0) as server:
    for port in ({"grpc_port": server.grpc_port}, {"rest_port": server.rest_port}):
        with Client("127.0.0.1", **port) as client:
            answer = client.predict("tiny", {"seed": np.arange(3)}, signature_name="sample")
            assert answer["outputs"].shape == (3, 4), answer
print("used")
""",
    "data": MODEL
    + """
from aae_tf import data, evaluation
digits = data.load("digits")
assert digits.x_train.shape[1:] == (8, 8, 1)
y = np.arange(12) % 3
q = np.eye(3, dtype="float32")[y]
assert evaluation.clustering_scores(q, y, q, y)
print("used")
""",
    "figures": MODEL
    + """
from aae_tf import evaluation
codes = keras.models.load_model("model.keras").encode(np.zeros((8, 4), "float32"))
evaluation.latent_scatter(codes + np.arange(8)[:, None], prior=priors.gaussian(2)).savefig("s.png")
print("used")
""",
}


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", requirement).lower()


def _needed(extras: tuple[str, ...], metadata: importlib.metadata.PackageMetadata) -> set[str]:
    """Names of the distributions that the core and the extras install, however far down."""
    needed: set[str] = set()
    todo = [(metadata.get_all("Requires-Dist") or [], ("", *extras))]
    seen = set()
    while todo:
        requirements, wanted = todo.pop()
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in wanted):
                continue
            key = (_name(requirement.name), tuple(sorted(requirement.extras)))
            if key in seen:
                continue
            seen.add(key)
            if key[0] == "aae-tf":
                todo.append((metadata.get_all("Requires-Dist") or [], ("", *requirement.extras)))
                continue
            needed.add(key[0])
            inner = importlib.metadata.requires(requirement.name) or []
            todo.append((inner, ("", *requirement.extras)))
    return needed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what git tracks."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("aae_tf", "serving"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=ignored)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", target, source], check=True
    )
    (file,) = target.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--quiet", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, wheel], check=True)
    return folder


@pytest.fixture(scope="module")
def run(installed, tmp_path_factory):
    """Runs a command with the core and some extras, in a folder that the runs share."""
    folder = tmp_path_factory.mktemp("work")
    (metadata,) = importlib.metadata.distributions(name="aae_tf", path=[str(installed)])
    modules = importlib.metadata.packages_distributions()

    def run(command, *extras):
        needed = _needed(extras, metadata.metadata)
        hidden = {
            module
            for module, names in modules.items()
            if not needed & {_name(name) for name in names} and module != "aae_tf"
        }
        site = tmp_path_factory.mktemp("site")
        (site / "sitecustomize.py").write_text(SITECUSTOMIZE.format(hidden=repr(hidden)))
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(site), str(installed)]),
            "INSTALLED": str(installed),
        }
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def core(run):
    """What the core alone does, which leaves a model and an export for the extras."""
    return run([sys.executable, "-c", CORE])


def test_wheel_carries_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = file.read(metadata).decode()
    files = {name for name in names if ".dist-info/" not in name}
    expected = {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "aae_tf").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    # The deployment files, byte for byte those of the repository.
    deployment = {
        f"aae_tf/deployment/{path.relative_to(CHECKOUT / 'serving')}": path
        for path in (CHECKOUT / "serving").rglob("*")
        if path.is_file()
    }
    assert files == expected | set(deployment)
    with zipfile.ZipFile(wheel) as file:
        for name, path in deployment.items():
            assert file.read(name) == path.read_bytes(), name
    assert "aae_tf/py.typed" in files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    for extra in ("all", "cli", "data", "dev", "docs", "figures", "serving"):
        assert f"Provides-Extra: {extra}\n" in text
    assert "# aae_tf" in text  # the README is the long description


def test_core_trains_saves_and_exports_and_names_missing_extras(core):
    assert core.stdout.endswith("used\n"), core.stderr


@pytest.mark.parametrize("extra", list(FIRST_USES))
def test_first_use_of_an_extra(run, core, extra):
    assert core.returncode == 0
    used = run([sys.executable, "-c", FIRST_USES[extra]], extra)
    assert used.stdout.endswith("used\n"), used.stderr


def test_command_line(run, installed):
    script = installed / "bin" / "aae-tf"
    missing = run([sys.executable, script, "recipes"])
    assert missing.returncode != 0
    assert missing.stderr.count("\n") == 1 and "aae_tf[cli]" in missing.stderr, missing.stderr
    used = run([sys.executable, script, "recipes"], "cli")
    assert used.returncode == 0 and "semi-supervised" in used.stdout, used.stderr
    written = run([sys.executable, script, "deploy", "--to", "ops"], "cli")
    assert written.returncode == 0 and written.stdout == "Next: read ops/README.md\n", (
        written.stderr
    )
