"""Parameters of which the suite runs a few, and `make test-slow` all."""

from collections.abc import Iterable

import pytest


def others_slow(names: Iterable[str], quick: Iterable[str]) -> list[object]:
    """Marks the names that are not among `quick`, of which each must be a name."""
    names, quick = list(names), set(quick)
    assert quick <= set(names), quick - set(names)
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]
