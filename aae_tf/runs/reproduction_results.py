"""Results of reproduced rows: a JSON file for each recipe, and the tables that are made of them."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aae_tf.files import make_directory, write_atomically
from aae_tf.runs.errors import UserError
from aae_tf.runs.named_recipes import RECIPES, make_recipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.reproduction_rows import KINDS, ROWS

# Results that ship with the package.
MEASURED = Path(__file__).with_name("measured")


class Result(NamedTuple):
    """The result of one training.

    Attributes:
        seed: seed of the recipe, which fixes weights, labels, batches and the validation split.
        figure: the row's figure on the test split.
        validation: the same on one half of the validation split, with the other in the place of
            that split; None where no rows are held out.
        epochs: epochs that were trained.
        steps: training steps.
        cpu_minutes: processor time of the training, of all threads.
        cut_short: whether the training ended by the budget and not by its recipe.
    """

    seed: int
    figure: float
    validation: float | None
    epochs: int
    steps: int
    cpu_minutes: float
    cut_short: bool = False


class RecipeResults:
    """The results of one recipe by seed, in a JSON file that each new one rewrites.

    A result counts while the recipe has the settings with which it was made.

    Args:
        path: the file, which need not exist.
        name: key of `RECIPES`.
        recipe: the recipe, with `--data`; its seed does not matter.

    Raises:
        UserError: if the file is not as this class writes it.
    """

    def __init__(self, path: Path, name: str, recipe: Recipe) -> None:
        self.name = name
        self._path = path
        self._data, self._settings = recipe.data, settings_of(recipe)
        self.results: dict[int, Result] = {}
        if not path.exists():
            return
        try:
            stored = json.loads(path.read_text())
            if stored["settings"] == self._settings and stored["data"] == recipe.data:
                results = [Result(**entry) for entry in stored["runs"]]
                self.results = {result.seed: result for result in results}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"Expected {path} to be as `aae-tf reproduce` writes it. "
                f"Received: {type(error).__name__}: {error}."
            ) from error

    def add(self, result: Result) -> None:
        """Adds a result, in place of one of the same seed, and writes the file."""
        self.results[result.seed] = result
        content = {
            "recipe": self.name,
            "data": self._data,
            "settings": self._settings,
            "runs": [self.results[seed]._asdict() for seed in sorted(self.results)],
        }
        make_directory(self._path.parent)
        write_atomically(self._path, (json.dumps(content, indent=1) + "\n").encode())

    @property
    def figures(self) -> list[float]:
        """The figures in the order of seeds."""
        return [self.results[seed].figure for seed in sorted(self.results)]

    @property
    def cpu_minutes(self) -> float | None:
        """Mean processor time of a training; None without one that was not cut short."""
        whole = [each.cpu_minutes for each in self.results.values() if not each.cut_short]
        return statistics.fmean(whole) if whole else None


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Gives the fields of a recipe that differ from their defaults, except data and seed."""
    values = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.name not in ("data", "seed") and getattr(recipe, field.name) != field.default
    }
    # JSON has no tuples.
    settings: dict[str, Any] = json.loads(json.dumps(values))
    return settings


def open_results(folder: Path, name: str, recipe: Recipe | None = None) -> RecipeResults:
    """Opens the results of a recipe in a folder; without `recipe`, with its own data set."""
    recipe = make_recipe({}, name) if recipe is None else recipe
    suffix = "" if recipe.data == make_recipe({}, name).data else f"-{recipe.data}"
    return RecipeResults(folder / f"{name}{suffix.replace('/', '-')}.json", name, recipe)


def summarize(folder: Path, chosen: Mapping[str, Mapping[str, Mapping[str, Recipe]]]) -> Any:
    """Collects results by row and kind.

    Args:
        folder: folder of the files.
        chosen: recipes by row, kind and name.

    Returns:
        Ready for JSON: for each row and kind `figures`, those on the test split by seed; their
        `mean`, None where there is none; `unit`, `paper`, `seeds`, `steps`, `cpu_minutes`,
        `cut_short`, `settings`, and `beside`, the figures of further recipes of the row.
    """
    summary: dict[str, Any] = {}
    for row, kinds in chosen.items():
        for kind, recipes in kinds.items():
            (name, recipe), *others = recipes.items()
            found = open_results(folder, name, recipe)
            results = [found.results[seed] for seed in sorted(found.results)]
            summary.setdefault(row, {})[kind] = {
                "figures": found.figures,
                "mean": statistics.fmean(found.figures) if results else None,
                "paper": ROWS[row].paper,
                "unit": ROWS[row].figure,
                "seeds": [each.seed for each in results],
                "validation": [each.validation for each in results],
                "steps": [each.steps for each in results],
                "cpu_minutes": [each.cpu_minutes for each in results],
                "cut_short": [each.cut_short for each in results],
                "recipe": name,
                "data": recipe.data,
                "settings": settings_of(recipe),
                "beside": {
                    other: open_results(folder, other, made).figures for other, made in others
                },
            }
    return summary


def rows_table(summary: Mapping[str, Any]) -> str:
    """Makes the Markdown table of what `summarize` returned."""
    lines = [
        "| row | recipe | data | figure | paper | mean | each seed | CPU-minutes | note |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, kinds in summary.items():
        for kind, entry in kinds.items():
            mean = "not run" if entry["mean"] is None else f"{entry['mean']:.2f}"
            figures = ", ".join(f"{figure:.2f}" for figure in entry["figures"])
            minutes = ", ".join(f"{spent:.1f}" for spent in entry["cpu_minutes"])
            paper = "-" if entry["paper"] is None else f"{entry['paper']:g}"
            notes = [
                f"seed {seed} cut short after {steps} steps"
                for seed, steps, cut in zip(
                    entry["seeds"], entry["steps"], entry["cut_short"], strict=True
                )
                if cut
            ]
            notes += [
                f"{name}: {', '.join(f'{figure:.2f}' for figure in values) or 'not run'}"
                for name, values in entry["beside"].items()
            ]
            cells = (
                row, kind, entry["data"], entry["unit"], paper, mean, figures, minutes,
                "; ".join(notes),
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def results_table(folder: Path = MEASURED) -> str:
    """Makes the Markdown table of all rows and kinds beside the paper's figures.

    Args:
        folder: folder of results; by default those that ship with the package.

    Returns:
        Lines of the table; a kind that was not run says so.
    """
    lines = [
        "| row | figure | paper | " + " | ".join(f"`{kind}`" for kind in KINDS) + " |",
        "|---|---|---|" + "---|" * len(KINDS),
    ]
    for name, row in ROWS.items():
        paper = "-" if row.paper is None else f"{row.paper:g}"
        cells = [_cell(folder, row.recipes.get(kind, ())) for kind in KINDS]
        lines.append(f"| {name} | {row.figure} | {paper} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(folder: Path, recipes: tuple[str, ...]) -> str:
    if not recipes:
        return "-"
    parts = []
    for name in recipes:
        text = describe(open_results(folder, name)) or "not run"
        parts.append(text if len(recipes) == 1 else f"{name}: {text}")
    return "<br>".join(parts)


def describe(results: RecipeResults) -> str:
    """Says the figures of a recipe in one line; empty where there are none."""
    if not results.results:
        return ""
    each = ", ".join(
        f"{seed}: {result.figure:.2f}{' cut short' if result.cut_short else ''}"
        for seed, result in sorted(results.results.items())
    )
    minutes = results.cpu_minutes
    spent = "" if minutes is None else f", {minutes:.1f} CPU-min"
    return f"{statistics.fmean(results.figures):.2f} (seed {each}{spent})"


def measured(name: str) -> str:
    """Says the results of a recipe that ship with the package; empty where there are none."""
    return describe(open_results(MEASURED, name)) if name in RECIPES else ""
