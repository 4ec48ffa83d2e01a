"""The domains of a detector's arguments, and what a number of rows allows."""

from __future__ import annotations

import math
import warnings
from typing import Any

from aae_tf.checks import check_bool, check_dimension, check_integer, check_positive
from aae_tf.models import BaseAAE

# Rows that are needed for the scales and the calibration.
FEWEST_ROWS = 10


def check_arguments(
    model: Any,
    false_alarm_rate: Any,
    contamination: Any,
    held_out: Any,
    epochs: Any,
    batch_size: Any,
    train: Any,
    seed: Any,
) -> None:
    """Checks the arguments of `AnomalyDetector`, which scikit-learn may set later.

    Raises:
        TypeError: if the model has no encoder, or an argument is of a wrong type.
        ValueError: if an argument is out of its range.
    """
    if not isinstance(model, BaseAAE):
        raise TypeError(
            "Expected `model` to be a model with an encoder, such as AAE. "
            f"Received: model={model!r}."
        )
    shares = {"false_alarm_rate": false_alarm_rate, "held_out": held_out}
    if contamination is not None:
        shares["contamination"] = contamination
    for name, value in shares.items():
        check_positive(name, value)
        largest = 0.5 if name == "contamination" else 1.0
        if value > largest or value == 1.0:
            limit = f"{largest:g}]" if largest < 1.0 else "1)"
            raise ValueError(
                f"Expected `{name}` to lie in (0, {limit}. Received: {name}={value!r}."
            )
    check_dimension("epochs", epochs)
    check_dimension("batch_size", batch_size)
    if train is not None:
        check_bool("train", train)
    check_integer("seed", seed)


def rate_of_rows(name: str, rate: float, count: int, stacklevel: int) -> float:
    """Returns a rate, or the smallest one that a number of calibration rows can tell.

    Args:
        name: of the argument, for the message.
        rate: share of rows that are called anomalies.
        count: number of calibration rows.
        stacklevel: as in `warnings.warn`, from the caller.

    Warns:
        UserWarning: if there are too few rows for the rate.
    """
    if rate * (count + 1) >= 1.0 - 1e-9:
        return rate
    warnings.warn(
        f"Expected at least {math.ceil(1.0 / rate - 1e-9) - 1} calibration rows for "
        f"{name}={rate:g}. Received: {count}; the threshold is that of the smallest rate "
        f"they can tell, {1.0 / (count + 1):.3g}.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )
    return 1.0 / (count + 1)
