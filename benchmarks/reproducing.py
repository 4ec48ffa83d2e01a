"""Takes the results of `aae-tf reproduce` into the package, and rewrites docs/reproducing.md.

    TFDS_DATA_DIR=... aae-tf reproduce all --seeds 3 --out runs/reproduce
    python benchmarks/reproducing.py runs/reproduce

Results of recipes with their own data set and settings of today, none cut short but those of the
paper's settings, go to `aae_tf/runs/measured/`, seed by seed, in place of results with settings of
the past. Without a folder, the table alone is rewritten.
"""

import argparse
from pathlib import Path

from aae_tf.runs.named_recipes import RECIPES
from aae_tf.runs.reproduction_results import MEASURED, open_results, results_table

DOCUMENT = Path(__file__).parents[1] / "docs" / "reproducing.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def take(folder: Path) -> None:
    """Copies the results of a folder that count."""
    for name, recipe in RECIPES.items():
        kept = open_results(MEASURED, name)
        for result in open_results(folder / "recipes", name).results.values():
            if recipe.kind == "paper" or not result.cut_short:
                kept.add(result)
                print(f"{name}, seed {result.seed}: {result.figure:.2f}")


def with_table(text: str) -> str:
    """Returns the document with the table of the results that ship with the package."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + results_table() + END + rest.split(END)[1]


def main() -> None:
    """Parses the arguments, copies and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="what --out named")
    folder = parser.parse_args().folder
    if folder is not None:
        take(folder)
    DOCUMENT.write_text(with_table(DOCUMENT.read_text()))


if __name__ == "__main__":
    main()
