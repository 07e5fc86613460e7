from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.conformance.trace import Frame
from avrpc.wire import CallReceived, Event, StatusCode, encode_long
from avrpc.wire.frames import STARTED, Kind
from tests.conformance.desk import Serve, fails, mute, names, sending, table, telling


@pytest.mark.parametrize("name", names("deadlines"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def with_time(change: Any) -> Serve:
    """Changes the time that a call has left, where it has a deadline."""

    def changed(event: Event) -> list[Event]:
        if isinstance(event, CallReceived) and event.time_left is not None:
            return [event._replace(time_left=change(event.time_left))]
        return [event]

    return telling(changed)


def deadlines_that_are_ignored() -> Serve:
    return with_time(lambda left: None)


def deadlines_in_seconds() -> Serve:
    return with_time(lambda left: left * 1000)


def half_the_time() -> Serve:
    return with_time(lambda left: left // 2)


def no_time_is_long_enough() -> Serve:
    return with_time(lambda left: max(left, 1000))


def deadlines_of_32_bits() -> Serve:
    return with_time(lambda left: (left + 2**31) % 2**32 - 2**31)


def calls_without_deadline_have_one() -> Serve:
    def changed(event: Event) -> list[Event]:
        if isinstance(event, CallReceived) and event.time_left is None:
            return [event._replace(time_left=60_000)]
        return [event]

    return telling(changed)


def deadlines_as_cancelled() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind == Kind.STATUS:
            body = frame.body[:1] + encode_long(StatusCode.CANCELLED) + b"\0"
            return [frame._replace(body=body)]
        return [frame]

    return sending(change)


def always_started() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        started = STARTED if frame.kind == Kind.STATUS else 0
        return [frame._replace(flags=frame.flags | started)]

    return sending(change)


def never_started() -> Serve:
    return sending(lambda frame: [frame._replace(flags=frame.flags & ~STARTED)])


STREAMS = [
    "deadline_of_a_response_stream",
    "deadline_of_a_request_stream",
    "deadline_without_credit",
]


NOT_RUN = ["deadline_of_zero", "deadline_below_zero"]


@table(
    {
        deadlines_that_are_ignored: ["timeout_on_sleeping_server", *NOT_RUN, *STREAMS],
        deadlines_in_seconds: ["timeout_on_sleeping_server", *STREAMS],
        half_the_time: ["deadline_is_not_early"],
        no_time_is_long_enough: NOT_RUN,
        deadlines_of_32_bits: ["deadline_of_centuries"],
        calls_without_deadline_have_one: ["deadline_reaches_the_handler"],
        deadlines_as_cancelled: ["timeout_on_sleeping_server", *NOT_RUN, *STREAMS],
        always_started: NOT_RUN,
        never_started: ["timeout_on_sleeping_server", *STREAMS],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
