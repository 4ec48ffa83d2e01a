"""Trains every variant on MNIST with the presets of the command line and writes VARIANTS.md.

    TFDS_DATA_DIR=... python benchmarks/variants.py [--seeds 3] [--out runs/variants] [RECIPE ...]

Every run is what `aae-tf train --recipe RECIPE --seed SEED` and `aae-tf evaluate` give; one that is
there already is not repeated, so that the command can be stopped and started again. The test split
is looked at by `aae-tf evaluate` alone. Takes about two CPU-hours.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RESULTS = Path(__file__).with_name("VARIANTS.md")
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")

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


def run(recipe: str, seed: int, out: Path) -> dict[str, Any]:
    """Trains and evaluates a recipe, unless its run is there; returns its numbers."""
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
    return {**json.loads(evaluation.read_text()), "cpu minutes": json.loads(minutes.read_text())}


def _call(command: list[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        subprocess.run(command, check=True, stdout=file, stderr=subprocess.STDOUT)


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def line(row: Row, runs: list[dict[str, Any]]) -> str:
    """Formats the figure of a recipe over its seeds as a line of the table."""
    values = np.array([row.value(numbers) for numbers in runs])
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    minutes = np.mean([numbers["cpu minutes"] for numbers in runs])
    each = ", ".join(f"{value:.2f}" for value in values)
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
    chosen = [name for name in recipes if name in (arguments.recipes or recipes)]
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed in range(arguments.seeds):
        for recipe in chosen:
            there = (arguments.out / f"{recipe}-{seed}" / "evaluation.json").exists()
            if there or not arguments.table_only:
                start = time.perf_counter()
                runs.setdefault(recipe, []).append(run(recipe, seed, arguments.out))
                seconds = time.perf_counter() - start
                print(f"{recipe}, seed {seed}: {seconds:.0f} s", flush=True)
    lines = [line(row, runs[row.recipe]) for row in ROWS if row.recipe in runs]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    RESULTS.write_text(
        f"""# Every variant on MNIST

Written by `TFDS_DATA_DIR=... python benchmarks/variants.py`. Test images and labels; presets of
`aae-tf train --recipe`, chosen on the validation split. Mean and standard deviation over seeds,
which fix weights, labels, batches and the split of 10,000 validation images.

| recipe | figure | reach | measured | each seed | CPU-minutes to train |
|---|---|---|---|---|---|
{chr(10).join(lines)}

Made with {os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()},
{versions}.
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
