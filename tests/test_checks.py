import sys

import numpy as np
import pytest

from aae_tf import checks


@pytest.mark.parametrize("sizes", [3, (), (0,), (2, -1), (2.0,), "12", (True,), None])
def test_sizes_that_are_no_positive_integers_are_refused(sizes):
    with pytest.raises(ValueError, match="`units` to be a sequence of positive integers"):
        checks.check_sizes("units", sizes)


def test_sizes_come_back_as_a_tuple_of_int():
    assert checks.check_sizes("units", [np.int64(3), 4]) == (3, 4)


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, True])
def test_dimension_that_is_no_positive_integer_is_refused(value):
    with pytest.raises(ValueError, match="`code_dim` to be a positive integer"):
        checks.check_dimension("code_dim", value)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan"), "0.1", None])
def test_rate_outside_its_range_is_refused(value):
    with pytest.raises(ValueError, match=r"`dropout` to be a number in \[0, 1\)"):
        checks.check_rate("dropout", value)


@pytest.mark.parametrize("value", [-1e-9, float("inf"), float("nan"), "1", None])
def test_negative_or_infinite_number_is_refused(value):
    with pytest.raises(ValueError, match="`weight` to be a finite number, zero or more"):
        checks.check_non_negative("weight", value)


def test_unknown_choice_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of 'a', 'b'\. Received: letter='c'"):
        checks.check_choice("letter", "c", ("a", "b"))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (1.0, TypeError, "`n` to be an integer"),
        (True, TypeError, "`n` to be an integer"),
        (1, ValueError, "`n` to be at least 2"),
        (6, ValueError, "`n` to be at most 5"),
    ],
)
def test_integer_outside_its_range_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        checks.check_integer("n", value, minimum=2, maximum=5)


@pytest.mark.parametrize(
    ("check", "value", "error", "message"),
    [
        (checks.check_number, "1", TypeError, "`scale` to be a number"),
        (checks.check_number, True, TypeError, "`scale` to be a number"),
        (checks.check_number, 1e39, ValueError, "`scale` to be finite in float32"),
        (checks.check_number, float("nan"), ValueError, "`scale` to be finite in float32"),
        (checks.check_positive, 0.0, ValueError, "`scale` to be positive in float32"),
        (checks.check_positive, 1e-39, ValueError, "`scale` to be positive in float32"),
    ],
)
def test_number_that_float32_cannot_hold_is_refused(check, value, error, message):
    with pytest.raises(error, match=message):
        check("scale", value)


def test_checked_values_come_back():
    assert checks.check_integer("n", np.int64(3)) == 3
    assert checks.check_number("low", -2) == -2.0
    assert checks.check_positive("scale", np.float32(0.5)) == 0.5


class TestImportExtra:
    def test_returns_the_module(self):
        import json.decoder

        assert checks.import_extra("json.decoder", "data") is json.decoder

    def test_a_missing_package_is_one_line_that_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn", None)
        message = r'Expected scikit-learn to be installed for data: pip install "aae_tf\[data\]"\.'
        with pytest.raises(ImportError, match=f"^{message}$") as caught:
            checks.import_extra("sklearn.metrics", "data")
        assert caught.value.name == "sklearn"
        with pytest.raises(ImportError, match="to be installed for the digits: pip"):
            checks.import_extra("sklearn.datasets", "data", "the digits")

    def test_a_package_that_misses_another_is_not_called_missing(self, monkeypatch, tmp_path):
        (tmp_path / "broken_extra.py").write_text("import no_such_package")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'"):
            checks.import_extra("broken_extra", "data")
