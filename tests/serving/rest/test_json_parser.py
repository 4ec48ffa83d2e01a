import json
import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aae_tf.serving.errors import RequestTooLarge, ServingError
from aae_tf.serving.rest import json_parser
from aae_tf.serving.rest.json_parser import parse_document, release


@pytest.fixture(params=[2**16, 7], ids=["whole", "pieces"])
def _pieces(request, monkeypatch):
    """The parser as it is, and one that reads 7 bytes at once: its answers are the same."""
    monkeypatch.setattr(json_parser, "_PIECE", request.param)


pytestmark = pytest.mark.usefixtures("_pieces")


@pytest.mark.thorough
@settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_a_document_or_refused(body):
    try:
        document = parse_document(body)
    except ServingError:
        return
    assert isinstance(document, dict)


@settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.text(), st.none() | st.floats(allow_nan=False) | st.lists(st.text())))
def test_a_document_is_what_was_written(document):
    assert parse_document(json.dumps(document).encode()) == document


def test_the_first_of_repeated_keys_counts_at_any_depth():
    assert parse_document(b'{"a": {"b": 1, "b": 2}, "a": 3}') == {"a": {"b": 1}}
    rows = b'{"instances": [{"x": 1, "x": 2}, {"x": 3, "y": ":"}]}'
    assert parse_document(rows) == {"instances": [{"x": 1}, {"x": 3, "y": ":"}]}
    named = b'{"inputs": {"x": 1, "x": 2, "y": 3}, "inputs": {"x": 4}}'
    assert parse_document(named) == {"inputs": {"x": 1, "y": 3}}


def test_short_documents_of_both_forms_are_parsed_at_once():
    for document in ({"inputs": {"x": [[1.5]], "y": 2}}, {"instances": [{"x": 1}, {"x": 2}]}):
        assert json_parser._parse_short(json.dumps(document).encode()) == document
    assert json_parser._parse_short(b'{"inputs": {"x": 1, "x": 2}}') is None


def nested(depth: int, value: str = "1") -> bytes:
    """A document of `depth` lists and objects in turn."""
    half = depth // 2
    lists = '{"a": [' * half + value + "]}" * half
    return (f'{{"a": {lists}}}' if depth % 2 else lists).encode()


STRING = json.dumps('[[[{{{\\"[')


@pytest.mark.parametrize("depth", [1, 2, 255, 256])
@pytest.mark.parametrize("value", ["1", STRING])
def test_depth_allowed(depth, value):
    assert list(parse_document(nested(depth, value))) == ["a"]


@pytest.mark.parametrize("depth", [257, 1000, 200_000])
def test_depth_refused(depth):
    with pytest.raises(ServingError, match="are nested more than 256 deep"):
        parse_document(nested(depth, STRING))


def test_many_lists_beside_each_other_are_not_deep():
    document = parse_document(json.dumps({"a": [[i] for i in range(1000)]}).encode())
    assert len(document["a"]) == 1000


@pytest.mark.parametrize("text", ['"' + '\\"' * 500_000, '"' * 1_000_001, '"\\' * 300_000])
def test_strings_without_an_end_take_linear_time(text):
    start = time.process_time()
    with pytest.raises(ServingError, match="JSON Parse error"):
        parse_document(f'{{"a": {text}'.encode())
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("space", ["", " \n\t\r " * 3])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Inf", math.inf),
        ("-Inf", -math.inf),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("NaN", math.nan),
        ("-NaN", math.nan),
        ("1e308", 1e308),
        ("0.0e309", 0.0),
        ("1e-999", 0.0),
        ("9" * 300, float("9" * 300)),
        ('"1e999 Inf -NaN"', "1e999 Inf -NaN"),
        ('"\\\\"', "\\"),
        ('"\\\\\\",]}["', '\\",]}['),
        ("[]", []),
        ("{}", {}),
        ('{"b": [true, null]}', {"b": [True, None]}),
        ('"\u00e4\u20ac\U0001f600"', "\u00e4\u20ac\U0001f600"),
    ],
)
def test_values(space, text, value):
    document = (
        "{" + f'{space}"a"{space}:{space}[{space}{text}{space},{space}{text}{space}]{space}}}'
    )
    read = parse_document(document.encode() + b" and more")["a"]
    assert len(read) == 2
    for each in read:
        assert each == (pytest.approx(value, nan_ok=True) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    "number", ["1e309", "-1e309", "0e400", "1e99999999999999999999", "9" * 400]
)
def test_numbers_too_big_for_a_double(number):
    with pytest.raises(ServingError, match="Number too big to be stored in double"):
        parse_document(f'{{"a": [1, {number}]}}'.encode())


@pytest.mark.parametrize(
    "text",
    [
        *(
            '{"a": [1,]}',
            '{"a": [,1]}',
            '{"a": [1 2]}',
            '{"a": [1}',
            '{"a": 1]',
            '{"a" 1}',
            "{1: 2}",
        ),
        *(
            '{"a": [1',
            '{"a": tru}',
            '{"a": Infx}',
            '{"a": "\n"}',
            '{"a": 1,}',
            '{"a": [[1}, 2]}',
            "{,}",
        ),
        *('{"a": "x', '{"a"', "{", '{"a": +1}', '{"a": 01}', '{"a": [1,, 2]}', "[", "]", "{]"),
    ],
)
@pytest.mark.parametrize("filling", ["", " " * 20])
def test_malformed(text, filling):
    with pytest.raises(ServingError, match=r"JSON Parse error: .* at offset: [0-9]+|Is not object"):
        parse_document(text.replace("[", "[" + filling).encode())


@settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(alphabet='{}[]",:\\ 1a-.e', max_size=30))
def test_pieces_refuse_what_the_standard_parser_refuses(text):
    body = '{"a": ' + text
    try:
        expected, _ = json.JSONDecoder(object_pairs_hook=json_parser._first_wins).raw_decode(body)
    except ValueError:
        with pytest.raises(ServingError):
            parse_document(body.encode())
    else:
        assert parse_document(body.encode()) == expected


def test_values_are_counted_before_any_is_made():
    body = b'{"a": [' + b"[]," * 1000 + b"[]]}"
    with pytest.raises(RequestTooLarge, match="a body of at most 1000 values"):
        parse_document(body, max_values=1000)
    with pytest.raises(RequestTooLarge, match="a body of at most 1000 lists and objects"):
        parse_document(body, max_values=4000)
    assert len(parse_document(body, max_values=4100)["a"]) == 1001


def test_release():
    document = {"a": list(range(5000)), "b": 1, "c": [1]}
    values = document["a"]
    release(document)
    assert document == {} and len(values) <= 1024
