"""The JSON parser of REST requests: RapidJSON's rules, in pieces that let other threads run.

Differs from the real server's RapidJSON: lists and objects may be 256 deep, and invalid UTF-8 is
refused.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import numpy as np
import orjson

from aae_tf.serving.errors import RequestTooLarge, ServingError, invalid_argument
from aae_tf.serving.rest.json_values import echo

# A tensor has at most 254 dimensions; the document adds two levels.
_MAX_DEPTH = 256
# Bytes that the parser reads at once: no other thread runs meanwhile.
_PIECE = 2**16
_SPACE = re.compile(rb"[ \t\n\r]*")
# Elements that go at once when a document is released, for the same reason.
_RELEASED = 2**10
# A string without a closing quote matches up to the end, so that matching takes linear time.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\n\r,\[\]{}:]*")
# A list or object takes that many times the memory of a number, and the collector's time.
_VALUES_PER_CONTAINER = 4
# What Python's parser does not read, and where it differs.
_SPELLINGS = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*"?)|(-?)\b(NaN|Inf)\b', re.DOTALL)
# A body with every digit as 0 and every E as e: long numbers are then found by their spelling.
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBERS = (b"0" * 19, b"e000", b"e+000")
_NUMBER = re.compile(rb"-?[0-9]+(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?")


def parse_document(body: bytes, max_values: int = 2**23) -> dict[str, Any]:
    """Parses the body of a request.

    What follows the first value is ignored, and of keys given twice the first counts.

    Args:
        body: The document as UTF-8, a byte order mark before it or not.
        max_values: Values that it may hold, lists and objects included. Defaults to 2^23.

    Raises:
        ServingError: INVALID_ARGUMENT if `body` is not JSON, too deep, or not an object.
        RequestTooLarge: there may be more than `max_values`, or more lists and objects than a
            quarter of that; they are counted before any is made.

    Example:

        >>> parse_document(b'{"inputs": [1.5, -Inf], "inputs": 2} and more', max_values=100)
        {'inputs': [1.5, -inf]}
    """
    containers = body.count(b"[") + body.count(b"{")
    if body.count(b",") + containers > max_values:
        raise RequestTooLarge(f"Expected a body of at most {max_values} values.")
    if containers > max_values // _VALUES_PER_CONTAINER:
        raise RequestTooLarge(
            f"Expected a body of at most {max_values // _VALUES_PER_CONTAINER} lists and objects."
        )
    if len(body) <= _PIECE and containers <= _MAX_DEPTH:
        short = _parse_short(body)
        if short is not None:
            return short
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    start = _skip(body, start)
    if start == len(body):
        raise invalid_argument("JSON Parse error: The document is empty")
    document, _ = _parse_value(body, start, 0)
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {echo(document)} Is not object")
    return document


def release(document: dict[str, Any]) -> None:
    """Empties a document that nobody needs any more, a little at a time."""
    for value in document.values():
        while isinstance(value, list) and len(value) > _RELEASED:
            del value[-_RELEASED:]
    document.clear()


def _parse_short(body: bytes) -> dict[str, Any] | None:
    """Parses a short document at once; returns None for one that orjson may read otherwise."""
    if _has_long_number(body):
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    members = len(document)
    rows = document.get("instances")
    if isinstance(rows, list):
        members += sum(len(row) for row in rows if isinstance(row, dict))
    named = document.get("inputs")
    if isinstance(named, dict):
        members += len(named)
    # A key given twice has a colon and no member of its own.
    return document if body.count(b":") == members else None


def _parse_value(body: bytes, start: int, depth: int) -> tuple[Any, int]:
    """Parses the value at `start`, which is no space; returns it and where it ends."""
    if body[start : start + 1] in (b"[", b"{"):
        return _parse_container(body, start, depth + 1)
    pattern = _STRING if body[start : start + 1] == b'"' else _SCALAR
    match = pattern.match(body, start)
    text = match.group() if match else b""
    if not text:
        _fail("Invalid value.", start)
    (value,) = _parse_piece(b"[" + text + b"]", start - 1)
    return value, start + len(text)


def _parse_container(body: bytes, start: int, depth: int) -> tuple[Any, int]:
    """Parses the list or object that opens at `start`.

    Runs of elements are cut where a comma or the closing bracket stands on this level. An element
    that is longer than a piece is parsed by itself.
    """
    opening = body[start : start + 1]
    closing = b"]" if opening == b"[" else b"}"
    result: Any = [] if opening == b"[" else {}
    position = _skip(body, start + 1)
    after_comma = False
    while True:
        piece = body[position : position + _PIECE]
        end, cut = _find_cut(piece, depth)
        if end >= 0 and piece[end : end + 1] == closing:
            if piece[:end].strip(b" \t\n\r"):
                _extend(result, opening + piece[:end] + closing, position - 1)
            elif after_comma:
                _fail("Invalid value.", position + end)
            return result, position + end + 1
        if cut >= 0 and end < 0:
            if not piece[:cut].strip(b" \t\n\r"):
                _fail("Invalid value.", position + cut)
            _extend(result, opening + piece[:cut] + closing, position - 1)
            position, after_comma = position + cut + 1, True
            continue
        if end >= 0 or position + len(piece) == len(body):
            # Nothing closes it: the parser says where and why.
            _extend(result, opening + piece, position - 1)
            _fail("Missing a comma or ] after an array element.", position + len(piece))
        position, after_comma = _parse_long_element(body, position, depth, result)
        if not after_comma:
            if body[position : position + 1] != closing:
                _fail("Missing a comma or a closing bracket.", position)
            return result, position + 1


def _parse_long_element(body: bytes, start: int, depth: int, result: Any) -> tuple[int, bool]:
    """Parses one element into `result`; returns where the next begins, and if there was a comma."""
    position = _skip(body, start)
    key = None
    if isinstance(result, dict):
        if body[position : position + 1] != b'"':
            _fail("Missing a name for object member.", position)
        key, position = _parse_value(body, position, depth)
        position = _skip(body, position)
        if body[position : position + 1] != b":":
            _fail("Missing a colon after a name of object member.", position)
        position = _skip(body, position + 1)
    value, position = _parse_value(body, position, depth)
    if isinstance(result, dict):
        result.setdefault(key, value)
    else:
        result.append(value)
    position = _skip(body, position)
    comma = body[position : position + 1] == b","
    return position + comma, comma


def _find_cut(piece: bytes, depth: int) -> tuple[int, int]:
    """Returns where the enclosing bracket closes in `piece`, and its last comma; -1 for neither.

    Raises:
        ServingError: brackets within it are too deep.
    """
    if b"\\" in piece:
        # An escaped quote does not end a string; the pieces start outside of one.
        piece = piece.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    codes = np.frombuffer(piece, np.uint8)
    # The two kinds of brackets differ from each other by one bit each.
    folded = codes & 0xDF
    steps = (folded == 0x5B).astype(np.int32) - (folded == 0x5D)
    commas = codes == 0x2C
    if b'"' in piece:
        inside = np.logical_xor.accumulate(codes == 0x22)
        steps[inside] = 0
        commas &= ~inside
    level = np.cumsum(steps, dtype=np.int32)
    ends = np.flatnonzero(level < 0)
    end = int(ends[0]) if ends.size else -1
    if end >= 0:
        level, commas = level[:end], commas[:end]
    if level.size and depth + int(level.max()) > _MAX_DEPTH:
        raise _too_deep()
    cuts = np.flatnonzero(commas & (level == 0))
    return end, int(cuts[-1]) if cuts.size else -1


def _extend(result: Any, piece: bytes, offset: int) -> None:
    values = _parse_piece(piece, offset)
    if isinstance(result, list):
        result.extend(values)
    elif result:
        for key, value in values.items():
            result.setdefault(key, value)
    else:
        result.update(values)


def _parse_piece(piece: bytes, offset: int) -> Any:
    """Parses a short document, whose first byte stands at `offset` of the body."""
    try:
        if _has_long_number(piece):
            _check_numbers(piece)
        elif b"{" not in piece:
            # Three times as fast, but it takes the last of keys given twice, and makes doubles of
            # integers beyond 64 bits. What it refuses is for the other parser to judge.
            with contextlib.suppress(orjson.JSONDecodeError):
                return orjson.loads(piece)
        text = piece.decode()
        try:
            return _DECODER.decode(text)
        except json.JSONDecodeError:
            spelled = _SPELLINGS.sub(_spell, text)
            if spelled == text:
                raise
            return _DECODER.decode(spelled)
    except json.JSONDecodeError as error:
        reason = "Invalid value." if error.msg == "Expecting value" else error.msg
        raise _error(reason, max(offset + error.pos, 0)) from error
    except UnicodeDecodeError as error:
        raise _error("Invalid encoding in string.", offset + error.start) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # Python refuses integers of thousands of digits
        raise invalid_argument(f"JSON Parse error: {error}") from error


def _has_long_number(piece: bytes) -> bool:
    """Tells whether digits or an exponent are long enough for orjson to differ."""
    digits = piece.translate(_DIGITS)
    return any(spelling in digits for spelling in _LONG_NUMBERS)


def _spell(match: re.Match[str]) -> str:
    string, minus, word = match.groups()
    if string is not None:
        return string
    return "NaN" if word == "NaN" else f"{minus}Infinity"


def _check_numbers(piece: bytes) -> None:
    """Refuses numbers that no double holds, even those of zeros, as RapidJSON does."""
    for match in _NUMBER.finditer(_STRING.sub(b'""', piece)):
        decimals, exponent = match.group(1) or b"", (match.group(2) or b"").lstrip(b"+0") or b"0"
        too_big = len(exponent) > 20 or int(exponent) > 308 + len(decimals)
        if exponent[:1] != b"-" and (too_big or abs(float(match.group())) == float("inf")):
            raise invalid_argument("JSON Parse error: Number too big to be stored in double.")


def _skip(body: bytes, start: int) -> int:
    match = _SPACE.match(body, start)
    return match.end() if match else start


def _fail(reason: str, offset: int) -> Any:
    raise _error(reason, offset)


def _error(reason: str, offset: int) -> ServingError:
    return invalid_argument(f"JSON Parse error: {reason} at offset: {offset}")


def _too_deep() -> ServingError:
    return invalid_argument(
        f"JSON Parse error: Lists and objects are nested more than {_MAX_DEPTH} deep."
    )


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        values.update(reversed(pairs))
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_first_wins)
