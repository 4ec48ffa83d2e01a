import numpy as np
import pytest

from aae_tf.callbacks import LearningCurves

pytestmark = pytest.mark.usefixtures("eager_steps")


def _panels(callback):
    return {axes.get_title(): axes for axes in callback.draw().axes}


@pytest.mark.thorough
def test_every_log_has_a_panel_with_its_curves(make_aae, images, tmp_path):
    model = make_aae()
    model.compile()
    callback = LearningCurves(tmp_path, every=2)
    history = model.fit(
        images[:32], validation_data=images[:8], epochs=3, verbose=0, callbacks=[callback]
    ).history
    assert [path.name for path in tmp_path.iterdir()] == ["learning_curves_0002.png"]
    panels = _panels(callback)
    logged = {key.removeprefix("val_").replace("_", " ") for key in history}
    assert set(panels) == logged
    assert list(panels)[:2] == ["loss", "reconstruction loss"]
    curves = {line.get_label(): line for line in panels["loss"].lines}
    np.testing.assert_array_equal(curves["training"].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(curves["training"].get_ydata(), history["loss"])
    np.testing.assert_allclose(curves["validation"].get_ydata(), history["val_loss"])
    title = callback.draw().get_suptitle()
    assert title.startswith("AAE, epoch 2\nreconstruction loss ")


def test_a_training_starts_over_and_values_that_are_not_finite_are_left_out(make_aae, tmp_path):
    callback = LearningCurves(tmp_path)
    callback.set_model(make_aae())
    for logs in ([{"loss": 9.0}], [{"loss": 4.0, "a": np.nan}, {"loss": 2.0, "a": np.inf}]):
        callback.on_train_begin()
        for epoch, each in enumerate(logs):
            callback.on_epoch_end(epoch, each)
    panels = _panels(callback)
    assert set(panels) == {"loss"}
    np.testing.assert_array_equal(panels["loss"].lines[0].get_ydata(), [4.0, 2.0])


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("values", "scale"), [([500.0, 1.0], "log"), ([50.0, 1.0], "linear"), ([500.0, -1.0], "linear")]
)
def test_scale_follows_the_values(make_aae, tmp_path, values, scale):
    callback = LearningCurves(tmp_path)
    callback.set_model(make_aae())
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": value})
    assert _panels(callback)["loss"].get_yscale() == scale
