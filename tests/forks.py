"""Processes that are forked, for tests that kill them."""

import os
import traceback
from collections.abc import Callable


def in_child(run: Callable[[], object]) -> int:
    """Starts a process that runs a function and ends; gives its number."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child
