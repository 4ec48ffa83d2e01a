import keras
import numpy as np
import pytest

from aae_tf import networks
from aae_tf.explorer.network_json import network_json, smallest_json
from tests.explorer.in_node import needs_node, run_in_node

RNG = np.random.default_rng(0)
layers = keras.layers


def perturbed(network):
    """The network with weights that are neither zero nor one, as training makes them."""
    network.set_weights(
        [
            np.abs(w) + RNG.uniform(0.2, 0.6, w.shape) if "variance" in name else
            w + RNG.normal(0.0, 0.15, w.shape)
            for name, w in zip(
                [each.path for each in network.weights], network.get_weights(), strict=True
            )
        ]
    )  # fmt: skip
    return network


def sequential(shape, *steps):
    return lambda: keras.Sequential([keras.Input(shape), *steps])


def joined():
    inputs = keras.Input((6, 4, 3))
    x = layers.Conv2D(3, 3, padding="same", activation="tanh")(inputs)
    both = layers.Concatenate()([layers.Add()([inputs, x]), inputs])
    return keras.Model(inputs, layers.Dropout(0.5)(layers.LayerNormalization()(both)))


def shared():
    inputs = keras.Input((4,))
    dense = layers.Dense(4, activation="silu")
    return keras.Model(inputs, dense(layers.GaussianNoise(0.1)(dense(inputs))))


CASES = {
    "mlp decoder": lambda: networks.mlp_decoder((6, 5, 1), 3, (16, 12), input_noise=2.0),
    "mlp decoder, normalized": lambda: networks.mlp_decoder(
        (4, 4, 3), 3, (16, 12), "leaky_relu", batch_normalization=True
    ),
    "mlp encoder": lambda: networks.mlp_encoder(
        (6, 5, 1), (16, 8), "selu", input_noise=0.3, dropout=0.2
    ),
    "conv decoder": lambda: networks.conv_decoder((8, 12, 3), 3, (6, 5), (16,), seed=0),
    "conv decoder, odd kernel, normalized": lambda: networks.conv_decoder(
        (8, 8, 1), 3, (6, 5), (16,), kernel_size=5, activation="gelu", batch_normalization=True
    ),
    "conv decoder, kernel of one": lambda: networks.conv_decoder((8, 4, 1), 2, (4,), kernel_size=1),
    "conv encoder": lambda: networks.conv_encoder(
        (8, 12, 3), (5, 6), (8,), activation="elu", batch_normalization=True
    ),
    "valid": sequential(
        (9, 8, 2),
        layers.Conv2D(4, (3, 2), strides=(2, 3), activation="softplus"),
        layers.Conv2DTranspose(3, (2, 4), strides=(3, 2), padding="valid", use_bias=False),
    ),
    "pooling": sequential(
        (7, 9, 2),
        layers.MaxPooling2D((2, 3), strides=(2, 2), padding="same"),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.UpSampling2D((2, 3)),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="softsign"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ),
    "joined": joined,
    "shared": shared,
    "layers of activation": sequential(
        (5,),
        layers.Dense(8, activation="exponential"),
        layers.LeakyReLU(0.3),
        layers.Dense(8),
        layers.ELU(0.7),
        layers.Dense(8),
        layers.ReLU(negative_slope=0.1),
        layers.Rescaling([0.5] * 8, [0.1] * 8),
        layers.Softmax(),
    ),
}

PROGRAM = """
const { Network } = await load("network.js");
answer(input.map(({ network, rows, n }) => {
  const loaded = new Network(network);
  return { shape: loaded.outputShape, outputs: [...loaded.run(Float32Array.from(rows), n)] };
}));
"""


@needs_node
@pytest.mark.integration
def test_the_page_computes_what_keras_computes(tmp_path):
    models = {name: perturbed(build()) for name, build in CASES.items()}
    rows = {
        name: RNG.normal(size=(3, *model.input_shape[1:])).astype(np.float32)
        for name, model in models.items()
    }
    exact = [(network_json(model, "float32"), rows[name]) for name, model in models.items()]
    halves = [(network_json(model), rows[name]) for name, model in models.items()]
    cases = [
        {"network": network, "rows": values.ravel().tolist(), "n": len(values)}
        for network, values in exact + halves
    ]
    answers = run_in_node(tmp_path, PROGRAM, cases)
    for (name, model), whole, half in zip(
        models.items(), answers, answers[len(models) :], strict=False
    ):
        expected = model(rows[name], training=False).numpy()
        assert whole["shape"] == list(expected.shape[1:]), name
        got = np.reshape(whole["outputs"], expected.shape)
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5, err_msg=name)
        if name in ("mlp decoder", "conv decoder"):
            got = np.reshape(half["outputs"], expected.shape)
            np.testing.assert_allclose(got, expected, atol=1 / 255, err_msg=name)


def test_half_precision_is_used_where_it_suffices():
    model = CASES["mlp decoder"]()
    probe = RNG.normal(size=(8, 3)).astype(np.float32)
    assert smallest_json(model, probe, 1 / 510)["dtype"] == "float16"
    assert smallest_json(model, probe, 1e-9)["dtype"] == "float32"
    weights = model.get_weights()
    model.set_weights([1e6 * weights[0], *weights[1:]])
    assert smallest_json(model, probe, 1.0)["dtype"] == "float32"
    with pytest.raises(ValueError, match="Expected weights that float16 holds"):
        network_json(model)


@pytest.mark.parametrize(
    ("steps", "received"),
    [
        ([layers.LSTM(2)], "a layer of type LSTM"),
        ([layers.Dense(2, activation="hard_sigmoid")], "the activation 'hard_sigmoid'"),
        ([layers.BatchNormalization(axis=1)], "axis=1"),
        ([layers.ReLU(max_value=6.0)], "max_value or threshold"),
    ],
)
def test_refuses_what_the_page_cannot_compute(steps, received):
    with pytest.raises(ValueError, match=f"^Expected layers that the page .* {received}"):
        network_json(keras.Sequential([keras.Input((4, 3)), *steps]))


@pytest.mark.parametrize(
    ("layer", "received"),
    [
        (layers.Conv2D(2, 2, dilation_rate=2), "dilated or grouped"),
        (layers.Conv2DTranspose(2, 3, strides=2, output_padding=1), "output_padding"),
        (layers.UpSampling2D(2, interpolation="bilinear"), "interpolation='bilinear'"),
    ],
)
def test_refuses_settings_of_image_layers(layer, received):
    with pytest.raises(ValueError, match=received):
        network_json(keras.Sequential([keras.Input((6, 6, 2)), layer]))


def test_refuses_several_inputs():
    inputs = [keras.Input((2,)), keras.Input((3,))]
    with pytest.raises(ValueError, match="Expected `network` to have one input"):
        network_json(keras.Model(inputs, layers.Concatenate()(inputs)))
    with pytest.raises(ValueError, match="Expected `dtype` to be"):
        network_json(CASES["shared"](), "int8")
