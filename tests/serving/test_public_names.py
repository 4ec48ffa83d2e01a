import json
import subprocess
import sys

import pytest

import aae_tf.serving
from tests.serving.client.fake_servers import SERVERS, Behaviour

# What the import costs, and that a client works without what it did not import.
_CLIENT = r"""
import json, pathlib, re, sys, time
status = pathlib.Path("/proc/self/status")
start = time.process_time()
from aae_tf.serving import AsyncClient, Client, Retries, ServingError, run_load_test
costs = {
    "seconds": time.process_time() - start,
    # Not `ru_maxrss`, which counts what the process that forked this one held.
    "mebibytes": int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024,
}
for protocol, port in zip(("grpc", "rest"), sys.argv[1:]):
    with Client(**{f"{protocol}_port": int(port)}) as client:
        costs[protocol] = client.encode([[1.0, 2.0]]).tolist()
costs["imported"] = sorted({"tensorflow", "keras", "scipy", "uvicorn"} & set(sys.modules))
print(json.dumps(costs))
"""


@pytest.mark.parametrize(
    ("name", "package", "distribution"),
    [
        ("Client", "grpc", "grpcio"),
        ("run_load_test", "grpc", "grpcio"),
        ("ModelServer", "uvicorn", "uvicorn"),
        ("ModelServer", "tensorflow_serving", "tensorflow-serving-api"),
    ],
)
def test_a_missing_package_names_the_extra(monkeypatch, name, package, distribution):
    monkeypatch.setitem(sys.modules, package, None)
    message = (
        rf"^Expected {distribution} to be installed for aae_tf\.serving\.{name}: "
        r'pip install "aae_tf\[serving\]"\.$'
    )
    with pytest.raises(ImportError, match=message):
        getattr(aae_tf.serving, name)


def test_public_names_are_listed_and_others_refused():
    assert set(aae_tf.serving.__all__) <= set(dir(aae_tf.serving))
    for name in aae_tf.serving.__all__:
        assert getattr(aae_tf.serving, name).__name__ == name
    with pytest.raises(AttributeError, match=r"'aae_tf\.serving' has no attribute 'clients'"):
        _ = aae_tf.serving.clients


@pytest.mark.integration
def test_the_client_needs_neither_tensorflow_nor_keras():
    with SERVERS["grpc"](Behaviour()) as grpc_port, SERVERS["rest"](Behaviour()) as rest_port:
        command = [sys.executable, "-c", _CLIENT, str(grpc_port), str(rest_port)]
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    costs = json.loads(run.stdout)
    assert costs["imported"] == []
    assert costs["grpc"] == costs["rest"] == [[1.0, 2.0]]
    # Measured: 0.4 s of the processor, which a busy machine does not lengthen, and 46 MiB.
    assert costs["seconds"] < 5.0
    assert costs["mebibytes"] < 150.0
