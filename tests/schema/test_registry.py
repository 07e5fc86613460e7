"""A folder of interface files: what is read, what is refused, and by which words."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema import Registry, UnknownProtocol
from tests.schema.build import TICK, protocol_json, record_json

EMPTY = {"protocol": "demo.Empty"}
LAST = {"last": {"request": [], "response": "demo.Tick"}}


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            file.write_text(text, encoding="utf-8")
    return folder


def test_every_protocol_below_a_folder_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b/quotes.avpr": protocol_json(LAST, name="demo.Quotes"),
            "a/deep/er/empty.avpr": EMPTY,
            "shared.avsc": [TICK, record_json(name="demo.Other")],
            "one.avsc": record_json(name="demo.One"),
            ".hidden/bad.avpr": "{",
            "b/.bad.avpr": "{",
            "README.md": "# Interfaces",
            "data.json": "{",
        },
    )
    registry = Registry(tmp_path)
    assert registry.folder == tmp_path
    assert list(registry) == ["demo.Empty", "demo.Quotes"]
    assert len(registry) == 2
    assert registry["demo.Quotes"] is registry["Quotes"]
    assert json.loads(registry["Quotes"].text)["types"] == [TICK]
    assert "Quotes" in registry
    assert "demo.Quotes" in registry
    assert "Tick" not in registry
    assert 5 not in registry
    assert repr(registry) == f"<registry {tmp_path}: demo.Empty, demo.Quotes>"
    assert len(Registry(str(tmp_path))) == 2


def test_same_folder_gives_same_text_everywhere(tmp_path: Path) -> None:
    files = {
        "z.avpr": protocol_json(LAST | {"m": {"request": [], "response": "x.A"}}, name="demo.Q"),
        "a.avsc": TICK,
        "b.avsc": record_json(("b", "x.B"), name="x.A"),
        "c.avsc": record_json(name="x.B"),
    }
    one = Registry(write(tmp_path / "one", files))["Q"]
    other = Registry(write(tmp_path / "other", dict(reversed(files.items()))))["Q"]
    assert one.text == other.text


QUOTES = """
/** Prices. */
@namespace("demo")
protocol Quotes {
  import schema "tick.avsc";  // which `types.avdl` and this folder would bring anyway

  /** Nobody trades it. */
  error UnknownSymbol { string symbol; }

  @idempotent(true)
  Tick last(string symbol) throws UnknownSymbol;

  @stream("response")
  array<Tick> watch(string symbol, double? seconds = 0.5) throws UnknownSymbol, demo.Closed;

  void note(@logicalType("timestamp-micros") long at, string text) oneway;
}
"""


def test_a_protocol_in_idl_has_the_text_and_hash_of_the_one_in_json(tmp_path: Path) -> None:
    errors = [
        {"type": "error", "name": "Closed", "namespace": "demo", "fields": []},
        {
            "type": "error",
            "name": "UnknownSymbol",
            "doc": "Nobody trades it.",
            "fields": [{"name": "symbol", "type": "string"}],
        },
    ]
    micros = {"type": "long", "logicalType": "timestamp-micros"}
    in_json = {
        "protocol": "Quotes",
        "namespace": "demo",
        "doc": "Prices.",
        "types": [errors[1]],
        "messages": {
            "last": {
                "idempotent": True,
                "request": [{"name": "symbol", "type": "string"}],
                "response": "Tick",
                "errors": ["UnknownSymbol"],
            },
            "watch": {
                "stream": "response",
                "request": [
                    {"name": "symbol", "type": "string"},
                    {"name": "seconds", "type": ["double", "null"], "default": 0.5},
                ],
                "response": {"type": "array", "items": "Tick"},
                "errors": ["UnknownSymbol", "Closed"],
            },
            "note": {
                "request": [{"name": "at", "type": micros}, {"name": "text", "type": "string"}],
                "response": "null",
                "one-way": True,
            },
        },
    }
    types = {"types.avdl": "namespace demo; error Closed {}", "tick.avsc": TICK}
    one = Registry(write(tmp_path / "idl", types | {"quotes.avdl": QUOTES}))["Quotes"]
    other = Registry(write(tmp_path / "json", types | {"quotes.avpr": in_json}))["Quotes"]
    assert one.text == other.text
    assert (one.md5, one.sha256) == (other.md5, other.sha256)
    assert json.loads(one.text) == in_json | {"types": [TICK, *errors]}
    assert [str(message.kind) for message in one.messages.values()] == [
        "unary",
        "streamed response",
        "one-way",
    ]


def test_files_may_refer_to_each_other_in_a_circle(tmp_path: Path) -> None:
    files = {
        "a.avsc": record_json(("b", ["null", "x.B"]), name="x.A"),
        "b.avsc": record_json(("a", {"type": "array", "items": "x.A"}), name="x.B"),
        "p.avdl": "protocol demo.P { x.B m(); }",
        "q.avpr": protocol_json({"m": {"request": [], "response": "x.A"}}, name="demo.Q"),
    }
    registry = Registry(write(tmp_path, files))
    assert list(registry["P"].types) == ["x.B", "x.A"]
    assert list(registry["Q"].types) == ["x.A", "x.B"]
    made = registry["P"].messages["m"].response
    assert made is not None
    value = {"a": [{"b": None}, {"b": {"a": []}}]}
    assert made.decode(bytes(made.encode(value))) == value


def test_a_name_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    write(tmp_path, {"a.avpr": EMPTY, "b.avpr": {"protocol": "other.Empty"}})
    registry = Registry(tmp_path)
    with pytest.raises(UnknownProtocol) as caught:
        registry["Emty"]
    assert str(caught.value) == (
        f"no protocol 'Emty' in {tmp_path}; did you mean 'Empty'?;"
        " there are: demo.Empty, other.Empty"
    )
    with pytest.raises(KeyError, match=r"short for demo\.Empty and other\.Empty"):
        registry["Empty"]
    assert "Empty" not in registry


def test_a_folder_of_types_alone_has_no_protocols(tmp_path: Path) -> None:
    registry = Registry(write(tmp_path, {"a.avsc": TICK}))
    assert len(registry) == 0
    assert repr(registry).endswith(": no protocols>")
    with pytest.raises(UnknownProtocol, match="there are: none"):
        registry["x"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"a.avpr": "{"}, "a.avpr: not JSON: line 1, column 2"),
    ({"a.avpr": b"\xff"}, "a.avpr: not UTF-8"),
    ({"a.avsc": '{"a": 1, "a": 2}'}, 'a.avsc: $: key "a" is there twice'),
    ({"a.avsc": "5"}, "a.avsc: $: expected the definition of a record, error, enum or fixed"),
    ({"a.avsc": [TICK, "int"]}, "a.avsc: $[1]: expected the definition"),
    ({"a.avsc": {"type": "array", "items": "int"}}, "a.avsc: $: expected the definition"),
    ({"a.avpr": TICK}, 'a.avpr: $: expected a protocol, with its name under "protocol"'),
    ({"a.avpr": EMPTY, "b/c.avpr": EMPTY}, "b/c.avpr: $.protocol: protocol 'demo.Empty' is def"),
    ({"a.avsc": TICK, "b.avsc": TICK}, "b.avsc: $.name: 'demo.Tick' is defined already, at "),
    (
        {"a.avpr": protocol_json({}, TICK), "b.avsc": TICK},
        "b.avsc: $.name: 'demo.Tick' is defined already, at {folder}/a.avpr: $.types[0]",
    ),
    (
        {"a.avpr": protocol_json(LAST)},
        "a.avpr: $.messages.last.response: no type 'demo.Tick'",
    ),
    (
        {"a.avpr": protocol_json(LAST), "b.avsc": record_json(name="demo.Tik")},
        "a.avpr: $.messages.last.response: no type 'demo.Tick'; did you mean 'demo.Tik'?",
    ),
    (
        {"a.avsc": record_json(("f", "x.Nope"))},
        "a.avsc: $.fields[0].type: no type 'x.Nope'",
    ),
    (
        {
            "a.avsc": record_json(("b", "x.B"), name="x.A"),
            "b.avsc": record_json(("a", "x.A"), name="x.B"),
        },
        "a value would hold itself without end",
    ),
    ({"a.avdl": "protocol P {"}, "a.avdl:1:13: expected a definition, a message, an import or"),
    (
        {"a.avdl": "protocol demo.P { Tick f(); }", "b.avsc": record_json(name="demo.Tik")},
        "a.avdl:1:19: no type 'Tick'; did you mean 'Tik'?",
    ),
    ({"a.avdl": "schema array<R>; record S {}"}, "a.avdl:1:14: no type 'R'"),
    (
        {"a.avdl": "/** One. */\nprotocol demo.Empty { record R {} }", "b.avpr": EMPTY},
        "b.avpr: $.protocol: protocol 'demo.Empty' is defined already, in {folder}/a.avdl:2:10",
    ),
    (
        {"a.avpr": protocol_json({}, TICK), "b.avdl": "protocol demo.P { record Tick {} }"},
        "b.avdl:1:10: protocol 'demo.P' is defined already, in {folder}/a.avpr",
    ),
    (
        {"a.avdl": "namespace demo; record Tick {}", "b.avsc": TICK},
        "b.avsc: $.name: 'demo.Tick' is defined already, at {folder}/a.avdl:1:24",
    ),
    (
        {"a.avpr": protocol_json({}, TICK), "b.avdl": "namespace demo; record Tick {}"},
        "b.avdl:1:24: 'demo.Tick' is defined already, at {folder}/a.avpr: $.types[0]",
    ),
    ({"notes.txt": ""}, "{folder}: no interface file (.avdl, .avpr, .avsc) in this folder"),
]


@pytest.mark.parametrize(("files", "text"), REFUSED)
def test_what_is_wrong_is_named_by_file(tmp_path: Path, files: dict[str, Any], text: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Registry(write(tmp_path, files))
    assert text.replace("{folder}", str(tmp_path)) in str(caught.value)
    assert caught.value.source.startswith(str(tmp_path))


def test_names_of_files_are_as_the_folder_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "schemas", {"sub/a.avpr": "{"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SchemaError) as caught:
        Registry("schemas")
    assert caught.value.source == str(Path("schemas/sub/a.avpr"))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="can't read the folder: No such file"):
        Registry(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SchemaError, match="can't read the folder: Not a directory"):
        Registry(file)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.avpr").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SchemaError, match=r"a\.avpr: can't read the file: No such file"):
        Registry(tmp_path)


def test_a_link_that_leads_back_is_followed_once(tmp_path: Path) -> None:
    write(tmp_path, {"sub/a.avpr": EMPTY})
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert list(Registry(tmp_path)) == ["demo.Empty"]


def test_a_folder_may_be_a_path_like(tmp_path: Path) -> None:
    class Like(os.PathLike[str]):
        def __fspath__(self) -> str:
            return str(tmp_path)

    write(tmp_path, {"a.avpr": EMPTY})
    assert list(Registry(Like())) == ["demo.Empty"]
