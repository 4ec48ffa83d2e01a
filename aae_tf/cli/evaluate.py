"""The command `aae-tf evaluate`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from aae_tf.checks import check_choice
from aae_tf.cli.common import import_quietly, load_data, write_file
from aae_tf.cli.query_table import write_csv
from aae_tf.runs.detection import load_detector, measure_detector
from aae_tf.runs.errors import UserError, as_user_error
from aae_tf.runs.run_directory import Run, is_model_file, load_model_file, open_run
from aae_tf.runs.step_scores import measure_steps, score_steps
from aae_tf.runs.training_data import halve_validation

if TYPE_CHECKING:
    from aae_tf.data import Dataset
    from aae_tf.models import BaseModel
    from aae_tf.runs.recipe import Recipe

SPLITS = ("test", "validation")
_FILES = {"test": "evaluation.json", "validation": "evaluation-validation.json"}
_STEPS = "steps.csv"
# Rows of which there is a variance.
_FEWEST = 2
_SUFFIX = ".evaluation.json"
_MEANINGS = {
    "half_squared_error": "nats per image",
    "mmd_squared": "codes against prior",
    "standardized_mmd": "in units of its noise",
    "mean": "by coordinate",
    "stddev": "by coordinate",
    "log_likelihood": "nats per image",
    "standard_error": "of that mean",
    "sigma": "width of the window",
    "label_probe_accuracy": "read off the latents",
    "error": "share of wrong classes",
    "negative_log_likelihood": "nats",
    "class_errors": "by class",
    "exemplar_error": "the paper's protocol",
    "majority_error": "class of the majority",
    "hungarian_accuracy": "one cluster per class",
    "loss": "of encoder and decoder",
    "reconstruction_loss": "as trained, nats",
    "classification_loss": "nats",
    "consistency_loss": "nats",
    "information_loss": "nats",
    "head_loss": "heads too near",
    "mutual_information_gap": "one latent tells the class: 1",
    "predictability": "from the others, by coordinate",
    "completeness": "one latent tells the class: 1",
    "informativeness": "classes right, by trees",
    "frechet_distance": "biased; compare equal n",
    "frechet_distance_of_data": "where nothing is wrong",
    "kid": "zero where nothing is wrong",
    "kid_standard_error": "of kid",
    "precision": "samples among the data",
    "density": "1 where nothing is wrong",
    "coverage": "data near a sample",
    "auroc": "anomalies above normal rows",
    "average_precision": "precision over recall",
    "f1": "of the alarms",
    "recall": "share of those looked for",
    "false_alarm_rate": "share of normal rows",
    "false_alarm_rate_interval": "95%",
}
# Meanings of logs whose name begins with that of a code.
_CODE_MEANINGS = {
    "discriminator_accuracy": "0.5 is a draw",
    "discriminator_loss": "nats; 1.39 is a draw",
    "divergence": "what the encoder lowers",
}


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(
            help="A directory that `aae-tf train` has written, or a model that was saved as "
            "FILE.keras.",
            metavar="RUN|FILE.keras",
        ),
    ],
    split: Annotated[
        str,
        typer.Option(
            help="Measure on the **test** split; or on **validation**, to compare settings: the "
            "test split is then not looked at.",
            metavar="|".join(SPLITS),
        ),
    ] = "test",
    data: Annotated[
        str | None,
        typer.Option(
            help="For FILE.keras: files that the model was not trained on, all of whose rows are "
            "measured; or a known data set, whose test split is. As for **aae-tf train**.",
            metavar="DATA",
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="The column of a table that holds labels.", metavar="NAME"),
    ] = None,
    samples: Annotated[
        bool,
        typer.Option(
            "--samples",
            help="Also measure samples against the data: Frechet distance, KID, precision, "
            "recall, density and coverage: on features of a small classifier of the validation "
            "split where it has labels, else on the values. Takes some seconds; not of tables, "
            "nor of models that restore units.",
        ),
    ] = False,
) -> None:
    """Measure a trained model on the test split.

    Prints a table and writes RUN/evaluation.json, or FILE.evaluation.json: figures of
    reconstructions, samples, classification, and the match of codes and priors. What a figure
    leaves open, the width of a Parzen window or the class of a cluster, is chosen on the validation
    split. With **--split validation** one half of that split is measured, and such choices are made
    on the other; RUN/evaluation-validation.json gets the numbers. Of a time series, RUN/steps.csv
    gets a score of each step of the test split, and of each column at it.
    """
    with as_user_error(ValueError):
        check_choice("--split", split, SPLITS)
    if is_model_file(run):
        if split != "test":
            raise UserError(f"Expected no --split for a FILE.keras. Received: --split {split}.")
        _evaluate_file(run, data, label_column, samples)
        return
    if data is not None or label_column is not None:
        raise UserError(
            "Expected --data and --label-column for a FILE.keras: a run has its data. "
            f"Received: {run}."
        )
    opened = open_run(run)
    if split == "validation" and opened.recipe.task == "anomaly":
        raise UserError(
            "Expected --split to be test for a run of task anomaly, whose detector is calibrated "
            "on the validation split. Received: --split validation."
        )
    dataset = load_data(opened.recipe)
    if split == "validation":
        dataset = halve_validation(dataset)
    report(opened, opened.load_model(), dataset, split, samples)


def report(
    run: Run, model: BaseModel, dataset: Dataset, split: str = "test", samples: bool = False
) -> None:
    """Evaluates a model on a split, writes the numbers to its run and prints them.

    Args:
        run: run of the model.
        model: model to evaluate.
        dataset: data set of the recipe, whose test split is measured.
        split: name of that split.
        samples: whether to measure samples, too.

    Raises:
        UserError: if there are fewer than two rows, and no alarms to measure.
    """
    detection, steps = {}, None
    is_detector = run.recipe.task == "anomaly"
    scorer: Any = load_detector(run.path) if is_detector else model
    if dataset.steps is not None and len(dataset.steps) and split == "test":
        steps = score_steps(scorer, run.recipe, dataset.steps, "the test split")
        write_file(run.path / _STEPS, write_csv(steps))
        typer.echo(f"Scores of {len(dataset.steps)} steps: {run.path / _STEPS}")
    if is_detector:
        detection = measure_detector(scorer, dataset)
        if steps is not None and dataset.steps is not None:
            of_steps = measure_steps(steps, dataset.steps, dataset.y_train[0])
            if of_steps:
                detection["steps"] = of_steps
        normal = np.isin(dataset.y_test, [-1, dataset.y_train[0]])
        dataset = dataclasses.replace(
            dataset, x_test=dataset.x_test[normal], y_test=dataset.y_test[normal]
        )
    count = len(dataset.x_test)
    numbers: dict[str, Any] = {"images": count}
    if count >= _FEWEST:
        numbers |= _measure(run.recipe, model, dataset, samples)
    elif not detection:
        what = "normal rows" if is_detector else "rows"
        raise UserError(
            f"Expected the {split} split to have {_FEWEST} {what} or more. Received: {count}."
        )
    if detection:
        numbers["anomalies"] = detection
    title = f"{count} {split} images of {run.recipe.data}"
    _write(numbers, run.path / _FILES[split], title)


def _write(numbers: dict[str, Any], path: Path, title: str) -> None:
    """Writes the numbers to a file, and prints them."""
    write_file(path, (json.dumps(numbers, indent=2) + "\n").encode())
    Console().print(_table(numbers, title))
    typer.echo(f"Written to {path}")


def _evaluate_file(path: Path, name: str | None, label_column: str | None, samples: bool) -> None:
    if name is None:
        raise UserError(f"Expected --data, which {path} does not know. Received: no --data.")
    import_quietly()
    from aae_tf import data, evaluation
    from aae_tf.data.files import is_path, read_rows

    model = load_model_file(path)
    if samples:
        _check_units(model)
    with as_user_error(ValueError, TypeError, OSError):
        x: Any
        y: np.ndarray | None
        validation: tuple[Any, Any] | None = None
        if is_path(name):
            rows = read_rows(name, label_column)
            x, y = rows.x, None
            if model.table is None and isinstance(x, Mapping):
                raise ValueError(
                    "Expected --data to be arrays or images, as the model takes them; a model of a "
                    f"time series is measured by `aae-tf evaluate RUN`. Received: {name}."
                )
            if model.table is not None and isinstance(x, Mapping):
                # Columns that the model does not know are left out.
                x = {column: x[column] for column in model.table.names if column in x}
            names = model.class_names or tuple(map(str, range(model.num_classes or 0)))
            if names:
                y = _renumber(rows.y, rows.class_names, names, name)
        else:
            dataset = data.load(name, label_column=label_column)
            x, y = dataset.x_test, dataset.y_test
            validation = (dataset.x_validation, dataset.y_validation)
        numbers = evaluation.evaluate_model(
            model,
            x,
            None if y is None or (y < 0).any() else y,
            validation=validation,
            samples=samples,
        )
    numbers = {"rows": len(next(iter(x.values())) if isinstance(x, Mapping) else x), **numbers}
    _write(numbers, path.with_suffix(_SUFFIX), f"{numbers['rows']} rows of {name}")


def _renumber(y: np.ndarray, names: Sequence[str], known: Sequence[str], place: str) -> np.ndarray:
    """Numbers labels as the model does, whose classes may be more."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"Expected labels in {place} that the model knows: {', '.join(map(repr, known))}. "
            f"Received: {unknown[0]!r}."
        )
    # The last number is that of an unknown label.
    return np.array([*map(list(known).index, names), -1])[y]


def _measure(recipe: Recipe, model: BaseModel, dataset: Dataset, samples: bool) -> dict[str, Any]:
    from aae_tf import evaluation
    from aae_tf.evaluation.sample_scores import check_rows

    if samples:
        _check_units(model)
        with as_user_error(ValueError):
            check_rows("x", dataset.x_test)
    # Normal rows are of one class, of which there is nothing to tell.
    has_classes = recipe.task != "anomaly" and bool(
        (dataset.y_test >= 0).all() and (dataset.y_validation >= 0).all()
    )
    return evaluation.evaluate_model(
        model,
        dataset.x_test,
        dataset.y_test if has_classes else None,
        validation=(
            (dataset.x_validation, dataset.y_validation if has_classes else None)
            if len(dataset.x_validation)
            else None
        ),
        # The clusters of an embedding without labels are in no order of classes.
        clusters=True if recipe.model == "embedding" and recipe.labels == 0 else None,
        batch_size=recipe.batch_size,
        samples=samples,
    )


def _check_units(model: BaseModel) -> None:
    """Raises an error if samples of a model have columns of different units."""
    if model.table is not None or model.restores_units:
        kind = "a table" if model.table is not None else "a decoder that restores units"
        raise UserError(
            "Expected --samples for a model whose values have one unit: distances of others mean "
            f"little. Received: a model of {kind}."
        )


def _table(numbers: Mapping[str, Any], title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title)
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("meaning")
    _add_rows(table, numbers)
    return table


def _add_rows(table: Table, numbers: Mapping[str, Any], indent: str = "") -> None:
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            table.add_row(f"{indent}{name}")
            _add_rows(table, value, f"{indent}  ")
        elif not _is_matrix(value):
            table.add_row(f"{indent}{name}", _text(value), _meaning(name))


def _is_matrix(value: Any) -> bool:
    """Tells whether a value is a matrix, which only the file has space for."""
    return isinstance(value, list) and any(isinstance(entry, list) for entry in value)


def _meaning(name: str) -> str:
    return _MEANINGS.get(name) or _CODE_MEANINGS.get(name.partition("_")[2], "")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join("-" if entry is None else _short(entry, ".2f") for entry in value)
    return _short(value, ".4g")


def _short(value: float, form: str) -> str:
    return format(value, form) if isinstance(value, float) else str(value)
