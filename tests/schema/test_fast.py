"""Schemas for fastavro, against what its own parser makes of the same."""

import io
import json
from typing import Any

import fastavro
import pytest

from avrpc.schema.fast import FastSchemas
from avrpc.schema.plan import Plan
from tests.schema.build import LIST, TICK, record_json, type_of

E = {"type": "enum", "name": "x.E", "symbols": ["A", "B"]}
F = {"type": "fixed", "name": "x.F", "size": 2}
ALL = record_json(
    *((kind, kind) for kind in ("null", "boolean", "int", "long", "float", "double", "string")),
    ("bytes", "bytes"),
    ("e", E),
    ("f", F),
    ("array", {"type": "array", "items": TICK}),
    ("map", {"type": "map", "values": "long"}),
    ("union", ["null", "string", {"type": "array", "items": "int"}]),
    ("date", {"type": "int", "logicalType": "date", "__fastavro_parsed": True}),
    name="x.All",
)
HINTS = {"__fastavro_parsed": True, "__named_schemas": {"t.x.All": "boom"}}


def fast(json_of: Any) -> tuple[dict[str, Any], bool]:
    of = type_of(json_of)
    return FastSchemas(Plan(of)).schema(of)


def prefixed(schema: Any) -> Any:
    """The same with the names that we use."""
    if isinstance(schema, dict):
        made = {key: prefixed(value) for key, value in schema.items() if key != "logicalType"}
        if schema.get("type") in ("record", "enum", "fixed"):
            made["name"] = f"t.{schema['name']}"
        return made
    return [prefixed(one) for one in schema] if isinstance(schema, list) else schema


def plain(schema: Any) -> Any:
    if isinstance(schema, dict) and 0 in schema:  # ours for a union, or for symbols
        return [plain(one) for at, one in schema.items() if at != "type"]
    if isinstance(schema, dict):
        made = {key: plain(value) for key, value in schema.items() if not key.startswith("__")}
        return made["type"] if made.keys() == {"type"} else made
    return [plain(one) for one in schema] if isinstance(schema, list) else schema


def test_schema_is_what_fastavro_would_parse() -> None:
    made, wrapped = fast(ALL)
    assert not wrapped
    assert plain(made) == plain(fastavro.parse_schema(prefixed(ALL)))
    assert made["__named_schemas"] == {}
    assert made["__fastavro_parsed"] is True


def test_fastavro_parses_nothing_again() -> None:
    made, _ = fast(TICK)
    assert fastavro.parse_schema(made) is made


def test_no_key_of_the_text_is_left() -> None:
    made, _ = fast({**ALL, **HINTS, "doc": "x", "aliases": ["y"], "extra": 1})
    text = json.dumps(made)
    assert text.count("__") == 2  # those that we put there
    assert "boom" not in text
    for word in ("doc", "alias", "extra", "logicalType", "default"):
        assert word not in text


@pytest.mark.parametrize("of", ["int", {"type": "array", "items": TICK}, E, ["null", "int"]])
def test_what_is_no_record_is_wrapped(of: Any) -> None:
    made, wrapped = fast(of)
    assert wrapped
    assert [field["name"] for field in made["fields"]] == ["v"]


def test_recursive_records_refer_to_themselves() -> None:
    made, _ = fast(LIST)
    inner = made["fields"][0]["type"][1]
    assert inner["fields"][0]["type"][1] is inner
    value = fastavro.schemaless_reader(io.BytesIO(b"\2\2\0"), made, None)
    assert value == {"next": {"next": {"next": None}}}


def test_branches_to_be_told_are_records() -> None:
    made, _ = fast(["string", {"type": "int", "logicalType": "date"}])
    assert [one["name"] for one in made["fields"][0]["type"]] == ["w.string", "w.int"]
