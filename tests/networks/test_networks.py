import keras
import numpy as np
import pytest

from aae_tf import networks


def _shapes(network):
    return network.input_shape[1:], network.output_shape[1:]


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_conv_networks_mirror_each_other(shape):
    encoder = networks.conv_encoder(shape, filters=(4, 8), units=(16,), batch_normalization=True)
    decoder = networks.conv_decoder(
        shape, code_dim=3, filters=(8, 4), units=(16,), batch_normalization=True
    )
    assert _shapes(encoder) == (shape, (16,))
    assert _shapes(decoder) == ((3,), shape)
    images = decoder(np.zeros((2, 3), "float32")).numpy()
    assert images.min() >= 0.0 and images.max() <= 1.0


@pytest.mark.parametrize("shape", [(28, 28, 1), (13,), (4, 5)])
def test_mlp_networks_take_any_shape(shape):
    assert _shapes(networks.mlp_encoder(shape, units=(7, 5))) == (shape, (5,))
    assert _shapes(networks.mlp_decoder(shape, code_dim=2, units=(5,))) == ((2,), shape)


def test_defaults_are_the_paper_s_two_layers_of_1000_relu():
    network = networks.mlp_discriminator(8)
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [1000, 1000, 1]
    assert [layer.activation.__name__ for layer in dense] == ["relu", "relu", "linear"]


@pytest.mark.sampled
@pytest.mark.parametrize(
    "build",
    [
        lambda seed: networks.mlp_encoder((6,), units=(5, 4), seed=seed),
        lambda seed: networks.mlp_decoder((6,), 2, units=(5, 4), seed=seed),
        lambda seed: networks.mlp_discriminator(2, units=(5, 4), seed=seed),
        lambda seed: networks.conv_encoder((8, 8, 1), (2, 3), units=(4,), seed=seed),
        lambda seed: networks.conv_decoder((8, 8, 1), 2, (3, 2), units=(4,), seed=seed),
        lambda seed: networks.conv1d_encoder((8, 2), (2, 3), units=(4,), seed=seed),
        lambda seed: networks.conv1d_decoder((8, 2), 2, (3, 2), units=(4,), seed=seed),
        lambda seed: networks.recurrent_encoder((3, 2), (4, 3), seed=seed),
        lambda seed: networks.recurrent_decoder((3, 2), 2, (4, 3), seed=seed),
    ],
    ids=[
        "mlp_encoder",
        "mlp_decoder",
        "mlp_discriminator",
        "conv_encoder",
        "conv_decoder",
        "conv1d_encoder",
        "conv1d_decoder",
        "recurrent_encoder",
        "recurrent_decoder",
    ],
)
def test_seed_fixes_the_weights_and_no_two_layers_share_one(build):
    first, again, other, unseeded = (build(seed).get_weights() for seed in (3, 3, 4, None))
    # Biases are zero; those of recurrent layers have two dimensions.
    kernels = [w for w in first if w.any()]
    for a, b, c, d in zip(first, again, other, unseeded, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.any():
            assert not np.array_equal(a, c)
            assert not np.array_equal(a, d)
    scaled = [(k / k.std()).ravel()[:4].round(5).tolist() for k in kernels]
    assert len({tuple(k) for k in scaled}) == len(kernels)


def test_noise_and_dropout_act_in_training_only():
    x = np.ones((4, 6), "float32")
    for options in ({"input_noise": 0.3}, {"dropout": 0.5}):
        encoder = networks.mlp_encoder((6,), units=(5,), seed=0, **options)
        np.testing.assert_array_equal(encoder(x), encoder(x))
        assert not np.allclose(encoder(x), encoder(x, training=True))
        images = np.ones((4, 4, 4, 1), "float32")
        encoder = networks.conv_encoder((4, 4, 1), (2,), units=(5,), seed=0, **options)
        np.testing.assert_array_equal(encoder(images), encoder(images))
        assert not np.allclose(encoder(images), encoder(images, training=True))
    for decoder in (
        networks.mlp_decoder((6,), 3, units=(5,), input_noise=0.3, seed=0),
        networks.conv_decoder((4, 4, 1), 3, (2,), units=(5,), input_noise=0.3, seed=0),
    ):
        np.testing.assert_array_equal(decoder(x[:, :3]), decoder(x[:, :3]))
        assert not np.allclose(decoder(x[:, :3]), decoder(x[:, :3], training=True))


@pytest.mark.parametrize("stddev", [0.5, 3.0])
def test_noise_has_the_deviation_asked_for(stddev):
    decoder = networks.mlp_decoder((6,), 3, units=(5,), input_noise=stddev, seed=0)
    # What the first dense layer receives.
    noisy = keras.Model(decoder.input, decoder.layers[-3].input)
    x = np.full((4000, 3), 7.0, "float32")
    np.testing.assert_allclose(noisy(x), x, rtol=1e-6)
    noise = np.asarray(noisy(x, training=True)) - x
    # Five standard errors of a standard deviation from 12,000 draws.
    np.testing.assert_allclose(np.std(noise), stddev, rtol=5.0 / np.sqrt(2 * noise.size))


def test_batch_normalization_normalises_every_hidden_layer():
    encoder = networks.mlp_encoder((6,), units=(5, 4), batch_normalization=True)
    names = [type(layer).__name__ for layer in encoder.layers[1:]]
    assert names == ["Dense", "BatchNormalization", "Activation"] * 2


def test_decoders_end_in_an_activation_of_their_own():
    for decoder in (
        networks.mlp_decoder((6,), 2, units=(5,), output_activation="linear"),
        networks.conv_decoder((8, 8, 1), 2, (2,), units=(4,), output_activation="linear"),
    ):
        assert isinstance(decoder.layers[-1], keras.layers.Activation)
        assert decoder.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: networks.mlp_encoder((6,), seed=-1), "`seed` to be at least 0"),
        (lambda: networks.mlp_encoder((0,)), "`input_shape`"),
        (lambda: networks.mlp_encoder((6,), units=()), "`units`"),
        (lambda: networks.mlp_encoder((6,), input_noise=-1.0), "`input_noise`"),
        (lambda: networks.mlp_encoder((6,), dropout=1.0), "`dropout`"),
        (lambda: networks.mlp_decoder((6, -1), 2), "`output_shape`"),
        (lambda: networks.mlp_decoder((6,), 0), "`code_dim`"),
        (lambda: networks.mlp_decoder((6,), 2, input_noise=-1.0), "`input_noise`"),
        (lambda: networks.mlp_discriminator(0), "`code_dim`"),
        (lambda: networks.mlp_discriminator(2, units=(0,)), "`units`"),
        (lambda: networks.conv_encoder((28, 28, 1), (4, 4, 4)), "divisible by 8"),
        (lambda: networks.conv_encoder((28, 28)), r"`input_shape` to be \(height"),
        (lambda: networks.conv_decoder((30, 28, 1), 2), "divisible by 4"),
        (lambda: networks.conv_encoder((8, 8, 1), filters=()), "`filters`"),
        (lambda: networks.conv_encoder((8, 8, 1), kernel_size=0), "`kernel_size`"),
        (lambda: networks.conv_decoder((8, 8, 1), 2, kernel_size=0), "`kernel_size`"),
        (lambda: networks.conv1d_encoder((10, 2)), "`input_shape` .* divisible by 4"),
        (lambda: networks.conv1d_decoder((10, 2), 2), "`output_shape` .* divisible by 4"),
        (lambda: networks.conv1d_encoder((8, 2), kernel_size=0), "`kernel_size`"),
        (
            lambda: networks.recurrent_encoder((8, 2), normalization=keras.layers.Normalization()),
            "`normalization` to be adapted to data of 2 columns.*no data yet",
        ),
        (
            lambda: networks.conv1d_decoder(
                (8, 2), 2, normalization=keras.layers.Normalization(mean=[0.0], variance=[1.0])
            ),
            "`normalization` to be adapted to data of 2 columns.*1 columns",
        ),
        (lambda: networks.recurrent_encoder((8,)), r"`input_shape` to be \(length, columns\)"),
        (lambda: networks.recurrent_decoder((8, 2), 2, units=()), "`units`"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_normalization_standardizes_inputs_and_restores_the_units_of_outputs():
    x = np.random.default_rng(0).normal([5.0, -1e3], [0.1, 50.0], (40, 8, 2)).astype("float32")
    layer = keras.layers.Normalization()
    layer.adapt(x)
    mean, deviation = x.mean(axis=(0, 1)), x.std(axis=(0, 1))
    for arguments in (
        {"filters": (2, 3), "units": (4,), "seed": 1},
        {"units": (4,), "seed": 1},
    ):
        kind = "conv1d" if "filters" in arguments else "recurrent"
        encoder, decoder = (getattr(networks, f"{kind}_{end}") for end in ("encoder", "decoder"))
        found = encoder((8, 2), normalization=layer, **arguments)(x)
        expected = encoder((8, 2), **arguments)((x - mean) / deviation)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        codes = np.eye(3, 2, dtype="float32")
        found = decoder((8, 2), 2, normalization=layer, **arguments)(codes)
        expected = decoder((8, 2), 2, **arguments)(codes) * deviation + mean
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_normalization_is_a_layer_of_keras():
    with pytest.raises(TypeError, match="`normalization` to be a keras"):
        networks.conv1d_encoder((8, 2), normalization=(0.0, 1.0))
