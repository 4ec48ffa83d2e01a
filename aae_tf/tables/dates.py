"""Dates as text and as seconds since 1970, in a graph.

TensorFlow has no operation for dates. One that turns text into numbers fails the whole batch where
one row is no number; here a row that does not parse is missing. The calendar is computed by whole
numbers, in the way of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in
March, so that the day that some years lack is the last.
"""

from __future__ import annotations

import tensorflow as tf

_LENGTH = len("2024-05-31T23:59:59")
_ZERO, _DASH, _COLON = b"0-:"
_SEPARATORS = tuple(b"T ")
# Days from the first of March of the year 0 to the first of January 1970, and in 400 years.
_EPOCH, _ERA = 719_468, 146_097


def parse(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Parses dates in the form of ISO 8601; what follows the seconds is not looked at.

    Args:
        text: string [batch].

    Returns:
        int64 [batch], seconds since 1970, 0 where missing; bool [batch], whether it is missing or
        does not parse.

    Example:

    >>> seconds, missing = parse(tf.constant(["1970-01-02", "1970-01-01T00:01:05", "soon"]))
    >>> seconds.numpy().tolist(), missing.numpy().tolist()
    ([86400, 65, 0], [False, False, True])
    """
    characters = tf.cast(tf.io.decode_raw(text, tf.uint8, fixed_length=_LENGTH), tf.int64)
    digits = characters - _ZERO

    def number(start: int, stop: int) -> tf.Tensor:
        value = tf.zeros_like(digits[:, 0])
        for place in range(start, stop):
            value = 10 * value + digits[:, place]
        return value

    def are_digits(*places: int) -> tf.Tensor:
        chosen = tf.gather(digits, places, axis=1)
        return tf.reduce_all((chosen >= 0) & (chosen <= 9), axis=1)

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    is_date = (
        are_digits(0, 1, 2, 3, 5, 6, 8, 9)
        & tf.equal(characters[:, 4], _DASH)
        & tf.equal(characters[:, 7], _DASH)
        & (month >= 1)
        & (month <= 12)
        & (day >= 1)
        & (day <= 31)
    )
    separator = characters[:, 10]
    has_time = tf.equal(separator, _SEPARATORS[0]) | tf.equal(separator, _SEPARATORS[1])
    has_time &= are_digits(11, 12, 14, 15) & tf.equal(characters[:, 13], _COLON)
    has_seconds = has_time & are_digits(17, 18) & tf.equal(characters[:, 16], _COLON)
    seconds = 86_400 * _days(year, month, day)
    seconds += tf.where(has_time, 3600 * number(11, 13) + 60 * number(14, 16), 0)
    seconds += tf.where(has_seconds, number(17, 19), 0)
    return tf.where(is_date, seconds, 0), ~is_date


def write(seconds: tf.Tensor) -> tf.Tensor:
    """Writes seconds since 1970 as dates.

    Args:
        seconds: int64 [batch]; those outside the years 0 to 9999 become the nearest within.

    Returns:
        string [batch].

    Example:

    >>> write(tf.constant([951_782_400], tf.int64)).numpy()
    array([b'2000-02-29T00:00:00'], dtype=object)
    """
    seconds = tf.clip_by_value(seconds, -62_167_219_200, 253_402_300_799)
    days, rest = seconds // 86_400 + _EPOCH, seconds % 86_400
    era, day_of_era = days // _ERA, days % _ERA
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = tf.where(month_from_march < 10, month_from_march + 3, month_from_march - 9)
    year = year_of_era + 400 * era + tf.cast(month <= 2, tf.int64)

    def text(value: tf.Tensor, width: int = 2) -> tf.Tensor:
        return tf.strings.as_string(value, width=width, fill="0")

    date = tf.strings.join([text(year, 4), text(month), text(day)], "-")
    time = [text(rest // 3600), text(rest // 60 % 60), text(rest % 60)]
    return tf.strings.join([date, tf.strings.join(time, ":")], "T")


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Counts the days since 1970."""
    year -= tf.cast(month <= 2, tf.int64)
    year_of_era = year % 400
    month_from_march = tf.where(month > 2, month - 3, month + 9)
    day_of_year = (153 * month_from_march + 2) // 5 + day - 1
    day_of_era = 365 * year_of_era + year_of_era // 4 - year_of_era // 100 + day_of_year
    return _ERA * (year // 400) + day_of_era - _EPOCH
