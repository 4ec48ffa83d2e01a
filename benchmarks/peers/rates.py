"""Which products a step is made of, and how their rate is measured. Imports no framework."""

import time
from collections.abc import Callable

import rounds

SECONDS = 0.15
# Elements of each array of the stream: three arrays are six times a large cache.
STREAM = 16_000_000


def shapes(batch: int) -> dict[str, tuple[int, int, int]]:
    """Gives rows, depth and columns of the large products of a step, by name."""
    width, pixels = rounds.WIDTH, rounds.PIXELS
    return {
        "forward": (batch, width, width),
        "input gradient": (batch, width, width),
        "kernel gradient": (width, batch, width),
        "forward of the pixels": (batch, pixels, width),
        "kernel gradient of the pixels": (pixels, batch, width),
        "kernel gradient of the discriminator": (width, 2 * batch, width),
    }


def gigaflops(shape: tuple[int, int, int], product: Callable[[], object], clock: str) -> float:
    """Measures the rate of a product, 1e9 operations a second."""
    rows, depth, columns = shape
    return 2e-9 * rows * depth * columns * calls_per_second(product, clock)


def gigabytes(add: Callable[[], object], clock: str) -> float:
    """Measures the traffic of `a += b` on arrays of `STREAM` float32 numbers, 1e9 bytes/s."""
    return 3e-9 * 4 * STREAM * calls_per_second(add, clock)


def calls_per_second(call: Callable[[], object], clock: str) -> float:
    """Repeats a call for some time."""
    now = time.process_time if clock == "processor_seconds" else time.perf_counter
    call()
    number, start = 0, now()
    while (elapsed := now() - start) < SECONDS:
        call()
        number += 1
    return number / elapsed
