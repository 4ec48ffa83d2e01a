import sys
import types

import keras
import matplotlib.figure
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aae_tf import callbacks, evaluation
from tests.models.rows import IMAGES, MODELS

pytestmark = pytest.mark.usefixtures("eager_steps")

CALLBACKS = {
    "latent": lambda x, **kwargs: callbacks.LatentScatter(x, np.arange(len(x)) % 3, **kwargs),
    "reconstructions": lambda x, **kwargs: callbacks.Reconstructions(x[:12], **kwargs),
    "samples": lambda x, **kwargs: callbacks.SampleGrid(count=9, **kwargs),
}


def image_events(directory):
    accumulator = EventAccumulator(str(directory), size_guidance={"tensors": 0})
    accumulator.Reload()
    (tag,) = accumulator.Tags()["tensors"]
    return tag, accumulator.Tensors(tag)


@pytest.mark.thorough
def test_writes_png_and_tensorboard_every_kth_epoch(make_aae, images, tmp_path):
    name, model = "samples", make_aae()
    model.compile(keras.optimizers.Adam(1e-2))
    callback = CALLBACKS[name](
        images, directory=tmp_path / "a" / "png", log_dir=tmp_path / "logs", every=2
    )
    model.fit(images, epochs=5, verbose=0, callbacks=[callback])
    files = sorted(path.name for path in (tmp_path / "a" / "png").iterdir())
    assert files == [f"{name}_0002.png", f"{name}_0004.png"]
    pictures = [imread(tmp_path / "a" / "png" / file) for file in files]
    assert not np.array_equal(*pictures)

    tag, events = image_events(tmp_path / "logs" / name)
    assert tag == name
    assert [event.step for event in events] == [1, 3]
    width, height, png = tf.make_ndarray(events[1].tensor_proto)
    decoded = tf.io.decode_png(png).numpy()
    assert (int(height), int(width), 3) == decoded.shape
    np.testing.assert_allclose(decoded / 255.0, pictures[1][..., :3], atol=1e-6)


@pytest.mark.sampled
@pytest.mark.parametrize("name", CALLBACKS)
def test_shows_the_model_as_it_is(name, make_aae, images, tmp_path):
    model = make_aae()
    model.compile(keras.optimizers.Adam(1e-2))
    callback = CALLBACKS[name](images, directory=tmp_path)
    history = model.fit(images, epochs=1, verbose=0, callbacks=[callback]).history
    title = f"AAE, epoch 1\nreconstruction loss {history['reconstruction_loss'][0]:.4g}"
    expected = {
        "latent": lambda: evaluation.latent_scatter(
            model.encode(images), np.arange(len(images)) % 3, model.prior, title=title
        ),
        "reconstructions": lambda: evaluation.reconstructions(
            images[:12], model.reconstruct(images[:12]), title
        ),
        "samples": lambda: evaluation.sample_grid(model.sample(9, seed=0), title=title),
    }[name]()
    expected.savefig(tmp_path / "expected.png")
    np.testing.assert_array_equal(
        imread(tmp_path / f"{name}_0001.png"), imread(tmp_path / "expected.png")
    )


@pytest.mark.usefixtures("graph_steps")
def test_a_diverged_model_is_not_drawn(make_aae, images, tmp_path):
    model = make_aae(divergence="mmd")
    model.compile(keras.optimizers.SGD(1e30), guard=None)
    callback = CALLBACKS["latent"](images, directory=tmp_path)
    history = model.fit(images, epochs=2, verbose=0, callbacks=[callback])
    assert np.isnan(history.history["loss"][-1])
    assert not (tmp_path / "latent_0002.png").exists()


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["SemiSupervisedAAE mmd nothing", "EmbeddingAAE mmd nothing"])
def test_variants_with_classes_are_drawn(name, tmp_path):
    build, labels = MODELS[name]
    drawn = [
        callbacks.LatentScatter(IMAGES, labels, tmp_path),
        callbacks.Reconstructions(IMAGES[:4], tmp_path),
        callbacks.SampleGrid(4, directory=tmp_path),
    ]
    model = build()
    for callback in drawn:
        callback.set_model(model)
        callback.on_train_begin()
        callback.on_epoch_end(0, {"loss": 1.0})
        callback.on_train_end()
    assert len(list(tmp_path.iterdir())) == 3


def test_samples_of_a_model_without_an_encoder_are_drawn(tmp_path):
    model = MODELS["GMMN mmd"][0]()
    model.compile()
    model.fit(IMAGES, verbose=0, callbacks=[callbacks.SampleGrid(4, directory=tmp_path)])
    assert (tmp_path / "samples_0001.png").exists()


@pytest.mark.thorough
def test_one_callback_serves_two_trainings(make_aae, images, tmp_path):
    callback = callbacks.SampleGrid(count=4, log_dir=tmp_path)
    for _ in range(2):
        model = make_aae()
        model.compile()
        model.fit(images, epochs=1, verbose=0, callbacks=[callback])
    _, events = image_events(tmp_path / "samples")
    assert [event.step for event in events] == [0, 0]
    assert len(list((tmp_path / "samples").iterdir())) == 2
    assert not (tmp_path / "samples_0001.png").exists()


def test_titles_say_epoch_and_number(make_aae, images, tmp_path, monkeypatch):
    callback = callbacks.LatentScatter(
        images, np.arange(64) % 2, tmp_path, title="AAE on cats", class_names=["$cat$", "dog"]
    )
    callback.set_model(make_aae())
    callback.on_train_begin()
    for logs, line in [
        ({}, ""),
        ({"loss": 2.0, "reconstruction_loss": 1.5}, "\nreconstruction loss 1.5"),
        ({"loss": 2.0, "val_loss": 3.0}, "\nloss 3 on validation data"),
        ({"loss": 2.0, "latent_standardized_mmd": 7.25}, "\nlatent standardized mmd 7.25"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(callback, "draw", matplotlib.figure.Figure)
            callback.on_epoch_end(4, logs)
        assert callback.headline == f"AAE on cats, epoch 5{line}"
    axes = callback.draw().axes[0]
    assert axes.get_title(loc="left") == callback.headline
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[:3] == ["class", "$cat$", "dog"]


@pytest.mark.thorough
def test_a_notebook_shows_the_figure_in_place_of_the_one_before(make_aae, images, monkeypatch):
    shown = []

    class Handle:
        def update(self, image):
            shown.append(("update", image.data))

    def display(image, display_id):
        shown.append(("display", image.data))
        return Handle()

    kernel = types.SimpleNamespace(kernel=object())
    module = types.SimpleNamespace(get_ipython=lambda: kernel)
    parts = types.SimpleNamespace(
        Image=lambda data: types.SimpleNamespace(data=data), display=display
    )
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", parts)
    drawn = [callbacks.SampleGrid(4), callbacks.Reconstructions(images[:3])]
    drawn += [callbacks.LearningCurves()]
    for callback in drawn:
        callback.set_model(make_aae())
        callback.on_train_begin()
        for epoch in range(2):
            callback.on_epoch_end(epoch, {"loss": 1.0})
    assert [what for what, _ in shown] == ["display", "update"] * 3
    assert all(png.startswith(b"\x89PNG") for _, png in shown)


class TestRefusals:
    def test_nowhere_to_write(self):
        with pytest.raises(ValueError, match="Expected `directory` or `log_dir` to be given"):
            callbacks.SampleGrid()

    @pytest.mark.parametrize("argument", ["every", "count"])
    def test_numbers(self, argument, tmp_path):
        with pytest.raises(ValueError, match=f"Expected `{argument}` to be a positive integer"):
            callbacks.SampleGrid(directory=tmp_path, **{argument: 0})

    def test_seeds(self, tmp_path):
        with pytest.raises(ValueError, match="Expected `seed` to be at least 0"):
            callbacks.SampleGrid(seed=-1, directory=tmp_path)

    def test_arrays(self, images, tmp_path):
        with pytest.raises(ValueError, match="Expected `x` to have finite values"):
            callbacks.LatentScatter(images * np.inf, directory=tmp_path)
        with pytest.raises(ValueError, match=r"Expected `labels` to have shape \(64,\)"):
            callbacks.LatentScatter(images, np.zeros(3, int), directory=tmp_path)
        with pytest.raises(ValueError, match="Expected `x` to be images"):
            callbacks.Reconstructions(images[0, 0], directory=tmp_path)

    def test_other_models_before_a_step_is_made(self, images, tmp_path):
        model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        model.compile(loss="mse")
        callback = callbacks.SampleGrid(directory=tmp_path)
        with pytest.raises(TypeError, match="Expected SampleGrid to be given to the `fit`"):
            model.fit(images, np.zeros((64, 64)), verbose=0, callbacks=[callback])

    @pytest.mark.parametrize("kind", [callbacks.LatentScatter, callbacks.Reconstructions])
    def test_models_without_an_encoder_before_a_step_is_made(self, kind, tmp_path):
        model = MODELS["GMMN mmd"][0]()
        model.compile()
        with pytest.raises(TypeError, match="of a model of aae_tf with an encoder"):
            model.fit(IMAGES, verbose=0, callbacks=[kind(IMAGES, directory=tmp_path)])
        assert model.optimizer.iterations == 0

    @pytest.mark.parametrize("kind", [callbacks.LatentScatter, callbacks.Reconstructions])
    def test_other_inputs_before_a_step_is_made(self, kind, make_aae, images, tmp_path):
        model = make_aae()
        model.compile()
        with pytest.raises(ValueError, match="Expected `x` to have rows of shape"):
            model.fit(
                images, verbose=0, callbacks=[kind(images[:, :4], directory=tmp_path / "png")]
            )
        assert model.optimizer.iterations == 0
        assert not (tmp_path / "png").exists()

    def test_samples_that_are_no_images_before_a_step_is_made(self, tmp_path):
        from aae_tf import AAE, networks, priors

        model = AAE(
            networks.mlp_encoder((4,), units=(8,)),
            networks.mlp_decoder((4,), 2, units=(8,)),
            prior=priors.gaussian(2),
        )
        model.compile()
        with pytest.raises(ValueError, match="Expected `the decoder's outputs` to be images"):
            model.fit(
                np.eye(8, 4, dtype="float32"),
                verbose=0,
                callbacks=[callbacks.SampleGrid(directory=tmp_path)],
            )
        assert model.optimizer.iterations == 0

    def test_a_figure_without_a_drawing(self, make_aae, images, tmp_path):
        class Empty(callbacks.FigureCallback):
            name = "empty"

        model = make_aae()
        model.compile()
        with pytest.raises(NotImplementedError, match="Empty does not implement `draw`"):
            model.fit(images, verbose=0, callbacks=[Empty(directory=tmp_path)])
