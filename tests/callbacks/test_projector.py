import keras
import numpy as np
import pytest
from google.protobuf import text_format
from matplotlib.image import imread
from tensorboard.plugins.projector import ProjectorConfig

from aae_tf.callbacks import Projector

pytestmark = pytest.mark.usefixtures("eager_steps")


@pytest.fixture
def model(make_aae):
    model = make_aae()
    model.compile()
    return model


def _config(folder):
    return text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())


@pytest.mark.thorough
def test_codes_labels_and_pictures_are_what_tensorboard_reads(model, images, tmp_path):
    labels = ["cat", "a\tb\nc", "", *map(str, range(61))]
    projector = Projector(images, labels, log_dir=tmp_path, every=2)
    model.fit(images, epochs=3, verbose=0, callbacks=[projector])
    folder = tmp_path / "projector"
    config = _config(folder)
    names = [each.tensor_name for each in config.embeddings]
    assert names == ["latents, epoch 3", "latents, epoch 2"]
    codes = np.loadtxt(folder / config.embeddings[0].tensor_path, delimiter="\t")
    np.testing.assert_allclose(codes, model.encode(images), rtol=1e-5)
    lines = (folder / config.embeddings[0].metadata_path).read_text().splitlines()
    assert lines == ["cat", "a b c", "-", *map(str, range(61))]
    sprite = config.embeddings[0].sprite
    assert list(sprite.single_image_dim) == [8, 8]
    picture = imread(folder / sprite.image_path)
    assert picture.shape[:2] == (64, 64)
    # The tenth image stands in the second row, second column.
    image = images[9, :, :, 0]
    expected = (image - images.min()) / (images.max() - images.min())
    np.testing.assert_allclose(
        picture[8:16, 8:16].reshape(8, 8, -1)[..., 0], expected, atol=1 / 200
    )


def test_a_training_again_starts_over(model, images, tmp_path):
    projector = Projector(images[:10], log_dir=tmp_path)
    for epochs in (2, 1):
        model.fit(images[:16], epochs=epochs, verbose=0, callbacks=[projector])
    assert [e.tensor_name for e in _config(tmp_path / "projector").embeddings] == [
        "latents, epoch 1"
    ]
    assert not (tmp_path / "projector" / "labels.tsv").exists()


def test_large_images_are_made_smaller(model, monkeypatch, images, tmp_path):
    monkeypatch.setattr("aae_tf.callbacks.projector._LARGEST_SPRITE", 32)
    model.fit(images, verbose=0, callbacks=[Projector(images, log_dir=tmp_path)])
    assert imread(tmp_path / "projector" / "sprite.png").shape[:2] == (32, 32)
    assert list(_config(tmp_path / "projector").embeddings[0].sprite.single_image_dim) == [4, 4]


def test_what_does_not_fit_is_refused(images):
    with pytest.raises(ValueError, match="`labels` to have one entry per row"):
        Projector(images, ["a"])
    with pytest.raises(ValueError, match="`every`"):
        Projector(images, every=0)
    other = keras.Sequential([keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    with pytest.raises(TypeError, match="Projector to be given to the `fit` of a model"):
        other.fit(np.zeros([4, 1]), np.zeros([4, 1]), verbose=0, callbacks=[Projector(images)])
