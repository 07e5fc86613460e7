"""What codecs share: each part is for all types given, and made when it is needed."""

from typing import Any

from avrpc.schema.codec import Codec, ItemsCodec
from avrpc.schema.compat import Comparison
from avrpc.schema.fit import At
from avrpc.schema.resolution import Resolution
from tests.schema.build import type_of
from tests.schema.evolutions import DATE, array, record

AT = At("it")


def pair(*more: Any) -> tuple[Any, Any]:
    inner = record(("x", "int"), name="I")
    changed = record(("x", "long"), ("y", "int", 7), name="I")
    return type_of(record(("i", inner), *more)), type_of(record(("i", changed), *more))


def test_nothing_is_made_before_it_is_needed() -> None:
    made = Resolution([pair()], Comparison())
    before = set(vars(made))
    assert made.plan is made.plan
    assert made.schemas is made.schemas
    assert made.functions is made.functions
    assert made.added is made.added
    assert vars(made).keys() - before == {"plan", "schemas", "functions", "added"}


def test_codecs_of_several_types_are_made_of_one() -> None:
    comparison = Comparison()
    one, other = pair(), pair(("d", DATE))
    items: Any = type_of(array("int")), type_of(array("double"))
    shared = Resolution([one, other, items], comparison)
    for (writer, reader), data, value in (
        (one, b"\2", {"i": {"x": 1, "y": 7}}),
        (items, b"\2\2\0", [1.0]),
    ):
        made = Codec(reader, AT).reading(writer, AT, comparison, shared)
        assert made.decode(data) == value
    found = Codec(other[1], AT).reading(other[0], AT, comparison, shared).decode(b"\2\0")
    assert found["i"] == {"x": 1, "y": 7}
    assert str(found["d"]) == "1970-01-01"
    reader = ItemsCodec(items[1].items, AT)
    assert reader.reading(items[0].items, AT, comparison, shared).decode(b"\2\4", 2) == [1.0, 2.0]
    assert shared.added.most  # a default, wherever it is
    assert len(shared.functions._functions) == 4
