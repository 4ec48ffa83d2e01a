"""The rows of the paper's tables and figures: what is measured, beside what, by which recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from aae_tf.checks import check_choice

if TYPE_CHECKING:
    from aae_tf.data import Dataset
    from aae_tf.models import BaseModel

KINDS = ("paper", "improved", "mmd", "conv", "preset")
# Rows of the validation data that the width of a Parzen window is chosen on.
_BANDWIDTH_ROWS = 2000

Measure = Callable[["BaseModel", "Dataset", Any, Any], float]


class Row(NamedTuple):
    """A row of the tables of results.

    Attributes:
        figure: what is measured, with its unit.
        measure: function of the trained model, the data set, inputs and labels that measures it; it
            uses the validation split of the data set where something is to be chosen.
        recipes: names of recipes by kind; the figure of the first is that of the row, the others
            stand beside it.
        paper: the paper's figure; None where it gives none.
        larger_is_better: whether a larger figure is better.
    """

    figure: str
    measure: Measure
    recipes: Mapping[str, tuple[str, ...]]
    paper: float | None = None
    larger_is_better: bool = False

    def recipes_of(self, name: str, kind: str) -> tuple[str, ...]:
        """Gives the names of the recipes of a kind.

        Raises:
            ValueError: if the row has none.
        """
        if kind not in self.recipes:
            raise ValueError(
                f"Expected --recipe to be one of those of {name}: {', '.join(self.recipes)}. "
                f"Received: --recipe {kind}."
            )
        return self.recipes[kind]


def measure_error(model: BaseModel, dataset: Dataset, x: Any, y: Any) -> float:
    """Measures the share of wrong classes, %."""
    from aae_tf import evaluation

    return 100.0 * evaluation.classification_scores(model.classify(x), y)["error"]


def measure_clusters(model: BaseModel, dataset: Dataset, x: Any, y: Any) -> float:
    """Measures the error of clusters, %; exemplars of the validation split give their classes."""
    from aae_tf import evaluation

    exemplars = model.classify(dataset.x_validation), dataset.y_validation
    scores = evaluation.clustering_scores(model.classify(x), y, *exemplars)
    return 100.0 * scores["exemplar_error"]


def measure_likelihood(model: BaseModel, dataset: Dataset, x: Any, y: Any) -> float:
    """Measures the log-likelihood under a Parzen window on 10,000 samples, nats."""
    from aae_tf import evaluation

    def sample(n: int, seed: int) -> Any:
        return model.sample(n, seed=seed)

    return evaluation.parzen(sample, dataset.x_validation[:_BANDWIDTH_ROWS], x)["log_likelihood"]


def measure_mismatch(model: BaseModel, dataset: Dataset, x: Any, y: Any) -> float:
    """Measures the squared MMD between codes and prior, in thousandths."""
    from aae_tf.training.prior_mismatch import prior_mismatch, sample_codes

    codes: Any = model
    return 1e3 * prior_mismatch(sample_codes(codes, x, y, 0)["latent"], codes.prior, 0)[0]


def measure_probe(model: BaseModel, dataset: Dataset, x: Any, y: Any) -> float:
    """Measures the share of labels that a linear probe reads off the code, %."""
    from aae_tf import evaluation

    encode = model.encode
    probe = evaluation.linear_probe(
        encode(dataset.x_validation), dataset.y_validation, encode(x), y
    )
    return 100.0 * probe


_ERROR = ("test error, %", measure_error)
_CLUSTERS = ("test error by exemplars, %", measure_clusters)
_LIKELIHOOD = ("Parzen log-likelihood of 10,000 samples, nats", measure_likelihood)


def _of_kinds(
    name: str, *kinds: str, paper: str | None = None, preset: str | None = None
) -> dict[str, tuple[str, ...]]:
    named = {"paper": paper or f"paper-{name}", "improved": f"improved-{name}", "preset": preset}
    named |= {kind: f"{kind}-{name}" for kind in kinds}
    return {kind: (recipe,) for kind in KINDS if (recipe := named.get(kind))}


ROWS: dict[str, Row] = {
    "semi-supervised-100": Row(
        *_ERROR,
        _of_kinds(
            "semi-supervised-100",
            "mmd",
            "conv",
            paper="paper-semi-supervised",
            preset="semi-supervised-100",
        ),
        1.90,
    ),
    "semi-supervised-1000": Row(
        *_ERROR,
        _of_kinds("semi-supervised-1000", "mmd", preset="semi-supervised-1000"),
        1.60,
    ),
    "semi-supervised-all": Row(*_ERROR, _of_kinds("semi-supervised-all"), 0.85),
    "clustering-16": Row(
        *_CLUSTERS,
        _of_kinds("clustering-16", "mmd", "conv", paper="paper-clustering", preset="clustering-16"),
        9.55,
    ),
    "clustering-30": Row(
        *_CLUSTERS, _of_kinds("clustering-30", "mmd", preset="clustering-30"), 4.10
    ),
    "embedding-2d-1000": Row(
        *_ERROR, {"paper": ("paper-embedding-2d-1000",), "improved": ("embedding-2d",)}, 4.20
    ),
    "embedding-2d-100": Row(*_ERROR, _of_kinds("embedding-2d-100"), 6.08),
    "embedding-2d-unsupervised": Row(
        *_CLUSTERS,
        _of_kinds("embedding-2d-unsupervised"),
        13.95,
    ),
    "embedding-10d-100": Row(*_ERROR, _of_kinds("embedding-10d-100", preset="embedding-10d"), 3.90),
    "likelihood": Row(
        *_LIKELIHOOD,
        {"paper": ("paper-likelihood",), "improved": ("likelihood",)},
        340.0,
        larger_is_better=True,
    ),
    # Its decoder is trained by another objective than the paper's.
    "likelihood-decoder-fit": Row(
        *_LIKELIHOOD,
        {"improved": ("improved-likelihood-decoder-fit",)},
        larger_is_better=True,
    ),
    "latent-spaces": Row(
        "squared MMD of 2-D codes and prior, 1e-3",
        measure_mismatch,
        {
            "improved": (
                "latent-2d-gaussian",
                "latent-2d-gaussian-vae",
                "latent-2d-ring",
                "latent-2d-ring-vae",
            ),
            "mmd": ("latent-2d-gaussian-mmd", "latent-2d-ring-mmd"),
        },
    ),
    "label-guided": Row(
        "test error of the most likely component, %",
        measure_error,
        {"improved": ("label-guided",), "mmd": ("label-guided-mmd",)},
    ),
    "styles": Row(
        "labels that a linear probe reads off the style, %",
        measure_probe,
        {"improved": ("supervised", "supervised-reference")},
    ),
    "baselines": Row(*_LIKELIHOOD, {"improved": ("vae", "gan", "gmmn")}, larger_is_better=True),
}


def choose_rows(names: tuple[str, ...] | list[str], kind: str) -> dict[str, tuple[str, ...]]:
    """Gives the recipes of rows by name; of "all", the rows that have recipes of the kind.

    Args:
        names: keys of `ROWS`, or "all".
        kind: one of `KINDS`.

    Raises:
        ValueError: if a name or the kind is unknown, or a row that is named has none of the kind.

    Example:

    >>> choose_rows(["clustering-30"], "mmd")
    {'clustering-30': ('mmd-clustering-30',)}
    """
    check_choice("--recipe", kind, KINDS)
    for name in names:
        check_choice("NAME", name, (*ROWS, "all"))
    if "all" in names:
        return {name: row.recipes[kind] for name, row in ROWS.items() if kind in row.recipes}
    return {name: ROWS[name].recipes_of(name, kind) for name in names}
