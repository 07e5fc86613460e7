"""`ItemCollector`: items that travel whole. What calls make of it is in tests/test_versions.py."""

from typing import Any

import pytest
import trio
from trio.testing import assert_checkpoints

from avrpc.collect import ITEMS_PER_CHECKPOINT, ItemCollector
from avrpc.errors import ConnectionLost, InvalidValue, LimitExceeded
from avrpc.schema import Codec, ItemsCodec
from avrpc.schema.fit import At
from tests.schema.build import A_TICK, TICK, type_of


def collector(of: Any = "int", max_bytes: int = 1000) -> ItemCollector:
    return ItemCollector(ItemsCodec(type_of(of), At("it[]")), max_bytes)


def arrived(data: bytes, of: Any = "int") -> Any:
    return Codec(type_of({"type": "array", "items": of}), At("it")).decode(data)


@pytest.mark.parametrize(
    ("of", "items"),
    [
        ("int", []),
        ("int", [7]),
        ("int", list(range(200))),
        ("string", ["", "ü"]),
        (TICK, [A_TICK, A_TICK]),
    ],
)
async def test_items_leave_as_one_avro_array(of: Any, items: list[Any]) -> None:
    collected = collector(of)
    for item in items:
        await collected.send(item)
    assert arrived(collected.array(), of) == items


async def test_item_is_encoded_when_it_is_sent() -> None:
    collected, item = collector({"type": "array", "items": "int"}), [1]
    await collected.send(item)
    item.append(2)
    assert arrived(collected.array(), {"type": "array", "items": "int"}) == [[1]]


async def test_item_that_does_not_fit_is_not_added() -> None:
    collected = collector()
    await collected.send(1)
    with pytest.raises(InvalidValue, match=r"^it\[\]: expected int"):
        await collected.send("x")
    await collected.send(2)
    assert arrived(collected.array()) == [1, 2]


async def test_item_that_there_is_no_room_for_is_not_added() -> None:
    collected = collector("bytes", 100)
    await collected.send(bytes(80))
    with pytest.raises(LimitExceeded, match=r"^more than 100 bytes of items") as raised:
        await collected.send(bytes(20))
    assert collected.refused is raised.value
    assert not collected.finished
    await collected.send(b"1")
    assert arrived(collected.array(), "bytes") == [bytes(80), b"1"]
    assert len(collected.array()) <= 100


@pytest.mark.parametrize("size", [0, 1, 5])
async def test_array_is_never_longer_than_it_may_be(size: int) -> None:
    collected = collector("bytes", 3000)
    with pytest.raises(LimitExceeded):
        while True:
            await collected.send(bytes(size))
    assert 2900 < len(collected.array()) <= 3000


async def test_send_lets_others_run_now_and_then_and_always_sees_a_cancel() -> None:
    collected = collector()
    task = trio.lowlevel.current_task()
    for number in range(2 * ITEMS_PER_CHECKPOINT):
        before = task._schedule_points
        await collected.send(number)
        assert (task._schedule_points > before) == (number % ITEMS_PER_CHECKPOINT == 0)
        with trio.CancelScope() as scope:
            scope.cancel()
            await collected.send(-1)
        assert scope.cancelled_caught
    assert arrived(collected.array()) == list(range(2 * ITEMS_PER_CHECKPOINT))


async def test_send_raises_what_finished_it_first_each_time_anew() -> None:
    collected = collector()
    await collected.send(1)
    collected.finish(ConnectionLost("gone"))
    collected.finish(trio.BrokenResourceError("later"))
    errors = []
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="gone") as raised:
            await collected.send(2)
        errors.append(raised.value)
    assert errors[0] is not errors[1]
    assert collected.finished
    assert arrived(collected.array()) == [1]


async def test_send_after_close_says_so_whatever_was_before() -> None:
    collected = collector()
    collected.finish(ConnectionLost("gone"))
    with assert_checkpoints():
        await collected.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await collected.send(1)


async def test_nothing_is_waited_for() -> None:
    collected = collector()
    collected.credit_came()
    with assert_checkpoints():
        await collected.wait_left()
    assert not collected.finished
