"""Measures the figures of the README on MNIST and writes benchmarks/FIRST_LIGHT.md.

    TFDS_DATA_DIR=... python benchmarks/first_light.py [--epochs 10]

Trains the same autoencoder twice, against a discriminator and against a closed-form MMD, exports
both, and asks the embedded server. Every number in FIRST_LIGHT.md is printed by this command.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from report import TRAINING, made_with

from aae_tf import AAE, data, evaluation, export, networks, priors, serving

RESULTS = Path(__file__).with_name("FIRST_LIGHT.md")
# What is reported: label, what to reach, key of the figure.
ROWS = (
    ("half-squared error per image, nats", "<= 6.6", "half_squared_error"),
    ("discriminator's accuracy on held-out codes", "", "latent_discriminator_accuracy"),
    ("unbiased MMD^2 of held-out codes to the prior", "", "mmd_squared"),
    ("the same in standard deviations of its noise", "", "standardized_mmd"),
    ("training, s", "", "fit, s"),
    ("encode over gRPC, largest difference to `model.encode`", "<= 1e-6", "grpc error"),
    ("encode over REST, largest difference to `model.encode`", "<= 1e-6", "rest error"),
)


def train(divergence: str, splits: data.Dataset, epochs: int) -> tuple[AAE, float]:
    """Trains 784-1000-1000-8 and back; returns the model and the seconds that `fit` took."""
    model = AAE(
        encoder=networks.mlp_encoder((28, 28, 1), seed=1),
        decoder=networks.mlp_decoder((28, 28, 1), code_dim=8, seed=2),
        prior=priors.gaussian(8, scale=5.0),
        divergence=divergence,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    start = time.perf_counter()
    model.fit(splits.x_train, batch_size=100, epochs=epochs, verbose=2)
    return model, time.perf_counter() - start


def median_seconds(call, repeats: int = 9) -> float:
    """Returns the median time of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def serve(model: AAE, images: np.ndarray) -> dict[str, float]:
    """Exports a model, serves it, and compares what comes back with the model itself."""
    root = tempfile.mkdtemp()
    export.export_servables(model, root)
    expected = model.encode(images)
    figures = {}
    with serving.ModelServer(root) as server:
        ports = {"grpc": {"grpc_port": server.grpc_port}, "rest": {"rest_port": server.rest_port}}
        for protocol, port in ports.items():
            with serving.Client(**port) as client:
                figures[f"{protocol} error"] = float(np.abs(client.encode(images) - expected).max())
    return figures


def sample_seconds() -> dict[str, float]:
    """Times 10,000 seeds in one `sample` call on a model of the digits' size, by protocol."""
    digits = AAE(
        encoder=networks.mlp_encoder((8, 8, 1), units=(256, 256), seed=1),
        decoder=networks.mlp_decoder((8, 8, 1), code_dim=2, units=(256, 256), seed=2),
        prior=priors.ring_mixture(),
        seed=0,
    )
    root, seeds = tempfile.mkdtemp(), np.arange(10_000)
    export.export_servables(digits, root)
    with (
        serving.ModelServer(root) as server,
        serving.Client(grpc_port=server.grpc_port) as grpc,
        serving.Client(rest_port=server.rest_port) as rest,
    ):
        return {
            "gRPC": median_seconds(lambda: grpc.sample(seeds)),
            "REST": median_seconds(lambda: rest.sample(seeds), repeats=3),
        }


def table(rows: list[tuple[str, ...]]) -> str:
    """Formats rows as a Markdown table; the first is the head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def main() -> None:
    """Runs everything and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    epochs = parser.parse_args().epochs
    splits = data.load("mnist")
    columns = []
    for divergence in ("adversarial", "mmd"):
        model, seconds = train(divergence, splits, epochs)
        figures = evaluation.evaluate_model(model, splits.x_test)
        figures |= figures["losses"] | figures["codes"]["latent"]
        columns.append({"fit, s": seconds, **figures, **serve(model, splits.x_test[:500])})
    rows = [("measured on the 10,000 test images", "reach", "adversarial", "mmd")]
    for label, reach, key in ROWS:
        rows.append((label, reach, *(f"{c[key]:.4g}" if key in c else "-" for c in columns)))
    seconds_by_protocol = sample_seconds()
    samples = ", ".join(f"{value:.2f} s over {name}" for name, value in seconds_by_protocol.items())
    RESULTS.write_text(
        f"""# First light on MNIST

Written by `TFDS_DATA_DIR=... make benchmark`, which ends with `benchmarks/first_light.py`.

MNIST, 50,000 images to train on; 784-1000-1000-8 and back, discriminator 8-1000-1000-1, prior
N(0, 5^2 I), deterministic posterior, Adam 1e-3 for every player, batch 100, {epochs} epochs,
schedule joint, seeds 0, 1 and 2.

{table(rows)}

10,000 seeds in one `sample` call, a model of the digits' size, to reach 1 s: {samples}.

{made_with(*TRAINING)}
Seconds are those of one noisy machine.
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
