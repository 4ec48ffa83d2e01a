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
import subprocess
import sys
from pathlib import Path

from report import TRAINING, made_with

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
RUNS = {
    "float32": ("float32", 0),
    "mixed_bfloat16": ("mixed_bfloat16", 0),
    "mixed_float16": ("mixed_float16", 0),
    "float32, another seed": ("float32", 1),
}


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


def losses(logs: dict[str, float]) -> dict[str, float]:
    """Picks what is compared of the logs of an epoch: the terms of the loss on validation images.

    The loss itself is left out where terms of either sign nearly cancel.
    """
    found = {key.removeprefix("val_"): value for key, value in logs.items() if "val_" in key}
    if "information_loss" in found:
        del found["loss"]
    return {
        key: value for key, value in found.items() if not key.endswith("discriminator_accuracy")
    }


def lines(recipe: str, runs: dict[str, dict[str, float]]) -> list[str]:
    """Formats a recipe's runs as lines of the table, a line for each loss."""
    table = []
    for key, expected in runs["float32"].items():
        cells = [recipe, key, f"{expected:.4g}"] + [
            f"{found[key]:.4g} ({found[key] / expected - 1.0:+.1%})"
            for name, found in runs.items()
            if name != "float32"
        ]
        table.append(f"| {' | '.join(cells)} |")
    return table


def summary(everything: dict[str, dict[str, dict[str, float]]]) -> str:
    """Says how many of all losses are within 5% of float32, run by run, and which are not."""
    sentences = []
    for name in RUNS:
        if name == "float32":
            continue
        differences = {
            f"{key} of `{recipe}`": abs(runs[name][key] / expected - 1.0)
            for recipe, runs in everything.items()
            for key, expected in runs["float32"].items()
        }
        apart = [key for key, difference in differences.items() if difference > 0.05]
        within = len(differences) - len(apart)
        sentences.append(f"- {name}: {within} of {len(differences)}; not {', '.join(apart)}.")
    return "\n".join(sentences).replace("; not .", ".")


def main() -> None:
    """Trains what is missing, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*", help="by default all of the table")
    parser.add_argument("--out", type=Path, default=Path("runs/precision"))
    arguments = parser.parse_args()
    table, everything, skipped = [], {}, {}
    for recipe in arguments.recipes or RECIPES:
        histories = {name: train(recipe, *run, arguments.out) for name, run in RUNS.items()}
        everything[recipe] = {name: losses(history[-1]) for name, history in histories.items()}
        skipped[recipe] = sum(epoch["skipped_updates"] for epoch in histories["mixed_float16"])
        added = lines(recipe, everything[recipe])
        print(*added, sep="\n", flush=True)
        table += added
    searches = ", ".join(f"{recipe} {count:.0f}" for recipe, count in skipped.items())
    RESULTS.write_text(
        f"""# Half precision beside float32, on MNIST

Written by `TFDS_DATA_DIR=... python benchmarks/mixed_precision.py`. Losses of the validation split
after the last epoch of presets with fewer epochs and narrower networks, which the script names;
same seed, same batches. In brackets the difference from float32; the last column is float32 with
another seed.

Within 5% of float32:

{summary(everything)}

| recipe | | float32 | mixed_bfloat16 | mixed_float16 | float32, another seed |
|---|---|---|---|---|---|
{chr(10).join(table)}

Updates that float16 left out to find the scales of its losses: {searches}.

{made_with(*TRAINING)}
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
