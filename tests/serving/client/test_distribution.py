"""The wheel of aae-tf-client, built and used where aae_tf cannot be imported."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

import aae_tf
from tests.serving.client.fake_servers import SERVERS, Behaviour

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[3]
_USE = """
import json, sys
import aae_tf_client
from aae_tf_client import AsyncClient, Client, Retries, ServingError
answers = {}
for protocol, port in zip(("grpc", "rest"), sys.argv[1:]):
    with Client(**{f"{protocol}_port": int(port)}) as client:
        answers[protocol] = client.encode([[1.0, 2.0]]).tolist()
        try:
            client.encode([[-1.0]])
        except ServingError as error:
            answers[f"{protocol} error"] = error.code.name
names = {name.partition(".")[0] for name in sys.modules}
answers["imported"] = sorted(names & {"aae_tf", "tensorflow", "keras", "scipy"})
answers["folder"] = aae_tf_client.__path__[0]
print(json.dumps(answers))
"""


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run([*command, "--quiet", "--no-deps"], check=True, timeout=300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    # A checkout of links, since the build writes beside setup.py.
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "packages" / "client", checkout / "packages" / "client")
    (checkout / "aae_tf").symlink_to(REPOSITORY / "aae_tf")
    pip("wheel", "--no-build-isolation", "-w", checkout, checkout / "packages" / "client")
    (wheel,) = checkout.glob("*.whl")
    return wheel


def test_the_wheel_has_the_version_of_aae_tf(wheel):
    assert wheel.name == f"aae_tf_client-{aae_tf.__version__}-py3-none-any.whl"


def test_the_client_works_where_aae_tf_is_not_installed(wheel, tmp_path):
    pip("install", "--no-index", "--target", tmp_path / "site", wheel)

    def answer(_, values):
        return None if values[0][0] > 0 else grpc.StatusCode.RESOURCE_EXHAUSTED

    with (
        SERVERS["grpc"](Behaviour(answer)) as grpc_port,
        SERVERS["rest"](Behaviour(answer)) as rest_port,
    ):
        run = subprocess.run(
            [sys.executable, "-c", _USE, str(grpc_port), str(rest_port)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path / "site")},
            timeout=120,
        )
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    assert answers["grpc"] == answers["rest"] == [[1.0, 2.0]]
    assert answers["grpc error"] == answers["rest error"] == "RESOURCE_EXHAUSTED"
    assert answers["imported"] == []
    assert answers["folder"] == str(tmp_path / "site" / "aae_tf_client")
