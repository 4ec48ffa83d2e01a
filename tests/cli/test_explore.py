"""`aae-tf explore`: what it refuses, and the command from start to signal."""

import json
import re
import shutil
import signal
import socket
import urllib.error
import urllib.request

import pytest


def test_refuses_what_is_no_model(invoke, tmp_path):
    absent = tmp_path / "absent"
    output = invoke("explore", absent, code=2).output
    assert (
        f"Expected RUN|FILE.keras|ROOT to be a directory or a .keras file. Received: {absent}"
        in output
    )
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "which is one version" in invoke("explore", tmp_path, code=2).output


def test_refuses_a_label_column_without_data(invoke, tmp_path):
    output = invoke("explore", tmp_path, "--label-column", "y", code=2).output
    assert "Expected --label-column with --data" in output


@pytest.mark.parametrize(
    "server", ["localhost:8501", "http://localhost", "http://a:1/path", "http://a:x"]
)
def test_refuses_a_server_of_another_form(invoke, tmp_path, server):
    output = invoke("explore", tmp_path, "--server", server, "--no-browser", code=2).output
    assert f"Expected --server to be http://HOST:PORT. Received: --server {server}" in output


def test_refuses_an_export_that_cannot_be_written(invoke, tmp_path):
    page = tmp_path / "page.html"
    output = invoke("explore", tmp_path, "--export", page, code=2).output
    assert "Expected RUN or FILE.keras with --export, whose layers" in output
    server = ("--server", "http://localhost:8501")
    output = invoke("explore", "a.keras", "--export", page, *server, code=2).output
    assert "Expected --export without --server: the page computes by itself." in output
    absent = tmp_path / "absent" / "page.html"
    output = invoke("explore", "a.keras", "--export", absent, code=2).output
    assert f"Expected --export to be a file in a folder that exists. Received: {absent}" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_exports_one_file_and_ends(invoke, trained, tmp_path):
    page = tmp_path / "page.html"
    output = invoke("explore", trained, "--export", page).output
    assert re.search(r"Wrote .*page\.html: \d\.\d MB, opens in a browser", output)
    text = page.read_text()
    assert "test data of digits" in text
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.integration
def test_refuses_a_port_in_use_and_a_server_that_is_gone(invoke, trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = invoke("explore", trained, "--port", port, "--no-browser", code=2).output
        assert f"Expected `rest_port` to be free on `host`. Received: rest_port={port}" in output
    gone = f"http://127.0.0.1:{port}"
    output = invoke("explore", trained, "--server", gone, "--no-browser", code=2).output
    assert f"Received: --server {gone}, which answers: UNAVAILABLE" in output


@pytest.mark.integration
def test_refuses_data_that_the_model_does_not_take(invoke, trained, tmp_path):
    table = tmp_path / "own.csv"
    table.write_text("a,b\n1,2\n3,4\n")
    output = invoke("explore", trained, "--data", table, "--no-browser", code=2).output
    assert "Expected data that are arrays, as the model takes them." in output


@pytest.mark.integration
def test_serves_the_page_of_a_run_until_a_signal(start, trained):
    process = start("explore", trained, "--no-browser")
    line = process.stdout.readline()
    url = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
    assert b"<title>" in urllib.request.urlopen(url).read()
    described = json.load(urllib.request.urlopen(url + "description.json"))
    assert described["variant"] == "AAE" and described["shape"] == [8, 8, 1]
    points = json.load(urllib.request.urlopen(url + "points.json"))
    assert points["source"] == "test data of digits" and points["n"] == 297
    for path in ("points.json", "v1/models/autoencoder/metadata"):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(
                urllib.request.Request(url + path, headers={"Host": "evil.example"})
            )
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and output.endswith("Stopped.\n"), errors


@pytest.mark.integration
def test_serves_the_page_of_an_export(invoke, start, trained, tmp_path):
    invoke("export", trained, "--to", tmp_path, "--no-verify")
    shutil.rmtree(tmp_path / "encoder")
    process = start("explore", tmp_path, "--no-browser")
    url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
    described = json.load(urllib.request.urlopen(url + "description.json"))
    assert set(described["signatures"]) == {"decode", "sample"}
    points = json.load(urllib.request.urlopen(url + "points.json"))
    assert points["source"] == "samples of the prior" and points["isData"] is False
