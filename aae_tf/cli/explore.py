"""The command `aae-tf explore`."""

from __future__ import annotations

import functools
import tempfile
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aae_tf.cli.common import import_quietly, load_data
from aae_tf.runs.detection import load_detector
from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.run_directory import Run, is_model_file, load_model_file, open_run

if TYPE_CHECKING:
    from aae_tf.explorer import Explorer
    from aae_tf.explorer.points import Inputs
    from aae_tf.models import BaseModel


def explore(
    model: Annotated[
        Path,
        typer.Argument(
            help="A directory that `aae-tf train` has written, a model that was saved as "
            "FILE.keras, or the folder that `aae-tf export` has written.",
            metavar="RUN|FILE.keras|ROOT",
            show_default=False,
        ),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")
    ] = 0,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data whose test split is shown on the map: a name, a file or a folder, as for "
            "`aae-tf train`. By default that of the run; samples of the prior where there is none.",
            metavar="NAME|FILE|FOLDER",
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="Column of a table given by --data that holds labels.", metavar="NAME"),
    ] = None,
    server: Annotated[
        str,
        typer.Option(
            help="A TensorFlow Serving that the page asks in place of this process; it must be "
            "started with --rest_api_enable_cors_support=true.",
            metavar="URL",
        ),
    ] = "",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write one file that holds the page and the model, to open without a server, and "
            "end.",
            metavar="PAGE.html",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Drag a code and watch the picture change, on a page in your browser.

    The page is served on this machine alone, by the model itself over TensorFlow Serving's REST
    protocol. Stop with Ctrl-C.
    """
    if export is not None:
        _check_export(export, model, server)
    run = None if is_model_file(model) or not (model / "config.json").exists() else open_run(model)
    recipe = None if run is None else run.recipe
    if data is not None:
        recipe = Recipe(data=data, label_column=label_column)
    elif label_column is not None:
        raise UserError("Expected --label-column with --data. Received: --label-column alone.")
    import_quietly()
    from aae_tf.explorer import Explorer
    from aae_tf.export import ExportError

    with ExitStack() as stack:
        load_inputs: Callable[[], Inputs] | None = None
        if recipe is not None:
            load_inputs = functools.partial(_load_inputs, recipe)
        try:
            root = _servables(model, run, stack)
        except ExportError as error:
            raise UserError(str(error), exit_code=1) from error
        with as_user_error(ValueError):
            explorer = Explorer(root, _name(model), load_inputs, port, server.rstrip("/"))
            stack.enter_context(explorer)
        if data is not None and "encode" not in explorer.signatures:
            raise UserError(
                "Expected a model with the signature `encode` with --data. "
                f"Received: {model}, with {', '.join(explorer.signatures)}."
            )
        note = explorer.points().note if data is not None else ""
        if note:  # What was asked for is not there.
            raise UserError(note)
        if export is not None:
            loaded = load_model_file(model) if run is None else run.load_model()
            size = write_page(export, loaded, explorer)
            typer.echo(f"Wrote {export}: {size}, opens in a browser without a server")
            return
        typer.echo(f"Exploring {model} on {explorer.url}")
        typer.echo("Drag the ring on the map. Stop with Ctrl-C.")
        if browser:
            webbrowser.open(explorer.url)
        explorer.run_until_signal()
        typer.echo("Stopped.")


def _check_export(export: Path, model: Path, server: str) -> None:
    if server:
        raise UserError(
            "Expected --export without --server: the page computes by itself. "
            f"Received: --server {server}."
        )
    if not is_model_file(model) and not (model / "config.json").exists():
        raise UserError(
            "Expected RUN or FILE.keras with --export, whose layers are written into the page. "
            f"Received: {model}."
        )
    if not export.absolute().parent.is_dir():
        raise UserError(
            f"Expected --export to be a file in a folder that exists. Received: {export}."
        )


def write_page(path: Path, model: BaseModel, explorer: Explorer) -> str:
    """Writes a page that needs no server.

    Args:
        path: file to write.
        model: what the page computes.
        explorer: one of the same model, started.

    Returns:
        Its size, in words.
    """
    from aae_tf.explorer.exported_page import exported_page
    from aae_tf.files import write_atomically

    with as_user_error(ValueError):
        page = exported_page(model, explorer).encode()
    write_atomically(path, page)
    return f"{len(page) / 1e6:.1f} MB"


def _servables(model: Path, run: Run | None, stack: ExitStack) -> Path:
    """Returns a folder of servables, which is exported for the page where it is none."""
    if run is None and not is_model_file(model):
        if not model.is_dir():
            raise UserError(
                "Expected RUN|FILE.keras|ROOT to be a directory or a .keras file. "
                f"Received: {model}, which does not exist."
            )
        if (model / "saved_model.pb").exists():
            raise UserError(
                "Expected the folder that holds numbered versions, or a folder of such. "
                f"Received: {model}, which is one version."
            )
        return model
    from aae_tf.explorer.explorer import export_for_page

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aae-tf-explore-")))
    loaded: Any
    if run is None:
        loaded = load_model_file(model)
    else:
        loaded = load_detector(run.path) if run.recipe.task == "anomaly" else run.load_model()
    return export_for_page(loaded, folder)


def _load_inputs(recipe: Recipe) -> Inputs:
    from aae_tf.data.files import is_path
    from aae_tf.explorer.points import file_inputs, test_inputs

    # Of files that a run was trained on the test split is shown, of others all rows.
    if recipe == Recipe(data=recipe.data, label_column=recipe.label_column) and is_path(
        recipe.data
    ):
        with as_user_error(ValueError, TypeError, OSError):
            return file_inputs(recipe.data, recipe.label_column)
    return test_inputs(load_data(recipe), f"test data of {Path(recipe.data).name}")


def _name(model: Path) -> str:
    return model.resolve().name.removesuffix(".keras")
