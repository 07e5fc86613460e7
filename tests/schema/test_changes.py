"""What differs, in words. The order in which places are told of is `compat`'s, and tested there."""

import pytest

from avrpc.schema.changes import MAX_SHOWN, Change, own_changes
from avrpc.schema.compat import Comparison
from avrpc.schema.matching import TOO_LARGE, Look, Verdict
from tests.schema.build import type_of
from tests.schema.evolutions import EVOLUTIONS, Evolution, enum, fixed, record

KINDS = {
    "defaulted",
    "dropped",
    "renamed",
    "reordered",
    "promoted",
    "converted",
    "widened",
    "unwrapped",
    "partial",
    "incompatible",
}


def told(row: Evolution) -> list[Change]:
    return list(Comparison().changes(type_of(row.writer), type_of(row.reader), "it"))


@pytest.mark.parametrize("row", EVOLUTIONS, ids=lambda row: row.name)
def test_changes_are_told_in_words_of_a_known_kind(row: Evolution) -> None:
    found = told(row)
    assert tuple(map(str, found)) == row.changes
    assert {one.kind for one in found} <= KINDS
    assert all(one.path and "\n" not in one.text for one in found)


@pytest.mark.parametrize("row", EVOLUTIONS, ids=lambda row: row.name)
def test_what_breaks_is_told_and_what_does_not_is_not(row: Evolution) -> None:
    kinds = {one.kind for one in told(row)}
    assert bool(kinds) == (row.verdict is not Verdict.SAME)
    assert ("incompatible" in kinds) == (row.verdict is Verdict.INCOMPATIBLE)
    assert "partial" in kinds or row.verdict is not Verdict.PARTIAL


def test_every_kind_is_in_the_table() -> None:
    assert {one.kind for row in EVOLUTIONS for one in told(row)} == KINDS


def test_own_changes_leave_out_the_parts() -> None:
    writer, reader = type_of(record(("a", "int"))), type_of(record(("a", "long")))
    assert list(own_changes("it", writer, reader, Look(Verdict.RESOLVABLE))) == []


def test_sizes_are_told_of_what_does_not_fit() -> None:
    row = Evolution("", fixed(1), fixed(2), Verdict.INCOMPATIBLE, None, None, ())
    (found,) = told(row)
    assert found.text == "expected the fixed F (2 bytes), the writer has the fixed F (1 byte)"


def test_nothing_is_told_of_a_symbol_that_only_the_readers_default_is_about() -> None:
    row = Evolution("", enum("A"), enum("A", default="A"), Verdict.SAME, None, None, ())
    assert told(row) == []


def test_words_on_large_types_are_cut() -> None:
    names = [f"R{index}" for index in range(99)]
    union = [record(name=name) for name in names]
    (found,) = Comparison().changes(type_of(union), type_of("string"), "it")
    assert found.text.startswith("expected string, the writer has union {R0, R1, R2")
    assert len(found.text) < MAX_SHOWN + 60
    symbols = " ".join(names)
    (found,) = Comparison().changes(type_of(enum(symbols)), type_of(enum("R1")), "it")
    assert found.text.startswith("the reader has no R0 or R2 or R3")
    assert len(found.text) < MAX_SHOWN + 60


def test_what_was_not_compared_is_told_as_such() -> None:
    writer, reader = type_of("int"), type_of("long")
    (found,) = own_changes("it", writer, reader, TOO_LARGE)
    assert str(found).startswith("it: the two versions are too large to be compared")
    assert found.kind == "incompatible"
