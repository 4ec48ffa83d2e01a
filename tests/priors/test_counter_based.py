import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from aae_tf.priors import counter_based, fold_rows, row_seeds

INT64 = np.iinfo(np.int64)


def split_mix_64(state, count):
    """SplitMix64 in Python's unbounded integers, one number at a time."""
    outputs = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        outputs.append(z ^ (z >> 31))
    return outputs


def as_bits(integers):
    return tf.constant(np.array(integers, np.uint64).view(np.int64))


def test_oracle_is_the_published_generator():
    # The reference output for the state 1234567 that implementations of SplitMix64 agree on.
    assert split_mix_64(1234567, 3) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@pytest.mark.parametrize("seed", [0, 1, -1, 123456789, INT64.min, INT64.max])
def test_random_bits_are_split_mix_64_from_the_mixed_seed(seed):
    # The finalizer of s is the first output of the state that one step takes to s.
    [start] = split_mix_64((seed - 0x9E3779B97F4A7C15) % 2**64, 1)
    bits = counter_based.random_bits(tf.constant([seed], tf.int64), 20)
    np.testing.assert_array_equal(bits, as_bits(split_mix_64(start, 20))[tf.newaxis])


@pytest.mark.parametrize("seed", [0, 7, -1, INT64.min, INT64.max])
def test_row_seeds_are_the_random_bits_of_the_seed(seed):
    bits = counter_based.random_bits(tf.constant([seed], tf.int64), 100)
    seeds = row_seeds(100, seed)
    assert seeds.dtype == np.int64
    np.testing.assert_array_equal(seeds, bits[0])
    np.testing.assert_array_equal(row_seeds(10, np.int32(7)), row_seeds(100, 7)[:10])


def test_row_seeds_of_no_rows_are_none():
    assert row_seeds(0, seed=1).shape == (0,)


def test_row_seeds_differ_within_and_between_seeds():
    seeds = np.concatenate([row_seeds(10_000, seed) for seed in (0, 1, 2, -1)])
    assert len(np.unique(seeds)) == 40_000


@pytest.mark.parametrize(
    ("n", "seed", "error", "message"),
    [
        (-1, 0, ValueError, "Expected `n` to be at least 0. Received: n=-1."),
        (2.0, 0, TypeError, "Expected `n` to be an integer. Received: n=2.0."),
        (2, None, TypeError, "Expected `seed` to be an integer. Received: seed=None."),
        (
            2,
            2**63,
            ValueError,
            f"Expected `seed` to be at most {INT64.max}. Received: seed={2**63}.",
        ),
        (
            2,
            -(2**63) - 1,
            ValueError,
            f"Expected `seed` to be at least {INT64.min}. Received: seed=",
        ),
    ],
)
def test_wrong_arguments_of_row_seeds_are_named(n, seed, error, message):
    with pytest.raises(error, match=message):
        row_seeds(n, seed)


@pytest.mark.parametrize("seed", [0, 7, -1, INT64.min, INT64.max])
@pytest.mark.parametrize("index", [0, 1, 30])
def test_folded_seeds_are_outputs_before_the_start(seed, index):
    [start] = split_mix_64((seed - 0x9E3779B97F4A7C15) % 2**64, 1)
    before = (start - (index + 2) * 0x9E3779B97F4A7C15) % 2**64
    folded = fold_rows([seed], index)
    np.testing.assert_array_equal(folded, as_bits(split_mix_64(before, 1)))
    np.testing.assert_array_equal(
        tf.function(fold_rows, autograph=False)(tf.constant([5, seed], tf.int64), index)[1:], folded
    )


def test_folded_streams_are_independent():
    rows = 20_000
    seeds = np.arange(rows)
    streams = [seeds, fold_rows(seeds, 0), fold_rows(seeds, 1), fold_rows(fold_rows(seeds, 0), 0)]
    noise = [
        counter_based.normal(counter_based.random_bits(tf.constant(stream), 4)).numpy()
        for stream in streams
    ]
    between = np.corrcoef(np.concatenate(noise, axis=1).T) - np.eye(16)
    assert np.abs(between).max() < 4.5 / np.sqrt(rows)
    assert len(np.unique(np.concatenate(streams))) == 4 * rows


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (-1, ValueError, "Expected `index` to be at least 0. Received: index=-1."),
        (0.5, TypeError, "Expected `index` to be an integer. Received: index=0.5."),
    ],
)
def test_wrong_index_is_named(index, error, message):
    with pytest.raises(error, match=message):
        fold_rows([1], index)


def test_uniform_is_the_upper_bits_and_stays_inside_the_open_interval():
    bits = as_bits([0, 2**12 - 1, 2**12, 2**63, 2**64 - 1])
    expected = [2.0**-53, 2.0**-53, 3 * 2.0**-53, 0.5 + 2.0**-53, 1 - 2.0**-53]
    np.testing.assert_array_equal(counter_based.uniform(bits), expected)


def test_normal_is_the_inverse_distribution_function_to_1e_10():
    # Random bits reach the body; the tail and the edges of every segment are put in by hand.
    random = row_seeds(200_000, seed=0).view(np.uint64)
    exponents = np.arange(52, dtype=np.uint64)
    edges = [(np.uint64(2) ** exponents) * np.uint64(m) // np.uint64(8) for m in range(8, 16)]
    uppers = np.concatenate([*edges, *[edge - np.uint64(1) for edge in edges]])
    uppers = uppers[uppers < 2**52] << np.uint64(12)
    bits = np.concatenate([random, uppers, uppers | np.uint64(1)])
    p = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-53
    expected = special.ndtri(p) * np.where(bits & np.uint64(1), 1, -1)
    np.testing.assert_allclose(
        counter_based.normal(tf.constant(bits.view(np.int64))), expected, rtol=0, atol=1e-10
    )


def test_normal_reaches_both_tails():
    bits = as_bits([0, 1, 2**64 - 1, 2**64 - 2])
    edge = special.ndtri(2.0**-54)
    np.testing.assert_allclose(counter_based.normal(bits), [-edge, edge, 0, 0], atol=1e-9)


def test_numbers_are_uncorrelated_across_consecutive_seeds_and_columns():
    rows = 20_000
    seeds = tf.range(-rows // 2, rows // 2, dtype=tf.int64)
    noise = counter_based.normal(counter_based.random_bits(seeds, 8)).numpy()
    limit = 4.5 / np.sqrt(rows)  # of 184 correlations, none is that far out but once in 800 runs
    between_columns = np.corrcoef(noise.T) - np.eye(8)
    assert np.abs(between_columns).max() < limit
    between_seeds = np.corrcoef(noise[1:].T, noise[:-1].T)[:8, 8:]
    assert np.abs(between_seeds).max() < limit
    # Neighbouring bits of the seed, not only neighbouring seeds.
    flipped = counter_based.normal(counter_based.random_bits(seeds ^ (1 << 40), 8)).numpy()
    assert np.abs(np.corrcoef(noise.T, flipped.T)[:8, 8:]).max() < limit


@pytest.mark.parametrize("bit", [0, 13, 31, 63])
def test_flipping_one_bit_of_the_seed_flips_half_of_the_output(bit):
    seeds = row_seeds(4_000, seed=3)
    flipped = (seeds.view(np.uint64) ^ np.uint64(1 << bit)).view(np.int64)
    first, second = (counter_based.random_bits(tf.constant(s), 2).numpy() for s in (seeds, flipped))
    difference = np.unpackbits((first ^ second).view(np.uint8)).mean()
    assert abs(difference - 0.5) < 5 * 0.5 / np.sqrt(4_000 * 2 * 64)


def test_uniform_and_normal_have_their_distributions():
    bits = counter_based.random_bits(tf.range(5_000, dtype=tf.int64), 8)
    assert stats.kstest(counter_based.uniform(bits).numpy().ravel(), "uniform").pvalue > 1e-3
    assert stats.kstest(counter_based.normal(bits).numpy().ravel(), "norm").pvalue > 1e-3
