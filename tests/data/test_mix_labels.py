import keras
import numpy as np
import pytest
import tensorflow as tf

from aae_tf.data import mix_labels

# Row i holds the number i, so that every row can be told from its inputs.
X = np.arange(103, dtype="float32").reshape(103, 1, 1) * np.ones((1, 2, 3), "float32")
Y = np.full(103, -1, np.int32)
Y[5:103:7] = np.arange(14) % 3


def _epochs(dataset, count):
    """Rows [batches, batch size] and labels of each epoch."""
    for _ in range(count):
        inputs, labels = (np.stack(part) for part in zip(*dataset.as_numpy_iterator(), strict=True))
        assert inputs.shape[2:] == (2, 3) and inputs.dtype == np.float32
        assert (inputs == inputs[:, :, :1, :1]).all()
        yield inputs[:, :, 0, 0].astype(int), labels


def test_shapes_and_number_of_batches_are_known():
    dataset = mix_labels(X, Y, labelled=5, unlabelled=20)
    assert dataset.element_spec == (
        tf.TensorSpec([25, 2, 3], tf.float32),
        tf.TensorSpec([25], tf.int64),
    )
    assert len(dataset) == 5
    assert len(list(dataset)) == 5


def test_every_batch_is_labelled_rows_and_then_rows_of_all():
    for rows, labels in _epochs(mix_labels(X, Y, labelled=5, unlabelled=20), 3):
        np.testing.assert_array_equal(labels[:, :5], Y[rows[:, :5]])
        assert (labels[:, :5] >= 0).all()
        assert (labels[:, 5:] == -1).all()
        assert len(np.unique(rows[:, 5:])) == 100, "An epoch is one pass over the rows."
        assert all(len(np.unique(batch)) == 5 for batch in rows[:, :5])


def test_every_row_comes_equally_often():
    epochs = [rows for rows, _ in _epochs(mix_labels(X, Y, labelled=4, unlabelled=20), 25)]
    rows = np.concatenate(epochs)
    for part, candidates in ((rows[:, 4:], np.arange(103)), (rows[:, :4], np.flatnonzero(Y >= 0))):
        counts = np.bincount(part.ravel(), minlength=103)[candidates]
        # Drawn without replacement: less noise than the Poisson counts assumed here.
        assert (np.abs(counts - counts.mean()) < 5 * np.sqrt(counts.mean())).all()
        assert counts.sum() == part.size


def test_all_known_rows_are_in_every_batch_where_asked_for():
    ((rows, _),) = _epochs(mix_labels(X, Y, labelled=14, unlabelled=20), 1)
    for batch in np.sort(rows[:, :14], axis=1):
        np.testing.assert_array_equal(batch, np.flatnonzero(Y >= 0))
    assert len(np.unique(rows[:, :14], axis=0)) == 5, "Each in an order of its own."


def test_order_is_a_function_of_seed_and_epoch():
    def run(seed):
        return np.stack([rows for rows, _ in _epochs(mix_labels(X, Y, 5, 20, seed), 3)])

    first = run(1)
    tf.random.set_seed(8)
    try:
        np.testing.assert_array_equal(first, run(1))
    finally:
        tf.random.set_seed(None)
    assert not np.array_equal(first, run(2))
    for one, other in ((0, 1), (1, 2)):
        assert not np.array_equal(first[one], first[other])


def test_epochs_are_counted_from_any():
    whole = [rows for rows, _ in _epochs(mix_labels(X, Y, 5, 20), 3)]
    later = [rows for rows, _ in _epochs(mix_labels(X, Y, 5, 20, first_epoch=1), 2)]
    np.testing.assert_array_equal(later, whole[1:])


def test_one_batch_of_everything_is_possible():
    labels = np.arange(103) % 3
    ((rows, _),) = _epochs(mix_labels(X, labels, labelled=103, unlabelled=103), 1)
    np.testing.assert_array_equal(np.sort(rows.reshape(2, 103), axis=1), [np.arange(103)] * 2)


def test_fit_takes_it():
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    # Keras warns of its own default, shuffle=True, for every tf.data.Dataset.
    history = model.fit(mix_labels(X / 103, Y, 5, 20), epochs=2, verbose=0, shuffle=False)
    assert len(history.history["loss"]) == 2
    assert model.optimizer.iterations == 10


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": X.astype(int)}, TypeError, "`x` to be an array of floats"),
        ({"y": Y.astype(float)}, TypeError, "`y` to be an array of integers"),
        ({"y": Y[:-1]}, ValueError, r"`y` to have shape \(103,\), .* y.shape=\(102,\)\."),
        ({"y": np.full(103, -1)}, ValueError, r"`y` to hold at least one known label\."),
        ({"labelled": 0}, ValueError, "`labelled` to be at least 1. Received: labelled=0."),
        ({"labelled": 15}, ValueError, "`labelled` to be at most 14. Received: labelled=15."),
        ({"unlabelled": 0}, ValueError, "`unlabelled` to be at least 1."),
        ({"unlabelled": 104}, ValueError, "`unlabelled` to be at most 103."),
        ({"labelled": 2.0}, TypeError, "`labelled` to be an integer."),
        ({"seed": -1}, ValueError, "`seed` to be at least 0."),
        ({"seed": None}, TypeError, "`seed` to be an integer."),
        ({"first_epoch": -1}, ValueError, "`first_epoch` to be at least 0."),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        mix_labels(**{"x": X, "y": Y, "labelled": 5, "unlabelled": 20, **arguments})
