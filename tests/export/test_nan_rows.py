"""Rows that are not finite: what functions, models and exports answer for them."""

import numpy as np
import pytest
import tensorflow as tf

from aae_tf import export, models, priors
from aae_tf.export.exportable import Signature
from aae_tf.export.nan_rows import nan_rows
from aae_tf.export.verification import compare_loaders
from tests.models.small import build

IMAGES = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")


def _hidden(x):
    """What some fused operations make of NaN: a finite number."""
    return tf.where(tf.math.is_finite(x), x, 0.0)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_result_of_a_row_is_nan(fault, dtype):
    def function(images, codes):
        images, codes = _hidden(tf.cast(images, tf.float32)), _hidden(codes)
        return {
            "images": images,
            "sums": tf.reduce_sum(images, axis=(1, 2, 3)),
            "low": tf.cast(codes, tf.bfloat16),
            "class_id": tf.argmax(codes, axis=1),
        }

    images, codes = IMAGES.copy(), np.eye(4, dtype="float32")
    images[1, 7, 0, 0] = codes[3, 2] = fault
    arguments = tf.cast(images, dtype), tf.constant(codes)
    for masked in (nan_rows(function), tf.function(nan_rows(function))):
        found = masked(*arguments)
        assert found.keys() == function(*arguments).keys()
        for name, expected in function(*arguments).items():
            value, expected = found[name].numpy(), expected.numpy()
            assert value.dtype == expected.dtype
            np.testing.assert_array_equal(value[[0, 2]], expected[[0, 2]], err_msg=name)
            if name == "class_id":
                np.testing.assert_array_equal(value, [0, -1, 2, -1])
            else:
                assert np.isnan(value[[1, 3]].astype(float)).all(), name


def test_arguments_by_name_and_of_other_kinds():
    masked = nan_rows(lambda scale, x, *, seed: scale * _hidden(x) + tf.cast(seed, tf.float32))
    found = masked(2.0, tf.constant([1.0, np.nan]), seed=tf.constant([3, 4]))
    np.testing.assert_array_equal(found, [5.0, np.nan])
    counted = nan_rows(lambda seed: tf.cast(seed, tf.float32))
    np.testing.assert_array_equal(counted(tf.constant([3, 4])), [3.0, 4.0])


def test_no_rows_give_no_rows():
    assert nan_rows(lambda x: x[:, 0])(tf.zeros([0, 3])).shape == (0,)


def test_predict_gives_nan_for_a_row_and_methods_refuse_it(make_aae):
    model = make_aae()
    whole = model.predict(IMAGES, verbose=0)
    holed = IMAGES.copy()
    holed[1, 4, 4, 0], holed[2, 0, 0, 0] = np.nan, -np.inf
    for found in (model.predict(holed, verbose=0), model(holed).numpy()):
        assert np.isnan(found[[1, 2]]).all()
        np.testing.assert_allclose(found[[0, 3]], whole[[0, 3]], rtol=1e-6)
    batches = tf.data.Dataset.from_tensor_slices(holed).batch(2)
    np.testing.assert_array_equal(
        np.isnan(model.predict(batches, verbose=0)[:, 0, 0, 0]), [False, True, True, False]
    )
    for method in (model.encode, model.reconstruct, model.score):
        with pytest.raises(ValueError, match=r"`x` to have finite values\. .*x\[1, 4, 4, 0\]=nan"):
            method(holed)


def test_predict_of_codes_gives_nan_for_a_row():
    model = build(models.GAN, prior=priors.gaussian(2))
    found = model.predict(np.float32([[0.0, 0.0], [np.nan, 0.0]]), verbose=0)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


class TestVerification:
    """Exports that are not written from `Signature.graph`, which masks rows by itself."""

    SPEC = {"x": tf.TensorSpec([None, 3], name="x")}

    def _verify(self, path, function, *checks):
        graph = tf.function(function).get_concrete_function(**self.SPEC)
        tf.saved_model.save(tf.Module(), str(path), signatures={"serve": graph})
        for check in checks:
            check(path, {"serve": Signature(function, self.SPEC)})

    @pytest.mark.sampled
    @pytest.mark.parametrize("check", [export.verify_saved_model, compare_loaders])
    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (
                lambda x: {"y": _hidden(x)},
                "'y' of signature 'serve' is not nan for a row with nan in input 'x'",
            ),
            (
                # One value of the row alone.
                lambda x: {"y": x},
                "'y' of signature 'serve' is not nan for a row with nan",
            ),
            (
                lambda x: {"y": tf.where(tf.reduce_any(tf.math.is_nan(x), 1), np.nan, 1.0)},
                "'y' of signature 'serve' is not nan for a row with inf in input 'x'",
            ),
            (
                lambda x: {"id": nan_rows(tf.argmax)(x, axis=1) - 1},
                "'id' of signature 'serve' is not -1 for a row with nan",
            ),
            (
                lambda x: {"y": x + tf.where(tf.math.is_finite(tf.reduce_sum(x)), 0.0, np.nan)},
                "'y' of signature 'serve' is another for a row beside one that is not finite",
            ),
        ],
    )
    def test_refuses(self, tmp_path, check, function, message):
        with pytest.raises(export.ExportError, match=message):
            self._verify(tmp_path, function, check)

    def test_passes_what_masks_its_rows(self, tmp_path):
        function = nan_rows(lambda x: {"y": _hidden(x), "id": tf.argmax(x, axis=1)})
        self._verify(tmp_path, function, export.verify_saved_model, compare_loaders)
