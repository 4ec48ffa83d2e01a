import keras
import numpy as np
import pytest
from matplotlib.image import imread

from aae_tf import callbacks, divergences

pytestmark = pytest.mark.usefixtures("eager_steps")


def monitored(model, directory, epochs, **kwargs):
    """A monitor that has been told of epochs with these accuracies."""
    monitor = callbacks.BalanceMonitor(directory, **kwargs)
    monitor.set_model(model)
    monitor.on_train_begin()
    for epoch, accuracy in enumerate(epochs):
        monitor.on_epoch_end(epoch, {"loss": 1.0, "latent_discriminator_accuracy": accuracy})
    return monitor


@pytest.mark.thorough
def test_draws_marks_and_curves_of_every_epoch(make_aae, images, tmp_path):
    model = make_aae()
    model.compile(keras.optimizers.Adam(1e-3), log_gradient_norms=True, balance="adaptive")
    monitor = callbacks.BalanceMonitor(tmp_path, every=2)
    history = model.fit(images, epochs=3, verbose=0, callbacks=[monitor]).history
    assert [path.name for path in tmp_path.iterdir()] == ["balance_0002.png"]
    assert imread(tmp_path / "balance_0002.png").ndim == 3
    accuracy, losses, norms, balance = monitor.draw().axes
    curve, mark = accuracy.lines
    np.testing.assert_allclose(curve.get_ydata(), history["latent_discriminator_accuracy"])
    assert set(mark.get_ydata()) == {0.5}
    curves = {line.get_label(): line.get_ydata() for line in losses.lines}
    np.testing.assert_allclose(curves["discriminator"], history["latent_discriminator_loss"])
    np.testing.assert_allclose(curves["encoder"], history["latent_divergence"])
    np.testing.assert_allclose(curves["equilibrium: 1.386"], 2 * np.log(2))
    np.testing.assert_allclose(curves["equilibrium: 0.693"], np.log(2))
    assert {line.get_label() for line in norms.lines} == {"latent", "reconstruction"}
    curves = {line.get_label(): line.get_ydata() for line in balance.lines}
    np.testing.assert_allclose(curves["steepness"], history["latent_steepness"])
    np.testing.assert_allclose(curves["factor of the rate"], history["latent_rate_factor"])


def test_prints_once_that_a_discriminator_is_too_strong_or_too_weak(make_aae, tmp_path, capsys):
    accuracies = [0.95, 0.95, 0.6, 0.95, 0.96, 0.97, 0.98, 0.5, 0.3, 0.3, 0.3]
    monitor = monitored(make_aae(), tmp_path, accuracies, every=20)
    strong, weak = monitor.messages
    assert strong.startswith("Epoch 6: the discriminator of 'latent' is too strong: it told 97% of")
    assert "compile(balance='adaptive')" in strong and "spectral_normalization=True" in strong
    assert weak.startswith(
        "Epoch 11: the discriminator of 'latent' is too weak: it was right on 30% of"
    )
    assert "Raise the rate of `discriminator_optimizer`" in weak
    assert capsys.readouterr().out == f"{strong}\n{weak}\n"


def test_prints_nothing_of_a_balance_or_without_an_accuracy(make_aae, tmp_path):
    assert monitored(make_aae(), tmp_path, [0.5, 0.6, np.nan, 0.7], every=9).messages == []
    assert monitored(make_aae(), tmp_path, [0.95, 0.3] * 4, every=9, patience=2).messages == []


@pytest.mark.parametrize("objective", ["least_squares", "wasserstein"])
def test_marks_are_those_of_the_objective(make_aae, tmp_path, objective):
    model = make_aae(divergence=divergences.Adversarial(objective=objective))
    monitor = monitored(model, tmp_path, [0.5], every=9)
    _, losses = monitor.draw().axes
    marks = {
        line.get_label() for line in losses.lines if line.get_label().startswith("equilibrium")
    }
    expected = {"equilibrium: 0.250", "equilibrium: 0.125"}
    assert marks == (expected if objective == "least_squares" else set())


def test_refuses_a_model_without_a_discriminator(make_aae, images, tmp_path):
    model = make_aae(divergence="mmd")
    model.compile()
    with pytest.raises(ValueError, match="BalanceMonitor to be given to the `fit` of a model with"):
        model.fit(images, verbose=0, callbacks=[callbacks.BalanceMonitor(tmp_path)])
    with pytest.raises(ValueError, match="`lowest` and `highest` to be accuracies"):
        callbacks.BalanceMonitor(tmp_path, lowest=0.9, highest=0.6)
