"""The warning of classes that are not as frequent as the prior says."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

_SIGNIFICANCE = 1e-3


def warn_class_frequencies(labels: Any, probs: Any, stacklevel: int = 2) -> None:
    """Warn where the known labels contradict the class prior.

    A chi-square test compares how often each class occurs with how often the prior would draw it;
    the warning is given where its p-value is below 0.001. Few labels rarely reach that.

    Args:
        labels: integer array [n], classes 0 to K - 1; -1 where a label is unknown.
        probs: float array [K], the class prior.
        stacklevel: int, as in `warnings.warn`.

    Warns:
        UserWarning: with both frequencies and the p-value.

    Example:
        >>> warn_class_frequencies([0, 1, 1, 0, -1], [0.5, 0.5])

    References:
        Makhzani et al. 2016, *Adversarial Autoencoders* (arXiv:1511.05644), section 5, balance
        the classes: an encoder that is to match other frequencies must mix classes up.
    """
    labels, probs = np.asarray(labels), np.asarray(probs, np.float64)
    probs = probs / probs.sum()
    counts = np.bincount(labels[labels >= 0], minlength=len(probs))
    total = counts.sum()
    p_value = _p_value(counts, probs * total) if total else 1.0
    if p_value < _SIGNIFICANCE:
        warnings.warn(
            f"The {total} known labels have the class frequencies "
            f"{_listed(counts / total)}, the class prior has {_listed(probs)} (chi-square test: "
            f"p = {p_value:.1e}). The code of the classes cannot match both. Pass "
            "`class_prior=priors.from_labels(labels, num_classes)`, or balance the classes.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _p_value(counts: np.ndarray, expected: np.ndarray) -> float:
    # Imported here, since scipy.stats takes a second to import.
    from scipy.stats import chisquare

    possible = expected > 0
    if counts[~possible].any():
        return 0.0  # A class that the prior never draws.
    return float(chisquare(counts[possible], expected[possible]).pvalue)


def _listed(frequencies: np.ndarray) -> str:
    return "[" + ", ".join(f"{frequency:.3f}" for frequency in frequencies) + "]"
