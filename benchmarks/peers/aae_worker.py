"""Trains an `aae_tf.AAE` as its users do: `compile`, then `fit`.

    python benchmarks/peers/aae_worker.py [--schedule joint] [--divergence mmd] [--jit]

Beside `epoch`, which is one `fit` of one epoch, it answers `bare`: a loop over the compiled train
step on batches that lie ready, shuffled by nobody; and `prior`: as many samples of the prior as the
steps of an epoch draw.
"""

import argparse
import os
from pathlib import Path

import rounds

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

# Loaded when first used, and part of what was there before us.
assert tfp.distributions is not None  # noqa: S101
IMPORTED_BYTES = rounds.peak_bytes()

from aae_tf import AAE, data, networks, priors  # noqa: E402


def build(arguments: argparse.Namespace) -> AAE:
    """Returns the compiled model."""
    if arguments.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    noise = {"input_noise": arguments.noise}
    model = AAE(
        encoder=networks.mlp_encoder((rounds.PIXELS,), seed=1, **noise),
        decoder=networks.mlp_decoder((rounds.PIXELS,), code_dim=rounds.CODE_DIM, seed=2, **noise),
        prior=priors.gaussian(rounds.CODE_DIM, scale=rounds.PRIOR_SCALE),
        divergence=arguments.divergence,
        seed=0,
    )
    model.compile(
        keras.optimizers.Adam(rounds.LEARNING_RATE, epsilon=rounds.EPSILON),
        schedule=arguments.schedule,
        jit_compile=arguments.jit,
        steps_per_execution=arguments.steps_per_execution,
        guard=not arguments.no_guard,
    )
    return model


def write_weights(model: AAE, path: Path) -> None:
    """Writes the weights in the order of their layers, for `torch_worker.py`."""
    parts = {
        "encoder": [*model.encoder.weights, *model.posterior.weights],
        "decoder": model.decoder.weights,
        "discriminator": model.divergence.discriminator.weights,
    }
    arrays = {f"{k}/{i}": w.numpy() for k, weights in parts.items() for i, w in enumerate(weights)}
    np.savez(path, **arrays)


def moves(model: AAE) -> int:
    """Counts the updates that all players have made."""
    optimizers = (
        model.optimizer,
        model.discriminator_optimizer if model.divergence.has_discriminator else None,
        model.regularization_optimizer,
    )
    return sum(int(optimizer.iterations) for optimizer in optimizers if optimizer is not None)


def main() -> None:
    """Builds the training and answers rounds."""
    parser = rounds.parser(__doc__)
    parser.add_argument("--divergence", default="adversarial")
    parser.add_argument("--jit", action="store_true", help="compile with XLA")
    parser.add_argument("--no-guard", action="store_true")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    parser.add_argument("--arrays", action="store_true", help="let Keras make the batches")
    parser.add_argument("--noise", type=float, default=0.0, help="input noise of both networks")
    parser.add_argument("--ways", nargs="+", default=["epoch"])
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    model = build(arguments)
    if arguments.weights:
        write_weights(model, arguments.weights)
    x = rounds.images(arguments.steps * arguments.batch)
    # A copy of the data, which a training has no need of.
    parts = np.split(x, arguments.steps) if "bare" in arguments.ways else []
    batches = [tf.constant(rows) for rows in parts]
    step = tf.function(model.train_step, jit_compile=arguments.jit, autograph=False)
    draw = tf.function(
        lambda seed: priors.sample(model.prior, arguments.batch, seed), jit_compile=arguments.jit
    )
    seeds = [tf.constant([0, i]) for i in range(arguments.steps)]

    if arguments.arrays:
        fitted = {"x": x, "batch_size": arguments.batch}
    else:
        fitted = {"x": data.shuffled_batches(x, batch_size=arguments.batch)}

    def epoch() -> dict[str, float]:
        before = moves(model)
        history = model.fit(**fitted, verbose=0).history
        logs = {key: values[-1] for key, values in history.items()}
        return {**logs, "moves": moves(model) - before}

    def bare() -> dict[str, float]:
        model.reset_metrics()
        for batch in batches:
            logs = step(batch)
        return {key: float(value) for key, value in logs.items()}

    def prior() -> dict[str, float]:
        total = tf.zeros(())
        for seed in seeds:
            total += draw(seed)[0, 0]
        return {"sum": float(total)}

    ways = {"epoch": epoch, "bare": bare, "prior": prior}
    rounds.answer(
        {name: ways[name] for name in arguments.ways},
        imported=IMPORTED_BYTES,
        tensorflow=tf.__version__,
    )


if __name__ == "__main__":
    main()
