"""Two logical CPUs must be set up before TensorFlow starts, so the work is done in a process."""

import subprocess
import sys

CODE = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from aae_tf import AAE, divergences, networks, priors

x = np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32")

def train(strategy):
    with strategy.scope():
        model = AAE(
            networks.mlp_encoder((8, 8, 1), units=(16,), seed=1),
            networks.mlp_decoder((8, 8, 1), 2, units=(16,), seed=2),
            prior=priors.gaussian(2), divergence=divergences.MMD(weight=0.0), seed=0)
        model.compile(keras.optimizers.SGD(0.02))
    model.fit(x, batch_size=32, epochs=3, shuffle=False, verbose=0)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
np.testing.assert_allclose(train(mirrored), train(tf.distribute.get_strategy()), atol=1e-6)

with mirrored.scope():
    model = AAE(
        networks.mlp_encoder((4,), units=(4,)), networks.mlp_decoder((4,), 2, units=(4,)),
        prior=priors.gaussian(2), divergence="mmd")
    try:
        model.compile(jit_compile=True)
    except ValueError as error:
        assert "`jit_compile` to be False or 'auto' with several replicas" in str(error)
        print("refused")
"""


def test_two_replicas_train_as_one_device_and_refuse_xla():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith("refused")
