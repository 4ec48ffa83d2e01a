"""The web application: the files of the page, and what only this process knows of the model."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from aae_tf.explorer.points import Points

PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# A page of another origin that has the name of this machine lead here gets nothing.
_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_MOST_ROWS = 512


class PageData(Protocol):
    """What the page asks this process for."""

    def describe(self) -> dict[str, Any]:
        """Returns the description of the model."""

    def points(self) -> Points:
        """Returns the points of the map."""

    def basis(self, name: str) -> dict[str, Any]:
        """Returns the axes "axes" or "principal"; see `latent_planes.principal_axes`."""

    def contours(self, basis: str, axes: tuple[int, ...]) -> dict[str, Any] | None:
        """Returns the prior's contours in the plane of two axes; None without a prior."""

    def input_rows(self, rows: np.ndarray) -> str | None:
        """Returns inputs of points, base64 of float32; None where points are no data."""


def page_app(data: PageData, server: str = "") -> Starlette:
    """Makes the application.

    Args:
        data: what it answers with.
        server: address of another server that the page may call; "" for none.

    Returns:
        The ASGI application. GET / is the page; /description.json, /points.json, /basis.json,
        /contours.json and /inputs.json are its data; faults are {"error": sentence}.
    """
    policy = (
        "default-src 'self'; img-src 'self' blob: data:; "
        f"connect-src 'self'{' ' + server if server else ''}; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }

    def send(path: Path) -> Response:
        return Response(path.read_bytes(), headers=headers, media_type=_TYPES[path.suffix])

    async def index(request: Request) -> Response:
        return send(PAGE / "index.html")

    async def file(request: Request) -> Response:
        # Names come from the folder, never from the request.
        files = {path.name: path for path in PAGE.iterdir() if path.suffix in _TYPES}
        path = files.get(request.path_params["name"])
        if path is None:
            return JSONResponse({"error": "There is no such file."}, 404, headers)
        return send(path)

    def answer(function: Callable[[Request], Any]) -> Callable[[Request], Any]:
        @functools.wraps(function)
        async def endpoint(request: Request) -> Response:
            try:
                value = await run_in_threadpool(function, request)
            except (ValueError, KeyError) as error:
                message = f"Expected other parameters. Received: {request.url.query} ({error})."
                return JSONResponse({"error": message}, 400, headers)
            except Exception as error:  # What a server or a reader of files raises, in one line.
                message = f"{type(error).__name__}: {error}".partition("\n")[0]
                return JSONResponse({"error": message}, 503, headers)
            try:
                content = json.dumps(value, allow_nan=False).encode()
            except ValueError:
                message = "Expected finite numbers. Received: codes of the model that are not."
                return JSONResponse({"error": message}, 503, headers)
            return Response(content, media_type="application/json", headers=headers)

        return endpoint

    def basis_name(request: Request) -> str:
        name = request.query_params.get("basis", "axes")
        if name not in ("axes", "principal"):
            raise ValueError("basis is axes or principal")
        return name

    def contours(request: Request) -> Any:
        width = data.describe()["codeDim"]
        axes = tuple(int(axis) for axis in request.query_params["axes"].split(","))
        if not 0 < len(set(axes)) == len(axes) <= 2 or not all(0 <= a < width for a in axes):
            raise ValueError(f"axes are one or two different integers in [0, {width})")
        return data.contours(basis_name(request), axes)

    def inputs(request: Request) -> Any:
        count = len(data.points().codes)
        rows = [int(row) for row in request.query_params["rows"].split(",")]
        if len(rows) > _MOST_ROWS or not all(0 <= row < count for row in rows):
            raise ValueError(f"rows are at most {_MOST_ROWS} integers in [0, {count})")
        return {"rows": data.input_rows(np.array(rows))}

    endpoints: dict[str, Callable[[Request], Any]] = {
        "/description.json": lambda request: data.describe(),
        "/points.json": lambda request: data.points().to_json(),
        "/basis.json": lambda request: data.basis(basis_name(request)),
        "/contours.json": contours,
        "/inputs.json": inputs,
    }
    return Starlette(
        routes=[
            Route("/", index),
            *(Route(path, answer(function)) for path, function in endpoints.items()),
            Route("/{name}", file),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)],
    )
