"""Trains every variant on MNIST in each precision and writes PRECISION.md: the final losses.

    TFDS_DATA_DIR=... python benchmarks/mixed_precision.py [--out runs/precision] [RECIPE ...]

Every run is what `aae-tf train --recipe RECIPE --precision PRECISION --seed SEED` gives, with fewer
epochs and narrower networks than the preset has; the losses are those of the validation split after
the last one. Float32 runs a second time with another seed, which says how far two runs of one
precision are apart: an adversarial game makes of a rounding what it makes of a seed. A run that is
in the directory is not repeated. Time is no subject here; from nothing it takes two CPU-hours.
"""

import argparse
import csv
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).with_name("PRECISION.md")
_NARROW = ("--units", "256,256")
_GAME = (*_NARROW, "--discriminator-units", "256,256")
# A preset of each variant, and what is cut of it. Images of a batch of 1000 make few steps.
RECIPES = {
    "likelihood": ("--epochs", "3", *_GAME),
    "label-guided": ("--epochs", "6", "--network", "mlp", *_GAME),
    "supervised": ("--epochs", "3", *_GAME),
    "semi-supervised-100": ("--epochs", "3", *_GAME),
    "clustering-16": ("--epochs", "3", *_GAME),
    "embedding-2d": ("--epochs", "3", *_GAME),
    "vae": ("--epochs", "3", *_NARROW),
    "gan": ("--epochs", "3", *_GAME),
    "gmmn": ("--epochs", "15", *_NARROW),
}
# What is trained to end low, or high; further terms tell how a game stands, and not how it goes.
KEYS = ("val_loss", "val_reconstruction_loss", "val_accuracy")
RUNS = {
    "float32": ("float32", 0),
    "mixed_bfloat16": ("mixed_bfloat16", 0),
    "mixed_float16": ("mixed_float16", 0),
    "float32, another seed": ("float32", 1),
}
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")


def train(recipe: str, precision: str, seed: int, out: Path) -> list[dict[str, float]]:
    """Trains a recipe, unless that is done, and returns the logs of its epochs."""
    folder = out / f"{recipe}-{precision}-{seed}"
    if not folder.exists():
        out.mkdir(parents=True, exist_ok=True)
        command = [Path(sys.executable).with_name("aae-tf"), "train", "--recipe", recipe]
        command += [*RECIPES[recipe], "--precision", precision, "--seed", seed, "--out", folder]
        with folder.with_suffix(".log").open("a") as log:
            subprocess.run(list(map(str, command)), check=True, stdout=log, stderr=log)
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: float(value) for key, value in row.items()} for row in rows]


def lines(recipe: str, histories: dict[str, list[dict[str, float]]]) -> list[str]:
    """Formats a recipe's runs as lines of the table, a line for each key that it logs."""
    last = {name: history[-1] for name, history in histories.items()}
    table = []
    for key in KEYS:
        if key not in last["float32"]:
            continue
        expected = last["float32"][key]
        cells = [f"{expected:.4g}"] + [
            f"{logs[key]:.4g} ({logs[key] / expected - 1.0:+.1%})"
            for name, logs in last.items()
            if name != "float32"
        ]
        skipped = sum(epoch["skipped_updates"] for epoch in histories["mixed_float16"])
        cells.append(f"{skipped:.0f}" if key == "val_loss" else "")
        table.append(" | ".join((recipe, key.removeprefix("val_"), *cells)))
    return [f"| {line} |" for line in table]


def main() -> None:
    """Trains what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*", help="by default all of the table")
    parser.add_argument("--out", type=Path, default=Path("runs/precision"))
    arguments = parser.parse_args()
    table = []
    for recipe in arguments.recipes or RECIPES:
        histories = {name: train(recipe, *run, arguments.out) for name, run in RUNS.items()}
        added = lines(recipe, histories)
        print(*added, sep="\n", flush=True)
        table += added
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    RESULTS.write_text(
        f"""# Half precision beside float32, on MNIST

Written by `TFDS_DATA_DIR=... python benchmarks/mixed_precision.py`. Losses of the validation split
after the last epoch of presets with fewer epochs and narrower networks, which the script names;
same seed, same batches. In brackets the difference from float32. The last but one column is float32
with another seed, the last the updates that float16 left out to find the scales of its losses.

| recipe | | float32 | mixed_bfloat16 | mixed_float16 | float32, another seed | skipped |
|---|---|---|---|---|---|---|
{chr(10).join(table)}

Made with {os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()},
{versions}.
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
