"""Every rule of Avro on types: what is read, and what is refused, by path."""

from typing import Any

import pytest

from avrpc.errors import SchemaError
from avrpc.schema.parse import Names
from avrpc.schema.strictjson import Place
from avrpc.schema.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union
from tests.schema.build import LIST, TICK, record_json, refused, type_of

E = {"type": "enum", "name": "E", "symbols": ["A", "B"]}


@pytest.mark.parametrize(
    ("json", "text"),
    [
        ("string", "string"),
        ({"type": "string"}, "string"),
        ({"type": {"type": "string"}}, "string"),
        ({"type": ["null", "int"]}, "union {null, int}"),
        ({"type": {"type": {"type": "array", "items": {"type": "int"}}}}, "array<int>"),
        ({"type": "map", "values": ["null", {"type": "bytes"}]}, "map<union {null, bytes}>"),
        (["null", TICK, E, {"type": "array", "items": "E"}], "union {null, Tick, E, array<E>}"),
        ({"type": "string", "avro.java.string": "String", "doc": 5}, "string"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "long (timestamp-micros)"),
        ({"type": "long", "logicalType": "made-up"}, "long"),
        (["int"], "union {int}"),
    ],
)
def test_types_are_read(json: Any, text: str) -> None:
    assert str(type_of(json)) == text


REFUSED = [
    (5, "$", "expected a type: a name, an object or a list, found 5"),
    (None, "$", "expected a type"),
    ({}, "$", 'expected a type: an object with a "type", found {}'),
    ("strin", "$", "no type 'strin'; did you mean 'string'?"),
    ("STRING", "$", "no type 'STRING'; did you mean 'string'?"),
    ("whatever", "$", "no type 'whatever'"),
    ([record_json(name="a.b.R"), "R"], "$[1]", "no type 'R'; did you mean 'a.b.R'?"),
    ([record_json(name="a.b.R"), "c.R"], "$[1]", "no type 'c.R'; did you mean 'a.b.R'?"),
    ("array", "$", '\'array\' is no type by itself: it needs {"type": "array", ...}'),
    ({"type": "recrod", "name": "R"}, "$.type", "no type 'recrod'; did you mean 'record'?"),
    ({"type": 5}, "$.type", "expected a type"),
    ({"type": "array"}, "$", 'expected a type under "items" of this array, and there is none'),
    ({"type": "map", "items": "int"}, "$", 'expected a type under "values"'),
    ({"type": "array", "items": "nul"}, "$.items", "did you mean 'null'?"),
    ([], "$", "expected a union of at least one type, found none"),
    (["int", "int"], "$[1]", "'int' is in this union already"),
    (["long", {"type": "long", "logicalType": "timestamp-micros"}], "$[1]", "already"),
    ([{"type": "array", "items": "int"}, {"type": "array", "items": "long"}], "$[1]", "'array'"),
    ([E, "E"], "$[1]", "'E' is in this union already"),
    (["null", ["int"]], "$[1]", "a union directly in a union"),
    ({"type": "record", "fields": []}, "$", 'expected a name under "name"'),
    ({"type": "record", "name": 5, "fields": []}, "$.name", "expected a name"),
    ({"type": "record", "name": "a-b", "fields": []}, "$.name", "expected a name of letters"),
    ({"type": "record", "name": "1a", "fields": []}, "$.name", "expected a name of letters"),
    ({"type": "record", "name": "a..b", "fields": []}, "$.name", "expected a name of letters"),
    ({"type": "record", "name": "é", "fields": []}, "$.name", "expected a name of letters"),
    ({"type": "record", "name": "a\n", "fields": []}, "$.name", "expected a name of letters"),
    ({"type": "record", "name": "R", "namespace": "a.", "fields": []}, "$.namespace", "names with"),
    ({"type": "record", "name": "R", "namespace": 5, "fields": []}, "$.namespace", "names with"),
    ({"type": "record", "name": "x.int", "fields": []}, "$.name", "'x.int' is a primitive type's"),
    ({"type": "record", "name": "R"}, "$", 'expected a list under "fields", and there is none'),
    ({"type": "record", "name": "R", "fields": {}}, "$.fields", "expected a list, found {}"),
    ({"type": "record", "name": "R", "fields": [5]}, "$.fields[0]", "expected a field: an object"),
    ({"type": "record", "name": "R", "fields": [{"name": "a"}]}, "$.fields[0]", 'and a "type"'),
    (record_json(("a", "nope")), "$.fields[0].type", "no type 'nope'"),
    (record_json(("a b", "int")), "$.fields[0].name", "expected a name"),
    (record_json(("a", "int"), ("a", "int")), "$.fields[1].name", "field 'a' is there twice"),
    (
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "a", "type": "int", "order": "up"}],
        },
        "$.fields[0].order",
        "ascending, descending or ignore",
    ),
    (
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "a", "type": "int", "aliases": ["b", "c d"]}],
        },
        "$.fields[0].aliases[1]",
        "expected a name",
    ),
    ({"type": "record", "name": "R", "fields": [], "doc": 5}, "$.doc", "expected a string"),
    ({"type": "record", "name": "R", "fields": [], "aliases": "x"}, "$.aliases", "a list"),
    ({"type": "record", "name": "R", "fields": [], "aliases": [".x"]}, "$.aliases[0]", "a name"),
    ({**E, "aliases": ["x", "a" * 256]}, "$.aliases[1]", "at most 255"),
    ({**E, "aliases": [5]}, "$.aliases[0]", "expected a name"),
    ({**E, "namespace": "x" * 200, "aliases": ["y" * 60]}, "$.aliases[0]", "at most 255"),
    ({"type": "enum", "name": "E"}, "$", 'expected a list under "symbols"'),
    ({"type": "enum", "name": "E", "symbols": ["A", "A"]}, "$.symbols[1]", "'A' is there twice"),
    ({"type": "enum", "name": "E", "symbols": ["a-b"]}, "$.symbols[0]", "expected a symbol of"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B,C"]}, "$.symbols[1]", "expected a symbol"),
    ({"type": "enum", "name": "E", "symbols": ["A", ""]}, "$.symbols[1]", "expected a symbol of"),
    ({"type": "enum", "name": "E", "symbols": ["A", 5]}, "$.symbols[1]", "expected a symbol of"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B" * 256]}, "$.symbols[1]", "at most 255"),
    ({**E, "default": "C"}, "$.default", 'expected one of the symbols ["A", "B"], found "C"'),
    ({"type": "fixed", "name": "F"}, "$.size", "expected a number of bytes"),
    ({"type": "fixed", "name": "F", "size": -1}, "$.size", "expected a number of bytes"),
    ({"type": "fixed", "name": "F", "size": True}, "$.size", "expected a number of bytes"),
    ({"type": "fixed", "name": "F", "size": 1 << 40}, "$.size", "expected a number of bytes"),
    ([E, E], "$[1].name", "'E' is defined already, at $[0]"),
    ({"type": "array", "items": "null"}, "$.items", "items of type null may take no bytes at all"),
    (
        {"type": "array", "items": record_json(("a", "null"), ("b", record_json(name="S")))},
        "$.items",
        "items of type R may take no bytes at all",
    ),
    (
        record_json(("a", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})),
        "$.fields[0].type.items",
        "may take no bytes",
    ),
    (record_json(("a", "R")), "$", "'R': a value would hold itself without end"),
    (
        record_json(("a", record_json(("r", "R"), name="S"))),
        "$",
        "a value would hold itself without end",
    ),
    (record_json(("a", "int", "x")), "$.fields[0].default", "expected a default of type int"),
]


@pytest.mark.parametrize(("json", "path", "problem"), REFUSED)
def test_what_is_no_type_is_refused_by_path(json: Any, path: str, problem: str) -> None:
    error = refused(json)
    assert problem in error.text
    assert error.path == path or (path == "$" and "without end" in problem)


def test_a_type_may_be_called_as_a_kind_of_types_is() -> None:
    array = {"type": "fixed", "name": "array", "size": 1}
    made = type_of([array, {"type": "array", "items": "int"}, {**array, "name": "union"}])
    assert str(made) == "union {array, array<int>, union}"


def test_what_is_alike_is_the_same_type() -> None:
    fields: list[tuple[str, Any]] = [
        ("a", ["null", "int"]),
        ("b", ["null", {"type": "int"}]),
        ("c", {"type": "array", "items": ["null", "int"]}),
        ("d", {"type": "array", "items": ["null", "int"]}),
        ("e", ["null", "x.E"]),
        ("f", ["null", {"type": "E"}]),
        ("g", "x.E"),
    ]
    made = type_of([{**E, "name": "x.E"}, record_json(*fields, name="x.R")])
    assert isinstance(made, Union)
    record = made.branches[1]
    assert isinstance(record, Record)
    a, b, c, d, e, f, g = (field.type for field in record.fields)
    assert a is b
    assert c is d
    assert isinstance(c, Array)
    assert c.items is a
    assert e is f
    assert isinstance(e, Union)
    assert e.branches[1] is g is made.branches[0]


def nested(depth: int) -> Any:
    json: Any = "int"
    for _ in range(depth):
        json = {"type": "array", "items": json}
    return json


def test_types_nest_so_deep_and_no_deeper() -> None:
    type_of(nested(65))
    assert "more than 64 deep" in refused(nested(66)).text


def test_a_value_may_nest_so_deep_and_no_deeper() -> None:
    def nodes(levels: int) -> Any:
        json: Any = "Node"
        for _ in range(levels):
            json = {"type": "array", "items": json}
        return record_json(("more", json), name="Node")

    type_of(nodes(10))
    assert "more than 1500 levels" in refused(nodes(30)).text


def test_long_chains_of_records_are_read() -> None:
    json: Any = "int"
    for number in range(700):
        json = record_json(("f", json), name=f"R{number}")
    assert isinstance(type_of(json), Record)


def named(json: Any, name: str) -> Type:
    names = Names()
    names.collect(json, "", Place())
    names.parse(json, "", Place())
    return names.parse_all()[name]


@pytest.mark.parametrize(
    ("inner", "name"),
    [
        ({"name": "X"}, "a.b.X"),
        ({"name": "X", "namespace": "c"}, "c.X"),
        ({"name": "X", "namespace": ""}, "X"),
        ({"name": "d.X", "namespace": "c"}, "d.X"),
        ({"name": "d.X"}, "d.X"),
    ],
)
def test_namespaces_are_inherited_unless_given(inner: dict[str, str], name: str) -> None:
    outer = record_json(
        ("here", {"type": "fixed", "size": 1, **inner}), ("again", name), name="a.b.Outer"
    )
    made = named(outer, "a.b.Outer")
    assert isinstance(made, Record)
    assert made.fields[0].type is made.fields[1].type is named_type(made, name)


def named_type(made: Record, name: str) -> Type:
    found = made.fields[0].type
    assert isinstance(found, Fixed)
    assert found.name == name
    return found


def test_a_short_name_is_looked_up_in_its_namespace_then_in_none() -> None:
    json = [
        {"type": "fixed", "name": "F", "size": 1},
        {"type": "fixed", "name": "G", "size": 1},
        {"type": "fixed", "name": "a.F", "size": 2},
        record_json(("f", "F"), ("g", "G"), name="a.R"),
    ]
    made = named(json, "a.R")
    assert isinstance(made, Record)
    sizes = [field.type.size for field in made.fields if isinstance(field.type, Fixed)]
    assert sizes == [2, 1]


def test_a_name_may_be_used_before_its_definition() -> None:
    made = type_of([record_json(("e", "E")), E])
    assert isinstance(made, Union)
    assert isinstance(made.branches[0], Record)
    assert made.branches[0].fields[0].type is made.branches[1]


def test_a_list_may_hold_itself() -> None:
    made = type_of(LIST)
    assert isinstance(made, Record)
    assert made.recursive
    assert isinstance(made.fields[0].type, Union)
    assert made.fields[0].type.branches[1] is made


def test_attributes_are_kept() -> None:
    made = type_of(
        {
            "type": "error",
            "name": "a.Bad",
            "doc": "Why.",
            "aliases": ["Worse", "b.Worst"],
            "fields": [
                {
                    "name": "why",
                    "type": "string",
                    "doc": None,
                    "aliases": ["reason"],
                    "order": "ignore",
                    "default": "?",
                }
            ],
        }
    )
    assert isinstance(made, Record)
    assert (made.kind, made.doc, made.aliases) == ("error", "Why.", ("a.Worse", "b.Worst"))
    field = made.fields[0]
    assert (field.aliases, field.doc, field.default_json) == (("reason",), "", "?")
    enum = type_of({**E, "default": "B", "aliases": None})
    assert isinstance(enum, Enum)
    assert (enum.symbols, enum.default, enum.aliases) == (("A", "B"), "B", ())


def test_a_duplicate_names_both_files() -> None:
    names = Names()
    names.collect(E, "", Place("a.avsc"))
    with pytest.raises(SchemaError) as caught:
        names.collect(E, "", Place("b.avsc"))
    assert str(caught.value) == "b.avsc: $.name: 'E' is defined already, at a.avsc: $"
    names = Names()
    names.collect(E, "", Place("a.avdl:3:6", ""))
    with pytest.raises(SchemaError, match=r"already, at a\.avdl:3:6$"):
        names.collect(E, "", Place("b.avsc"))


def test_an_array_of_a_record_that_was_read_before() -> None:
    names = Names()
    empty, some = record_json(name="Empty"), record_json(("a", "int"), name="Some")
    names.collect([empty, some], "", Place())
    names.parse([empty, some], "", Place())
    names.complete()
    assert str(names.parse({"type": "array", "items": "Some"}, "", Place())) == "array<Some>"
    names.complete()
    names.parse({"type": "array", "items": "Empty"}, "", Place())
    with pytest.raises(SchemaError, match="may take no bytes"):
        names.complete()


def test_a_map_may_hold_nothing() -> None:
    made = type_of({"type": "map", "values": "null"})
    assert isinstance(made, Map)
    assert isinstance(made.values, Primitive)
    assert isinstance(type_of({"type": "array", "items": ["null"]}), Array)
