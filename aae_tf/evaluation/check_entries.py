"""The check of arrays that must not be empty."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aae_tf import data


def check_entries(argument: str, x: Any, shape: Sequence[int | None] | None = None) -> np.ndarray:
    """Returns `x` as float32 [n, ...], n > 0; raises as `data.check_array`, or if it is empty."""
    x = data.check_array(x, argument, shape)
    if 0 in x.shape:
        raise ValueError(
            f"Expected `{argument}` to have at least one entry. "
            f"Received: {argument}.shape={x.shape}."
        )
    return x
