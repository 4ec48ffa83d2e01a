"""Trains models on one device and on two replicas of unequal parts; prints what came of it.

Run as a script, since logical devices must be set up before TensorFlow starts.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

# The replicas have 9 and 8 rows, and then 6 and none.
REPLICAS, BATCH, ROWS = 2, 17, 23
if __name__ == "__main__":
    (CPU,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    tf.config.set_logical_device_configuration(CPU, devices)

# What makes tensors when it is imported comes after that.
from aae_tf import divergences, models, networks, posteriors, priors, replicas  # noqa: E402
from tests.models import rows  # noqa: E402

WEIGHTS = np.random.default_rng(1).integers(0, 3, ROWS).astype("float32")
# Known labels are with one of the replicas.
RARE = np.where(np.isin(np.arange(40), [10, 13, 19]), rows.LABELS, -1)
ALTERNATING = {
    "schedule": "alternating",
    "balance": "adaptive",
    "discriminator_steps": 2,
    "log_gradient_norms": True,
    "metrics": ["mae"],
    "weighted_metrics": ["mse"],
}


def _wasserstein():
    return models.AAE(
        networks.conv_encoder(rows.SHAPE, (4,), (8,), batch_normalization=True, seed=1),
        networks.mlp_decoder(rows.SHAPE, 2, (8,), batch_normalization=True, seed=2),
        prior=priors.gaussian(2),
        divergence=divergences.Adversarial(
            networks.mlp_discriminator(2, (8,), seed=3), objective="wasserstein"
        ),
        seed=0,
    )


class Slope(posteriors.Deterministic):
    """A posterior with noise of its own, drawn as the documentation says."""

    def sample(self, parameters, seed, training=False):
        mean = parameters["mean"]
        scale = replicas.draw_rows(
            tf.shape(mean)[0], lambda n: tf.random.stateless_uniform([n, 1], seed)
        )
        return scale * mean


class FourthMoment(divergences.Divergence):
    """A divergence of rows together, which knows nothing of replicas."""

    def compare(self, codes, seed, sample_weight=None, training=False, labels=None, real=None):
        spread = codes - tf.reduce_mean(codes, axis=0)
        drawn = self.sample_prior(codes, seed)
        moments = [tf.reduce_mean(x**4) / tf.reduce_mean(x**2) ** 2 for x in (spread, drawn)]
        return divergences.DivergenceTerms(tf.square(moments[0] - moments[1]))


def _own():
    return rows.build(
        models.AAE, prior=priors.gaussian(2), posterior=Slope(), divergence=FourthMoment(0.1)
    )


# What builds a model, what `fit` gets beside the images, and arguments of `compile`.
CASES = {
    "alternating game": (*rows.MODELS["AAE deterministic adversarial"], WEIGHTS, ALTERNATING),
    "labels of a game": (*rows.MODELS["LabelGuidedAAE adversarial"], None, {}),
    "batch normalisation": (_wasserstein, None, None, {}),
    "sampled prior": (*rows.MODELS["AAE universal mmd"], WEIGHTS, {}),
    "few labels": (rows.MODELS["SemiSupervisedAAE adversarial mmd"][0], RARE, WEIGHTS, {}),
    "outputs": (*rows.MODELS["GAN mmd"], None, {}),
    "posteriors": (*rows.MODELS["VAE kl"], WEIGHTS, {}),
    "own classes": (_own, None, None, {}),
    "alternating game in a graph": (
        *rows.MODELS["AAE deterministic adversarial"],
        WEIGHTS,
        {**ALTERNATING, "run_eagerly": False},
    ),
    "unmatched classes": (*rows.MODELS["SemiSupervisedAAE mmd nothing"], None, {}),
    "graph": (*rows.MODELS["AAE gaussian posterior terms"], None, {"run_eagerly": False}),
}


def train(strategy, build, labels, weights, compile_arguments, **kwargs):
    """Trains and evaluates; returns logs, and the model."""
    arguments = {"run_eagerly": True, **compile_arguments}
    with strategy.scope():
        model = build()
        # Clipped, and limited by the guard, by the gradient of the whole batch.
        optimizer = keras.optimizers.SGD(0.02, 0.9, global_clipnorm=20.0, use_ema=True)
        model.compile(optimizer, **arguments)
    data = {"x": rows.IMAGES[:ROWS], "sample_weight": weights}
    data["y"] = None if labels is None else labels[:ROWS]
    last = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: last.append({k: float(v) for k, v in logs.items()})
    )
    options = {"batch_size": BATCH, "verbose": 0}
    history = model.fit(**data, shuffle=False, callbacks=[note], **options, **kwargs).history
    measured = model.evaluate(**data, return_dict=True, **options)
    # Until an epoch ends, Keras' metrics are the mean of what each replica has of its own.
    metrics = {*arguments.get("metrics", ()), *arguments.get("weighted_metrics", ())}
    batch = {key: value for key, value in last[-1].items() if key not in metrics}
    return {"history": history, "last batch": batch, "evaluate": measured}, model


def compare(mirrored, build, labels, weights, compile_arguments):
    """Trains both ways; returns the logs of both, and how far apart their weights are."""
    strategies = {"one": tf.distribute.get_strategy(), "several": mirrored}
    found, trained = {}, []
    for name, strategy in strategies.items():
        found[name], model = train(strategy, build, labels, weights, compile_arguments)
        trained.append(model)
    pairs = zip(*(model.get_weights() for model in trained), strict=True)
    found["weights apart"] = max(float(np.abs(a - b).max()) for a, b in pairs if a.size)
    first = build().get_weights()
    pairs = zip(first, trained[0].get_weights(), strict=True)
    found["weights moved"] = max(float(np.abs(a - b).max()) for a, b in pairs if a.size)
    found["states"] = [
        [value.numpy().tolist() for value in (alone.value, *several.value.values)]
        for alone, several in zip(
            *(model.trainer.state_variables for model in trained), strict=True
        )
    ]
    return found


def refusals(mirrored):
    """Gives what several replicas say of what they cannot do, and of rows that are no numbers."""
    found = {}
    with mirrored.scope():
        model = _own()
    for argument in ({"jit_compile": True}, {"steps_per_execution": 2}):
        try:
            model.compile(**argument)
        except ValueError as error:
            found[next(iter(argument))] = str(error)
    model.compile(
        keras.optimizers.SGD(0.01), guard=models.Guard(max_consecutive_skips=2), run_eagerly=True
    )
    # Of each batch the last row, which the first replica does not see.
    images = np.array(rows.IMAGES)
    images[BATCH - 1 :: BATCH] = np.nan
    try:
        model.fit(tf.data.Dataset.from_tensor_slices(images).batch(BATCH), verbose=0)
    except FloatingPointError as error:
        found["not finite"] = str(error)
    return found


def main():
    """Trains the cases of the names that are given."""
    mirrored = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])
    found = {name: compare(mirrored, *CASES[name]) for name in sys.argv[1:]}
    json.dump({**found, "refusals": refusals(mirrored)}, sys.stdout)


if __name__ == "__main__":
    main()
