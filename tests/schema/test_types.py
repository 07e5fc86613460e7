"""What follows from a type's shape: recursion, emptiness, depth."""

import pytest

from avrpc.schema.types import (
    MAX_DEPTH,
    Array,
    Branch,
    Enum,
    Field,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    components,
    direct_records,
    held_records,
    is_recursive,
    mark_recursive,
    nesting,
    short,
    too_deep,
)

STRING, NULL = Primitive("string"), Primitive("null")


def record(name: str, *types: Type) -> Record:
    made = Record(name)
    fill(made, *types)
    return made


def fill(made: Record, *types: Type) -> None:
    made.fields = tuple(Field(f"f{at}", of) for at, of in enumerate(types))


def chain(length: int) -> list[Record]:
    made = [record("last")]
    for number in range(length - 1):
        made.append(record(f"r{number}", made[-1]))
    return made[::-1]


@pytest.mark.parametrize(
    ("of", "text"),
    [
        (STRING, "string"),
        (Primitive("long", Logical("timestamp-micros")), "long (timestamp-micros)"),
        (Primitive("bytes", Logical("decimal", 9, 2)), "bytes (decimal(9, 2))"),
        (Fixed("a.F", size=3), "F"),
        (Fixed("a.F", size=3, logical=Logical("decimal", 5, 0)), "F (decimal(5, 0))"),
        (Enum("a.E"), "E"),
        (Array(Map(record("a.R"))), "array<map<R>>"),
        (Union((NULL, STRING)), "union {null, string}"),
    ],
)
def test_types_read_as_in_idl(of: Type, text: str) -> None:
    assert str(of) == text


def test_a_union_is_tagged_with_several_named_types() -> None:
    assert Union((Enum("E"), Fixed("F"))).tagged
    assert not Union((Enum("E"), STRING)).tagged


def test_records_that_hold_each_other_are_recursive() -> None:
    own, one, other, plain = (record(name) for name in ("own", "one", "other", "plain"))
    fill(own, Union((NULL, own)))
    fill(one, Array(other), plain)
    fill(other, Map(one))
    fill(plain, STRING)
    user = record("user", one, own)
    mark_recursive(components([user], held_records))
    assert [each.recursive for each in (own, one, other, plain, user)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert is_recursive(Array(user))
    assert not is_recursive(Map(plain))


def test_components_come_in_order_and_survive_long_chains() -> None:
    records = chain(5000)
    groups = components(records, held_records)
    assert [group.records[0] for group in groups] == records[::-1]
    assert not any(group.cyclic for group in groups)


def test_a_cycle_is_direct_only_with_nothing_between() -> None:
    one, other = record("one"), record("other")
    fill(one, other)
    fill(other, Array(one))
    assert not any(group.cyclic for group in components([one], direct_records))
    fill(other, one)
    (group,) = components([one], direct_records)
    assert group.cyclic
    fill(other, other)
    assert [group.cyclic for group in components([one], direct_records)] == [True, False]


def test_nesting_ends_at_records() -> None:
    assert nesting(STRING) == 1
    assert nesting(Array(Map(Union((NULL, Array(record("r"))))))) == 4


def test_depth_is_summed_over_records() -> None:
    def deep(records: list[Record]) -> Record | None:
        return too_deep(components(records, held_records))

    assert deep(chain(MAX_DEPTH // 2)) is None
    assert deep(chain(MAX_DEPTH + 1)) is not None
    node = record("node")
    fill(node, Union((NULL, Array(node))))
    assert deep([node]) is None
    nest: Type = node
    for _ in range(MAX_DEPTH // 64):
        nest = Array(nest)
    fill(node, nest)
    assert deep([node]) is node


def test_names_and_branches() -> None:
    assert short("a.b.C") == short("C") == "C"
    assert Branch("a.B", 5) == ("a.B", 5)
    with pytest.raises(LookupError):
        Field("f", STRING).make_default()
