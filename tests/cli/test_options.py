"""Options of fields: what they parse, and what they refuse."""

import dataclasses

import pytest

from aae_tf.cli.options import parse_options, parse_setting
from aae_tf.runs.recipe import Recipe

FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


class TestParseOptions:
    def test_reads_what_is_given(self):
        options = {"epochs": "3", "units": None, "batch_normalization": True, "prior": None}
        assert parse_options(options, ["head-weight=2", "momentum = 0.5"]) == {
            "epochs": 3, "batch_normalization": True, "head_weight": 2.0, "momentum": 0.5,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("momentum", "Expected --set to be FIELD=VALUE. Received: --set 'momentum'."),
            ("mass=3", "Expected --set to name a field of a recipe: data, label_column, "),
            ("epochs=4", "Expected `epochs` to be given once. Received: --set 'epochs=4'."),
            ("momentum=x", "Expected `momentum` to be a number. Received: momentum='x'."),
        ],
    )
    def test_refuses(self, assignment, message):
        with pytest.raises(ValueError) as error:
            parse_options({"epochs": "3"}, [assignment])
        assert str(error.value).startswith(message)


class TestParseSetting:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("epochs", "12", 12),
            ("labels", "all", None),
            ("labels", "none", None),
            ("learning_rate", "1e-4", 1e-4),
            ("prior_scale", "5", 5.0),
            ("units", "10,20", (10, 20)),
            ("units", "none", None),
            ("labels", "None", None),
            ("batch_normalization", "True", True),
            ("batch_normalization", "false", False),
            ("prior", "ring-mixture", "ring_mixture"),
            ("model", "semi_supervised", "semi-supervised"),
            ("class_divergence", "none", "none"),
            ("data", "emnist/letters", "emnist/letters"),
        ],
    )
    def test_values(self, name, text, value):
        parsed = parse_setting(FIELDS[name], text)
        assert (parsed, type(parsed)) == (value, type(value))

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("epochs", "1.5", "an integer"),
            ("epochs", "none", "an integer"),
            ("momentum", "much", "a number"),
            ("batch_normalization", "perhaps", "true or false"),
            ("units", "10,x", "integers with commas between them, such as 1000,1000"),
        ],
    )
    def test_refuses(self, name, text, expected):
        with pytest.raises(ValueError) as error:
            parse_setting(FIELDS[name], text)
        assert str(error.value) == f"Expected `{name}` to be {expected}. Received: {name}='{text}'."
