"""Batches of arrays in `fit`, `evaluate` and `predict`: those that Keras makes of the arguments."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf.models.array_pipeline import batch_arrays, batch_training_arrays

ROWS = np.arange(14.0, dtype="float32").reshape(7, 2)
LABELS = np.array([0, 1, 2, -1, 0, 1, 2])
WEIGHTS = np.linspace(0.0, 1.0, 7, dtype="float32")


class Recorder(keras.Model):
    """Notes the batches that its steps get."""

    def __init__(self) -> None:
        super().__init__()
        self.trained: list[Any] = []
        self.tested: list[Any] = []
        self.compile(run_eagerly=True)
        self.built = True

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        self.trained.append(tf.nest.map_structure(np.asarray, data))
        return {"loss": tf.constant(0.0)}

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        self.tested.append(tf.nest.map_structure(np.asarray, data))
        return {"loss": tf.constant(0.0)}

    def predict_step(self, data: Any) -> tf.Tensor:
        return keras.utils.unpack_x_y_sample_weight(data)[0] * 2.0


def shuffler(epoch: int) -> np.random.Generator:
    return np.random.default_rng([5, epoch])


def assert_same(left: list[Any], right: list[Any]) -> None:
    tf.nest.assert_same_structure(left, right)
    for a, b in zip(tf.nest.flatten(left), tf.nest.flatten(right), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


# Keras stops early, too, where steps are more than batches.
@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"batch_size": 3},
        {"batch_size": 3, "steps_per_epoch": 2},
        {"steps_per_epoch": 2},
        {"y": LABELS, "batch_size": 3, "validation_split": 0.3},
        {"y": LABELS, "sample_weight": WEIGHTS, "validation_split": 0.5, "batch_size": 2},
        {"y": LABELS, "class_weight": {1: 0.5, 2: 3.0}, "batch_size": 4, "initial_epoch": 1},
        {"y": LABELS, "class_weight": {1: 0.5}, "batch_size": 2, "validation_split": 0.3},
        {"batch_size": 3, "validation_data": ROWS[:4]},
        {"validation_data": (ROWS[:5], LABELS[:5], WEIGHTS[:5]), "validation_batch_size": 2},
        {"validation_data": (ROWS, LABELS), "validation_batch_size": 3, "validation_steps": 2},
        {"validation_data": tf.data.Dataset.from_tensor_slices(ROWS).batch(3)},
        {"x": tf.data.Dataset.from_tensor_slices(ROWS).batch(3), "validation_data": ROWS[:3]},
    ],
    ids=lambda arguments: "-".join(arguments) or "defaults",
)
def test_fit_sees_the_batches_of_keras(arguments):
    arguments = {"x": ROWS, "shuffle": False, "epochs": 2, "verbose": 0, **arguments}
    keras_batches, ours = Recorder(), Recorder()
    keras_batches.fit(**arguments)
    ours.fit(**batch_training_arrays(arguments, shuffler))
    assert_same(keras_batches.trained, ours.trained)
    assert_same(keras_batches.tested, ours.tested)
    assert ours.trained


def test_targets_beside_labels_are_cut_alike():
    arguments = {
        "x": ROWS,
        "y": {"targets": -ROWS, "labels": LABELS},
        "shuffle": False,
        "validation_split": 0.4,
        "verbose": 0,
    }
    ours = Recorder()
    ours.fit(**batch_training_arrays(arguments, shuffler))
    ((x, y),), ((held_out, held_out_y),) = ours.trained, ours.tested
    np.testing.assert_array_equal(np.vstack([x, held_out]), ROWS)
    np.testing.assert_array_equal(np.vstack([y["targets"], held_out_y["targets"]]), -ROWS)
    np.testing.assert_array_equal(np.r_[y["labels"], held_out_y["labels"]], LABELS)


def test_orders_follow_the_generator():
    batches = {shuffle: Recorder() for shuffle in (True, "batch")}
    for shuffle, recorder in batches.items():
        arguments = {"x": ROWS, "y": LABELS, "shuffle": shuffle, "batch_size": 3, "verbose": 0}
        recorder.fit(**batch_training_arrays({**arguments, "epochs": 2}, shuffler))
    for epoch in (0, 1):
        rows, labels = (
            np.concatenate(parts)
            for parts in zip(*batches[True].trained[3 * epoch : 3 * epoch + 3], strict=True)
        )
        order = shuffler(epoch).permutation(7)
        np.testing.assert_array_equal(rows, ROWS[order])
        np.testing.assert_array_equal(labels, LABELS[order])
    sets = [sorted(rows[:, 0] / 2) for rows, _ in batches["batch"].trained]
    assert sets == 2 * [[0, 1, 2], [3, 4, 5], [6]]
    first, second = (
        np.concatenate([rows for rows, _ in part])
        for part in (batches["batch"].trained[:3], batches["batch"].trained[3:])
    )
    assert not np.array_equal(first, second)


@pytest.mark.sampled
@pytest.mark.parametrize(
    "size", [{}, {"batch_size": 3}, {"steps": 2}, {"steps": 1, "batch_size": 4}]
)
def test_evaluate_and_predict_see_the_batches_of_keras(size):
    keras_batches, ours = Recorder(), Recorder()
    arguments = {"x": ROWS, "y": LABELS, "sample_weight": WEIGHTS, "verbose": 0, **size}
    keras_batches.evaluate(**arguments)
    ours.evaluate(**batch_arrays(arguments))
    assert_same(keras_batches.tested, ours.tested)
    arguments = {"x": ROWS, "verbose": 0, **size}
    predicted = ours.predict(**batch_arrays(arguments))
    np.testing.assert_array_equal(predicted, keras_batches.predict(**arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        {"validation_split": 1.0},
        {"y": LABELS, "sample_weight": WEIGHTS, "class_weight": {0: 2.0}},
        {"y": {"targets": ROWS, "labels": LABELS}, "class_weight": {0: 2.0}},
    ],
    ids=["no-training", "two-weights", "dict"],
)
def test_what_keras_refuses_is_left_to_it(arguments):
    arguments = {"x": ROWS, **arguments}
    assert batch_training_arrays(arguments, shuffler) == arguments
    with pytest.raises(ValueError):
        Recorder().fit(**arguments, verbose=0)


@pytest.mark.thorough
@pytest.mark.usefixtures("eager_steps")
def test_orders_are_fixed_by_the_seed_and_go_on_in_a_loaded_model(make_aae, images, tmp_path):
    def train(model, epochs, **kwargs):
        model.fit(images[:16], batch_size=8, epochs=epochs, verbose=0, **kwargs)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    def make():
        model = make_aae(divergence="mmd")
        model.compile()
        return model

    whole, parts = make(), make()
    expected = train(whole, 2)
    train(parts, 1)
    parts.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(train(loaded, 1), expected)
    assert not np.array_equal(train(make(), 2, shuffle=False), expected)
