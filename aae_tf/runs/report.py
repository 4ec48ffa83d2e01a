"""The report of a finished run: figures, learning curves, and a page that shows them."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aae_tf.files import write_new
from aae_tf.runs.detection import measure_detector
from aae_tf.runs.figures import draw_figures, png, run_title
from aae_tf.runs.recipe import Recipe

if TYPE_CHECKING:
    from aae_tf.data import Dataset
    from aae_tf.detector import AnomalyDetector

_CURVES = "learning_curves.png"
_PAGE = "index.html"
_FIGURES = "figures"

# What each figure shows, by the name of its file.
_CAPTIONS = {
    "latent": "Codes of the test inputs, coloured by class, over the prior",
    "samples": "Decoded samples of the prior",
    "reconstructions": "Test images, and below each its reconstruction",
    "manifold": "Decoded codes on a grid of quantiles of the prior",
    "traversals": "One latent at a time",
    "interpolations": "On the way from one test image to the next",
    "styles": "Rows of one style, columns of classes",
    "clusters": "The head of each cluster, and test images that fall in it",
    "confusion": "Which classes are taken for which",
    "scores": "Anomaly scores, and the threshold of an alarm",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #61666d; --line: #d9dce0;
  --paper: #fff; --card: #f6f7f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a0a6ad; --line: #3a3f45;
  --paper: #17191c; --card: #212429; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem; }
p { margin: .2rem 0; color: var(--soft); }
.figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr));
  align-items: start; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem; }
figure.wide { max-width: 60rem; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff;
  border-radius: 3px; }
figcaption { margin-top: .5rem; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; }
summary { margin: .6rem 0; color: var(--soft); cursor: pointer; }
a { color: inherit; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .6rem;
  overflow-x: auto; }
@media (max-width: 30rem) { body { padding: .8rem; } .figures { grid-template-columns: 1fr; } }
"""


def write_report(
    folder: Path,
    model: Any,
    recipe: Recipe,
    dataset: Dataset,
    history: Sequence[Mapping[str, float]],
    detector: AnomalyDetector | None,
) -> None:
    """Writes `figures/`, `learning_curves.png` and `index.html`, which needs no server.

    Args:
        folder: directory of the run, with `config.json`.
        model: trained model of the recipe.
        recipe: recipe of the run.
        dataset: data set with the test split.
        history: logs of each epoch.
        detector: that of an anomaly run, else None.
    """
    (folder / _FIGURES).mkdir()
    names = []
    for name, figure in draw_figures(model, recipe, dataset, detector):
        write_new(folder / _FIGURES / f"{name}.png", png(figure))
        names.append(name)
    has_curves = _write_curves(folder / _CURVES, recipe, history)
    numbers = {} if detector is None else measure_detector(detector, dataset)
    config = json.loads((folder / "config.json").read_text())
    page = _page(recipe, history, names, has_curves, numbers, config.get("versions", {}))
    write_new(folder / _PAGE, page.encode())


def _write_curves(path: Path, recipe: Recipe, history: Sequence[Mapping[str, float]]) -> bool:
    from aae_tf.evaluation import learning_curves

    keys = dict.fromkeys(key for row in history for key in row)
    logs = {key: [float(row.get(key, math.nan)) for row in history] for key in keys}
    if not any(math.isfinite(value) for values in logs.values() for value in values):
        return False
    write_new(path, png(learning_curves(logs, title=f"{run_title(recipe)}, by epoch")))
    return True


def _page(
    recipe: Recipe,
    history: Sequence[Mapping[str, float]],
    names: Sequence[str],
    has_curves: bool,
    numbers: Mapping[str, Any],
    versions: Mapping[str, str],
) -> str:
    title = html.escape(run_title(recipe))
    epochs = f"{len(history)} epoch" + ("" if len(history) == 1 else "s")
    codes = f"{recipe.code_dim} latents, {recipe.prior} prior, {recipe.divergence} divergence"
    figures = "".join(
        _figure(f"{_FIGURES}/{name}.png", caption)
        for name, caption in _CAPTIONS.items()
        if name in names
    )
    curves = _figure(_CURVES, "Each log by epoch", "wide") if has_curves else ""
    parts = [
        f"<h1>{title}</h1><p>{html.escape(f'{epochs}; {codes}; seed {recipe.seed}')}</p>",
        f'<h2>Figures</h2><div class="figures">{figures}</div>',
        f"<h2>Learning curves</h2>{curves}<p>Every value: "
        '<a href="history.csv">history.csv</a></p>',
        "<h2>Numbers of the last epoch</h2>" + _logs(history),
    ]
    if numbers:
        rows = [(key.replace("_", " "), _text(value)) for key, value in numbers.items()]
        parts.append("<h2>Alarms on the test rows</h2>" + _table(["", "value"], rows))
    parts += [
        "<h2>Settings</h2>" + _settings(recipe),
        "<h2>Versions</h2>" + _table(["package", "version"], versions.items()),
        "<h2>Next</h2><pre>aae-tf evaluate RUN\naae-tf export RUN --to saved_models/NAME</pre>"
        '<p>RUN is this folder. <a href="config.json">config.json</a> holds the settings, '
        "model.keras the model, and logs/ is for TensorBoard.</p>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src 'self' file: data:; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _figure(source: str, caption: str, kind: str = "") -> str:
    return (
        f'<figure class="{kind}"><a href="{source}"><img src="{source}" alt="{caption}"></a>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _logs(history: Sequence[Mapping[str, float]]) -> str:
    last = history[-1] if history else {}
    names = dict.fromkeys(key.removeprefix("val_") for key in last)
    rows = [
        (key.replace("_", " "), *(_text(last.get(prefix + key)) for prefix in ("", "val_")))
        for key in names
    ]
    return _table(["", "training", "validation"], rows)


def _settings(recipe: Recipe) -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    values = dataclasses.asdict(recipe)
    changed = [name for name in values if values[name] != defaults[name]]
    rest = [name for name in values if name not in changed]
    heads = ["setting", "value"]
    own, other = ([(name, _text(values[name])) for name in part] for part in (changed, rest))
    return (
        f"{_table(heads, own, numeric=False)}<details><summary>{len(other)} settings have their "
        f"defaults</summary>{_table(heads, other, numeric=False)}</details>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: bool = True) -> str:
    kinds = ["", *(["number" if numeric else ""] * (len(heads) - 1))]

    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="{kind}">{html.escape(text)}</{tag}>'
            for kind, text in zip(kinds, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{line("th", heads)}</tr>{body}</table></div>'


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)
