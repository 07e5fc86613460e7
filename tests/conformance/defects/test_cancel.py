from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.server_call import ServerCall
from avrpc.wire import CancelReceived, EndReceived, Event, StatusCode, encode_long
from avrpc.wire.frames import STARTED, Kind
from tests.conformance.desk import Serve, fails, mute, names, sending, table, telling


@pytest.mark.parametrize("name", names("cancel"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def cancels_that_are_ignored() -> Serve:
    return telling(lambda event: [] if isinstance(event, CancelReceived) else [event])


def cancels_taken_for_ends() -> Serve:
    """And the call that was cancelled comes to its result, as far as the rules let it."""

    def change(event: Event) -> list[Event]:
        if isinstance(event, CancelReceived):
            return [EndReceived(event.call_id)]
        return [event]

    return telling(change)


def another_status() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind == Kind.STATUS:
            code = encode_long(StatusCode.INTERNAL)
            return [frame._replace(body=encode_long(frame.longs(1)[0]) + code + b"\0")]
        return [frame]

    return sending(change)


def outcomes_sent_twice() -> Serve:
    return sending(lambda frame: [frame, frame] if frame.kind == Kind.STATUS else [frame])


def never_started() -> Serve:
    return sending(lambda frame: [frame._replace(flags=frame.flags & ~STARTED)])


def a_cancel_ends_the_one_before_it() -> Serve:
    def change(event: Event) -> list[Event]:
        if isinstance(event, CancelReceived) and event.call_id > 1:
            return [event, CancelReceived(event.call_id - 1)]
        return [event]

    return telling(change)


def answers_to_ended_calls() -> Serve:
    """RESULT once more for a CANCEL that comes too late."""

    def change(frame: Frame) -> list[Frame]:
        return [frame, frame] if frame.kind == Kind.RESULT else [frame]

    return sending(change)


WITH_STATUS = [
    "cancel_after_begin",
    "cancel_after_first_item",
    "cancel_without_credit",
    "cancel_both_ways",
    "cancel_waits_for_the_handler",
]


@table(
    {
        cancels_that_are_ignored: [
            *WITH_STATUS,
            "cancel_request_stream",
            "cancel_right_behind_the_call",
            "cancel_before_end",
            "cancel_one_of_many",
            "cancel_frees_the_slot",
        ],
        cancels_taken_for_ends: ["cancel_request_stream", "cancel_before_end"],
        another_status: [*WITH_STATUS, "cancel_request_stream", "cancel_before_end"],
        outcomes_sent_twice: [
            *WITH_STATUS,
            "cancel_right_behind_the_call",
            "cancel_before_end",
            "cancel_of_a_large_result",
        ],
        never_started: WITH_STATUS,
        a_cancel_ends_the_one_before_it: ["cancel_one_of_many"],
        answers_to_ended_calls: ["cancel_of_a_call_that_has_ended"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


async def test_answer_before_the_handler_has_ended_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cancel = ServerCall.on_cancel

    def answer_at_once(call: ServerCall) -> None:
        call._status(StatusCode.CANCELLED, "at once")
        on_cancel(call)

    monkeypatch.setattr(ServerCall, "on_cancel", answer_at_once)
    ending = await fails("cancel_waits_for_the_handler", ConformanceServer().serve_stream)
    assert "after 50 ms" in ending.expected
