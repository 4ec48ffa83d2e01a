import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from aae_tf.data import balance_classes, mix_labels, shuffled_batches

# Row i holds the number i, so that every row can be told from its inputs.
X = np.arange(23, dtype="float32").reshape(23, 1) * np.ones(2, "float32")
Y = np.arange(23) % 4 - 1


def rows(dataset):
    return [batch[:, 0].astype(int) for batch in dataset.as_numpy_iterator()]


def test_an_epoch_shows_every_row_once():
    dataset = shuffled_batches(X, batch_size=5)
    assert dataset.element_spec == tf.TensorSpec([None, 2])
    assert len(dataset) == 5
    for _ in range(2):
        epoch = rows(dataset)
        assert [len(batch) for batch in epoch] == [5, 5, 5, 5, 3]
        assert sorted(np.concatenate(epoch)) == list(range(23))
        assert not np.array_equal(np.concatenate(epoch), np.arange(23))


def test_inputs_are_given_back():
    x = X.copy()
    known = weakref.ref(x)
    for batches in (shuffled_batches(x), mix_labels(x, Y, 2, 4)):
        next(iter(batches))
    del x, batches
    gc.collect()
    assert known() is None


def test_labels_come_with_their_rows():
    for inputs, labels in shuffled_batches(X, Y, batch_size=8).as_numpy_iterator():
        np.testing.assert_array_equal(labels, Y[inputs[:, 0].astype(int)])
        assert labels.dtype == np.int64


def test_rows_fit_one_batch():
    (batch,) = rows(shuffled_batches(X, batch_size=50))
    assert len(batch) == 23


def test_order_is_a_function_of_seed_and_epoch():
    def run(seed, first_epoch=0):
        dataset = shuffled_batches(X, batch_size=5, seed=seed, first_epoch=first_epoch)
        return [np.concatenate(rows(dataset)).tolist() for _ in range(3)]

    first = run(1)
    tf.random.set_seed(8)
    try:
        assert run(1) == first
    finally:
        tf.random.set_seed(None)
    assert run(1, 1)[:2] == first[1:]
    assert len({tuple(epoch) for epoch in first + run(2)}) == 6


def test_an_iterator_that_is_not_read_is_no_epoch():
    dataset = shuffled_batches(X, batch_size=5)
    iter(dataset)
    np.testing.assert_array_equal(
        np.concatenate(rows(dataset)), np.concatenate(rows(shuffled_batches(X, batch_size=5)))
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": X.astype(int)}, TypeError, "`x` to be an array of floats"),
        ({"x": X[:0], "y": None}, ValueError, r"`x` to have at least one row. Received: x.shape"),
        ({"y": Y[:-1]}, ValueError, r"`y` to have shape \(23,\)"),
        ({"batch_size": 0}, ValueError, "`batch_size` to be a positive integer"),
        ({"seed": -1}, ValueError, "`seed` to be at least 0."),
        ({"first_epoch": -1}, ValueError, "`first_epoch` to be at least 0."),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        shuffled_batches(**{"x": X, "y": Y, **arguments})


def test_no_pipeline_lets_tensorflow_change_the_allocator():
    # The first iterator of a `Dataset.from_generator` sets glibc's threshold of mapped memory to
    # 128 kB for the whole process, under Python 3.11 and later.
    pipelines = [
        shuffled_batches(X, Y),
        mix_labels(X, Y, 2, 4),
        balance_classes(X, Y, num_classes=3),
        balance_classes(shuffled_batches(X, Y), num_classes=3),
    ]
    generator = tf.data.Dataset.from_generator(lambda: [1], output_signature=tf.TensorSpec([]))
    operations = [_operations(pipeline) for pipeline in [*pipelines, generator]]
    assert ["GeneratorDataset" in each for each in operations] == [False] * 4 + [True]


def _operations(dataset):
    """The names of the operations of a pipeline and of its functions."""
    graph = tf.compat.v1.GraphDef.FromString(dataset._as_serialized_graph().numpy())
    functions = [node for function in graph.library.function for node in function.node_def]
    return {node.op for node in [*graph.node, *functions]}
