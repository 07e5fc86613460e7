from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from avrpc.conformance.interface import item
from avrpc.conformance.trace import Frame
from avrpc.wire import EndReceived
from avrpc.wire.frames import Kind
from tests.conformance.desk import (
    Serve,
    fails,
    handling,
    mute,
    names,
    sending,
    table,
    telling,
)


@pytest.mark.parametrize("name", names("streams"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def items_turned_round() -> Serve:
    async def source(
        service: Any, key: str, count: int, size: int, ending: str
    ) -> AsyncIterator[dict[str, Any]]:
        for number in reversed(range(count)):
            yield item(number, size)

    return handling(source=source)


def last_item_left_out() -> Serve:
    async def source(
        service: Any, key: str, count: int, size: int, ending: str
    ) -> AsyncIterator[dict[str, Any]]:
        for number in range(count - 1):
            yield item(number, size)

    return handling(source=source)


def item_where_there_is_none() -> Serve:
    async def source(
        service: Any, key: str, count: int, size: int, ending: str
    ) -> AsyncIterator[dict[str, Any]]:
        yield item(0, size)

    return handling(source=source)


def value_behind_the_items() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        return [frame._replace(body=frame.body + b"\0")] if frame.kind == Kind.RESULT else [frame]

    return sending(change)


def end_that_is_overlooked() -> Serve:
    return telling(lambda event: [] if isinstance(event, EndReceived) else [event])


def items_counted_twice() -> Serve:
    async def sink(service: Any, key: str, take: int, ending: str, items: Any) -> dict[str, Any]:
        count = 0
        while count != take:
            try:
                await items.receive()
            except trio.EndOfChannel:
                break
            count += 1
        return {"count": 2 * count, "bytes": count * 8, "in_order": True}

    return handling(sink=sink)


def echoes_all_at_the_end() -> Serve:
    async def ping_pong(
        service: Any, key: str, take: int, ending: str, items: Any
    ) -> AsyncIterator[dict[str, Any]]:
        for one in [one async for one in items]:
            yield one

    return handling(ping_pong=ping_pong)


def echo_that_stops_at_end() -> Serve:
    async def ping_pong(
        service: Any, key: str, take: int, ending: str, items: Any
    ) -> AsyncIterator[dict[str, Any]]:
        yield await items.receive()

    return handling(ping_pong=ping_pong)


def outcomes_sent_twice() -> Serve:
    outcomes = (Kind.RESULT, Kind.ERROR, Kind.STATUS)
    return sending(lambda frame: [frame, frame] if frame.kind in outcomes else [frame])


@table(
    {
        items_turned_round: ["response_stream", "long_response_stream"],
        last_item_left_out: ["response_stream", "long_response_stream"],
        item_where_there_is_none: ["empty_response_stream"],
        value_behind_the_items: ["response_stream", "empty_response_stream", "empty_stream"],
        end_that_is_overlooked: [
            "request_stream",
            "empty_request_stream",
            "empty_stream",
            "items_together",
            "all_in_one_segment",
            "byte_by_byte",
        ],
        items_counted_twice: ["request_stream", "items_together", "all_in_one_segment"],
        echoes_all_at_the_end: ["ping_pong", "result_before_end", "response_before_end"],
        echo_that_stops_at_end: ["response_after_end", "ping_pong", "response_before_end"],
        outcomes_sent_twice: names("streams"),
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
