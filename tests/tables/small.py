"""A small table of every kind of column, and models of it."""

from typing import Any

import numpy as np

from aae_tf import data, models, networks, priors

NUM_ROWS = 60
_RNG = np.random.default_rng(0)
_DAYS = np.datetime64("2024-01-01") + np.arange(NUM_ROWS).astype("timedelta64[D]")

# Two names that TensorFlow would change, and missing values in three columns.
COLUMNS: dict[str, Any] = {
    "amount (EUR)": np.where(np.arange(NUM_ROWS) % 7, _RNG.normal(20.0, 5.0, NUM_ROWS), np.nan),
    "packets": _RNG.negative_binomial(2, 0.1, NUM_ROWS),
    "is_new": np.arange(NUM_ROWS) % 3 == 0,
    "when": [str(day) if i % 5 else "" for i, day in enumerate(_DAYS)],
    "Länd": [["de", "fr", "straße", None][i % 4] for i in range(NUM_ROWS)],
    "port": np.array([80, 443, 22])[np.arange(NUM_ROWS) % 3],
}
KINDS = {"port": "categorical"}
LABELS = np.arange(NUM_ROWS) % 3 - 1


def schema() -> data.TableSchema:
    """The schema of `COLUMNS`."""
    return data.TableSchema.infer(COLUMNS, KINDS)


def build(cls: type = models.AAE, code_dim: int = 2, **kwargs: Any) -> Any:
    """Builds a model of 8 hidden units; its decoder takes `code_dim` numbers."""
    table = schema()
    return cls(
        **{
            "encoder": networks.tabular_encoder(table, units=(8,), seed=1),
            "decoder": networks.tabular_decoder(table, code_dim, units=(8,), seed=2),
            "table": table,
            "seed": 0,
            **kwargs,
        }
    )


def build_aae(**kwargs: Any) -> models.AAE:
    """Builds an AAE with MMD."""
    return build(models.AAE, prior=priors.gaussian(2), divergence="mmd", **kwargs)


def build_classifier(**kwargs: Any) -> models.SemiSupervisedAAE:
    """Builds a SemiSupervisedAAE of two classes with MMD."""
    return build(
        models.SemiSupervisedAAE,
        2 + 2,
        style_prior=priors.gaussian(2),
        num_classes=2,
        style_divergence="mmd",
        class_divergence="mmd",
        **kwargs,
    )


def rows(start: int, stop: int) -> dict[str, Any]:
    """Some rows of `COLUMNS`."""
    return {name: values[start:stop] for name, values in COLUMNS.items()}
