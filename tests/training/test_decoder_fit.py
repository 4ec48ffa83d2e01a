"""`fit_decoder`: each input pulls its nearest sample."""

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, SupervisedAAE, networks, priors
from aae_tf.training.decoder_fit import fit_decoder, nearest_rows


def model(cls=AAE, width=2, **arguments):
    return cls(
        networks.mlp_encoder((3,), units=(4,), seed=0),
        networks.mlp_decoder((3,), width, units=(16,), output_activation="linear", seed=1),
        priors.gaussian(2),
        seed=0,
        **arguments,
    )


def test_nearest_rows_are_those_of_numpy():
    rng = np.random.default_rng(0)
    x, samples = rng.normal(size=(20, 2, 3)), rng.normal(size=(30, 2, 3))
    distances = np.square(x[:, None] - samples).sum(axis=(2, 3))
    rows = nearest_rows(tf.constant(x, tf.float32), tf.constant(samples, tf.float32))
    np.testing.assert_array_equal(rows, distances.argmin(axis=1))


class TestFit:
    @pytest.mark.thorough
    def test_samples_come_to_cover_the_data(self):
        rng = np.random.default_rng(0)
        # Two far clusters, which no sample of the new decoder is near to.
        x = (rng.choice([-3.0, 3.0], (400, 1)) + 0.1 * rng.normal(size=(400, 3))).astype(np.float32)
        fitted, other = model(), model()
        before = [w.copy() for w in fitted.encoder.get_weights()]
        losses = fit_decoder(fitted, x, 64, steps=80, batch_size=100, learning_rate=0.03, seed=3)
        assert len(losses) == 80
        distances = np.square(x[:, None] - fitted.sample(64, seed=9)).sum(axis=2).min(axis=1)
        assert 0.5 * distances.mean() < 0.2 * losses[0]
        for weight, old in zip(fitted.encoder.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)
        # The first loss is that of the decoder as it was, and everything random has its seed.
        again = fit_decoder(other, x, 64, steps=1, batch_size=100, learning_rate=0.03, seed=3)
        assert again == pytest.approx(losses[:1], rel=1e-5)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"num_samples": 0}, "`num_samples` to be a positive integer"),
            ({"steps": 0}, "`steps` to be a positive integer"),
            ({"batch_size": 0}, "`batch_size` to be a positive integer"),
            ({"learning_rate": 0.0}, "`learning_rate` to be positive"),
            ({"seed": -1}, "`seed` to be at least 0"),
            ({"x": np.zeros((3, 4), np.float32)}, "`x`"),
        ],
    )
    def test_bad_arguments_are_refused(self, arguments, message):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            fit_decoder(model(), **{"x": np.zeros((3, 3), np.float32), **arguments})

    def test_a_decoder_that_is_told_the_class_is_refused(self):
        told = model(SupervisedAAE, width=12, num_classes=10)
        with pytest.raises(ValueError, match="SupervisedAAE, whose decoder receives 12 numbers"):
            fit_decoder(told, np.zeros((3, 3), np.float32))
