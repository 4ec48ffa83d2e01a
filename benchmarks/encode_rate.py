"""Measures encoding by an exported encoder beside Keras' `predict` and a bare `tf.function`.

    python benchmarks/encode_rate.py [--rounds 7] [--batches 1 100 1000 10000]

784-1000-1000-8 on images of 28x28x1. The exported encoder runs in `export.SavedModelSession`, the
loader of TensorFlow Serving. All take and give NumPy arrays; rounds in turn. Prints Markdown.
"""

import argparse
import os
import tempfile
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from report import add_measuring_options, clock_of, table, verdict

from aae_tf import AAE, export, networks, priors

SECONDS = 0.2
REACH = 0.95


def calls_per_second(call: Callable[[], np.ndarray], now: Callable[[], float]) -> float:
    """Repeats a call for some time."""
    number, start = 0, now()
    while (elapsed := now() - start) < SECONDS:
        call()
        number += 1
    return number / elapsed


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_measuring_options(parser, rounds=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 100, 1000, 10_000])
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    now = clock_of(arguments.clock)
    model = AAE(
        encoder=networks.mlp_encoder((28, 28, 1), seed=1),
        decoder=networks.mlp_decoder((28, 28, 1), code_dim=8, seed=2),
        prior=priors.gaussian(8, scale=5.0),
        seed=0,
    )
    codes = model.posterior(model.encoder.output)["mean"]
    predictor = keras.Model(model.encoder.input, codes)
    bare = tf.function(predictor, autograph=False, reduce_retracing=True)
    paths = export.export_servables(model, tempfile.mkdtemp())
    images = np.random.default_rng(0).random((max(arguments.batches), 28, 28, 1), dtype="float32")
    rows = []
    with export.SavedModelSession(paths["encoder"]) as session:
        for batch in arguments.batches:
            x = images[:batch]
            calls: dict[str, Callable[[], np.ndarray]] = {
                "exported": lambda x=x: session.run("encode", {"inputs": x})["latents"],
                "predict": lambda x=x: predictor.predict(x, batch_size=len(x), verbose=0),
                "bare": lambda x=x: bare(tf.constant(x)).numpy(),
                "encode": lambda x=x: model.encode(x, batch_size=len(x)),
            }
            expected = calls["bare"]()
            for call in calls.values():
                np.testing.assert_allclose(call(), expected, rtol=1e-4, atol=1e-5)
            rates = {name: [] for name in calls}
            for number in range(arguments.rounds):
                names = list(calls)
                for name in names[number % 4 :] + names[: number % 4]:
                    rates[name].append(batch * calls_per_second(calls[name], now))
            values = {name: np.array(each) for name, each in rates.items()}
            better = max(("predict", "bare"), key=lambda name: np.median(values[name]))
            ratio = float(np.median(values["exported"] / values[better]))
            rows.append(
                (
                    f"{batch:,}",
                    *(f"{np.median(each):,.0f}" for each in values.values()),
                    verdict(ratio, REACH),
                    f"{ratio:.2f}",
                )
            )
    head = (
        "batch",
        "exported encoder, images/s",
        "`predict`",
        "bare `tf.function`",
        "`model.encode`",
        "reach",
        "exported / better of the next two",
    )
    print(f"## Encoding\n\n{table(head, rows)}")


if __name__ == "__main__":
    main()
