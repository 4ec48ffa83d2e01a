"""`StandardizedError`: the loss in units of each column."""

import keras
import numpy as np
import pytest

from aae_tf import losses, networks

SCALES = np.array([2.0, 0.01, 500.0])
ROWS, OUTPUTS = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")


def test_it_is_the_error_of_standardized_data():
    loss = losses.StandardizedError(SCALES.tolist())
    found = loss.per_column(ROWS * SCALES.astype("float32"), OUTPUTS * SCALES.astype("float32"))
    assert found.shape == (4, 15)
    expected = 0.5 * np.square(ROWS - OUTPUTS)
    np.testing.assert_allclose(found.numpy().reshape(4, 5, 3), expected, rtol=1e-3, atol=1e-5)


def test_a_decoder_tells_its_units():
    layer = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=(SCALES**2).tolist())
    decoder = networks.recurrent_decoder((5, 3), 2, (4,), seed=0, normalization=layer)
    loss = losses.StandardizedError.of_decoder(decoder)
    np.testing.assert_allclose(loss.deviations, SCALES, rtol=1e-6)
    nested = keras.Sequential([keras.Input((2,)), decoder])
    assert losses.StandardizedError.of_decoder(nested).deviations == loss.deviations
    plain = networks.recurrent_decoder((5, 3), 2, (4,), seed=0)
    assert losses.StandardizedError.of_decoder(plain) is None


@pytest.mark.parametrize(
    ("axis", "size", "expected"),
    [(1, 5, None), (-2, 5, None), (2, 3, (2.0, 2.0, 2.0)), (None, 1, (2.0, 2.0, 2.0))],
)
def test_units_are_those_of_the_last_axis(axis, size, expected):
    mean, variance = (value if axis is None else [value] * size for value in (0.0, 4.0))
    layer = keras.layers.Normalization(axis=axis, mean=mean, variance=variance, invert=True)
    decoder = keras.Sequential([keras.Input((5, 3)), layer])
    found = losses.StandardizedError.of_decoder(decoder)
    assert (None if found is None else found.deviations) == expected


@pytest.mark.parametrize(
    ("deviations", "names", "message"),
    [
        ([], None, "`deviations` of one column or more"),
        ([1.0, 0.0], None, "`deviations` to be positive"),
        ([1.0, 2.0], ["a"], "`names` of 2 columns"),
    ],
)
def test_bad_arguments_are_refused(deviations, names, message):
    with pytest.raises(ValueError, match=message):
        losses.StandardizedError(deviations, names)
