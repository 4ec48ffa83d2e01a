"""Tests of the web application, called as ASGI, with data that a test makes up."""

import asyncio
import json
import re
from typing import Any

import numpy as np
import pytest

from aae_tf.explorer.page_app import PAGE, page_app
from aae_tf.explorer.points import Points

MARKUP = "</script><img src=x>"


class Data:
    """Five points of two dimensions."""

    def describe(self) -> dict[str, Any]:
        return {"codeDim": 2, "name": MARKUP}

    def points(self) -> Points:
        return Points("test data", True, np.arange(10.0).reshape(5, 2), np.arange(5))

    def basis(self, name: str) -> dict[str, Any]:
        return {"name": name}

    def contours(self, basis: str, axes: tuple[int, ...]) -> dict[str, Any] | None:
        return {"basis": basis, "axes": list(axes)}

    def input_rows(self, rows: np.ndarray) -> str | None:
        raise RuntimeError("the model is gone\nin two lines")


def get(path: str, query: str = "", host: str = "127.0.0.1:80", server: str = "") -> Any:
    """Asks the application; gives status, headers and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", host.encode())],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 9),
    }
    asyncio.run(page_app(Data(), server)(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:])


def test_files_of_the_page_are_served_by_their_types():
    status, headers, body = get("/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert body == (PAGE / "index.html").read_bytes()
    assert headers["x-content-type-options"] == "nosniff"
    assert get("/boot.js")[1]["content-type"].startswith("text/javascript")
    assert get("/style.css")[1]["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/absent.js", "/../page_app.py", "/..%2Fpage_app.py", "/a/b"])
def test_other_files_are_not(path):
    assert get(path)[0] == 404


def test_data_are_json():
    assert json.loads(get("/description.json")[2])["name"] == MARKUP
    answer = json.loads(get("/points.json")[2])
    assert (answer["n"], answer["source"], answer["predicted"]) == (5, "test data", None)
    assert json.loads(get("/basis.json", "basis=principal")[2]) == {"name": "principal"}
    contours = json.loads(get("/contours.json", "basis=axes&axes=1,0")[2])
    assert contours == {"basis": "axes", "axes": [1, 0]}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/basis.json", "basis=other"),
        ("/contours.json", ""),
        ("/contours.json", "axes=0,0"),
        ("/contours.json", "axes=0,2"),
        ("/contours.json", "axes=x"),
        ("/inputs.json", "rows=5"),
        ("/inputs.json", "rows=-1"),
        ("/inputs.json", "rows=" + ",".join(["0"] * 513)),
    ],
)
def test_other_parameters_are_refused(path, query):
    status, _, body = get(path, query)
    assert status == 400
    assert json.loads(body)["error"].startswith("Expected other parameters. Received: ")


def test_a_failure_is_one_line():
    status, _, body = get("/inputs.json", "rows=0")
    assert status == 503
    assert json.loads(body) == {"error": "RuntimeError: the model is gone"}


def test_a_page_of_another_name_gets_nothing():
    assert get("/points.json", host="evil.example")[0] == 400
    assert get("/points.json", host="localhost:8000")[0] == 200


def test_the_policy_lets_the_page_call_its_server_alone():
    policy = get("/")[1]["content-security-policy"]
    assert "default-src 'self'" in policy and "connect-src 'self';" in policy
    policy = get("/", server="http://models:8501")[1]["content-security-policy"]
    assert "connect-src 'self' http://models:8501;" in policy


def test_the_page_is_small_and_fetches_nothing_from_elsewhere():
    files = list(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) < 500_000
    addresses = re.compile(r"(?:https?:)?//[\w.-]+\.\w+|@import|\burl\(")
    for file in files:
        assert not addresses.findall(re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.M)), file
    # Text goes into the page as text.
    writes = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(")
    assert not [file for file in files if writes.search(file.read_text())]
