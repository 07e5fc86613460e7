"""Verdicts, by the table of evolutions; the Apache avro package has to agree."""

import json
import random
from typing import Any

import avro.compatibility
import avro.errors
import avro.schema
import pytest
from hypothesis import given

from avrpc.errors import SchemaError
from avrpc.schema.compat import Comparison, Verdict, steps_for
from tests.schema.build import Sample, crossed, samples, type_of
from tests.schema.evolutions import (
    ENUMS,
    EVOLUTIONS,
    UNIONS,
    Evolution,
    array,
    enum,
    map_of,
    record,
)
from tests.torture.schemas import Maker
from tests.torture.versions import Later

each = pytest.mark.parametrize("row", EVOLUTIONS, ids=lambda row: row.name)


def verdict(writer: Any, reader: Any) -> Verdict:
    return Comparison().verdict(type_of(writer), type_of(reader))


def changes(writer: Any, reader: Any) -> list[str]:
    comparison = Comparison()
    return [str(one) for one in comparison.changes(type_of(writer), type_of(reader), "it")]


@each
def test_verdict(row: Evolution) -> None:
    assert verdict(row.writer, row.reader) is row.verdict


@each
def test_changes(row: Evolution) -> None:
    assert tuple(changes(row.writer, row.reader)) == row.changes


def compatible_by_avro(writer: Any, reader: Any) -> bool:
    one, other = (avro.schema.parse(json.dumps(each)) for each in (writer, reader))
    checker = avro.compatibility.ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    found = checker.get_compatibility(reader=other, writer=one)
    return found.compatibility is avro.compatibility.SchemaCompatibilityType.compatible


@pytest.mark.filterwarnings("ignore::avro.errors.IgnoredLogicalType")
@each
def test_avro_package_agrees_unless_the_row_quotes_the_specification(row: Evolution) -> None:
    try:
        agrees = compatible_by_avro(row.writer, row.reader) == (row.verdict < Verdict.INCOMPATIBLE)
    except avro.errors.AvroException:
        agrees = False
    assert agrees == (row.oracle is None)
    if row.oracle is not None:
        assert row.oracle.differs
        assert row.oracle.specification


def test_avro_package_calls_every_partial_row_incompatible() -> None:
    """So that its other differences are the few that are listed, and no blanket excuse."""
    for row in EVOLUTIONS:
        partial = row.verdict is Verdict.PARTIAL
        assert partial == (row.oracle in {ENUMS, UNIONS}), row.name


def without_logical_types(of: Any) -> Any:
    if isinstance(of, list):
        return [without_logical_types(one) for one in of]
    if isinstance(of, dict):
        kept = {key: one for key, one in of.items() if key not in ("logicalType", "precision")}
        return {key: without_logical_types(one) for key, one in kept.items()}
    return of


@pytest.mark.parametrize("seed", range(5))
def test_avro_package_agrees_on_random_versions(seed: int) -> None:
    """Where nothing is partial, nor of a logical type."""
    chance = random.Random(seed)
    compared = 0
    while compared < 60:
        made = json.loads(Maker(chance).protocol())["messages"]["m"]["response"]
        writer = without_logical_types(made)
        reader = without_logical_types(Later(chance).of(writer))
        try:
            found = verdict(writer, reader)
        except SchemaError:
            continue
        if found is not Verdict.PARTIAL:
            compared += 1
            fits = found < Verdict.INCOMPATIBLE
            assert compatible_by_avro(writer, reader) is fits, (writer, reader)


@each
def test_every_type_is_the_same_as_itself(row: Evolution) -> None:
    for one in (row.writer, row.reader):
        assert verdict(one, one) is Verdict.SAME
        assert changes(one, one) == []


@given(samples())
def test_any_type_is_the_same_as_itself(sample: Sample) -> None:
    assert verdict(sample.json, sample.json) is Verdict.SAME


def test_verdict_on_one_pair_does_not_depend_on_what_was_asked_before() -> None:
    """All rows with one comparison, in this order and the other: what is settled stays right."""
    for rows in (EVOLUTIONS, EVOLUTIONS[::-1]):
        comparison = Comparison()
        for row in rows:
            writer, reader = type_of(row.writer), type_of(row.reader)
            assert comparison.verdict(writer, reader) is row.verdict
            assert comparison.verdict(array_of := type_of(row.writer), array_of) is Verdict.SAME


def test_partial_branch_that_turns_out_not_to_fit_leaves_nothing_behind() -> None:
    """The first candidate is partial until its last field is looked at; the second is fine."""
    deep = record(("x", record(("x", record(("x", "string"), name="C")), name="B")), name="A")
    shallow = record(("x", record(("x", record(("x", "int"), name="C")), name="B")), name="A")
    one = record(("e", enum("P Q")), ("a", deep), name="x.N")
    bad = record(("e", enum("P", "y.E")), ("a", shallow), name="y.N")
    good = record(("e", enum("P Q", "z.E")), name="z.N")
    assert verdict(one, bad) is Verdict.INCOMPATIBLE
    assert verdict(one, [bad, good]) is Verdict.RESOLVABLE


def test_types_settled_before_count_for_those_made_of_them() -> None:
    comparison = Comparison()
    writer, reader = type_of(record(("e", enum("P Q")))), type_of(record(("e", enum("P"))))
    assert comparison.verdict(writer, reader) is Verdict.PARTIAL
    outer = [type_of(array("int")) for _ in range(2)]
    outer[0].items, outer[1].items = writer, reader  # type: ignore[union-attr]
    assert comparison.verdict(*outer) is Verdict.PARTIAL
    assert comparison.parts(*outer) == ((writer, reader),)


def test_branch_that_does_not_fit_is_told_with_its_reason_as_partial() -> None:
    comparison = Comparison()
    found = list(
        comparison.changes(
            type_of(["null", record(("a", "int"))]),
            type_of(["null", record(("a", "string"))]),
            "it",
        )
    )
    assert [one.kind for one in found] == ["partial", "partial"]
    assert str(found[1]) == "R.a: expected string, the writer has int"


def test_one_that_fits_no_branch_is_told_with_the_reason_in_the_nearest() -> None:
    assert changes(record(("a", "int")), ["null", record(("a", "string"))]) == [
        "R.a: expected string, the writer has int"
    ]


# -- what a stranger may send


def test_types_too_large_to_compare_are_incompatible_and_say_so() -> None:
    comparison = Comparison(max_steps=5_000)
    writer, reader = type_of(crossed("int")), type_of(crossed("string"))
    assert comparison.verdict(writer, reader) is Verdict.INCOMPATIBLE
    assert any(
        "too large to be compared" in one
        for one in map(str, comparison.changes(writer, reader, ""))
    )
    # Every step makes or finds one edge; one look may overdraw by what it looks at.
    edges = sum(map(len, comparison._users.values()))
    assert edges <= 5_000 + 300


def test_what_was_settled_is_told_after_nothing_is_left() -> None:
    comparison = Comparison()
    writer, reader = type_of(record(("a", "int"))), type_of(record(("a", "long")))
    assert comparison.verdict(writer, reader) is Verdict.RESOLVABLE
    comparison.verdict(type_of(crossed("int")), type_of(crossed("string")))
    assert comparison._left <= 0
    assert comparison.verdict(writer, reader) is Verdict.RESOLVABLE
    arrays = type_of(array("int")), type_of(map_of("int"))
    arrays[0].items, arrays[1].values = writer, reader  # type: ignore[union-attr]
    assert comparison.verdict(*arrays) is Verdict.INCOMPATIBLE
    again = [type_of(record(("a", "int"))) for _ in range(2)]
    again[0].fields, again[1].fields = writer.fields, reader.fields  # type: ignore[union-attr]
    assert comparison.verdict(*again) is Verdict.RESOLVABLE


def test_large_honest_protocols_are_within_the_bound() -> None:
    names = [f"R{index}" for index in range(100)]
    fields = [("a", "int"), ("b", ["null", "string"]), ("c", array("double"))]
    make = [
        record(*fields, ("next", ["null", names[(index * 7) % 100]]), name=name)
        for index, name in enumerate(names)
    ]
    size = len(json.dumps(make))
    allowed = steps_for(size, size)
    comparison = Comparison(max_steps=allowed)
    assert comparison.verdict(type_of(make), type_of(make)) is Verdict.SAME
    assert comparison._left > allowed // 4
