"""Plain Keras around the train step: callbacks, data of every kind, compilation, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf import AAE
from aae_tf.divergences import MMD
from tests.models.small import Batches

KEYS = [
    "latent_discriminator_accuracy",
    "latent_discriminator_loss",
    "latent_divergence",
    "loss",
    "reconstruction_loss",
]


@pytest.mark.sampled
@pytest.mark.parametrize(
    "options",
    [
        # The other schedule, and every class of models: see the conformance table.
        pytest.param(
            {"jit_compile": True, "schedule": "alternating"}, marks=pytest.mark.integration
        ),
        {"steps_per_execution": 3},
        {"run_eagerly": True, "reconstruction_loss": "bernoulli"},
        {
            "run_eagerly": True,
            "reconstruction_loss": lambda x, y: tf.abs(x - y),
            "optimizer": keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.01, 10)),
        },
    ],
    ids=lambda options: "-".join(f"{k}={type(v).__name__}" for k, v in options.items()),
)
def test_fit_and_evaluate_under_every_way_to_compile(make_aae, images, options):
    model = make_aae(posterior="gaussian")
    model.compile(**options)
    history = model.fit(images[:32], batch_size=8, validation_data=images[:8], verbose=0)
    guard = {"skipped_updates", "shortened_updates"}
    assert set(history.history) - guard == {*KEYS, *("val_" + key for key in KEYS)}
    assert "skipped_updates" in history.history
    assert all(np.isfinite(values).all() for values in history.history.values())


def test_a_step_is_traced_once(make_aae, images, monkeypatch):
    # TensorFlow traces a function twice that makes variables, such as means of logs.
    traces = []
    for name in ("train_step", "test_step"):
        step = getattr(AAE, name)
        monkeypatch.setattr(AAE, name, lambda *a, step=step: traces.append(step) or step(*a))
    model = make_aae(divergence="mmd")
    model.compile()
    model.fit(images[:32], batch_size=16, epochs=2, validation_data=images[:16], verbose=0)
    assert len(traces) == 2


def _dataset(x):
    return tf.data.Dataset.from_tensor_slices(x).batch(32)


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_every_kind_of_data_trains_alike(make_aae, images):
    labels = np.zeros(len(images))
    losses = []
    for x in (
        images,
        tf.constant(images),
        _dataset(images),
        _dataset((images, labels)),
        Batches(images, size=32),
        list(images),
        images.astype("float64"),
    ):
        model = make_aae()
        model.compile()
        losses.append(model.fit(x, shuffle=False, verbose=0).history["loss"])
    assert losses == [losses[0]] * 7


@pytest.mark.usefixtures("eager_steps")
def test_weight_zero_is_absence(make_aae, images):
    weight = (np.arange(64) < 40).astype("float32")
    model = make_aae()
    model.compile()
    weighted = model.evaluate(
        images, sample_weight=weight, batch_size=64, verbose=0, return_dict=True
    )
    part = model.evaluate(images[:40], batch_size=64, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        weighted["reconstruction_loss"], part["reconstruction_loss"], rtol=1e-5
    )
    np.testing.assert_allclose(weighted["latent_divergence"], part["latent_divergence"], rtol=1e-5)


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_weights_count_in_validation_with_and_without_labels(make_aae, images):
    weight = np.random.default_rng(1).random(64, dtype="float32")
    labels = np.zeros(64)
    model = make_aae()
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    values = []
    for validation in (
        (images, None, weight),
        (images, labels, weight),
        [images, labels, weight],
        (images,),
        images,
        _dataset((images, labels)),
    ):
        history = model.fit(images, validation_data=validation, batch_size=64, verbose=0).history
        values.append(history["val_reconstruction_loss"][0])
    np.testing.assert_allclose(values, [values[0]] * 3 + [values[3]] * 3, rtol=1e-6)
    assert abs(values[0] - values[3]) > 1e-3


@pytest.mark.usefixtures("eager_steps")
def test_logged_loss_is_the_one_before_the_update(make_aae, images):
    model = make_aae()
    for schedule in ("joint", "alternating"):
        model.encoder.layers[-1].kernel.regularizer = keras.regularizers.L2(1.0)
        model.compile(keras.optimizers.SGD(0.3), keras.optimizers.SGD(0.0), schedule=schedule)
        before = (model.encoder.layers[-1].get_weights()[0] ** 2).sum()
        logs = model.fit(images, batch_size=64, verbose=0).history
        extra = logs["loss"][0] - logs["reconstruction_loss"][0] - logs["latent_divergence"][0]
        np.testing.assert_allclose(extra, before, rtol=1e-3)


@pytest.mark.usefixtures("eager_steps")
def test_callbacks_monitor_every_log(make_aae, images):
    model = make_aae()
    model.compile()
    monitors = [
        callback("val_" + key, mode="min", patience=0)
        for callback in (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)
        for key in KEYS
    ]
    model.fit(
        images, batch_size=64, validation_data=images, callbacks=monitors, epochs=2, verbose=0
    )
    assert all(np.isfinite(monitor.best) for monitor in monitors)


@pytest.mark.usefixtures("eager_steps")
def test_evaluating_changes_nothing(make_aae, images):
    first, second = make_aae(posterior="gaussian"), make_aae(posterior="gaussian")
    for model in (first, second):
        model.compile()
    once = first.evaluate(images, batch_size=64, verbose=0, return_dict=True)
    assert once == first.evaluate(images, batch_size=64, verbose=0, return_dict=True)
    # The second epoch comes after the first model's validation.
    options = {"batch_size": 64, "epochs": 2, "shuffle": False, "verbose": 0}
    a = first.fit(images, validation_data=images, **options).history
    assert a["loss"] == second.fit(images, **options).history["loss"]


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_callbacks_see_the_losses(make_aae, images, tmp_path):
    model = make_aae()
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=1),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_loss", save_best_only=True),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(
        images,
        batch_size=64,
        validation_data=images,
        epochs=9,
        callbacks=callbacks,
        verbose=0,
    )
    assert len(history.epoch) == 2
    loaded = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(loaded.encode(images), model.encode(images))
    assert (tmp_path / "log.csv").read_text().startswith("epoch,latent_discriminator_accuracy")


@pytest.mark.usefixtures("eager_steps")
def test_terminate_on_nan_sees_a_diverging_loss(make_aae, images):
    model = make_aae(decoder=_linear_decoder())
    model.compile(keras.optimizers.SGD(1e6), guard=None)
    history = model.fit(
        images, epochs=9, batch_size=16, callbacks=[keras.callbacks.TerminateOnNaN()], verbose=0
    )
    assert len(history.epoch) < 9


def _linear_decoder():
    from aae_tf import networks

    return networks.mlp_decoder((8, 8, 1), 2, units=(16,), output_activation="linear", seed=0)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "divergence",
    [
        lambda: "mmd",
        *(
            pytest.param(make, marks=pytest.mark.integration)
            for make in (
                lambda: "adversarial",
                lambda: MMD(estimator="biased"),
                lambda: MMD(prior_terms="sampled"),
            )
        ),
    ],
)
def test_last_batch_of_one_example_stays_finite(make_aae, images, divergence):
    model = make_aae(divergence=divergence())
    model.compile()
    losses = model.fit(images[:9], batch_size=8, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert np.isfinite(model.encode(images)).all()


@pytest.mark.integration
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_gives_float32(images, policy):
    keras.config.set_dtype_policy(policy)
    from aae_tf import AAE, networks, priors

    model = AAE(
        networks.mlp_encoder((8, 8, 1), units=(16,)),
        networks.mlp_decoder((8, 8, 1), 2, units=(16,)),
        prior=priors.gaussian(2),
        seed=0,
    )
    model.compile(schedule="alternating")
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    for optimizer in (model.discriminator_optimizer, model.regularization_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == scaled
    losses = model.fit(images, batch_size=16, epochs=10, verbose=0).history["reconstruction_loss"]
    assert losses[-1] < losses[0]
    assert model.encode(images).dtype == np.float32
    assert model.reconstruct(images).dtype == np.float32


@pytest.mark.usefixtures("eager_steps")
def test_metrics_state_goes_on_within_an_epoch(make_aae, images):
    first, second = make_aae(), make_aae()
    for model in (first, second):
        model.compile()
    first.fit(images, verbose=0)
    state = first.get_metrics_state()
    assert {"loss/total", "loss/count", "skipped_updates/total"} <= state.keys()
    # The second model has logged nothing up to now.
    second.set_metrics_state(state)
    assert second.get_metrics_result() == first.get_metrics_result()
    assert second.get_metrics_result()["reconstruction_loss"] > 0.0
    with pytest.raises(ValueError, match=r"names such as 'loss/total'.*Received: 'arr_0'"):
        second.set_metrics_state({"arr_0": np.zeros(())})
    with pytest.raises(ValueError, match="the model to be compiled"):
        make_aae().set_metrics_state(state)
