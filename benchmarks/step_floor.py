"""Measures how far a training step is from what the machine allows.

    python benchmarks/step_floor.py --peers .venv-peers/bin/python [--rounds 7] [--steps 100]

The floor is the step's arithmetic over the best matrix rate that TensorFlow or PyTorch reaches on
any of its shapes, plus the traffic of weights and moments over the memory bandwidth: nothing
overlaps, nothing stays in a cache. All is measured in turn. Prints Markdown.
"""

import argparse
import itertools
import sys

import numpy as np
from interleave import Measured, interleave
from report import add_measuring_options, table, verdict

PIXELS, WIDTH, CODE_DIM = 784, 1000, 8
NETWORKS = {
    "encoder": (PIXELS, WIDTH, WIDTH, CODE_DIM),
    "decoder": (CODE_DIM, WIDTH, WIDTH, PIXELS),
    "discriminator": (CODE_DIM, WIDTH, WIDTH, 1),
}
REACH = {100: 1.6, 1000: 1.4}


def weights(network: str) -> int:
    """Counts the weights of a network."""
    widths = NETWORKS[network]
    return sum((a + 1) * b for a, b in itertools.pairwise(widths))


def forward(network: str) -> int:
    """Counts multiplications of one row's way through."""
    widths = NETWORKS[network]
    return sum(a * b for a, b in itertools.pairwise(widths))


def back_to_input(network: str) -> int:
    """Counts those of the gradient by the first hidden layer, on its way to the weights."""
    widths = NETWORKS[network]
    return forward(network) - widths[0] * widths[1]


def multiplications() -> int:
    """Counts multiplications of an alternating step for one row of the batch."""
    encoder, decoder, discriminator = (forward(name) for name in NETWORKS)
    # Forward, gradients of kernels, gradients of layers' inputs.
    reconstruction = 2 * (encoder + decoder) + back_to_input("encoder") + decoder
    game = 2 * (2 * discriminator + back_to_input("discriminator"))
    fooling = 2 * discriminator + encoder + back_to_input("encoder")
    return reconstruction + encoder + game + fooling


def traffic() -> int:
    """Counts its bytes: each weight and its two moments are read and written when it is moved."""
    encoder, decoder, discriminator = (weights(name) for name in NETWORKS)
    # The encoder is moved twice.
    return 3 * 2 * 4 * (2 * encoder + decoder + discriminator)


def best_rate(measured: Measured, batch: int) -> tuple[float, str]:
    """Gives the highest median rate, 1e9 operations a second, and what reaches it."""
    rates = {
        f"{product} in {framework}": measured.median(f"{framework}, {batch}", product)
        for framework in ("TensorFlow", "PyTorch")
        for product in measured.rounds[f"{framework}, {batch}"][0]
        if product not in ("seconds", "processor_seconds", "peak_bytes")
    }
    best = max(rates, key=lambda name: rates[name])
    return rates[best], best


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", required=True, help="interpreter of the peers' environment")
    add_measuring_options(parser, rounds=7)
    parser.add_argument("--steps", type=int, default=100, help="of a round at batch 100")
    arguments = parser.parse_args()
    threads = ["--threads", str(arguments.threads), "--clock", arguments.clock]
    steps = {batch: max(arguments.steps * 100 // batch, 2) for batch in REACH}
    ours = [sys.executable, "aae_worker.py", "--ways", "bare", *threads]
    commands = {
        f"step, {batch}": [*ours, "--batch", str(batch), "--steps", str(steps[batch])]
        for batch in REACH
    }
    commands["TensorFlow"] = [sys.executable, "tf_rates_worker.py", *threads]
    commands["PyTorch"] = [arguments.peers, "torch_rates_worker.py", *threads]
    ways = {name: ["bare"] for name in commands if name.startswith("step")}
    ways |= {name: ["100", "1000", "stream"] for name in ("TensorFlow", "PyTorch")}
    measured = interleave(commands, arguments.rounds, ways, arguments.clock)

    bandwidth = max(measured.median(f"{x}, stream", "gigabytes") for x in ("TensorFlow", "PyTorch"))
    rows = []
    for batch, reach in REACH.items():
        operations = 2 * batch * multiplications()
        rate, where = best_rate(measured, batch)
        products = operations / rate / 1e6
        moments = traffic() / bandwidth / 1e6
        times = 1e3 * measured.values(f"step, {batch}") / steps[batch]
        ratio = float(np.median(times)) / (products + moments)
        rows.append(
            (
                str(batch),
                f"{operations / 1e9:.2f}",
                f"{rate:.0f} ({where})",
                f"{products:.1f}",
                f"{moments:.1f}",
                f"{np.median(times):.1f}",
                verdict(ratio, reach, at_most=True),
                f"{ratio:.2f}",
            )
        )
    head = (
        "batch",
        "GFLOP",
        "best rate, GFLOP/s",
        "products, ms",
        "weights and moments, ms",
        "step, ms",
        "reach",
        "step / floor",
    )
    megabytes = traffic() / 1e6
    print(
        f"## Distance to the floor, schedule alternating, float32\n\n{table(head, rows)}\n\n"
        f"Weights and moments: {megabytes:.0f} MB read and written in a step, at "
        f"{bandwidth:.1f} GB/s.\n"
    )
    products = [p for p in measured.rounds["PyTorch, 100"][0] if " " in p or p == "forward"]
    rates = [
        (
            product,
            *(
                f"{measured.median(f'{framework}, {batch}', product):.0f}"
                for batch in REACH
                for framework in ("TensorFlow", "PyTorch")
            ),
        )
        for product in products
    ]
    head = ("GFLOP/s", *(f"{f}, {b}" for b in REACH for f in ("TensorFlow", "PyTorch")))
    print(table(head, rates))


if __name__ == "__main__":
    main()
