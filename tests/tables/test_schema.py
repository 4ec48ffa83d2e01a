"""Schemas: kinds and statistics inferred from data, JSON, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from aae_tf.data import Column, TableSchema
from aae_tf.tables import to_columns
from tests.tables import small


def by_name(schema):
    return {column.name: column for column in schema.columns}


def test_kinds_and_statistics():
    columns = by_name(small.schema())
    kinds = {name: column.kind for name, column in columns.items()}
    assert kinds == {
        "amount (EUR)": "numeric",
        "packets": "count",
        "is_new": "boolean",
        "when": "date",
        "Länd": "categorical",
        "port": "categorical",
    }
    amount = pd.Series(small.COLUMNS["amount (EUR)"])
    np.testing.assert_allclose(columns["amount (EUR)"].mean, amount.mean(), rtol=1e-6)
    np.testing.assert_allclose(columns["amount (EUR)"].deviation, amount.std(ddof=0), rtol=1e-6)
    np.testing.assert_allclose(columns["amount (EUR)"].missing, amount.isna().mean())
    assert columns["Länd"].vocabulary == ("de", "fr", "straße")
    assert columns["port"].vocabulary == (22.0, 80.0, 443.0)
    assert columns["port"].dtype == "float32"
    assert columns["Länd"].missing == 0.25
    dates = pd.to_datetime(pd.Series(small.COLUMNS["when"]).replace("", None))
    np.testing.assert_allclose(columns["when"].mean, dates.mean().timestamp())


def test_dispersion_is_that_of_a_negative_binomial_distribution():
    # Of 2 successes at probability 0.1: mean 18, variance 180, so that m + d m^2 asks for d = 1/2.
    counts = np.random.default_rng(0).negative_binomial(2, 0.1, 20_000)
    column = TableSchema.infer({"n": counts}).columns[0]
    assert column.kind == "count"
    np.testing.assert_allclose(column.dispersion, 0.5, atol=0.03)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1, 1], "boolean"),
        ([True, False, None], "boolean"),
        ([2000, 2001, 2002], "numeric"),
        ([-1, 0, 4], "numeric"),
        ([0.5, 1.0, 2.0], "numeric"),
        ([0, 3, 9], "count"),
        (["a", "b", "a"], "categorical"),
        (["2024-05-31", "", "2024-06-01T10:00"], "date"),
        (np.array(["2024-05-31", "2024-06-01", "NaT"], "datetime64[D]"), "date"),
    ],
)
def test_kind_of(values, kind):
    assert TableSchema.infer({"x": values}).columns[0].kind == kind


def test_json_and_text():
    schema = small.schema()
    assert TableSchema.from_json(schema.to_json()) == schema
    lines = str(schema).splitlines()
    assert len(lines) == 1 + len(schema.columns)
    assert "'straße'" in lines[5]
    assert lines[5].startswith("Länd")
    assert "25%" in lines[5]
    assert "log(1 + x)" in lines[2]
    assert "2024-" in lines[4]


def test_json_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"Expected the JSON that `TableSchema.to_json` writes"):
        TableSchema.from_json("{}")


def test_a_frame_gives_what_a_dict_gives():
    frame = pd.DataFrame(small.COLUMNS)
    assert TableSchema.infer(frame, small.KINDS) == small.schema()
    frame["when"] = pd.to_datetime(frame["when"].replace("", None))
    frame["packets"] = frame["packets"].astype("Int64")
    frame["Länd"] = frame["Länd"].astype("category")
    frame["is_new"] = frame["is_new"].astype("boolean")
    assert TableSchema.infer(frame, small.KINDS) == small.schema()
    of_frame = to_columns(frame, small.schema())
    for name, column in to_columns(small.COLUMNS, small.schema()).items():
        found = of_frame[name]
        if name == "when":
            found = [value.removesuffix("T00:00:00") for value in found]
        np.testing.assert_array_equal(found, column)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([3.5, 3.5], "column 'x' of f.csv to have values that differ; leave it out"),
        (["a", "a"], "column 'x' of f.csv to have values that differ"),
        (
            [None, np.nan],
            "column 'x' of f.csv to have values; leave it out. Received: all are miss",
        ),
        (["", ""], "Received: all are missing"),
        ([1.0, "a"], "text or numbers, not both. Received: 'a' in row 1, 1.0 in row 0"),
        (["1", "2", "3", "x"], "to hold numbers, as most of it does.*Received: 'x' in row 3"),
        (["2024-05-31", "2024-06-01", "soon"], "to hold dates.*Received: 'soon' in row 2"),
        (["2024-05-31", "2024-02-30"], "to hold dates.*Received: '2024-02-30' in row 1"),
        ([1.0, np.inf], "to be finite.*Received: inf in row 1"),
        ([[1.0, 2.0], [3.0, 4.0]], r"one value in each row. Received: shape \(2, 2\)"),
        (["a", "b", "c"], "at most 2 categories.*Received: 3"),
        ([], "to have rows"),
    ],
)
def test_bad_columns_are_refused(values, message):
    if message.startswith("one value"):
        values = np.array(values)
    with pytest.raises(ValueError, match=message):
        TableSchema.infer({"x": values}, source="f.csv", max_categories=2)


@pytest.mark.parametrize(
    ("kinds", "exclude", "message"),
    [
        ({"z": "count"}, (), "Expected `kinds` to name columns: 'x'. Received: 'z'"),
        ({}, ["z"], "Expected `exclude` to name columns: 'x'. Received: 'z'"),
        ({"x": "many"}, (), r"Expected `kinds\['x'\]` to be one of"),
        ({"x": "count"}, (), "whole numbers from 0.*Received: 0.5 in row 0"),
        ({"x": "boolean"}, (), "0 and 1.*Received: 0.5 in row 0"),
        ({"x": "date"}, (), "dates as text"),
    ],
)
def test_bad_options_are_refused(kinds, exclude, message):
    with pytest.raises(ValueError, match=message):
        TableSchema.infer({"x": [0.5, 2.0]}, kinds, exclude=exclude)


def test_text_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"to hold numbers, as it is 'count'. Received: 'a'"):
        TableSchema.infer({"x": ["a", "b"]}, {"x": "count"})


def test_columns_that_are_left_out():
    assert TableSchema.infer(small.COLUMNS, exclude=["port", "when"]).names == (
        "amount (EUR)",
        "packets",
        "is_new",
        "Länd",
    )


def test_identifiers_that_lose_digits_warn():
    with pytest.warns(UserWarning, match=r"column 'id' holds whole numbers above 2.24"):
        TableSchema.infer({"id": [2**24 + 1, 2**24 + 3]})


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match=r"Expected `columns` to be a frame or a dict"):
        TableSchema.infer([[1.0]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "Expected `columns` to be one or more"),
        ([Column("x", "numeric")] * 2, "of names that differ"),
    ],
)
def test_bad_lists_of_columns(columns, message):
    with pytest.raises(ValueError, match=message):
        TableSchema(tuple(columns))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("latents", "numeric"), "other than 'latents'"),
        (("x", "text"), "to be one of"),
        (("x", "categorical"), "Expected a vocabulary for a categorical column"),
    ],
)
def test_bad_columns(arguments, message):
    with pytest.raises(ValueError, match=message):
        Column(*arguments)


def test_repeated_values_of_a_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"without repetitions"):
        Column("x", "categorical", vocabulary=("a", "a"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"port": None}, ValueError, "Received: x with no 'port'"),
        ({"more": [1.0]}, ValueError, "Received: x with 'more', which the table has not"),
        ({"packets": ["a"] * 60}, TypeError, "column 'packets' of `x` to hold numbers.*row 0"),
        ({"Länd": [1.0] * 60}, TypeError, "column 'Länd' of `x` to hold text.*1.0 in row 0"),
        ({"when": ["no"] * 60}, ValueError, "column 'when' of `x` to hold dates.*'no' in row 0"),
        ({"packets": [1.0]}, ValueError, r"columns of one length.*\[1, 60\] rows"),
    ],
)
def test_tables_of_another_header_or_type_are_refused(change, error, message):
    columns = {**small.COLUMNS, **change}
    columns = {name: values for name, values in columns.items() if values is not None}
    with pytest.raises(error, match=message):
        to_columns(columns, small.schema())


def test_infinite_numbers_are_refused_in_training():
    columns = {**small.COLUMNS, "packets": np.r_[np.inf, small.COLUMNS["packets"][1:]]}
    with pytest.raises(ValueError, match=r"column 'packets' of `x` to be finite.*inf in row 0"):
        to_columns(columns, small.schema(), allow_infinite=False)
    assert to_columns(columns, small.schema())["packets"][0] == np.inf
