"""How types may change between two versions: a row for each rule, and for each case of it.

Each row is a writer's type and a reader's, the verdict, a value that is sent with what arrives, and
what is told of the change. Tests of the codec, of calls over connections and of the command line
read it.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from avrpc.schema import Branch
from avrpc.schema.compat import Verdict
from tests.schema.build import LIST, linked

SAME, RESOLVABLE = Verdict.SAME, Verdict.RESOLVABLE
PARTIAL, INCOMPATIBLE = Verdict.PARTIAL, Verdict.INCOMPATIBLE


class Invalid(NamedTuple):
    """What `InvalidValue` says instead of a value's arriving, for a value called "it"."""

    text: str


class Oracle(NamedTuple):
    """Why the Apache avro package's checker, which verdicts are compared with, is not followed.

    Attributes:
        differs: What it does.
        specification: What the Avro specification says, in its words.
    """

    differs: str
    specification: str


class Evolution(NamedTuple):
    """One row.

    Attributes:
        writer: The writer's type, as JSON.
        reader: The reader's.
        sent: A value of the writer's; None where there is nothing to try.
        arrives: What the reader gets for it: a value, or `Invalid`.
        changes: What is told, for values called "it", in the form "path: text".
        oracle: Where the Apache avro package's checker says something else: why not to follow it.
    """

    name: str
    writer: Any
    reader: Any
    verdict: Verdict
    sent: Any
    arrives: Any
    changes: tuple[str, ...]
    oracle: Oracle | None = None


def record(*fields: Any, name: str = "R", kind: str = "record", **more: Any) -> dict[str, Any]:
    """Give a record of fields that are (name, type), (name, type, default) or JSON."""
    made = [
        one
        if isinstance(one, dict)
        else {"name": one[0], "type": one[1]} | ({"default": one[2]} if len(one) > 2 else {})
        for one in fields
    ]
    return {"type": kind, "name": name, "fields": made, **more}


def enum(symbols: str, name: str = "E", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": symbols.split(), **more}


def fixed(size: int, name: str = "F", **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size, **more}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def map_of(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


def aliased(name: str, of: Any, *aliases: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": of, "aliases": list(aliases), **more}


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def decimal(precision: int, scale: int, kind: str = "bytes", **more: Any) -> dict[str, Any]:
    return logical(kind, "decimal", precision=precision, scale=scale, **more)


DATE = logical("int", "date")
MILLIS = logical("long", "timestamp-millis")
MICROS = logical("long", "timestamp-micros")
UUID_TEXT = logical("string", "uuid")
A_UUID = UUID("12345678-1234-5678-1234-567812345678")
A = ("a", "int")

# Where the avro package's checker says something else, and what the specification says.
ENUMS = Oracle(
    "it wants every symbol known, whether it is sent or not",
    "if the writer's symbol is not present in the reader's enum and the reader has a default value,"
    " then that value is used, otherwise an error is signalled.",
)
UNIONS = Oracle(
    "it wants every branch known, whether a value of it is sent or not",
    "The first schema in the reader's union that matches the selected writer's union schema is"
    " recursively resolved against it. if none match, an error is signalled. [...] If the reader's"
    " schema matches the selected writer's schema, it is recursively resolved against it.",
)
ERRORS = Oracle(
    "it knows no error types, and raises",
    'An error definition is just like a record definition except it uses "error" instead of'
    ' "record".',
)
LOGICAL = Oracle(
    "it does not look at logical types",
    "For the purposes of schema resolution, two schemas that are `decimal` logical types match if"
    " their scales and precisions match. (Of the others it says nothing; here they are alike.)",
)
NAMESPACES = Oracle(
    "it takes an alias without its namespace",
    'For example, if a type named "a.b" has aliases of "c" and "x.y", then the fully qualified'
    ' names of its aliases are "a.c" and "x.y".',
)

EVOLUTIONS = [
    # -- the same
    Evolution("same primitive", "int", "int", SAME, 1, 1, ()),
    Evolution("same record", record(A), record(A), SAME, {"a": 1}, {"a": 1}, ()),
    Evolution(
        "same union that could be promoted within itself",
        ["float", "int", "bytes", "string"],
        ["float", "int", "bytes", "string"],
        SAME,
        3,
        3,
        (),
    ),
    Evolution("same recursive record", LIST, LIST, SAME, linked(3), linked(3), ()),
    Evolution(
        "docs, defaults and aliases alone",
        record(A),
        record(
            {"name": "a", "type": "int", "default": 5, "doc": "x", "aliases": ["z"]},
            doc="y",
            aliases=["Q"],
        ),
        SAME,
        {"a": 1},
        {"a": 1},
        (),
    ),
    # -- promotions
    Evolution("int to long", "int", "long", RESOLVABLE, 7, 7, ("it: int becomes long",)),
    Evolution(
        "int to float", "int", "float", RESOLVABLE, 16777217, 16777216.0, ("it: int becomes float",)
    ),
    Evolution("int to double", "int", "double", RESOLVABLE, 7, 7.0, ("it: int becomes double",)),
    Evolution("long to float", "long", "float", RESOLVABLE, 7, 7.0, ("it: long becomes float",)),
    Evolution("long to double", "long", "double", RESOLVABLE, 7, 7.0, ("it: long becomes double",)),
    Evolution(
        "float to double", "float", "double", RESOLVABLE, 0.5, 0.5, ("it: float becomes double",)
    ),
    Evolution(
        "string to bytes",
        "string",
        "bytes",
        RESOLVABLE,
        "ü",
        b"\xc3\xbc",
        ("it: string becomes bytes",),
    ),
    Evolution(
        "bytes to string",
        "bytes",
        "string",
        RESOLVABLE,
        b"\xc3\xbc",
        "ü",
        ("it: bytes becomes string",),
    ),
    Evolution(
        "bytes to string, of other bytes",
        "bytes",
        "string",
        RESOLVABLE,
        b"\xff",
        Invalid("it: bytes that are not UTF-8, and a string in this end's version"),
        ("it: bytes becomes string",),
    ),
    Evolution(
        "long to int",
        "long",
        "int",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected int, the writer has long",),
    ),
    Evolution(
        "double to float",
        "double",
        "float",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected float, the writer has double",),
    ),
    Evolution(
        "double to long",
        "double",
        "long",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected long, the writer has double",),
    ),
    Evolution(
        "string to int",
        "string",
        "int",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected int, the writer has string",),
    ),
    Evolution(
        "boolean to int",
        "boolean",
        "int",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected int, the writer has boolean",),
    ),
    Evolution(
        "null to string",
        "null",
        "string",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected string, the writer has null",),
    ),
    # -- arrays and maps
    Evolution(
        "array of promoted items",
        array("int"),
        array("double"),
        RESOLVABLE,
        [1, 2],
        [1.0, 2.0],
        ("it[]: int becomes double",),
    ),
    Evolution(
        "array of items promoted without a trace",
        array("int"),
        array("long"),
        RESOLVABLE,
        [1, 2],
        [1, 2],
        ("it[]: int becomes long",),
    ),
    Evolution(
        "map of promoted values",
        map_of("int"),
        map_of("double"),
        RESOLVABLE,
        {"k": 1},
        {"k": 1.0},
        ("it[]: int becomes double",),
    ),
    Evolution(
        "map of other values",
        map_of("int"),
        map_of("string"),
        INCOMPATIBLE,
        None,
        None,
        ("it[]: expected string, the writer has int",),
    ),
    Evolution(
        "array to map",
        array("int"),
        map_of("int"),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected map<int>, the writer has array<int>",),
    ),
    Evolution(
        "array of changed records",
        array(record(A)),
        array(record(A, ("b", "int", 2))),
        RESOLVABLE,
        [{"a": 1}],
        [{"a": 1, "b": 2}],
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "map of changed records",
        map_of(record(A, ("b", "int"))),
        map_of(record(A)),
        RESOLVABLE,
        {"k": {"a": 1, "b": 2}},
        {"k": {"a": 1}},
        ("R.b: sent by the writer, and not read",),
    ),
    Evolution(
        "map of unknown symbols",
        map_of(enum("A B")),
        map_of(enum("A")),
        PARTIAL,
        {"k": "B"},
        Invalid("it['k']: the symbol B is not in this end's version of E"),
        ("it[]: the reader has no B: such a value does not arrive",),
        ENUMS,
    ),
    # -- fields
    Evolution(
        "field added with a default",
        record(A),
        record(A, ("b", "string", "d")),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "b": "d"},
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "field added without a default",
        record(A),
        record(A, ("b", "string")),
        INCOMPATIBLE,
        None,
        None,
        ("R.b: not sent by the writer, and it has no default",),
    ),
    Evolution(
        "field dropped",
        record(A, ("b", "string")),
        record(A),
        RESOLVABLE,
        {"a": 1, "b": "x"},
        {"a": 1},
        ("R.b: sent by the writer, and not read",),
    ),
    Evolution(
        "field with much inside dropped",
        record(A, ("b", array(map_of(["null", LIST, decimal(4, 2), enum("P Q")])))),
        record(A),
        RESOLVABLE,
        {"a": 1, "b": [{"k": None}, {"k": Branch("demo.List", linked(2))}, {"k": Decimal("1.25")}]},
        {"a": 1},
        ("R.b: sent by the writer, and not read",),
    ),
    Evolution(
        "fields reordered",
        record(A, ("b", "string")),
        record(("b", "string"), A),
        RESOLVABLE,
        {"a": 1, "b": "x"},
        {"b": "x", "a": 1},
        ("R: its fields are in another order",),
    ),
    Evolution(
        "field promoted",
        record(A),
        record(("a", "double")),
        RESOLVABLE,
        {"a": 1},
        {"a": 1.0},
        ("R.a: int becomes double",),
    ),
    Evolution(
        "field of another type",
        record(A),
        record(("a", "string")),
        INCOMPATIBLE,
        None,
        None,
        ("R.a: expected string, the writer has int",),
    ),
    Evolution(
        "field renamed by an alias",
        record(("old", "int")),
        record(aliased("new", "int", "old")),
        RESOLVABLE,
        {"old": 1},
        {"new": 1},
        ("R.new: the writer calls it old",),
    ),
    Evolution(
        "field renamed and promoted, of several aliases",
        record(("old", "int"), ("b", "int")),
        record(aliased("new", "double", "older", "old"), ("b", "int")),
        RESOLVABLE,
        {"old": 1, "b": 2},
        {"new": 1.0, "b": 2},
        ("R.new: the writer calls it old", "R.new: int becomes double"),
    ),
    Evolution(
        "field renamed, with a default",
        record(("old", "int")),
        record(aliased("new", "int", "old", default=9)),
        RESOLVABLE,
        {"old": 1},
        {"new": 1},
        ("R.new: the writer calls it old",),
    ),
    Evolution(
        "field renamed without an alias, with a default",
        record(("old", "int")),
        record(("new", "int", 9)),
        RESOLVABLE,
        {"old": 1},
        {"new": 9},
        (
            "R.new: not sent by the writer; its default is filled in",
            "R.old: sent by the writer, and not read",
        ),
    ),
    Evolution(
        "alias of a field that is still there",
        record(("old", "int")),
        record(("old", "int"), aliased("new", "int", "old", default=0)),
        RESOLVABLE,
        {"old": 1},
        {"old": 1, "new": 0},
        ("R.new: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "two fields with one alias",
        record(("old", "int")),
        record(aliased("x", "int", "old"), aliased("y", "int", "old", default=0)),
        RESOLVABLE,
        {"old": 1},
        {"x": 1, "y": 0},
        ("R.x: the writer calls it old", "R.y: not sent by the writer; its default is filled in"),
    ),
    Evolution(
        "two fields of types that are alike",
        record(
            ("a", ["null", "int"]), ("b", array("int")), ("c", ["null", "int"]), ("d", array("int"))
        ),
        record(("a", ["int"]), ("b", array("long")), ("c", ["int"]), ("d", array("long"))),
        PARTIAL,
        {"a": 1, "b": [2], "c": None, "d": []},
        Invalid("R.c: a value of null, which this end's version does not take here (at it.c)"),
        (
            "R.a: the reader has no null: such a value does not arrive",
            "R.b[]: int becomes long",
            "R.c: the reader has no null: such a value does not arrive",
            "R.d[]: int becomes long",
        ),
        UNIONS,
    ),
    Evolution(
        "fields with each other's name as alias keep their own",
        record(A, ("b", "int")),
        record(aliased("a", "int", "b"), aliased("b", "int", "a")),
        SAME,
        {"a": 1, "b": 2},
        {"a": 1, "b": 2},
        (),
    ),
    Evolution(
        "fields that take each other's place",
        record(("a", "int"), ("b", "string")),
        record(aliased("c", "string", "b"), aliased("d", "int", "a")),
        RESOLVABLE,
        {"a": 1, "b": "x"},
        {"c": "x", "d": 1},
        (
            "R.c: the writer calls it b",
            "R.d: the writer calls it a",
            "R: its fields are in another order",
        ),
    ),
    Evolution(
        "field's old name for a new field",
        record(("old", "int")),
        record(aliased("new", "int", "old"), ("other", "int", 3)),
        RESOLVABLE,
        {"old": 1},
        {"new": 1, "other": 3},
        (
            "R.new: the writer calls it old",
            "R.other: not sent by the writer; its default is filled in",
        ),
    ),
    Evolution(
        "everything at once",
        record(A, ("gone", "string"), ("old", "int"), ("e", enum("A B"))),
        record(
            ("e", enum("B A C")),
            aliased("new", "double", "old"),
            ("n", array("int"), [1]),
            ("a", "long"),
        ),
        RESOLVABLE,
        {"a": 1, "gone": "x", "old": 2, "e": "B"},
        {"e": "B", "new": 2.0, "n": [1], "a": 1},
        (
            "R.new: the writer calls it old",
            "R.n: not sent by the writer; its default is filled in",
            "R.gone: sent by the writer, and not read",
            "R: its fields are in another order",
            "R.e: the reader also knows C",
            "R.new: int becomes double",
            "R.a: int becomes long",
        ),
    ),
    # -- defaults of every type
    Evolution(
        "defaults of numbers and null",
        record(A),
        record(
            A,
            ("n", "null", None),
            ("t", "boolean", True),
            ("l", "long", 1 << 40),
            ("f", "float", 0.1),
            ("d", "double", 0),
            ("s", "string", "ÿ"),
        ),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "n": None, "t": True, "l": 1 << 40, "f": 0.10000000149011612, "d": 0.0, "s": "ÿ"},
        (
            "R.n: not sent by the writer; its default is filled in",
            "R.t: not sent by the writer; its default is filled in",
            "R.l: not sent by the writer; its default is filled in",
            "R.f: not sent by the writer; its default is filled in",
            "R.d: not sent by the writer; its default is filled in",
            "R.s: not sent by the writer; its default is filled in",
        ),
    ),
    Evolution(
        "default of bytes",
        record(A),
        record(A, ("b", "bytes", "ÿ\x00")),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "b": b"\xff\x00"},
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "default of a fixed",
        record(A),
        record(A, ("b", fixed(1), "ÿ")),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "b": b"\xff"},
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "default of an enum",
        record(A),
        record(A, ("b", enum("P Q"), "Q")),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "b": "Q"},
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "default of a record whose fields have defaults",
        record(A),
        record(A, ("b", record(("x", "int"), ("y", "double", 7), name="I"), {"x": 1})),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "b": {"x": 1, "y": 7.0}},
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "defaults of array and map",
        record(A),
        record(A, ("l", array("bytes"), ["ÿ"]), ("m", map_of("double"), {"k": 1})),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "l": [b"\xff"], "m": {"k": 1.0}},
        (
            "R.l: not sent by the writer; its default is filled in",
            "R.m: not sent by the writer; its default is filled in",
        ),
    ),
    Evolution(
        "default of a union's first branch",
        record(A),
        record(A, ("u", ["null", "int"], None)),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "u": None},
        ("R.u: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "default of a union's later branch",
        record(A),
        record(A, ("u", ["null", "int"], 3)),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "u": 3},
        ("R.u: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "default of a union of named types",
        record(A),
        record(A, ("u", [enum("P"), fixed(1)], "P")),
        RESOLVABLE,
        {"a": 1},
        {"a": 1, "u": Branch("E", "P")},
        ("R.u: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "defaults of logical types",
        record(A),
        record(A, ("d", DATE, 1), ("t", MICROS, 0), ("m", decimal(4, 2), "\x01")),
        RESOLVABLE,
        {"a": 1},
        {
            "a": 1,
            "d": date(1970, 1, 2),
            "t": datetime(1970, 1, 1, tzinfo=UTC),
            "m": Decimal("0.01"),
        },
        (
            "R.d: not sent by the writer; its default is filled in",
            "R.t: not sent by the writer; its default is filled in",
            "R.m: not sent by the writer; its default is filled in",
        ),
    ),
    # -- names
    Evolution(
        "record renamed by an alias",
        record(A, name="Old"),
        record(A, name="New", aliases=["Old"]),
        RESOLVABLE,
        {"a": 1},
        {"a": 1},
        ("it: Old became New",),
    ),
    Evolution(
        "record renamed by a full alias, in another namespace",
        record(A, name="x.Old"),
        record(A, name="y.New", aliases=["x.Old"]),
        RESOLVABLE,
        {"a": 1},
        {"a": 1},
        ("it: x.Old became y.New",),
    ),
    Evolution(
        "record renamed by an alias in its namespace",
        record(A, name="x.Old"),
        record(A, name="x.New", aliases=["Old"]),
        RESOLVABLE,
        {"a": 1},
        {"a": 1},
        ("it: x.Old became x.New",),
        NAMESPACES,
    ),
    Evolution(
        "record renamed by an alias in another namespace than meant",
        record(A, name="x.Old"),
        record(A, name="y.New", aliases=["Old"]),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected the record y.New, the writer has the record x.Old",),
    ),
    Evolution(
        "record renamed",
        record(A, name="Old"),
        record(A, name="New"),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected the record New, the writer has the record Old",),
    ),
    Evolution(
        "record of the same short name in another namespace",
        record(A, name="x.R"),
        record(A, name="y.R"),
        RESOLVABLE,
        {"a": 1},
        {"a": 1},
        ("it: x.R became y.R",),
    ),
    Evolution(
        "enum renamed by an alias",
        enum("P Q"),
        enum("P Q", "New", aliases=["E"]),
        RESOLVABLE,
        "Q",
        "Q",
        ("it: E became New",),
    ),
    Evolution(
        "enum renamed",
        enum("P Q"),
        enum("P Q", "New"),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected the enum New, the writer has the enum E",),
    ),
    Evolution(
        "fixed renamed by an alias",
        fixed(1),
        fixed(1, "New", aliases=["F"]),
        RESOLVABLE,
        b"1",
        b"1",
        ("it: F became New",),
    ),
    Evolution(
        "fixed renamed by a full alias",
        fixed(1, "x.F"),
        fixed(1, "y.New", aliases=["x.F"]),
        RESOLVABLE,
        b"1",
        b"1",
        ("it: x.F became y.New",),
    ),
    Evolution(
        "fixed renamed",
        fixed(1),
        fixed(1, "New"),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected the fixed New (1 byte), the writer has the fixed F (1 byte)",),
    ),
    Evolution(
        "fixed of another size",
        fixed(1),
        fixed(2),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected the fixed F (2 bytes), the writer has the fixed F (1 byte)",),
    ),
    Evolution(
        "record to enum of the same name",
        record(A, name="N"),
        enum("A", "N"),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected the enum N, the writer has the record N",),
    ),
    Evolution(
        "fixed to bytes",
        fixed(1),
        "bytes",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected bytes, the writer has the fixed F (1 byte)",),
    ),
    Evolution(
        "record to map",
        record(A),
        map_of("int"),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected map<int>, the writer has the record R",),
    ),
    Evolution(
        "error evolves",
        record(("m", "string"), kind="error"),
        record(("m", "string"), ("code", "int", 0), kind="error"),
        RESOLVABLE,
        {"m": "x"},
        {"m": "x", "code": 0},
        ("R.code: not sent by the writer; its default is filled in",),
        ERRORS,
    ),
    Evolution(
        "record to error",
        record(("m", "string")),
        record(("m", "string"), kind="error"),
        SAME,
        {"m": "x"},
        {"m": "x"},
        (),
        ERRORS,
    ),
    # -- enums
    Evolution(
        "enum with a new symbol of the reader's",
        enum("A B"),
        enum("A B C"),
        RESOLVABLE,
        "B",
        "B",
        ("it: the reader also knows C",),
    ),
    Evolution(
        "enum reordered",
        enum("A B"),
        enum("B A"),
        RESOLVABLE,
        "A",
        "A",
        ("it: the symbols of E are in another order",),
    ),
    Evolution(
        "enum with unknown symbols and a default",
        enum("A B C D"),
        enum("A B", default="B"),
        RESOLVABLE,
        "C",
        "B",
        ("it: C or D becomes B",),
    ),
    Evolution(
        "enum with unknown symbols and a default, known one",
        enum("A B C D"),
        enum("A B", default="B"),
        RESOLVABLE,
        "A",
        "A",
        ("it: C or D becomes B",),
    ),
    Evolution(
        "enum with unknown symbols",
        enum("A B C"),
        enum("A B"),
        PARTIAL,
        "C",
        Invalid("it: the symbol C is not in this end's version of E"),
        ("it: the reader has no C: such a value does not arrive",),
        ENUMS,
    ),
    Evolution(
        "enum with unknown symbols, known one",
        enum("A B C"),
        enum("A B"),
        PARTIAL,
        "B",
        "B",
        ("it: the reader has no C: such a value does not arrive",),
        ENUMS,
    ),
    Evolution(
        "enum of which nothing is known",
        enum("A B"),
        enum("C D"),
        INCOMPATIBLE,
        None,
        None,
        ("it: the reader knows no symbol of E",),
    ),
    Evolution(
        "enum in a record of an array of records",
        record(("ticks", array(record(("kind", enum("A B C", "Kind")), name="Tick")))),
        record(("ticks", array(record(("kind", enum("A B", "Kind")), name="Tick")))),
        PARTIAL,
        {"ticks": [{"kind": "A"}, {"kind": "C"}]},
        Invalid(
            "Tick.kind: the symbol C is not in this end's version of Kind (at it.ticks[1].kind)"
        ),
        ("Tick.kind: the reader has no C: such a value does not arrive",),
        ENUMS,
    ),
    # -- unions
    Evolution(
        "union reordered",
        ["int", "string"],
        ["string", "int"],
        RESOLVABLE,
        "x",
        "x",
        ("it: union {int, string} became union {string, int}",),
    ),
    Evolution(
        "union widened",
        ["null", "int"],
        ["null", "int", "string"],
        RESOLVABLE,
        3,
        3,
        ("it: union {null, int} became union {null, int, string}",),
    ),
    Evolution(
        "union narrowed",
        ["null", "string", "int"],
        ["null", "string"],
        PARTIAL,
        "x",
        "x",
        ("it: the reader has no int: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "union narrowed, a value of the branch",
        ["null", "string", "int"],
        ["null", "string"],
        PARTIAL,
        3,
        Invalid("it: a value of int, which this end's version does not take here"),
        ("it: the reader has no int: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "union narrowed of null",
        ["null", "string", "int"],
        ["string", "int"],
        PARTIAL,
        None,
        Invalid("it: a value of null, which this end's version does not take here"),
        ("it: the reader has no null: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "unions with nothing in common",
        ["null", "int"],
        ["string", "boolean"],
        INCOMPATIBLE,
        None,
        None,
        ("it: expected union {string, boolean}, the writer has union {null, int}",),
    ),
    Evolution(
        "one to a union of null and it",
        "string",
        ["null", "string"],
        RESOLVABLE,
        "x",
        "x",
        ("it: string became union {null, string}",),
    ),
    Evolution(
        "one to a union without it",
        "string",
        ["null", "int"],
        INCOMPATIBLE,
        None,
        None,
        ("it: expected union {null, int}, the writer has string",),
    ),
    Evolution(
        "one to a union: the first that matches",
        "int",
        ["float", "int"],
        RESOLVABLE,
        3,
        3.0,
        ("it: int became union {float, int}", "it: int becomes float"),
    ),
    Evolution(
        "union to one, a value of it",
        ["null", "string"],
        "string",
        PARTIAL,
        "x",
        "x",
        ("it: the reader has no null: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "union to one, null",
        ["null", "string"],
        "string",
        PARTIAL,
        None,
        Invalid("it: a value of null, which this end's version does not take here"),
        ("it: the reader has no null: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "union to one that takes all",
        ["int", "long"],
        "double",
        RESOLVABLE,
        1 << 40,
        float(1 << 40),
        (
            "it: union {int, long} became double",
            "it: int becomes double",
            "it: long becomes double",
        ),
    ),
    Evolution(
        "union of one to it", ["int"], "int", RESOLVABLE, 3, 3, ("it: union {int} became int",)
    ),
    Evolution(
        "union to one of none",
        ["null", "boolean"],
        "string",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected string, the writer has union {null, boolean}",),
    ),
    Evolution(
        "union with promoted branches",
        ["null", "int", "string"],
        ["string", "double", "null"],
        RESOLVABLE,
        3,
        3.0,
        (
            "it: union {null, int, string} became union {string, double, null}",
            "it: int becomes double",
        ),
    ),
    Evolution(
        "union of one to a union",
        ["int"],
        ["string", "long"],
        RESOLVABLE,
        3,
        3,
        ("it: union {int} became union {string, long}", "it: int becomes long"),
    ),
    Evolution(
        "union to a union with the same kind later",
        ["null", "int"],
        ["double", "null", "int"],
        RESOLVABLE,
        3,
        3,
        ("it: union {null, int} became union {double, null, int}",),
    ),
    Evolution(
        "union of null alone",
        ["null"],
        ["int", "null"],
        RESOLVABLE,
        None,
        None,
        ("it: union {null} became union {int, null}",),
    ),
    Evolution(
        "union of changed records",
        [record(("x", "int"), name="Foo"), record(("y", "int"), name="Bar")],
        [record(("y", "int"), ("z", "int", 0), name="Bar"), record(("x", "double"), name="Foo")],
        RESOLVABLE,
        Branch("Bar", {"y": 1}),
        Branch("Bar", {"y": 1, "z": 0}),
        (
            "it: union {Foo, Bar} became union {Bar, Foo}",
            "Foo.x: int becomes double",
            "Bar.z: not sent by the writer; its default is filled in",
        ),
    ),
    Evolution(
        "union of one record to one of two",
        ["null", record(A)],
        ["null", record(A), enum("X")],
        RESOLVABLE,
        {"a": 1},
        Branch("R", {"a": 1}),
        ("it: union {null, R} became union {null, R, E}",),
    ),
    Evolution(
        "record to a union of two",
        record(A),
        [record(A), enum("X")],
        RESOLVABLE,
        {"a": 1},
        Branch("R", {"a": 1}),
        ("it: R became union {R, E}",),
    ),
    Evolution(
        "union of two records to one",
        [record(A), record(A, name="S")],
        ["null", record(A)],
        PARTIAL,
        Branch("R", {"a": 1}),
        {"a": 1},
        ("it: the reader has no S: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "union of two records to one, the other",
        [record(A), record(A, name="S")],
        record(A),
        PARTIAL,
        Branch("S", {"a": 1}),
        Invalid("it: a value of S, which this end's version does not take here"),
        ("it: the reader has no S: such a value does not arrive",),
        UNIONS,
    ),
    Evolution(
        "union branches by full name first",
        [record(A, name="x.N"), record(A, name="y.N")],
        [record(("a", "double"), name="y.N"), record(("a", "long"), name="x.N")],
        RESOLVABLE,
        Branch("x.N", {"a": 1}),
        Branch("x.N", {"a": 1}),
        ("N.a: int becomes long", "N.a: int becomes double"),
    ),
    Evolution(
        "union branches by short name else",
        record(A, name="z.N"),
        [record(("a", "double"), name="y.N"), record(("a", "long"), name="x.N")],
        RESOLVABLE,
        {"a": 1},
        Branch("y.N", {"a": 1.0}),
        ("it: N became union {N, N}", "it: z.N became y.N", "N.a: int becomes double"),
    ),
    Evolution(
        "union branch by an alias",
        ["null", record(A, name="Old")],
        ["null", record(A, name="New", aliases=["Old"])],
        RESOLVABLE,
        {"a": 1},
        {"a": 1},
        ("it: union {null, Old} became union {null, New}", "it: Old became New"),
    ),
    Evolution(
        "union with a record that does not fit",
        ["null", record(A)],
        ["null", record(A, ("b", "int"))],
        PARTIAL,
        {"a": 1},
        Invalid("it: a value of R, which this end's version does not take here"),
        (
            "it: the reader has no R: such a value does not arrive",
            "R.b: not sent by the writer, and it has no default",
        ),
        UNIONS,
    ),
    Evolution(
        "union with a logical type among plain ones",
        ["null", "string", "long"],
        ["null", "string", MICROS],
        RESOLVABLE,
        1,
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        (
            "it: union {null, string, long} became union {null, string, long (timestamp-micros)}",
            "it: long becomes long (timestamp-micros)",
        ),
    ),
    Evolution(
        "union of arrays and maps",
        [array("int"), map_of("int")],
        [map_of("double"), array("double")],
        RESOLVABLE,
        {"k": 1},
        {"k": 1.0},
        (
            "it: union {array<int>, map<int>} became union {map<double>, array<double>}",
            "it[]: int becomes double",
            "it[]: int becomes double",
        ),
    ),
    Evolution(
        "record to a union with null and a changed one",
        record(("u", record(A, name="I"))),
        record(("u", ["null", record(A, ("b", "int", 2), name="I")])),
        RESOLVABLE,
        {"u": {"a": 1}},
        {"u": {"a": 1, "b": 2}},
        ("R.u: I became union {null, I}", "I.b: not sent by the writer; its default is filled in"),
    ),
    # -- logical types
    Evolution(
        "logical type added",
        "long",
        MICROS,
        RESOLVABLE,
        1,
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        ("it: long becomes long (timestamp-micros)",),
    ),
    Evolution(
        "logical type added, a value beyond it",
        record(("at", "long")),
        record(("at", MICROS)),
        RESOLVABLE,
        {"at": 1 << 62},
        Invalid("R.at: date value out of range (at it.at)"),
        ("R.at: long becomes long (timestamp-micros)",),
    ),
    Evolution(
        "logical type dropped",
        MICROS,
        "long",
        RESOLVABLE,
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        1,
        ("it: long (timestamp-micros) becomes long",),
    ),
    Evolution(
        "logical type dropped and promoted",
        DATE,
        "long",
        RESOLVABLE,
        date(1970, 1, 2),
        1,
        ("it: int (date) becomes long",),
    ),
    Evolution(
        "logical type promoted into another",
        DATE,
        MICROS,
        INCOMPATIBLE,
        None,
        None,
        ("it: expected long (timestamp-micros), the writer has int (date)",),
        LOGICAL,
    ),
    Evolution(
        "logical type added and promoted",
        "int",
        MICROS,
        RESOLVABLE,
        1,
        datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        ("it: int becomes long (timestamp-micros)",),
    ),
    Evolution(
        "logical type changed",
        MILLIS,
        MICROS,
        INCOMPATIBLE,
        None,
        None,
        ("it: expected long (timestamp-micros), the writer has long (timestamp-millis)",),
        LOGICAL,
    ),
    Evolution(
        "decimal of another scale",
        decimal(9, 2),
        decimal(9, 3),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected bytes (decimal(9, 3)), the writer has bytes (decimal(9, 2))",),
        LOGICAL,
    ),
    Evolution(
        "decimal of another precision",
        decimal(9, 2),
        decimal(10, 2),
        INCOMPATIBLE,
        None,
        None,
        ("it: expected bytes (decimal(10, 2)), the writer has bytes (decimal(9, 2))",),
        LOGICAL,
    ),
    Evolution(
        "decimal dropped",
        decimal(4, 2),
        "bytes",
        RESOLVABLE,
        Decimal("0.01"),
        b"\x01",
        ("it: bytes (decimal(4, 2)) becomes bytes",),
    ),
    Evolution(
        "decimal to string",
        decimal(4, 2),
        "string",
        INCOMPATIBLE,
        None,
        None,
        ("it: expected string, the writer has bytes (decimal(4, 2))",),
        LOGICAL,
    ),
    Evolution(
        "uuid dropped",
        UUID_TEXT,
        "string",
        RESOLVABLE,
        A_UUID,
        str(A_UUID),
        ("it: string (uuid) becomes string",),
    ),
    Evolution(
        "uuid added to a fixed",
        fixed(16),
        fixed(16, logicalType="uuid"),
        RESOLVABLE,
        A_UUID.bytes,
        A_UUID,
        ("it: F becomes F (uuid)",),
    ),
    Evolution(
        "uuid to decimal of a fixed",
        fixed(16, logicalType="uuid"),
        fixed(16, logicalType="decimal", precision=9),
        INCOMPATIBLE,
        None,
        None,
        (
            (
                "it: expected the fixed F (16 bytes, decimal(9, 0)),"
                " the writer has the fixed F (16 bytes, uuid)"
            ),
        ),
        LOGICAL,
    ),
    Evolution("unknown logical type", logical("string", "colour"), "string", SAME, "x", "x", ()),
    Evolution(
        "same logical type in a changed record",
        record(("t", MICROS)),
        record(("t", MICROS), ("b", "int", 2)),
        RESOLVABLE,
        {"t": datetime(2020, 1, 1, tzinfo=UTC)},
        {"t": datetime(2020, 1, 1, tzinfo=UTC), "b": 2},
        ("R.b: not sent by the writer; its default is filled in",),
    ),
    # -- recursion
    Evolution(
        "recursive record with a new field",
        record(("n", ["null", "R"])),
        record(("n", ["null", "R"]), ("z", "int", 5)),
        RESOLVABLE,
        {"n": {"n": None}},
        {"n": {"n": None, "z": 5}, "z": 5},
        ("R.z: not sent by the writer; its default is filled in",),
    ),
    Evolution(
        "recursive record renamed by an alias",
        record(("n", ["null", "Old"]), name="Old"),
        record(("n", ["null", "New"]), name="New", aliases=["Old"]),
        RESOLVABLE,
        {"n": {"n": None}},
        {"n": {"n": None}},
        ("it: Old became New", "New.n: union {null, Old} became union {null, New}"),
    ),
    Evolution(
        "recursive record that does not fit in its depth",
        record(("n", ["null", "R"]), A),
        record(("n", ["null", "R"]), ("a", "string")),
        INCOMPATIBLE,
        None,
        None,
        (
            "R.n: the reader has no R: such a value does not arrive",
            "R.a: expected string, the writer has int",
        ),
    ),
    Evolution(
        "recursive array with a dropped field",
        record(("c", array("R")), A),
        record(("c", array("R"))),
        RESOLVABLE,
        {"a": 1, "c": [{"a": 2, "c": []}]},
        {"c": [{"c": []}]},
        ("R.a: sent by the writer, and not read",),
    ),
    Evolution(
        "recursive to one that is not",
        record(("n", ["null", "R"]), ("x", "int")),
        record(("n", "null"), ("x", "int")),
        PARTIAL,
        {"n": {"n": None, "x": 1}, "x": 2},
        Invalid("R.n: a value of R, which this end's version does not take here (at it.n)"),
        ("R.n: the reader has no R: such a value does not arrive",),
        UNIONS,
    ),
    # -- named types used again by name
    Evolution(
        "used again by name, first use dropped",
        record(("a", record(("x", "int"), name="I")), ("b", "I")),
        record(("b", record(("x", "int"), name="I"))),
        RESOLVABLE,
        {"a": {"x": 1}, "b": {"x": 2}},
        {"b": {"x": 2}},
        ("R.a: sent by the writer, and not read",),
    ),
    Evolution(
        "used again by name, a union here",
        record(("a", record(("x", "int"), name="I")), ("b", "I")),
        record(("b", ["null", record(("x", "int"), name="I")])),
        RESOLVABLE,
        {"a": {"x": 1}, "b": {"x": 2}},
        {"b": {"x": 2}},
        ("R.a: sent by the writer, and not read", "R.b: I became union {null, I}"),
    ),
    Evolution(
        "used again by name in a union",
        record(("a", record(("x", "int"), name="I")), ("b", ["null", "I"])),
        record(("b", ["null", record(("x", "long"), name="I")])),
        RESOLVABLE,
        {"a": {"x": 1}, "b": {"x": 2}},
        {"b": {"x": 2}},
        ("R.a: sent by the writer, and not read", "I.x: int becomes long"),
    ),
    Evolution(
        "defined in a union, used by name here",
        record(("b", ["null", record(("x", "int"), name="I")]), ("a", "I")),
        record(("a", record(("x", "int"), name="I")), ("b", ["null", "I"])),
        RESOLVABLE,
        {"a": {"x": 1}, "b": None},
        {"a": {"x": 1}, "b": None},
        ("R: its fields are in another order",),
    ),
    Evolution(
        "array of a name here, of a definition there",
        record(("a", record(("x", "int"), name="I")), ("b", array("I"))),
        record(("b", array(record(("x", "int"), name="I")))),
        RESOLVABLE,
        {"a": {"x": 0}, "b": [{"x": 2}]},
        {"b": [{"x": 2}]},
        ("R.a: sent by the writer, and not read",),
    ),
    Evolution(
        "array of a definition here, of a name there",
        record(("b", array(record(("x", "int"), name="I"))), ("a", "I")),
        record(("a", record(("x", "int"), name="I")), ("b", array("I"))),
        RESOLVABLE,
        {"b": [{"x": 2}], "a": {"x": 0}},
        {"b": [{"x": 2}], "a": {"x": 0}},
        ("R: its fields are in another order",),
    ),
    Evolution(
        "enum used again by name",
        record(("a", enum("P Q")), ("b", "E")),
        record(("a", enum("P", default="P")), ("b", "E")),
        RESOLVABLE,
        {"a": "P", "b": "Q"},
        {"a": "P", "b": "P"},
        ("R.a: Q becomes P",),
    ),
    Evolution(
        "enum used again by name, a union here",
        record(("a", enum("P Q")), ("b", "E")),
        record(("b", ["null", enum("P Q")])),
        RESOLVABLE,
        {"a": "P", "b": "Q"},
        {"b": "Q"},
        ("R.a: sent by the writer, and not read", "R.b: E became union {null, E}"),
    ),
    Evolution(
        "fixed used again by name",
        record(("a", fixed(1)), ("b", "F")),
        record(("b", fixed(1)), ("a", "F")),
        RESOLVABLE,
        {"a": b"1", "b": b"2"},
        {"a": b"1", "b": b"2"},
        ("R: its fields are in another order",),
    ),
    Evolution(
        "one type of the writer's as two of the reader's",
        record(("a", record(("u", ["int", "string"]), name="I")), ("b", "I")),
        record(
            ("a", record(("u", ["int", "string"]), name="I")),
            ("b", record(("u", ["double", "string"]), name="J", aliases=["I"])),
        ),
        RESOLVABLE,
        {"a": {"u": 1}, "b": {"u": 2}},
        {"a": {"u": 1}, "b": {"u": 2.0}},
        (
            "R.b: I became J",
            "J.u: union {int, string} became union {double, string}",
            "J.u: int becomes double",
        ),
    ),
]
