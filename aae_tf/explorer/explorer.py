"""`Explorer`: serves the page of a model beside the model itself."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from aae_tf.explorer import description, latent_planes, points
from aae_tf.explorer.page_app import page_app
from aae_tf.explorer.points import Inputs, Points
from aae_tf.explorer.served_model import (
    SERVABLES,
    ServedModel,
    read_card,
    remote_signatures,
)
from aae_tf.export.versions import list_versions
from aae_tf.runs.errors import UserError
from aae_tf.serving import Client, ModelServer

if TYPE_CHECKING:
    from aae_tf.models import BaseModel


class Explorer:
    """Serves the page of a model, and the model itself over TensorFlow Serving's REST protocol.

    Args:
        root: folder of servables, as `aae_tf.export.export_servables` writes it, or the folder of
            versions of one.
        name: what the page calls the model.
        load_inputs: loads the data of the map at the first look at it; None shows samples of the
            prior.
        port: port of the page; 0 takes a free one.
        server: "http://HOST:PORT" of a TensorFlow Serving that the page asks in place of this
            process, for the servables "encoder", "decoder" and "autoencoder"; "" for none.

    Attributes:
        url: address of the page, once it is started.

    Raises:
        UserError: if the folder holds no model, or `server` does not answer.
        ServerError: from `start`, if the port is taken or no model loads.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        load_inputs: Callable[[], Inputs] | None = None,
        port: int = 0,
        server: str = "",
    ) -> None:
        self._name = name
        self._load_inputs = load_inputs
        self._remote = server
        self._signatures = remote_signatures(server) if server else None
        self._points_lock, self._contours_lock = threading.Lock(), threading.Lock()
        self._undo = ExitStack()
        self._contours: dict[tuple, dict[str, Any] | None] = {}
        is_one = bool(list_versions(root))
        folders = [root] if is_one else [root / name for name in SERVABLES]
        self._card = read_card([folder for folder in folders if folder.is_dir()])
        self._server = ModelServer(
            None if is_one else root,
            model_base_path=root if is_one else None,
            model_name=root.name,
            rest_port=port,
            file_system_poll_wait_seconds=0,
            pages=page_app(self, server),
        )
        self._model: ServedModel | None = None

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self._server.rest_port}/"

    @property
    def signatures(self) -> tuple[str, ...]:
        """Names of the signatures that the model has."""
        return tuple(self._served().signatures)

    def start(self) -> None:
        """Loads the model and serves the page."""
        with ExitStack() as undo:
            undo.enter_context(self._server)
            client = undo.enter_context(Client(grpc_port=self._server.grpc_port, timeout=120.0))
            model = ServedModel(client, list(self._server.models), self._card)
            if not {"encode", "decode", "sample"} & set(model.signatures):
                raise UserError(
                    "Expected a model with the signatures `encode`, `decode` or `sample`. "
                    f"Received: {', '.join(self._server.models)}, without these."
                )
            self._model = model
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Stops serving."""
        self._model = None
        self._undo.close()

    def run_until_signal(self) -> None:
        """Serves until SIGTERM or SIGINT."""
        self._server.run_until_signal(grace=1.0)

    # What the page asks for.

    def describe(self) -> dict[str, Any]:
        """Returns the description of the model."""
        return description.describe(self._served(), self._name, self._remote, self._signatures)

    def points(self) -> Points:
        """Returns the codes of the data, else samples of the prior; computed once."""
        with self._points_lock:
            return self._points[1]

    def basis(self, name: str) -> dict[str, Any]:
        """Returns the axes of the codes, or their principal axes."""
        codes = self.points().codes
        if name == "principal" and len(codes):
            return latent_planes.principal_axes(codes)
        width = codes.shape[1]
        variances = codes.var(axis=0) if len(codes) else np.zeros(width)
        shares = variances / max(float(variances.sum()), 1e-30)
        return {
            "origin": [0.0] * width,
            "directions": np.eye(width).tolist(),
            "shares": shares.tolist(),
        }

    def contours(self, basis: str, axes: tuple[int, ...]) -> dict[str, Any] | None:
        """Returns the prior's contours in a plane; None without a prior."""
        key = (basis, *axes)
        with self._contours_lock:
            if key not in self._contours:
                prior = self._prior
                found = None
                if prior is not None:
                    plane = self.basis(basis)
                    directions = [plane["directions"][axis] for axis in axes]
                    found = latent_planes.prior_contours(prior, plane["origin"], directions)
                self._contours[key] = found
            return self._contours[key]

    def input_rows(self, rows: np.ndarray) -> str | None:
        """Returns inputs of points as base64 of float32; None where points are no data."""
        with self._points_lock:
            inputs = self._points[0]
        if inputs is None:
            return None
        return points.encode_array(
            points.row_numbers(self._served(), inputs.take(rows)), np.float32
        )

    @functools.cached_property
    def _points(self) -> tuple[Inputs | None, Points]:
        model, note = self._served(), ""
        if self._load_inputs is not None and "encode" in model.signatures:
            try:
                inputs = points.check_inputs(model, self._load_inputs())
                return inputs, points.encode_points(model, inputs)
            except UserError as error:
                note = str(error)
        if "sample" in model.signatures:
            return None, points.sample_points(model, note)
        width = description.code_dim(model) or 2
        return None, Points("no points", False, np.zeros((0, width), np.float32), note=note)

    @functools.cached_property
    def _prior(self) -> Any:
        return description.latent_prior(self._card)

    def _served(self) -> ServedModel:
        if self._model is None:
            raise RuntimeError("The model is being loaded.")
        return self._model

    def __enter__(self) -> Explorer:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def export_for_page(model: BaseModel, folder: Path) -> Path:
    """Exports a model with every signature that it has, into a folder that is to be deleted.

    Returns:
        The root for `Explorer`.
    """
    from aae_tf.export.export_model import export_model

    name = "autoencoder" if "encode" in model.signatures() else "decoder"
    export_model(model, folder / name / "1", verify=False)
    return folder
