"""What a model takes as a prior: what is saved, sampled row by row and exported, whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import models, priors
from tests.models.small import build

tfd, tfb = tfp.distributions, tfp.bijectors


def _transformed(bijector):
    return tfd.TransformedDistribution(priors.gaussian(2), bijector)


def _network():
    return tfb.AutoregressiveNetwork(params=2, hidden_units=[4])


@keras.saving.register_keras_serializable(package="tests")
class Coupling(tfb.Bijector):
    """The second coordinate is shifted by a function of the first; the weights are constants."""

    def __init__(self, weights, name="coupling"):
        self.weights = tf.constant(weights)
        super().__init__(forward_min_event_ndims=1, is_constant_jacobian=True, name=name)

    def get_config(self):
        return {"weights": self.weights}

    def _forward(self, x):
        return tf.stack([x[..., 0], x[..., 1] + self._shift(x[..., 0])], axis=-1)

    def _inverse(self, y):
        return tf.stack([y[..., 0], y[..., 1] - self._shift(y[..., 0])], axis=-1)

    def _forward_log_det_jacobian(self, x):
        return tf.zeros([])

    def _shift(self, x):
        return tf.reduce_sum(tf.tanh(x[..., tf.newaxis] * self.weights[0]) * self.weights[1], -1)


@keras.saving.register_keras_serializable(package="tests")
class Hidden(tfb.Bijector):
    """Shifts by a variable that it does not list."""

    def __init__(self, name="hidden"):
        super().__init__(forward_min_event_ndims=0, is_constant_jacobian=True, name=name)
        shift = tf.Variable(1.0)
        self._shift = lambda: shift

    def get_config(self):
        return {}

    def _forward(self, x):
        return x + self._shift()


@keras.saving.register_keras_serializable(package="tests")
class Broken(tfb.Bijector):
    def __init__(self, name="broken"):
        super().__init__(forward_min_event_ndims=0, is_constant_jacobian=True, name=name)

    def get_config(self):
        return {}


class Unregistered(tfd.Sample):
    def __init__(self, dim):
        super().__init__(tfd.Normal(0.0, 1.0), dim)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: _transformed(tfb.MaskedAutoregressiveFlow(_network())), "shift_and_log_scale_fn"),
        (lambda: _transformed(tfb.Scale(tf.Variable([2.0, 3.0]))), "has the variables"),
        (
            lambda: _transformed(
                tfb.Inline(tf.exp, tf.math.log, lambda x: x, forward_min_event_ndims=0)
            ),
            "argument `forward_fn`",
        ),
        (lambda: _transformed(Hidden()), "Its `sample` reads variables"),
        (lambda: _transformed(Broken()), "Its `sample` raises NotImplementedError"),
        (lambda: Unregistered(2), "register_keras_serializable"),
    ],
    ids=["flow", "variables", "function", "hidden variable", "no forward", "unregistered"],
)
def test_prior_that_is_not_made_of_constants_is_refused_when_the_model_is_made(make, reason):
    with pytest.raises(ValueError, match=rf"(?s)`prior` to be made of constants.*{reason}"):
        build(models.AAE, prior=make())


@pytest.mark.parametrize(
    ("cls", "arguments", "named"),
    [
        (models.GAN, {"prior": None}, "prior"),
        (models.VAE, {"prior": None}, "prior"),
        (models.SemiSupervisedAAE, {"style_prior": None, "num_classes": 3}, "style_prior"),
    ],
)
def test_every_model_names_its_argument(cls, arguments, named):
    arguments[named] = _transformed(tfb.MaskedAutoregressiveFlow(_network()))
    with pytest.raises(ValueError, match=f"`{named}` to be made of constants"):
        build(cls, **arguments)


def test_class_prior_is_under_the_same_rule():
    class Mine(tfd.OneHotCategorical):
        pass

    with pytest.raises(ValueError, match="`class_prior` to be made of constants"):
        build(
            models.SemiSupervisedAAE,
            5,
            style_prior=priors.gaussian(2),
            num_classes=3,
            class_prior=Mine(probs=[0.2, 0.3, 0.5], dtype=tf.float32),
        )


@pytest.mark.sampled
@pytest.mark.parametrize(
    "bijector",
    [
        tfb.Chain([tfb.Shift([1.0, -1.0]), tfb.Scale([2.0, 3.0])]),
        Coupling([[1.0, -2.0], [0.5, 0.25]]),
    ],
    ids=["affine", "flow of constants"],
)
def test_fixed_bijectors_are_sampled_by_row_saved_and_exported(bijector, tmp_path):
    prior = _transformed(bijector)
    model = build(models.AAE, prior=prior, divergence="mmd")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    z = np.float32([[0.3, 0.2]])
    np.testing.assert_array_equal(loaded.prior.log_prob(z), prior.log_prob(z))
    samples = model.sample(3, seed=[5, 6, 7])
    np.testing.assert_allclose(loaded.sample(1, seed=[6]), samples[1:2], rtol=1e-5)
    model.export(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(tmp_path / "export").signatures["sample"]
    np.testing.assert_allclose(
        served(seed=tf.constant([5, 6, 7], tf.int64))["outputs"], samples, rtol=1e-5
    )
