"""Types without a name: what is alike is one object."""

from avrpc.schema.shapes import PLAIN, Shapes
from avrpc.schema.types import PRIMITIVES, Array, Enum, Logical, Map, Type, Union

DATE = Logical("date")


def test_what_is_alike_is_made_once() -> None:
    shapes = Shapes()
    date = shapes.primitive("int", DATE)
    made: list[Type] = [
        date,
        shapes.array(date),
        shapes.map(date),
        shapes.union((PLAIN["null"], date)),
        shapes.array(shapes.array(date)),
    ]
    again: list[Type] = [
        shapes.primitive("int", Logical("date")),
        shapes.array(date),
        shapes.map(date),
        shapes.union((PLAIN["null"], date)),
        shapes.array(shapes.array(date)),
    ]
    assert [id(one) for one in made] == [id(one) for one in again]
    assert len(set(map(id, made))) == len(made)
    assert list(map(str, made)) == [
        "int (date)",
        "array<int (date)>",
        "map<int (date)>",
        "union {null, int (date)}",
        "array<array<int (date)>>",
    ]


def test_what_is_not_alike_is_not() -> None:
    shapes = Shapes()
    some: list[Type] = [
        PLAIN["int"],
        shapes.primitive("long", DATE),
        shapes.primitive("int", DATE),
        shapes.primitive("int", Logical("time-millis")),
        shapes.union((PLAIN["int"], PLAIN["null"])),
        shapes.union((PLAIN["null"], PLAIN["int"])),
        shapes.union((PLAIN["null"],)),
        # Two types of one name, as of two texts.
        shapes.array(Enum("E")),
        shapes.array(Enum("E")),
    ]
    assert len(set(map(id, some))) == len(some)


def test_another_text_makes_its_own() -> None:
    one, other = Shapes(), Shapes()
    assert one.array(PLAIN["int"]) is not other.array(PLAIN["int"])
    assert one.map(PLAIN["int"]) is not other.map(PLAIN["int"])
    assert isinstance(one.array(PLAIN["int"]), Array)
    assert isinstance(one.map(PLAIN["int"]), Map)
    assert isinstance(one.union((PLAIN["int"],)), Union)


def test_plain_primitives_are_the_same_for_all() -> None:
    assert set(PLAIN) == PRIMITIVES
    for kind, one in PLAIN.items():
        assert Shapes().primitive(kind, None) is one
