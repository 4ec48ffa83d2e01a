"""Measures encoding by an exported encoder beside Keras' `predict` and a bare `tf.function`.

    python benchmarks/encode_rate.py [--rounds 7] [--batches 1 100 1000 10000]
    python benchmarks/encode_rate.py --nan-rows [--rounds 15] [--batches 1 1000]

784-1000-1000-8 on images of 28x28x1. The exported encoder runs in `export.SavedModelSession`, the
loader of TensorFlow Serving. All take and give NumPy arrays; rounds in turn. Prints Markdown.

With `--nan-rows`: what it costs that rows with NaN are answered with NaN, against the same export
without; two of the latter tell the noise. Calls of all three alternate within a round, in an order
that is drawn.
"""

import argparse
import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from report import add_measuring_options, clock_of, table, verdict

from aae_tf import AAE, export, networks, priors
from aae_tf.export.exportable import Signature
from aae_tf.export.saved_model import write_saved_model

SECONDS = 0.2
REACH = 0.95
NAN_ROWS_REACH = 1.02


def calls_per_second(call: Callable[[], np.ndarray], now: Callable[[], float]) -> float:
    """Repeats a call for some time."""
    number, start = 0, now()
    while (elapsed := now() - start) < SECONDS:
        call()
        number += 1
    return number / elapsed


class UnmaskedSignature(Signature):
    """A signature that does not look for NaN."""

    @functools.cached_property
    def graph(self) -> tf.types.experimental.ConcreteFunction:
        """The function as it is."""
        function = tf.function(self.function, autograph=False)
        return function.get_concrete_function(**self.inputs)


def nan_rows_table(
    model: AAE, batches: Sequence[int], rounds: int, now: Callable[[], float]
) -> str:
    """Compares the export of `encode` with one that does not look for NaN."""
    signature = model.signatures()["encode"]
    generator = np.random.default_rng(0)
    images = generator.random((max(batches), 28, 28, 1), dtype="float32")
    rows = []
    with contextlib.ExitStack() as stack:
        sessions = []
        bare = UnmaskedSignature(signature.function, signature.inputs)
        for made in (signature, bare, bare):
            path = tempfile.mkdtemp()
            write_saved_model(path, {"encode": made}, model.variables)
            sessions.append(stack.enter_context(export.SavedModelSession(path)))
        for batch in batches:
            inputs = {"inputs": images[:batch]}
            medians = []
            for number in range(rounds + 1):
                times: tuple[list[float], ...] = ([], [], [])
                end = now() + 5 * SECONDS
                while now() < end:
                    for which in generator.permutation(3):
                        start = now()
                        sessions[which].run("encode", inputs)
                        times[which].append(now() - start)
                if number:  # The first warms up.
                    medians.append([np.median(each) for each in times])
            masked, plain, again = np.array(medians).T
            ratios = [masked / plain, again / plain]
            quartiles = [np.quantile(ratio, [0.25, 0.5, 0.75]) for ratio in ratios]
            rows.append(
                (
                    f"{batch:,}",
                    f"{1e3 * np.median(masked):.3f}",
                    f"{1e3 * np.median(plain):.3f}",
                    verdict(quartiles[0][1], NAN_ROWS_REACH, at_most=True),
                    *(f"{ratio:.3f} ({low:.3f} to {high:.3f})" for low, ratio, high in quartiles),
                )
            )
    head = (
        "batch",
        "`encode` as exported, ms",
        "without looking for NaN, ms",
        "reach",
        "ratio: median over rounds (quartiles)",
        "the same of two without",
    )
    return table(head, rows)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_measuring_options(parser, rounds=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 100, 1000, 10_000])
    parser.add_argument("--nan-rows", action="store_true", help="measure the search for NaN alone")
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
    if arguments.nan_rows:
        found = nan_rows_table(model, arguments.batches, arguments.rounds, now)
        print(f"## Rows of NaN\n\n{found}")
        return
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
