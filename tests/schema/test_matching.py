"""Names, fields and symbols of two versions."""

from typing import Any

import pytest

from avrpc.schema.matching import (
    PROMOTIONS,
    Verdict,
    enums,
    logical,
    match_fields,
    names_of,
    primitives,
    renamed,
    same_name,
)
from avrpc.schema.types import Enum, Fixed, Primitive, Record
from tests.schema.build import type_of
from tests.schema.evolutions import (
    DATE,
    MICROS,
    UUID_TEXT,
    aliased,
    decimal,
    enum,
    fixed,
    record,
)

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]


def record_of(*fields: Any, **more: Any) -> Record:
    made = type_of(record(*fields, **more))
    assert isinstance(made, Record)
    return made


def enum_of(symbols: str, **more: Any) -> Enum:
    made = type_of(enum(symbols, **more))
    assert isinstance(made, Enum)
    return made


def primitive_of(json: Any) -> Primitive:
    made = type_of(json)
    assert isinstance(made, Primitive)
    return made


def test_verdicts_go_from_best_to_worst_and_are_one_word() -> None:
    assert list(map(str, sorted(Verdict))) == [
        "same",
        "resolvable",
        "partial",
        "incompatible",
        "missing",
    ]


@pytest.mark.parametrize(
    ("writer", "reader", "aliases", "known"),
    [
        ("R", "R", [], True),
        ("x.R", "y.R", [], True),
        ("R", "S", [], False),
        ("R", "S", ["Q", "R"], True),
        ("x.R", "y.S", ["x.R"], True),
        ("x.R", "y.S", ["R"], False),
        ("x.R", "x.S", ["R"], True),
        ("x.R", "S", ["R"], True),
        ("x.R", "y.S", ["z.R"], False),
    ],
)
def test_types_are_known_by_short_names_and_aliases(
    writer: str, reader: str, aliases: list[str], known: bool
) -> None:
    one, other = record_of(name=writer), record_of(name=reader, aliases=aliases)
    assert same_name(one, other) == known
    assert (renamed(one, other) is Verdict.SAME) == (writer == reader)
    assert len(names_of(other)) == 1 + len(aliases)


@pytest.mark.parametrize(
    ("writer", "reader", "sources"),
    [
        (["a", "b"], ["b", "a"], ["b", "a"]),
        (["a"], ["a", "b"], ["a", None]),
        (["old"], [aliased("new", "int", "older", "old")], ["old"]),
        (["old"], ["old", aliased("new", "int", "old")], ["old", None]),
        (["old"], [aliased("x", "int", "old"), aliased("y", "int", "old")], ["old", None]),
        (["a", "b"], [aliased("a", "int", "b"), aliased("b", "int", "a")], ["a", "b"]),
        (["a", "b"], [aliased("c", "int", "b"), aliased("d", "int", "a")], ["b", "a"]),
    ],
)
def test_fields_are_matched_by_name_and_then_by_alias(
    writer: list[str], reader: list[Any], sources: list[str | None]
) -> None:
    one = record_of(*((name, "int") for name in writer))
    other = record_of(*((each, "int") if isinstance(each, str) else each for each in reader))
    matched = match_fields(one, other)
    assert [field for field, _ in matched] == list(other.fields)
    assert [source and source.name for _, source in matched] == sources


@pytest.mark.parametrize("reader", PRIMITIVES)
@pytest.mark.parametrize("writer", PRIMITIVES)
def test_primitives(writer: str, reader: str) -> None:
    expected = Verdict.INCOMPATIBLE
    if writer == reader:
        expected = Verdict.SAME
    elif reader in PROMOTIONS.get(writer, ()):
        expected = Verdict.RESOLVABLE
    assert primitives(primitive_of(writer), primitive_of(reader)) is expected


def test_promotions_are_those_of_the_specification() -> None:
    """Avro 1.12, Schema Resolution: "the writer's schema may be promoted to the reader's"."""
    assert {(one, other) for one, some in PROMOTIONS.items() for other in some} == {
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "float"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
        ("bytes", "string"),
    }


@pytest.mark.parametrize(
    ("writer", "reader", "verdict"),
    [
        (MICROS, MICROS, Verdict.SAME),
        ("long", MICROS, Verdict.RESOLVABLE),
        (MICROS, "long", Verdict.RESOLVABLE),
        (MICROS, "double", Verdict.RESOLVABLE),
        ("int", MICROS, Verdict.RESOLVABLE),
        (DATE, MICROS, Verdict.INCOMPATIBLE),
        (decimal(9, 2), decimal(9, 3), Verdict.INCOMPATIBLE),
        (decimal(9, 2), "string", Verdict.INCOMPATIBLE),
        ("string", decimal(9, 2), Verdict.INCOMPATIBLE),
        (UUID_TEXT, "bytes", Verdict.INCOMPATIBLE),
        ("bytes", UUID_TEXT, Verdict.INCOMPATIBLE),
    ],
)
def test_logical_types(writer: Any, reader: Any, verdict: Verdict) -> None:
    assert primitives(primitive_of(writer), primitive_of(reader)) is verdict


def test_logical_types_of_fixed() -> None:
    plain, uuid = type_of(fixed(16)), type_of(fixed(16, logicalType="uuid"))
    assert isinstance(plain, Fixed)
    assert isinstance(uuid, Fixed)
    assert logical(plain, uuid) is Verdict.RESOLVABLE
    assert logical(uuid, uuid) is Verdict.SAME


@pytest.mark.parametrize(
    ("writer", "reader", "verdict"),
    [
        (enum_of("A B"), enum_of("A B"), Verdict.SAME),
        (enum_of("A B"), enum_of("A B", name="F", aliases=["E"]), Verdict.RESOLVABLE),
        (enum_of("A B"), enum_of("B A"), Verdict.RESOLVABLE),
        (enum_of("A"), enum_of("A B"), Verdict.RESOLVABLE),
        (enum_of("A B"), enum_of("A"), Verdict.PARTIAL),
        (enum_of("A B"), enum_of("A", default="A"), Verdict.RESOLVABLE),
        (enum_of("A B"), enum_of("C"), Verdict.INCOMPATIBLE),
        (enum_of("A B"), enum_of("C", default="C"), Verdict.RESOLVABLE),
    ],
)
def test_enums(writer: Enum, reader: Enum, verdict: Verdict) -> None:
    assert enums(writer, reader) is verdict
