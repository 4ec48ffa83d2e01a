"""Trains every variant on MNIST with the presets of the command line and writes VARIANTS.md.

    TFDS_DATA_DIR=... python benchmarks/variants.py [--seeds 3] [--out runs/variants] [RECIPE ...]

Every run is what `aae-tf train --recipe RECIPE --seed SEED` and `aae-tf evaluate` give. Its figures
go to variants.json, which is kept with the code: a run that is there, of the preset as it is now,
is not repeated, so that the command can be stopped, and go on another day and elsewhere. The test
split is looked at by `aae-tf evaluate` alone. From nothing it takes about five CPU-hours.
"""

import argparse
import dataclasses
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from report import TRAINING, made_with

from aae_tf.runs import make_recipe

RESULTS = Path(__file__).with_name("VARIANTS.md")
RUNS = Path(__file__).with_name("variants.json")

Figure = Callable[[dict[str, Any]], float]


class Row(NamedTuple):
    """One line of the table: a figure of a recipe's runs, and what it should reach."""

    recipe: str
    figure: str
    reach: str
    value: Figure


def _path(*keys: str, factor: float = 1.0) -> Figure:
    def value(numbers: dict[str, Any]) -> float:
        found: Any = numbers
        for key in keys:
            found = found[key]
        return factor * found

    return value


_PARZEN = _path("parzen", "log_likelihood")
_MMD = _path("codes", "latent", "mmd_squared", factor=1e3)
_NOISE = _path("codes", "latent", "standardized_mmd")
_ERROR = _path("classification", "error", factor=100.0)
_PROBE = _path("label_probe_accuracy", factor=100.0)
_EXEMPLAR = _path("clustering", "exemplar_error", factor=100.0)

ROWS = (
    Row("likelihood", "Parzen log-likelihood, 10K samples, nats", ">= 330", _PARZEN),
    Row("vae", "the same", "below it", _PARZEN),
    Row("gan", "the same", "below it", _PARZEN),
    Row("gmmn", "the same", "", _PARZEN),
    *(
        Row(f"latent-2d-{prior}{kind}", f"MMD^2 of 2-D codes to the {prior}, 1e-3", reach, _MMD)
        for prior in ("gaussian", "ring")
        for kind, reach in (("", "below the VAE"), ("-mmd", "below the VAE"), ("-vae", ""))
    ),
    *(
        Row(f"latent-2d-ring{kind}", "the same in standard deviations of noise", reach, _NOISE)
        for kind, reach in (("", ""), ("-mmd", "below the AAE"), ("-vae", ""))
    ),
    Row("label-guided", "class of the most likely component, error %", "<= 5", _ERROR),
    Row("label-guided-mmd", "the same", "<= 5", _ERROR),
    Row("supervised", "linear probe of the label on the style, % right", "40 below", _PROBE),
    Row("supervised-reference", "the same on an AAE's code", "", _PROBE),
    Row("semi-supervised-100", "error %, 100 labels", "<= 6", _ERROR),
    Row("semi-supervised-1000", "error %, 1000 labels", "<= 3", _ERROR),
    Row("clustering-16", "error %, paper's protocol, 16 clusters", "<= 20", _EXEMPLAR),
    Row("clustering-30", "error %, paper's protocol, 30 clusters", "<= 12", _EXEMPLAR),
    Row("embedding-2d", "error %, 1000 labels", "<= 8", _ERROR),
    Row("embedding-10d", "error %, 100 labels", "", _ERROR),
)


class Runs:
    """What has been measured, by recipe and seed, in a file that every run rewrites.

    A run counts while the preset that it was made with is the preset of today.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []

    def find(self, recipe: str) -> dict[int, dict[str, Any]]:
        """Returns the runs of a recipe that count, by seed."""
        mark = _mark(recipe)
        return {r["seed"]: r for r in self._runs if (r["recipe"], r["preset"]) == (recipe, mark)}

    def add(self, recipe: str, seed: int, minutes: float, numbers: dict[str, Any]) -> None:
        """Adds a run, and drops those of the same recipe and of presets of the past."""
        figures = {row.figure: row.value(numbers) for row in ROWS if row.recipe == recipe}
        mark = _mark(recipe)
        self._runs = [
            r
            for r in self._runs
            if r["recipe"] != recipe or (r["preset"] == mark and r["seed"] != seed)
        ]
        self._runs.append(
            {
                "recipe": recipe,
                "seed": seed,
                "preset": mark,
                "version": _version(),
                "cpu_minutes": minutes,
                "figures": figures,
            }
        )
        self._runs.sort(key=lambda r: (r["recipe"], r["seed"]))
        self._path.write_text(json.dumps(self._runs, indent=1) + "\n")


def _mark(recipe: str) -> str:
    """Tells presets apart: eight digits of a hash of all fields that decide the result."""
    fields = dataclasses.asdict(make_recipe({}, recipe))
    for name in ("seed", "steps_per_execution"):
        del fields[name]
    # Newer than the figures: presets of today leave it as it was.
    if fields["precision"] == "float32":
        del fields["precision"]
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]


def _version() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def run(recipe: str, seed: int, out: Path) -> tuple[float, dict[str, Any]]:
    """Trains and evaluates a recipe; returns the CPU-minutes of training, and the evaluation."""
    folder = out / f"{recipe}-{seed}"
    evaluation, minutes = folder / "evaluation.json", folder / "cpu_minutes.json"
    command = [str(Path(sys.executable).with_name("aae-tf"))]
    if not minutes.exists():
        before = _child_seconds()
        options = ["--recipe", recipe, "--seed", str(seed), "--data", "mnist", "--out", str(folder)]
        _call([*command, "train", *options], folder.with_suffix(".log"))
        minutes.write_text(json.dumps((_child_seconds() - before) / 60))
    if not evaluation.exists():
        _call([*command, "evaluate", str(folder)], folder.with_suffix(".log"))
    return json.loads(minutes.read_text()), json.loads(evaluation.read_text())


def _call(command: list[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        subprocess.run(command, check=True, stdout=file, stderr=subprocess.STDOUT)


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def line(row: Row, runs: dict[int, dict[str, Any]]) -> str:
    """Formats the figure of a recipe over its seeds as a line of the table."""
    values = np.array([runs[seed]["figures"][row.figure] for seed in sorted(runs)])
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    minutes = np.mean([each["cpu_minutes"] for each in runs.values()])
    each = ", ".join(
        f"{seed}: {value:.2f}" for seed, value in zip(sorted(runs), values, strict=True)
    )
    cells = (row.recipe, row.figure, row.reach, f"{values.mean():.2f}{spread}", each)
    return "| " + " | ".join((*cells, f"{minutes:.1f}")) + " |"


def main() -> None:
    """Runs what is missing, seed by seed, and writes the table of what is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*", help="by default all of the table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/variants"))
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    recipes = list(dict.fromkeys(row.recipe for row in ROWS))
    chosen = [name for name in arguments.recipes or recipes if name in recipes]
    runs = Runs(RUNS)
    for seed in range(0 if arguments.table_only else arguments.seeds):
        for recipe in chosen:
            if seed not in runs.find(recipe):
                start = time.perf_counter()
                runs.add(recipe, seed, *run(recipe, seed, arguments.out))
                seconds = time.perf_counter() - start
                print(f"{recipe}, seed {seed}: {seconds:.0f} s", flush=True)
    lines = [line(row, found) for row in ROWS if (found := runs.find(row.recipe))]
    missing = [name for name in recipes if not runs.find(name)]
    RESULTS.write_text(
        f"""# Every variant on MNIST

Written by `TFDS_DATA_DIR=... python benchmarks/variants.py` from variants.json. Test images and
labels; presets of `aae-tf train --recipe`, chosen on the validation split. Mean and standard
deviation over seeds, which fix weights, labels, batches and the split of 10,000 validation images.

| recipe | figure | reach | measured | seed: figure | CPU-minutes to train |
|---|---|---|---|---|---|
{chr(10).join(lines)}

Not measured with the presets of today: {", ".join(missing) or "none"}.

{made_with(*TRAINING)}
CPU-minutes are those of a shared machine, where two busy hyperthreads of one core take up to 1.7
times as long as one.
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
