"""The text of a protocol: what is put into it, where, and that it means the same."""

import json
from typing import Any

import pytest

from avrpc.schema import Protocol
from avrpc.schema.messages import collect_protocol, read_protocol
from avrpc.schema.parse import Names
from avrpc.schema.strictjson import Place
from avrpc.schema.text import self_contained
from tests.schema.build import record_json


def made(protocol: Any, *others: Any) -> Any:
    """The text for a protocol, as JSON, with the types of other files around."""
    names = Names()
    own_names = Names()
    collect_protocol(own_names, protocol, Place())
    for other in others:
        names.collect(other, "", Place("other"))
    collect_protocol(names, protocol, Place())
    read_protocol(names, protocol, Place())
    names.parse_all()
    text = self_contained(names, protocol, set(own_names.definitions))
    Protocol.parse(text)  # it is whole
    assert_defined_before_used(text)
    return json.loads(text)


def assert_defined_before_used(text: str) -> None:
    """As Avro asks: fastavro's parser, for one, knows no other order."""
    json_text = json.loads(text)
    names = Names()
    for at, one in enumerate(json_text.get("types", [])):
        names.collect(one, json_text.get("namespace", ""), Place() / at)
        names.parse(one, json_text.get("namespace", ""), Place() / at)
        names.complete()


def using(*types: Any, **more: Any) -> dict[str, Any]:
    request = [{"name": f"p{at}", "type": of} for at, of in enumerate(types)]
    return {
        "protocol": "P",
        "namespace": "demo",
        "messages": {"m": {"request": request, "response": "null"}},
    } | more


def enum(name: str) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": ["A"]}


def test_a_text_that_needs_nothing_is_sent_as_it_is() -> None:
    protocol = using("E", types=[enum("E")], doc="ä", extra={"b": 1, "a": [1.5]})
    assert made(protocol, enum("other.X")) == protocol
    names = Names()
    collect_protocol(names, protocol, Place())
    text = self_contained(names, protocol, set(names.definitions))
    assert text == json.dumps(protocol, separators=(",", ":"), ensure_ascii=False)


def test_types_of_other_files_go_in_front_in_order_of_use() -> None:
    one = record_json(("a", "x.A"), ("b", {"type": "map", "values": "B"}), name="x.One")
    own = record_json(("one", ["null", "x.One"]), name="Own")
    protocol = using("Own", {"type": "array", "items": "x.C"}, types=[own])
    wanted = [enum("x.A"), enum("x.B"), one, enum("x.C"), own]
    others = [enum("x.C"), one, enum("x.B"), enum("x.A"), enum("x.Unused")]
    assert made(protocol, *others)["types"] == wanted
    assert made(protocol, *others[::-1])["types"] == wanted


def test_types_are_made_where_there_were_none() -> None:
    text = made(using("x.A", extra=1), enum("x.A"))
    assert list(text) == ["protocol", "namespace", "extra", "types", "messages"]
    assert text["types"] == [enum("x.A")]


def test_responses_and_errors_are_followed() -> None:
    bad = {"type": "error", "name": "x.Bad", "fields": []}
    protocol = using()
    protocol["messages"]["m"] |= {"response": {"type": "map", "values": "x.A"}, "errors": ["x.Bad"]}
    protocol["messages"]["log"] = {"request": [], "one-way": True}
    text = made(protocol, bad, enum("x.A"))
    assert text["types"] == [enum("x.A"), bad]
    assert text["messages"] == protocol["messages"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"name": "A"}, {"name": "A", "namespace": ""}),
        ({"name": "A", "namespace": "x"}, {"name": "A", "namespace": "x"}),
        ({"name": "x.A"}, {"name": "x.A"}),
    ],
)
def test_a_definition_keeps_its_namespace(given: Any, wanted: Any) -> None:
    full = given["name"] if "." in given["name"] else f"{given.get('namespace', '')}.A".strip(".")
    fixed = {"type": "fixed", "size": 1}
    text = made(using(full), fixed | given)
    assert text["types"] == [fixed | wanted]


def test_a_definition_inside_another_is_taken_out_with_its_namespace() -> None:
    outer = record_json(("e", enum("E")), name="x.Outer")
    text = made(using("x.E", "x.Outer"), outer)
    assert text["types"] == [
        {"type": "enum", "name": "E", "namespace": "x", "symbols": ["A"]},
        record_json(("e", "x.E"), name="x.Outer"),
    ]
    assert made(using("x.Outer", "x.E"), outer)["types"] == [outer]


def test_types_that_hold_each_other_are_put_into_each_other() -> None:
    one = record_json(("other", ["null", "Other"]), name="x.One")
    other = record_json(("ones", {"type": "array", "items": "One"}), ("e", "x.E"), name="x.Other")
    text = made(using("x.One", "x.Other"), other, one, enum("x.E"))
    assert text["types"] == [
        enum("x.E"),
        record_json(("other", ["null", other]), name="x.One"),
    ]


def test_a_type_that_holds_one_of_the_protocols_own_is_put_where_it_is_used() -> None:
    one = record_json(("own", "demo.Own"), name="x.One")
    own = record_json(("ones", {"type": ["null", "x.One"]}), name="Own")
    text = made(using("x.One", types=[enum("E"), own]), one)
    assert text["types"] == [
        enum("E"),
        record_json(("ones", {"type": ["null", one]}), name="Own"),
    ]


def test_a_chain_of_files_in_a_circle() -> None:
    files = [
        record_json(("next", ["null", f"x.R{(at + 1) % 5}"]), ("e", "x.E"), name=f"x.R{at}")
        for at in range(5)
    ]
    text = made(using("x.R3"), *files, enum("x.E"))
    assert [one["name"] for one in text["types"]] == ["x.E", "x.R3"]
    assert json.dumps(text).count('"name": "x.R') == 5
