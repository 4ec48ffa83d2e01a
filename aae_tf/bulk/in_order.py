"""Work that overlaps with reading, and results that come in order."""

from __future__ import annotations

import collections
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int
) -> Generator[_Result, None, None]:
    """Applies a function in threads, while the next items are made.

    At most `threads + 2` items are alive: those at work, one that waits for a thread, and one that
    is being made. Results are handed out in order; one that is not asked for stops the making.

    Args:
        function: what is applied; it may run in several threads at once.
        items: what it is applied to, made in the thread of the caller.
        threads: how many run at once.

    Yields:
        The results, in the order of the items.
    """
    pending: collections.deque[Future[_Result]] = collections.deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                # The executor keeps no item whose work is done.
                del item
                if len(pending) > threads + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
