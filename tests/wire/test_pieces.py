import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.wire import AssemblyBudget
from avrpc.wire.frames import METADATA, MORE, Kind
from avrpc.wire.pieces import NO_FIELDS, Assembly, HeaderFields, OutgoingValue
from tests.wire.pair import frame, frames

ID = b"\x02"


def pieces(value: OutgoingValue, max_frame_bytes: int) -> bytes:
    """All the frames of a value."""
    out = bytearray()
    while not value.write_piece(out, max_frame_bytes):
        pass
    return bytes(out)


# On the way out ...


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", frame(Kind.CALL, ID, b"ff", flags=METADATA)),
        (b"1234567", frame(Kind.CALL, ID, b"ff1234567", flags=METADATA)),
        (
            b"12345678",
            frame(Kind.CALL, ID, b"ff1234567", flags=METADATA | MORE) + frame(Kind.CALL, ID, b"8"),
        ),
        (
            b"1234567abcdefghi",  # fills the second frame
            frame(Kind.CALL, ID, b"ff1234567", flags=METADATA | MORE)
            + frame(Kind.CALL, ID, b"abcdefghi"),
        ),
        (
            b"1234567abcdefghi+",
            frame(Kind.CALL, ID, b"ff1234567", flags=METADATA | MORE)
            + frame(Kind.CALL, ID, b"abcdefghi", flags=MORE)
            + frame(Kind.CALL, ID, b"+"),
        ),
    ],
)
def test_value_is_cut_into_full_frames_and_a_rest(data: bytes, expected: bytes) -> None:
    value = OutgoingValue(Kind.CALL, METADATA, ID, b"ff", data)
    assert pieces(value, 10) == expected


def test_value_in_a_bytearray_is_not_copied_and_can_not_be_resized_while_it_leaves() -> None:
    data = bytearray(b"1234567890")
    value = OutgoingValue(Kind.ITEMS, 0, ID, b"", data)
    out = bytearray()
    assert not value.write_piece(out, 6)
    with pytest.raises(BufferError):
        data += b"more"
    assert value.write_piece(out, 6)
    assert out == frame(Kind.ITEMS, ID, b"12345", flags=MORE) + frame(Kind.ITEMS, ID, b"67890")


# ... and on the way in.


@given(st.binary(max_size=300), st.binary(max_size=10), st.integers(12, 40))
def test_pieces_put_together_are_the_value(data: bytes, fields: bytes, limit: int) -> None:
    budget = AssemblyBudget(300)
    assembly = Assembly(Kind.RESULT, 300, budget)
    parts = frames(pieces(OutgoingValue(Kind.RESULT, 0, ID, fields, data), limit))
    for at, (kind, flags, body) in enumerate(parts):
        assert len(body) <= limit
        assert kind == Kind.RESULT
        assert flags == (MORE if at < len(parts) - 1 else 0)
        assert assembly.add(body[len(ID) + (len(fields) if at == 0 else 0) :])
    assert budget.available == 300 - len(data)
    assert assembly.join() == data
    assert budget.available == 300


def test_value_beyond_its_limit_is_dropped_and_gives_its_memory_back() -> None:
    budget = AssemblyBudget(100)
    assembly = Assembly(Kind.CALL, 10, budget)
    assert assembly.add(b"12345")
    assert assembly.add(b"67890")
    assert budget.available == 90
    assert not assembly.add(b"+")
    assert assembly.dropped
    assert not assembly.over_budget
    assert budget.available == 100
    assert assembly.join() == b""


def test_value_beyond_the_budget_is_dropped_and_others_go_on() -> None:
    budget = AssemblyBudget(10)
    first, second = (Assembly(Kind.CALL, 100, budget) for _ in range(2))
    assert first.add(b"1234567")
    assert not second.add(b"1234")
    assert second.dropped
    assert second.over_budget
    assert budget.available == 3
    assert first.add(b"890")
    assert budget.available == 0
    assert first.join() == b"1234567890"
    assert budget.available == budget.max_bytes == 10


def test_half_value_that_is_discarded_gives_its_memory_back_once() -> None:
    budget = AssemblyBudget(10)
    assembly = Assembly(Kind.CALL, 100, budget)
    assembly.add(b"12345")
    for _ in range(2):
        assembly.discard()
        assert budget.available == 10


def test_budget_refuses_what_it_has_not_and_takes_nothing() -> None:
    budget = AssemblyBudget(10)
    assert budget.take(10)
    assert not budget.take(1)
    assert budget.available == 0
    budget.give_back(10)
    assert budget.available == 10
    assert not budget.take(11)
    assert budget.available == 10


def test_default_budget_holds_64_values_of_the_default_limit() -> None:
    assert AssemblyBudget().available == 64 * 4 * 1024 * 1024


def test_fields_of_the_first_piece_are_kept_with_the_value() -> None:
    fields = HeaderFields(3, 250, {"k": b"v"})
    assert Assembly(Kind.CALL, 1, AssemblyBudget(), fields).fields == fields
    assert Assembly(Kind.ITEMS, 1, AssemblyBudget()).fields == NO_FIELDS == (0, None, None)
