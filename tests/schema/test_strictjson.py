"""Reading JSON strictly, and writing it compactly."""

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.strictjson import Place, compact, read_json, show

NOT_JSON = [
    ("", "not JSON: line 1, column 1"),
    ('{"a": 1,}', "not JSON: line 1, column "),  # 9; from Python 3.13 on 8, that of the comma
    ('{\n "a" 1}', "not JSON: line 2, column 6"),
    ("[1] 2", "not JSON: line 1, column 5: Extra data"),
    ("[NaN]", "not JSON: NaN is no JSON"),
    ("[-Infinity]", "not JSON: -Infinity is no JSON"),
    ("[1e999]", "not JSON: a number beyond the range of a double"),
    ("[" * 100_000, "nested too deeply"),
    ("1" * 5000, "not JSON: Exceeds the limit"),
    (b"\xff", "not UTF-8: byte 0 is 0xff"),
    (b'["\xc3"]', "not UTF-8: byte 2 is 0xc3"),
    (b'{"a": "\\ud800"}', "half of a surrogate pair"),
]


@pytest.mark.parametrize(("text", "problem"), NOT_JSON)
def test_what_is_no_json_is_refused_by_place(text: str | bytes, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        read_json(text, "a.avpr")
    assert problem in caught.value.problem
    assert str(caught.value).startswith("a.avpr: ")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a": 1, "a": 2}', "$"),
        ('{"x": [0, {"a": 1, "b": 2, "a": 2}]}', "$.x[1]"),
        ('{"a b": {"a": {}, "a": 2}}', '$["a b"]'),
        ('{"x": {"a": 1, "a": 2}, "x": 5}', "$"),
        ("[" * 900 + '{"a": 1, "a": 2}' + "]" * 900, "$" + "[0]" * 900),
    ],
)
def test_a_key_that_is_there_twice_is_refused_by_path(text: str, path: str) -> None:
    with pytest.raises(SchemaError, match="is there twice") as caught:
        read_json(text, "a.avpr")
    assert caught.value.path == path
    assert caught.value.source == "a.avpr"


def test_json_is_read_from_bytes_with_a_mark_and_from_text() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": "\xc3\xa4"}') == {"a": "ä"}
    assert read_json('{"a": [1.5, null]}') == {"a": [1.5, None]}


# What Node's JSON.stringify(JSON.parse(text)) gives, but for the last.
COMPACT = [
    ('{ "b" : 1 , "a" : [ 1 , 2 ] }', '{"b":1,"a":[1,2]}'),
    ('"\\u00e4\\u2028\\u007f\\/"', '"ä\u2028\x7f/"'),
    ('"\\b\\f\\n\\r\\t\\u0000\\u001f\\"\\\\"', '"\\b\\f\\n\\r\\t\\u0000\\u001f\\"\\\\"'),
    ("[true, false, null, 0.1, -5]", "[true,false,null,0.1,-5]"),
    ("[1.0]", "[1.0]"),
]


@pytest.mark.parametrize(("text", "wanted"), COMPACT)
def test_json_is_written_compactly(text: str, wanted: str) -> None:
    assert compact(read_json(text)) == wanted


def test_places_are_json_paths() -> None:
    place = Place("f") / "messages" / "watch" / "request" / 0 / "one-way" / "a b"
    assert place.path == '$.messages.watch.request[0].one-way["a b"]'
    error = place.expected("a string", {"x": "y" * 100})
    assert str(error).startswith("f: $.messages")
    assert error.problem == 'expected a string, found {"x": "' + "y" * 50 + "..."
    assert show(5) == "5"
