"""Fits a decoder to data through its own prior samples: implicit maximum likelihood."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf.checks import check_dimension, check_integer, check_positive
from aae_tf.data import check_array


def fit_decoder(
    model: Any,
    x: Any,
    num_samples: int = 10_000,
    steps: int = 300,
    batch_size: int = 1000,
    learning_rate: float = 1e-3,
    seed: int = 0,
    after_step: Callable[[], None] | None = None,
) -> list[float]:
    """Fits the decoder of a trained model to data through samples of its prior.

    In each step, m latents are drawn from the prior and decoded, and every input of a batch pulls
    the nearest of these outputs:

        loss = mean_i min_j 0.5 |x_i - decoder(z_j)|^2,  z_j ~ p(z), j = 1 ... m

    Samples then cover the data better, which a Parzen window on as many samples rewards. The
    encoder is left as it is, so that reconstructions become worse: fit a decoder only to sample
    from it. The learning rate of Adam falls in a line to zero.

    Args:
        model: built model whose decoder receives the latents alone: `AAE`, `LabelGuidedAAE`, `VAE`,
            `GAN` or `GMMN`.
        x: float [n, ...], training data of the shape of the decoder's outputs.
        num_samples: number of latents m. A step takes the memory of m outputs and of
            m * `batch_size` distances.
        steps: number of steps.
        batch_size: inputs in a step; all of `x` where there are fewer.
        learning_rate: that of the first step, positive.
        seed: non-negative integer that fixes batches and latents.
        after_step: called after each step; it may raise to end the fit.

    Returns:
        The loss of each step, nats.

    Raises:
        TypeError: if `x` holds no floats, or an integer is none.
        ValueError: if `x` is not finite or of another shape, a number is out of its range, the
            decoder receives more than the latents, or gives the columns of a table.

    Example:

    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,), seed=0),
    ...             networks.mlp_decoder((4,), 2, units=(8,), seed=1), priors.gaussian(2), seed=0)
    >>> x = np.random.default_rng(0).random((200, 4), np.float32)
    >>> losses = fit_decoder(model, x, num_samples=100, steps=20, learning_rate=1e-2)
    >>> losses[-1] < losses[0]
    True

    References:
        Li and Malik 2018, *Implicit Maximum Likelihood Estimation* (arXiv:1809.09087), algorithm 1.
        Differs: latents are drawn anew in every step, and not once for several.
    """
    decoder, prior = model.decoder, model.prior
    if model.table is not None:
        raise ValueError(
            "Expected `model` not to be of a table, whose decoder gives means and logits. "
            f"Received: model={model!r}."
        )
    width, code_dim = decoder.input_shape[-1], prior.event_shape[0]
    if width != code_dim:
        raise ValueError(
            "Expected `model` to have a decoder that receives the latents alone. Received: "
            f"{type(model).__name__}, whose decoder receives {width} numbers for {code_dim} "
            "latents."
        )
    x = check_array(x, "x", decoder.output_shape[1:])
    check_dimension("num_samples", num_samples)
    check_dimension("steps", steps)
    check_dimension("batch_size", batch_size)
    check_positive("learning_rate", learning_rate)
    check_integer("seed", seed)
    variables = decoder.trainable_variables
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.PolynomialDecay(learning_rate, steps, end_learning_rate=0.0)
    )
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(inputs: tf.Tensor, step_seed: tf.Tensor) -> tf.Tensor:
        latents = tf.cast(prior.sample(num_samples, seed=step_seed), tf.float32)
        nearest = tf.gather(latents, nearest_rows(inputs, decoder(latents, training=False)))
        with tf.GradientTape() as tape:
            outputs = tf.cast(decoder(nearest, training=False), tf.float32)
            loss = 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(_flat(inputs - outputs)), axis=1))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(steps):
        rows = rng.choice(len(x), min(batch_size, len(x)), replace=False)
        step_seed = rng.integers(2**31, size=2, dtype=np.int32)
        losses.append(float(step(tf.constant(x[rows]), tf.constant(step_seed))))
        if after_step is not None:
            after_step()
    return losses


def nearest_rows(x: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
    """Finds the sample that is nearest to each input.

    Args:
        x: float32 [n, ...].
        samples: float [m, ...], of rows of the same shape.

    Returns:
        int64 [n], rows of `samples`.

    Example:

    >>> nearest_rows(tf.constant([[0.0], [5.0]]), tf.constant([[4.0], [1.0]])).numpy().tolist()
    [1, 0]
    """
    x, samples = _flat(x), _flat(tf.cast(samples, tf.float32))
    # |x|^2 is the same for all samples.
    excess = tf.reduce_sum(tf.square(samples), axis=1) - 2.0 * tf.matmul(
        x, samples, transpose_b=True
    )
    return tf.argmin(excess, axis=1)


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [tf.shape(x)[0], -1])
