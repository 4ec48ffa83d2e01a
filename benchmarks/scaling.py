"""Counts what a step on several GPUs computes and exchanges: the tables of docs/distributed.md.

    python benchmarks/scaling.py

Nothing is measured here. Weights and products are counted on the networks themselves; what one GPU
takes for the small model was measured (docs/gpu_step.md), for the large one it is operations over
an assumed rate; rates of links are those of published runs of nccl-tests, named in the document.
"""

import os
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from aae_tf import networks

# Least-squares lines through what docs/gpu_step.md measured: ms of a step of TF32 on one GPU, for
# 100, 1000 and 10,000 rows.
_MEASURED = {"joint": (0.311, 0.511, 2.58), "alternating": (0.466, 0.664, 3.21)}
_ROWS = (100, 1000, 10_000)
# Of the 350 TFLOP/s that TF32 products reached there, for the layers of a large network.
_RATE = 0.4 * 350e12


class Link(NamedTuple):
    """What joins GPUs.

    Attributes:
        name: for the tables.
        start: seconds that the smallest all-reduce takes.
        rate: bytes a second that each GPU sends in a large one.
        most: the largest number of GPUs that it joins.
    """

    name: str
    start: float
    rate: float
    most: int

    def all_reduce(self, size: float, gpus: int) -> float:
        """Gives the seconds of one all-reduce of `size` bytes."""
        if gpus == 1:
            return 0.0
        return self.start + 2 * (gpus - 1) / gpus * size / self.rate


LINKS = (
    Link("NVLink 4, one machine", 20e-6, 300e9, 8),
    Link("InfiniBand NDR, one adapter for each GPU", 47e-6, 47e9, 64),
    Link("TCP, 25 Gbit/s for each GPU", 120e-6, 2.8e9, 64),
)
GPUS = (1, 2, 4, 8, 16, 32, 64)


def weights(*models: keras.Model) -> int:
    """Counts trained numbers."""
    return sum(int(np.prod(v.shape)) for model in models for v in model.trainable_variables)


def products(model: keras.Model) -> int:
    """Counts multiply-adds of one row, forward."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Conv2D):
            total += int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3]))
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            total += int(np.prod(layer.kernel.shape)) * int(np.prod(layer.input.shape[1:3]))
    return total


def with_head(encoder: keras.Model, code_dim: int) -> keras.Model:
    """Puts the head of a deterministic posterior on an encoder."""
    codes = keras.layers.Dense(code_dim)(encoder.output)
    return keras.Model(encoder.input, codes)


def table(
    title: str, messages: list[int], small: int, rows: tuple[int, ...], step: dict[int, float]
) -> None:
    """Prints efficiencies.

    Args:
        title: what is trained.
        messages: bytes of each all-reduce of gradients in a step.
        small: number of all-reduces of a few numbers.
        rows: of each GPU.
        step: seconds that one GPU takes for them.
    """
    print(f"\n{title}\n")
    print(f"| link | rows of each GPU | {' | '.join(map(str, GPUS))} |")
    print("|---" * (len(GPUS) + 2) + "|")
    for link in LINKS:
        for count in rows:
            cells = []
            for gpus in GPUS:
                if gpus > link.most:
                    cells.append("-")
                    continue
                exchange = sum(link.all_reduce(size, gpus) for size in messages)
                exchange += small * link.all_reduce(0.0, gpus)
                cells.append(f"{step[count] / (step[count] + exchange):.0%}")
            print(f"| {link.name} | {count} | {' | '.join(cells)} |")


def one_batch(messages: list[int], small: int, rows: int, start: float, slope: float) -> None:
    """Prints how many times as fast a step of one global batch is on several GPUs."""
    print(f"\none batch of {rows} rows, divided\n")
    print(f"| link | {' | '.join(map(str, GPUS))} |")
    print("|---" * (len(GPUS) + 1) + "|")
    for link in LINKS:
        cells = []
        for gpus in GPUS:
            exchange = sum(link.all_reduce(size, gpus) for size in messages)
            exchange += small * link.all_reduce(0.0, gpus)
            gain = (start + slope * rows) / (start + slope * rows / gpus + exchange)
            cells.append(f"{gain:.1f}" if gpus <= link.most else "-")
        print(f"| {link.name} | {' | '.join(cells)} |")


def main() -> None:
    """Prints the counts and the tables."""
    encoder = with_head(networks.mlp_encoder((784,)), 8)
    decoder, discriminator = networks.mlp_decoder((784,), 8), networks.mlp_discriminator(8)
    autoencoder, game = 4 * weights(encoder, decoder), 4 * weights(discriminator)
    alone = 4 * weights(encoder)
    schedules = {"joint": [autoencoder, game], "alternating": [autoencoder, game, alone]}
    print(f"784-1000-1000-8: {autoencoder:,} + {game:,} + {alone:,} bytes of gradients")
    for schedule, messages in schedules.items():
        slope, start = np.polyfit(_ROWS, _MEASURED[schedule], 1)
        measured = dict(zip(_ROWS, np.array(_MEASURED[schedule]) / 1e3, strict=True))
        print(f"\n{schedule}: {start:.2f} ms and {1e6 * slope:.0f} ns for each row")
        for link in LINKS:
            for gpus in (2, 8, 64):
                if gpus <= link.most:
                    each = [1e3 * link.all_reduce(size, gpus) for size in messages]
                    print(f"  {link.name}, {gpus}: {' + '.join(f'{ms:.2f}' for ms in each)} ms")
        table(schedule, messages, 1, _ROWS, measured)
        one_batch(messages, 1, _ROWS[-1], start / 1e3, slope / 1e3)

    filters = (128, 256, 512, 1024)
    encoder = with_head(networks.conv_encoder((64, 64, 3), filters, (1024,)), 128)
    decoder = networks.conv_decoder((64, 64, 3), 128, filters[::-1], (1024,))
    discriminator = networks.mlp_discriminator(128)
    messages = [4 * weights(encoder, decoder), 4 * weights(discriminator)]
    # Forward, back to weights, back to inputs; the discriminator sees two rows for each, and is
    # gone through once more on the way to the codes.
    operations = 2 * (3 * (products(encoder) + products(decoder)) + 7 * products(discriminator))
    rows = (32, 128, 512)
    step = {count: count * operations / _RATE for count in rows}
    print(f"\n64x64x3, {filters}: {messages[0]:,} + {messages[1]:,} bytes of gradients")
    times = ", ".join(f"{1e3 * seconds:.1f}" for seconds in step.values())
    print(f"{operations / 1e9:.2f} GFLOP a row; {times} ms")
    table("convolutions, joint", messages, 1, rows, step)


if __name__ == "__main__":
    main()
