import pytest

from aae_tf.export.batching_parameters import BatchingParameters

EVERYTHING = BatchingParameters(
    max_batch_size=64,
    batch_timeout_micros=2000,
    max_enqueued_batches=5,
    num_batch_threads=3,
    thread_pool_name="pool",
    allowed_batch_sizes=(8, 16, 64),
    pad_variable_length_inputs=True,
    enable_large_batch_splitting=True,
    max_execution_batch_size=16,
)


def test_text_of_an_operator():
    text = """
        max_batch_size { value: 64 }  # rows
        batch_timeout_micros { value: 0 }
        num_batch_threads { value: 4 }
        allowed_batch_sizes: 1
        allowed_batch_sizes: 64
        pad_variable_length_inputs: true
    """
    assert BatchingParameters.from_text(text) == BatchingParameters(
        64, 0, num_batch_threads=4, allowed_batch_sizes=(1, 64), pad_variable_length_inputs=True
    )


@pytest.mark.parametrize("parameters", [BatchingParameters(), EVERYTHING])
def test_text_round_trip(parameters):
    assert BatchingParameters.from_text(parameters.to_text()) == parameters


def test_defaults_are_not_written():
    assert BatchingParameters().to_text() == ""


def test_a_size_above_the_largest_batch_is_for_no_batch():
    splitting = {"enable_large_batch_splitting": True, "max_execution_batch_size": 8}
    parameters = BatchingParameters(64, allowed_batch_sizes=(4, 8, 64), **splitting)
    assert parameters.padded_sizes == (4, 8)
    splitting["max_execution_batch_size"] = 9
    parameters = BatchingParameters(64, allowed_batch_sizes=(4, 8, 64), **splitting)
    assert parameters.padded_sizes == (4, 8, 64)


@pytest.mark.parametrize(("rows", "padded"), [(1, 4), (4, 4), (5, 9), (9, 9)])
def test_padded_size(rows, padded):
    assert BatchingParameters(9, allowed_batch_sizes=(4, 9)).padded_size(rows) == padded
    assert BatchingParameters(9).padded_size(rows) == rows


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"max_batch_size": 0}, ValueError, "`max_batch_size` to be at least 1"),
        ({"max_batch_size": 1.5}, TypeError, "`max_batch_size` to be an integer"),
        ({"batch_timeout_micros": -1}, ValueError, "`batch_timeout_micros` to be at least 0"),
        ({"max_enqueued_batches": 0}, ValueError, "`max_enqueued_batches` to be at least 1"),
        ({"num_batch_threads": 0}, ValueError, "`num_batch_threads` to be at least 1"),
        (
            {"max_batch_size": 4, "max_execution_batch_size": 5},
            ValueError,
            "`max_execution_batch_size` to be at most `max_batch_size`",
        ),
        ({"allowed_batch_sizes": (4, 4, 1000)}, ValueError, "positive and increasing"),
        ({"allowed_batch_sizes": (0, 1000)}, ValueError, "positive and increasing"),
        (
            {"max_batch_size": 4, "allowed_batch_sizes": (2, 8)},
            ValueError,
            "Last entry in allowed_batch_sizes must match max_batch_size",
        ),
        (
            {
                "max_batch_size": 8,
                "allowed_batch_sizes": (2, 4),
                "enable_large_batch_splitting": True,
                "max_execution_batch_size": 4,
            },
            ValueError,
            "Last entry in allowed_batch_sizes must match max_batch_size",
        ),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        BatchingParameters(**fields)


@pytest.mark.parametrize("text", ["max_batch_sze { value: 8 }", "max_batch_size: 8", "x"])
def test_refuses_other_texts(text):
    with pytest.raises(ValueError, match="Expected a BatchingParameters in protobuf's text format"):
        BatchingParameters.from_text(text)
