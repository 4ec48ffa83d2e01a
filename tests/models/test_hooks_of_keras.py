"""The hooks and habits of `keras.Model`: they work, or they are refused by name."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE, GMMN, EmbeddingAAE, SemiSupervisedAAE, networks, priors
from aae_tf.divergences import MMD, Adversarial
from tests.models import small
from tests.models.small import INPUTS, LABELS, NUM_CLASSES

pytestmark = pytest.mark.usefixtures("eager_steps")


def _aae(cls=AAE, **kwargs):
    return small.build(cls, **{"prior": priors.gaussian(2), "divergence": "mmd", **kwargs})


# Methods that training does not call.


class OwnLoss(AAE):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return tf.reduce_mean(y_pred)


class AddsLoss(AAE):
    def call(self, inputs):
        outputs = super().call(inputs)
        self.add_loss(tf.reduce_mean(outputs))
        return outputs


class Halved(AAE):
    def call(self, inputs):
        return 0.5 * super().call(inputs)


class OwnStep(OwnLoss):
    def call(self, inputs):
        self.add_loss(3.0 * tf.reduce_mean(inputs))
        return super().call(inputs)

    def train_step(self, data):
        self(data[0])
        return {"loss": tf.add_n(self.losses)}


@pytest.mark.parametrize(("cls", "hook"), [(OwnLoss, "compute_loss"), (AddsLoss, "add_loss")])
def test_hook_that_no_step_calls_is_refused_with_what_to_do(cls, hook):
    with pytest.raises(
        ValueError, match=rf"`{hook}`.*`extra_terms=\[...\]`.*{cls.__name__}.{hook}"
    ):
        _aae(cls).compile()


def test_call_of_a_class_warns_that_training_takes_another_way():
    model = _aae(Halved)
    with pytest.warns(UserWarning, match=r"Halved overrides `call`.*`sample_codes`"):
        model.compile()
    outputs = model.predict(INPUTS, verbose=0)
    np.testing.assert_allclose(outputs, 0.5 * model.reconstruct(INPUTS), rtol=1e-5)


def test_class_with_a_step_of_its_own_calls_what_it_likes():
    model = _aae(OwnStep)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.compile()
    logs = model.train_on_batch(INPUTS, return_dict=True)
    np.testing.assert_allclose(logs["loss"], 3.0 * INPUTS.mean(), rtol=1e-5)


class Large(keras.layers.Layer):
    """Adds the mean of what it passes on to the loss."""

    def call(self, inputs):
        self.add_loss(100.0 * tf.reduce_mean(inputs))
        return inputs


@pytest.mark.parametrize("schedule", ["joint", "alternating"])
def test_losses_that_layers_of_encoder_and_decoder_add_are_counted(schedule):
    encoder = networks.mlp_encoder((4,), units=(8,), seed=1)
    decoder = networks.mlp_decoder((4,), 2, units=(8,), seed=2)
    model = _aae(
        encoder=keras.Sequential([keras.Input((4,)), Large(), encoder]),
        decoder=keras.Sequential([keras.Input((2,)), decoder, Large()]),
        divergence=MMD(weight=0.0),
    )
    model.compile(schedule=schedule)
    expected = 100.0 * (INPUTS.mean() + model.reconstruct(INPUTS).mean())
    logs = model.train_on_batch(INPUTS, return_dict=True)
    np.testing.assert_allclose(logs["loss"] - logs["reconstruction_loss"], expected, rtol=1e-4)


# Arguments of `compile`.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"loss": "mse"},
            TypeError,
            "as `reconstruction_loss`.*losses of Keras.*Received: loss='mse'",
        ),
        ({"loss_weights": [1.0]}, TypeError, "factor as `reconstruction_weight`.*loss_weights="),
        (
            {"optimiser": "adam"},
            TypeError,
            r"arguments that `compile` has. Received: optimiser='ad",
        ),
        ({"metrics": ["reconstruction_loss"]}, ValueError, "Could not interpret metric"),
    ],
)
def test_arguments_that_compile_has_not_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        _aae().compile(**arguments)


def test_metrics_need_outputs_and_names_of_their_own():
    model = small.build(GMMN, prior=priors.gaussian(2))
    with pytest.raises(ValueError, match=r"no `metrics`.*GMMN reconstructs none"):
        model.compile(metrics=["mae"])
    model = _aae()
    model.compile(metrics=[keras.metrics.MeanSquaredError(name="reconstruction_loss")])
    with pytest.raises(ValueError, match=r"`metrics` to have names of their own.*reconstruction_l"):
        model.fit(INPUTS, verbose=0)


@pytest.mark.sampled
@pytest.mark.parametrize("loss", ["half_squared_error", "bernoulli"])
def test_metrics_compare_outputs_with_inputs(loss, tmp_path):
    model = _aae()
    weights = np.arange(40) % 3 + 1.0
    metrics = [keras.metrics.MeanAbsoluteError(name="distance"), "mse", keras.metrics.R2Score()]
    model.compile(
        keras.optimizers.SGD(0.0),
        reconstruction_loss=loss,
        metrics=metrics,
        weighted_metrics=[keras.metrics.MeanAbsoluteError(name="weighted")],
    )
    history = model.fit(
        INPUTS,
        sample_weight=weights,
        validation_data=INPUTS[:9],
        epochs=2,
        batch_size=16,
        verbose=0,
    ).history
    errors = np.abs(INPUTS - model.reconstruct(INPUTS))
    spread = ((INPUTS - INPUTS.mean(axis=0)) ** 2).sum(axis=0)
    expected = {
        "distance": errors.mean(),
        "mse": (errors**2).mean(),
        "r2_score": np.mean(1.0 - (errors**2).sum(axis=0) / spread),
        "weighted": (errors.mean(axis=1) * weights).sum() / weights.sum(),
        "val_distance": errors[:9].mean(),
    }
    for name, value in expected.items():
        # Each epoch begins anew.
        np.testing.assert_allclose(history[name], [value, value], rtol=1e-4, err_msg=name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    measured = loaded.evaluate(INPUTS, verbose=0, return_dict=True)
    np.testing.assert_allclose(measured["distance"], expected["distance"], rtol=1e-4)
    # A callback that goes on within an epoch restores them.
    assert {"distance/total", "mse/total"} <= model.get_metrics_state().keys()
    loaded.set_metrics_state(model.get_metrics_state())
    assert loaded.get_metrics_result() == model.get_metrics_result()
    model.compile()
    assert "mse" not in model.evaluate(INPUTS, verbose=0, return_dict=True)


@pytest.mark.filterwarnings("ignore:An update was skipped", "ignore:The guard skipped")
def test_metrics_leave_out_a_batch_that_the_guard_rejects():
    model = _aae(divergence="adversarial")
    model.compile(keras.optimizers.SGD(0.0), metrics=["mae"], schedule="alternating")
    broken = np.concatenate([INPUTS, np.full_like(INPUTS, np.nan)])
    data = tf.data.Dataset.from_tensor_slices(broken).batch(40)
    history = model.fit(data, verbose=0).history
    assert history["skipped_updates"] == [1.0]
    expected = np.abs(INPUTS - model.reconstruct(INPUTS)).mean()
    np.testing.assert_allclose(history["mae"], expected, rtol=1e-4)


def test_metrics_compare_outputs_with_targets_that_are_given():
    model = _aae()
    model.compile(keras.optimizers.SGD(0.0), metrics=["mae"])
    expected = np.abs(INPUTS - model.reconstruct(0.5 * INPUTS)).mean()
    history = model.fit(0.5 * INPUTS, INPUTS, verbose=0).history
    np.testing.assert_allclose(history["mae"], expected, rtol=1e-4)


# Arguments of `fit`.


@pytest.mark.sampled
@pytest.mark.parametrize("class_weight", [{0: 0.5, 2: 3.0}, {1: 2.0, -1: 0.25}])
def test_class_weights_of_a_pipeline_are_those_of_arrays(class_weight):
    data = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)).batch(16)
    logs = []
    for arguments in ({"x": data}, {"x": INPUTS, "y": LABELS, "batch_size": 16}):
        model = small.build_classifier()
        model.compile()
        logs.append(
            model.fit(**arguments, class_weight=class_weight, shuffle=False, verbose=0).history
        )
    assert logs[0].keys() == logs[1].keys()
    for name, value in logs[0].items():
        np.testing.assert_allclose(value, logs[1][name], rtol=1e-5, err_msg=name)
    with pytest.raises(ValueError, match="`sample_weight` at the same time"):
        weighted = data.map(lambda x, y: (x, y, tf.ones_like(y)))
        model.fit(weighted, class_weight=class_weight, verbose=0)


def test_batches_of_one_row_name_the_batch_size():
    model = _aae()
    model.compile()
    rows = tf.data.Dataset.from_tensor_slices(INPUTS)
    pipelines = rows.batch(1, drop_remainder=True), rows.batch(1)
    message = r"`batch_size` to be at least 2, or that of `.batch\(...\)`.*MMD.*batches of 1"
    for method in (model.fit, model.evaluate):
        for data in ({"x": INPUTS, "batch_size": 1}, *({"x": each} for each in pipelines)):
            with pytest.raises(ValueError, match=message):
                method(**data, verbose=0)
    biased = _aae(divergence=MMD(estimator="biased"))
    biased.compile()
    biased.evaluate(INPUTS[:2], batch_size=1, verbose=0)


# Seeds.


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("cls", "code_dim", "clusters"),
    [(SemiSupervisedAAE, 2 + NUM_CLASSES, "num_classes"), (EmbeddingAAE, 2, "num_clusters")],
)
def test_set_random_seed_fixes_a_model_without_a_seed(cls, code_dim, clusters):
    def train(seed):
        keras.utils.set_random_seed(seed)
        model = small.build(
            cls,
            code_dim,
            seed=None,
            style_prior=priors.gaussian(2),
            posterior="gaussian",
            style_divergence=Adversarial(input_noise=0.1),
            class_divergence="mmd",
            **{clusters: NUM_CLASSES},
        )
        model.compile()
        logs = model.fit(INPUTS, LABELS, verbose=0).history
        return [*model.get_weights(), model.sample(3), *logs.values()]

    first, second, other = train(1), train(1), train(2)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert not np.allclose(first[-1], other[-1])
