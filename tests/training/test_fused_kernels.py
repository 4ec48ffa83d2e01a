"""Fused kernels move variables as Keras' own optimizers do; Keras is the oracle."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf.training import fused_kernels as module
from aae_tf.training.fused_kernels import fused_updates

STEPS = 50
FUSED = {
    "adam": lambda **kw: keras.optimizers.Adam(**{"learning_rate": 1e-2} | kw),
    "adam of other constants": lambda **kw: keras.optimizers.Adam(
        **{"learning_rate": 3e-3, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4} | kw
    ),
    "adam on a schedule": lambda **kw: keras.optimizers.Adam(
        keras.optimizers.schedules.PolynomialDecay(1e-2, 30), global_clipnorm=0.5
    ),
    "adamw": lambda **kw: keras.optimizers.AdamW(**{"learning_rate": 1e-2} | kw, weight_decay=0.1),
    "adam accumulating": lambda **kw: keras.optimizers.Adam(
        **{"learning_rate": 1e-2} | kw, gradient_accumulation_steps=3
    ),
    "sgd": lambda **kw: keras.optimizers.SGD(**{"learning_rate": 0.1} | kw, clipnorm=0.3),
    "sgd with momentum": lambda **kw: keras.optimizers.SGD(
        **{"learning_rate": 0.05} | kw, momentum=0.9
    ),
    "nesterov": lambda **kw: keras.optimizers.SGD(
        **{"learning_rate": 0.05} | kw, momentum=0.8, nesterov=True
    ),
}
OWN = {
    "amsgrad": lambda **kw: keras.optimizers.Adam(**{"learning_rate": 1e-2} | kw, amsgrad=True),
    "rmsprop": lambda **kw: keras.optimizers.RMSprop(**{"learning_rate": 1e-2} | kw, momentum=0.5),
}


def run(make, steps=STEPS, fused=True, rate=None, jit_compile=False):
    """Moves two variables down random gradients; returns them and all that the optimizer keeps."""
    generator = np.random.default_rng(0)
    shapes = [(7, 5), (5,)]
    weights = [keras.Variable(generator.normal(size=s).astype("float32")) for s in shapes]
    optimizer = make()
    optimizer.build(weights)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def step(*gradients):
        if fused:
            with fused_updates(optimizer, None if rate is None else tf.constant(rate)):
                optimizer.apply(gradients, weights)
        else:
            optimizer.apply(gradients, weights)

    for _ in range(steps):
        step(*(tf.constant(generator.normal(size=s), tf.float32) for s in shapes))
    assert "update_step" not in vars(optimizer)
    kept = [each for each in optimizer.variables if each.name != "learning_rate"]
    return [variable.numpy() for variable in (*weights, *kept)]


@pytest.mark.sampled
@pytest.mark.parametrize("name", {**FUSED, **OWN})
def test_same_steps_as_keras(name):
    make = {**FUSED, **OWN}[name]
    for ours, keras_own in zip(run(make), run(make, fused=False), strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "sgd with momentum"])
def test_same_steps_under_xla(name):
    for ours, plain in zip(run(FUSED[name], 5, jit_compile=True), run(FUSED[name], 5), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "sgd", "nesterov", "amsgrad", "rmsprop"])
def test_rate_multiplies_the_learning_rate(name):
    make = {**FUSED, **OWN}[name]
    slow = run(lambda: make(learning_rate=0.01), fused=False)
    fast = run(lambda: make(learning_rate=0.04), rate=0.25)
    for ours, expected in zip(fast, slow, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adam", "sgd with momentum"])
def test_kernels_are_used(name, monkeypatch):
    # Or all of the above would compare Keras with itself.
    kernels = dict(module._KERNELS)
    calls = []
    for kind, kernel in kernels.items():
        monkeypatch.setitem(
            module._KERNELS, kind, lambda *a, kernel=kernel: (calls.append(a), kernel(*a))
        )
    run(FUSED[name], 1)
    assert len(calls) == 2


def test_sparse_gradients_and_subclasses_stay_with_keras():
    class Careful(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(variable, tf.ones_like(variable))

    weights = [keras.Variable(np.zeros([4, 2], "float32"))]
    optimizer = Careful(0.1)
    optimizer.build(weights)
    with fused_updates(optimizer):
        optimizer.apply([tf.ones([4, 2])], weights)
    np.testing.assert_array_equal(weights[0].numpy(), np.ones([4, 2]))

    sparse = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([2]), tf.constant([4, 2]))
    rows = []
    for fused in (True, False):
        weights = [keras.Variable(np.zeros([4, 2], "float32"))]
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(weights)
        if fused:
            with fused_updates(optimizer):
                optimizer.apply([sparse], weights)
        else:
            optimizer.apply([sparse], weights)
        rows.append(weights[0].numpy())
    np.testing.assert_array_equal(*rows)
    np.testing.assert_array_equal(rows[0], [[0, 0], [0, 0], [-0.5, -0.5], [0, 0]])


@pytest.mark.parametrize(
    ("schedule", "optimizer"),
    [
        pytest.param("joint", "sgd with momentum", marks=pytest.mark.integration),
        pytest.param("alternating", "adam", marks=pytest.mark.integration),
        pytest.param("joint", "adam", marks=pytest.mark.slow),
        pytest.param("alternating", "sgd with momentum", marks=pytest.mark.slow),
    ],
)
def test_training_is_the_one_of_plain_keras(make_aae, images, monkeypatch, schedule, optimizer):
    losses = []
    for kernels in (dict(module._KERNELS), {}):
        monkeypatch.setattr(module, "_KERNELS", kernels)
        model = make_aae()
        model.compile(FUSED[optimizer](learning_rate=1e-4), schedule=schedule)
        history = model.fit(images[:16], batch_size=16, epochs=STEPS, verbose=0).history
        losses.append([history["loss"], history["latent_discriminator_loss"]])
    np.testing.assert_allclose(*losses, rtol=1e-5)
