from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.conformance.interface import body
from avrpc.conformance.trace import Frame
from avrpc.wire import CallReceived, Event
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


@pytest.mark.parametrize("name", names("unary"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def blob_of_a_byte_more() -> Serve:
    async def blob(service: Any, payload: bytes, size: int) -> bytes:
        return body(size + 1)

    return handling(blob=blob)


def value_in_the_result_of_nothing() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        return [frame._replace(body=frame.body + b"\0")] if frame.kind == Kind.RESULT else [frame]

    return sending(change)


def one_way_calls_that_are_not_run() -> Serve:
    async def note(service: Any, key: str) -> None:
        pass

    return handling(note=note)


def metadata_that_is_dropped() -> Serve:
    def change(event: Event) -> list[Event]:
        return [event._replace(metadata=None) if isinstance(event, CallReceived) else event]

    return telling(change)


@table(
    {
        blob_of_a_byte_more: ["large_unary", "result_of_any_size", "calls_one_after_the_other"],
        value_in_the_result_of_nothing: ["empty_unary", "one_way_is_answered"],
        one_way_calls_that_are_not_run: ["one_way_is_answered"],
        metadata_that_is_dropped: ["metadata_reaches_the_handler", "metadata_in_every_form"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
