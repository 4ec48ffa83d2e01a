"""Which layouts of a row stand for which."""

from __future__ import annotations

import math
from collections.abc import Sequence


def is_layout_of(found: Sequence[int], expected: Sequence[int]) -> bool:
    """Tells whether rows of one shape can be read as rows of another, without a doubt.

    Dimensions of size one may be there or not, and either may be flat: [28, 28] and [784] stand
    for [28, 28, 1], and the other way round. [3, 32, 32] does not stand for [32, 32, 3].

    Args:
        found: shape of a row, as it is stored.
        expected: shape of a row, as it is needed.

    Example:

    >>> is_layout_of((28, 28), (28, 28, 1)), is_layout_of((3, 32, 32), (32, 32, 3))
    (True, False)
    """
    found, expected = ([size for size in shape if size != 1] for shape in (found, expected))
    return found == expected or found == [math.prod(expected)] or expected == [math.prod(found)]
