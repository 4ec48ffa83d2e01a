import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from aae_tf.data import balance_classes

# Row i holds the number i. Ten to one, and some rows without a label.
Y = np.repeat([0, 1, 2, -1], [200, 80, 20, 37])[np.random.default_rng(0).permutation(337)]
X = np.arange(337, dtype="float32").reshape(337, 1)
TARGET = [0.5, 0.3, 0.2]


def _dataset(*arrays, batch=None):
    dataset = tf.data.Dataset.from_tensor_slices(arrays)
    return dataset.batch(batch) if batch else dataset


SOURCES = {
    "arrays": lambda: (X, Y),
    "examples": lambda: (_dataset(X, Y),),
    "batches": lambda: (_dataset(X, Y, batch=50),),
}


def _epochs(dataset, count=1):
    """Rows and labels of each epoch, in order."""
    epochs = []
    for _ in range(count):
        batches = list(dataset.as_numpy_iterator())
        rows = np.concatenate([inputs[:, 0] for inputs, _ in batches]).astype(int)
        epochs.append((rows, np.concatenate([labels for _, labels in batches])))
    return epochs


@pytest.fixture(params=SOURCES)
def source(request):
    return SOURCES[request.param]()


@pytest.mark.sampled
@pytest.mark.parametrize("target", [None, TARGET])
def test_an_epoch_has_exactly_the_shares_that_were_asked_for(source, target):
    dataset = balance_classes(*source, num_classes=3, target=target, batch_size=64)
    assert len(dataset) == 6
    assert [len(labels) for _, labels in dataset.as_numpy_iterator()] == [64] * 5 + [17]
    shares = np.full(3, 1 / 3) if target is None else target
    for rows, labels in _epochs(dataset, 2):
        np.testing.assert_array_equal(labels, Y[rows])
        np.testing.assert_allclose(np.bincount(labels[labels >= 0]), 300 * np.array(shares))
        assert np.array_equal(np.sort(rows[labels < 0]), np.flatnonzero(Y < 0))
        # No row is repeated before all of its class have come once less.
        for label in range(3):
            times = np.bincount(rows, minlength=337)[label == Y]
            assert np.ptp(times) <= 1


def test_length_is_known_where_that_of_the_data_set_is_not():
    filtered = _dataset(X, Y).filter(lambda x, y: y != 1).map(lambda x, y: (x, tf.minimum(y, 1)))
    dataset = balance_classes(filtered, num_classes=2, batch_size=64)
    assert len(dataset) == -(-257 // 64)
    ((rows, labels),) = _epochs(dataset)
    np.testing.assert_array_equal(np.bincount(labels + 1), [37, 110, 110])
    np.testing.assert_array_equal(labels, np.minimum(Y[rows], 1))


def test_first_batches_have_the_shares_as_well(source):
    dataset = balance_classes(*source, num_classes=3, target=TARGET, batch_size=10)
    labels = np.concatenate([y for _, y in dataset.take(12).as_numpy_iterator()])
    counts = np.bincount(labels[labels >= 0], minlength=3)
    assert stats.chisquare(counts, counts.sum() * np.array(TARGET)).pvalue > 1e-3


@pytest.mark.sampled
def test_every_row_of_a_class_is_as_likely(source):
    epochs = 40
    dataset = balance_classes(*source, num_classes=3, batch_size=337).repeat(epochs)
    ((rows, _),) = _epochs(dataset)
    times = np.bincount(rows, minlength=337)
    # Of class 0, 100 of 200 rows come in an epoch: binomial counts, five standard errors.
    assert np.abs(times[Y == 0] - epochs / 2).max() < 5 * np.sqrt(epochs / 4)
    assert set(times[Y == 2]) == {5 * epochs}


@pytest.mark.sampled
def test_seed_decides_and_epochs_differ(source):
    def epochs(count, **arguments):
        return [
            rows for rows, _ in _epochs(balance_classes(*source, num_classes=3, **arguments), count)
        ]

    first, second = epochs(2)
    np.testing.assert_array_equal(epochs(1), [first])
    np.testing.assert_array_equal(epochs(1, first_epoch=1), [second])
    assert set(first) != set(second), "Other rows are left out in each epoch."
    assert not np.array_equal(epochs(1, seed=1), [first])


@pytest.mark.sampled
@pytest.mark.parametrize("global_seed", [0, 7])
def test_no_global_seed_plays_a_part(source, global_seed):
    def rows():
        return _epochs(balance_classes(*source, num_classes=3))[0][0]

    expected = rows()
    tf.random.set_seed(global_seed)
    np.testing.assert_array_equal(rows(), expected)


def test_repeated_rows_of_a_data_set_are_apart():
    dataset = balance_classes(_dataset(X, Y), num_classes=3, batch_size=100)
    ((rows, _),) = _epochs(dataset)
    assert (np.diff(rows) == 0).sum() < 20  # Of 169 copies, were they left where they arise.


def test_weights_and_structures_pass_through():
    inputs = {"image": X, "mask": -X}
    dataset = balance_classes(_dataset(inputs, Y.astype("int8"), 2.0 * X[:, 0]), num_classes=3)
    for x, labels, weight in dataset.as_numpy_iterator():
        rows = x["image"][:, 0].astype(int)
        assert labels.dtype == np.int8
        np.testing.assert_array_equal(labels, Y[rows])
        np.testing.assert_array_equal(weight, 2.0 * rows)
        np.testing.assert_array_equal(x["mask"], -x["image"])


def test_data_that_are_balanced_already_come_once(source):
    known = Y[Y >= 0]
    dataset = balance_classes(*source, num_classes=3, target=np.bincount(known) / len(known))
    ((rows, _),) = _epochs(dataset)
    np.testing.assert_array_equal(np.sort(rows), np.arange(337))


def test_arrays_are_checked_as_those_of_fit():
    with pytest.warns(UserWarning, match="^1 labelled rows of `x` equal an earlier") as record:
        balance_classes([[1.0], [2.0], [1.0]], [0, 0, 1], num_classes=2)
    assert record[0].filename == __file__
    with pytest.raises(ValueError, match="Expected `x` to have rows that differ"):
        balance_classes([[1.0], [1.0]], [0, 1], num_classes=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_classes": 1}, ValueError, "`num_classes` to be at least 2"),
        ({"num_classes": 4}, ValueError, "`y` to have a known label of each of the 4 .* of 3"),
        ({"num_classes": 2}, ValueError, "`y` to hold classes from 0 to 1"),
        ({"batch_size": 0}, ValueError, "`batch_size` to be at least 1"),
        ({"buffer_size": 0}, ValueError, "`buffer_size` to be at least 1"),
        ({"seed": 0.5}, TypeError, "`seed` to be an integer"),
        ({"first_epoch": -1}, ValueError, "`first_epoch` to be at least 0"),
        ({"target": [0.5, 0.5]}, ValueError, r"`target` to be 3 positive shares of sum 1\. .*0\.5"),
        ({"target": [0.5, 0.5, 0.0]}, ValueError, "`target` to be 3 positive shares"),
        ({"target": [0.5, 0.4, 0.3]}, ValueError, "`target` to be 3 positive shares"),
        ({"y": Y[1:]}, ValueError, r"`y` to have shape \(337,\)"),
        ({"y": None}, TypeError, "`y` to be an array of integers"),
        ({"x": X.astype(int)}, TypeError, "`x` to be an array of floats"),
        ({"x": _dataset(X, Y)}, ValueError, "`y` to be None with a data set.*type ndarray"),
        ({"x": _dataset(X, Y).repeat(), "y": None}, ValueError, "`x` to be a finite data set"),
        ({"x": _dataset(X), "y": None}, ValueError, "`x` to yield pairs"),
        ({"x": _dataset(X, X[:, 0]), "y": None}, TypeError, "`y` to be an array of integers"),
        (
            {"x": _dataset(X, Y), "y": None, "num_classes": 5},
            ValueError,
            "`x` to yield a known label of each of the 5 classes.* without a label of 3, 4",
        ),
        (
            {"x": _dataset(X, Y), "y": None, "num_classes": 2},
            ValueError,
            "`labels of x` to hold classes from 0 to 1",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        balance_classes(**{"x": X, "y": Y, "num_classes": 3, **arguments})
