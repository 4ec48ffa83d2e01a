"""How often, and after what pause, a request is sent again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aae_tf.checks import check_integer, check_non_negative


class Retries:
    """Exponential backoff with jitter, for requests that a server was not there to answer.

    Pause k, from 0, lasts min(max_delay, initial_delay * 2^k) * u seconds, with u uniform on
    [0.5, 1): clients that fail together do not come back together, and none comes back at once.

    Args:
        max_retries: Times that a request is sent again, at least 0; 0 turns retries off.
            Defaults to 3.
        initial_delay: Longest first pause in seconds, at least 0. Defaults to 0.1.
        max_delay: Longest pause in seconds, at least 0. Defaults to 2.
        generator: Draws u. Defaults to one that the operating system seeds, as a seed that
            clients share would defeat the jitter.

    Raises:
        TypeError: `max_retries` is no integer.
        ValueError: a number is negative or not finite.

    Example:

        >>> import numpy as np
        >>> retries = Retries(initial_delay=1.0, generator=np.random.default_rng(0))
        >>> [round(delay, 2) for delay in retries.delays()]
        [0.82, 1.27, 1.04]
    """

    def __init__(
        self,
        max_retries: int = 3,
        initial_delay: float = 0.1,
        max_delay: float = 2.0,
        generator: np.random.Generator | None = None,
    ) -> None:
        self.max_retries = check_integer("max_retries", max_retries)
        self.initial_delay = check_non_negative("initial_delay", initial_delay)
        self.max_delay = check_non_negative("max_delay", max_delay)
        self.generator = np.random.default_rng() if generator is None else generator

    def delays(self) -> Iterator[float]:
        """Yields the pause before each retry, in seconds."""
        delay = self.initial_delay
        for _ in range(self.max_retries):
            delay = min(delay, self.max_delay)
            yield delay * self.generator.uniform(0.5, 1.0)
            delay *= 2
