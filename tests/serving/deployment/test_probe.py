"""available.sh: the commands of the probes, run against made-up answers and a real server."""

import json
import re
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.serving.deployment.deployment import FOLDER, MODELS, load_yaml, read, substitute

pytestmark = pytest.mark.integration

PROBE_SECONDS = 3.0  # that the script gives a model


def status(*states, message=""):
    """The body of a status answer: one space of indentation, versions descending."""
    versions = [
        {
            "version": str(len(states) - index),
            "state": state,
            "status": {"error_code": "UNKNOWN" if message else "OK", "error_message": message},
        }
        for index, state in enumerate(states)
    ]
    return json.dumps({"model_version_status": versions}, indent=1)


def commands():
    """Every command that asks for the state, by where it stands."""
    pod = load_yaml("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    services = load_yaml("compose.yaml")["services"]
    return {
        "startup": container["startupProbe"]["exec"]["command"],
        "readiness": container["readinessProbe"]["exec"]["command"],
        "compose": services["serving"]["healthcheck"]["test"][1:],
        "compose-cpu": services["serving-cpu"]["healthcheck"]["test"][1:],
    }


def probe(port, command=None):
    """Runs a command of the files, with the paths and the port of the container replaced."""
    command = [substitute(part) for part in command or commands()["readiness"]]
    files = ("/config/available.sh", "/config/models.config")
    replaced = {file: str(FOLDER / Path(file).name) for file in files} | {"8501": str(port)}
    assert set(replaced) <= set(command)
    return subprocess.run(
        [replaced.get(part, part) for part in command],
        capture_output=True,
        text=True,
        timeout=30.0,
        env={},  # nothing but the shell and its builtins
    )


@contextmanager
def answering(answers, status_code=200):
    """A server that gives each model's body, by the path that is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = answers.get(self.path, "").encode()
            self.send_response(status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def of_models(encoder, decoder):
    return {"/v1/models/encoder": encoder, "/v1/models/decoder": decoder}


AVAILABLE = status("AVAILABLE")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(AVAILABLE, id="one"),
        pytest.param(status("LOADING", "AVAILABLE"), id="old-one-while-the-new-loads"),
        pytest.param(status("END", "AVAILABLE", message="bad"), id="old-one-after-the-new-failed"),
        pytest.param(json.dumps(json.loads(AVAILABLE)), id="compact"),
        pytest.param(json.dumps(json.loads(AVAILABLE), separators=(",", ":")), id="no-blanks"),
    ],
)
def test_ready(body):
    with answering(of_models(AVAILABLE, body)) as port:
        result = probe(port)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "body",
    [
        *(
            pytest.param(status(state), id=state.lower())
            for state in ("START", "LOADING", "UNLOADING", "END", "UNKNOWN")
        ),
        pytest.param(status("END", "END"), id="all-ended"),
        pytest.param(status("END", message='"state": "AVAILABLE"'), id="only-in-a-message"),
        pytest.param(status("UNAVAILABLE"), id="another-word"),
        pytest.param("{}", id="no-version"),
        pytest.param("", id="empty"),
    ],
)
@pytest.mark.parametrize("model", MODELS["models.config"])
def test_not_ready(model, body):
    bodies = {name: body if name == model else AVAILABLE for name in MODELS["models.config"]}
    with answering(of_models(bodies["encoder"], bodies["decoder"])) as port:
        result = probe(port)
    assert result.returncode == 1
    assert result.stderr == f"No version of {model} is AVAILABLE.\n"


@pytest.mark.parametrize("status_code", [404, 503])
def test_not_ready_on_an_error_whatever_its_body(status_code):
    with answering(of_models(AVAILABLE, AVAILABLE), status_code) as port:
        assert probe(port).returncode == 1


def test_not_ready_while_nothing_listens():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = probe(unused.getsockname()[1])
    assert result.returncode == 1
    assert "refused" in result.stderr


def test_not_ready_when_no_answer_comes():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # connections are accepted and left alone
        start = time.monotonic()
        result = probe(silent.getsockname()[1])
        seconds = time.monotonic() - start
    assert result.returncode == 1
    assert seconds >= PROBE_SECONDS  # and below the timeout of `probe`


def script(*arguments, **kwargs):
    command = ["bash", str(FOLDER / "available.sh"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={}, **kwargs)


def test_arguments_that_are_missing():
    result = script("8501")
    assert result.returncode == 1
    assert "usage" in result.stderr


def test_a_file_without_a_model(tmp_path):
    (tmp_path / "a.config").write_text('# name: "encoder"\nmodel_config_list { }\n')
    for first in ("8501", "--wait"):
        result = script(first, tmp_path / "a.config")
        assert result.returncode == 1
        assert result.stderr == f"There is no model in {tmp_path}/a.config.\n"


def test_waits_for_a_version_of_every_model(tmp_path):
    text = read("models.combined.config").replace("/models/", f"{tmp_path}/")
    # As it might be written on one line, too.
    (tmp_path / "a.config").write_text(" ".join(re.sub("#.*", "", text).split()))
    (tmp_path / "encoder" / "1").mkdir(parents=True)
    (tmp_path / "decoder" / "tmp-fill-1").mkdir(parents=True)
    with pytest.raises(subprocess.TimeoutExpired) as raised:
        script("--wait", tmp_path / "a.config", timeout=1.0)
    assert raised.value.stdout.decode() == f"Waiting for a version in {tmp_path}/decoder.\n"
    for name in ("decoder", "autoencoder"):
        (tmp_path / name / "1").mkdir(parents=True)
    result = script("--wait", tmp_path / "a.config", timeout=30.0)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("where", commands())
def test_every_probe_finds_the_embedded_server_ready(aae_server, where):
    result = probe(aae_server.rest_port, commands()[where])
    assert result.returncode == 0, result.stderr


def test_a_model_that_the_embedded_server_lacks_is_not_ready(aae_server):
    result = script(aae_server.rest_port, FOLDER / "models.combined.config")
    assert result.returncode == 1
    assert result.stderr == "No version of autoencoder is AVAILABLE.\n"
