from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance
from avrpc.conformance.service import Service
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.wire import Connection, encode_long
from avrpc.wire.frames import Kind
from tests.conformance.desk import (
    Serve,
    fails,
    mute,
    names,
    sending,
    serving,
    table,
)


@pytest.mark.parametrize("name", names("calls"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def one_call_at_a_time() -> Serve:
    def server_of(service: Service) -> avrpc.Server:
        turn = trio.Lock()

        def in_turn(name: str) -> Any:
            handler = getattr(service, name)
            if Conformance.messages[name].kind.streams_response:
                return handler

            async def handle(**parameters: Any) -> Any:
                async with turn:
                    return await handler(**parameters)

            return handle

        methods = {name: in_turn(name) for name in ("hold", "release", "empty", "blob")}
        rest = {name: getattr(service, name) for name in Conformance.messages}
        return avrpc.Server({Conformance: rest | methods})

    return ConformanceServer(server_of).serve_stream


def answers_to_one_another() -> Serve:
    """Two RESULTs that come together are exchanged."""
    held: list[Frame] = []

    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.RESULT or len(frame.body) < 2:
            return [frame]
        if not held:
            held.append(frame)
            return []
        first = held.pop()
        one, two = first.longs(1)[0], frame.longs(1)[0]
        size = len(encode_long(one))
        if size != len(encode_long(two)):
            return [first, frame]
        return [
            first._replace(body=encode_long(two) + first.body[size:]),
            frame._replace(body=encode_long(one) + frame.body[size:]),
        ]

    return sending(change)


def with_slots(**limits: int) -> Serve:
    """Goes by other limits than it announces."""

    class Server(avrpc.Server):
        def connection(self) -> Connection:
            core = super().connection()
            core._calls.limits = replace(core._calls.limits, **limits)
            return core

    return serving(Server)


def slots_without_end() -> Serve:
    return with_slots(max_calls=2**20, max_streamed_calls=2**20)


def slots_for_half_of_the_calls() -> Serve:
    return with_slots(max_calls=512)


@table(
    {
        one_call_at_a_time: ["calls_interleave", "every_slot"],
        answers_to_one_another: ["hundred_calls_at_once"],
        slots_without_end: ["too_many_calls", "too_many_streamed_calls"],
        slots_for_half_of_the_calls: ["every_slot"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


async def test_streams_that_wait_for_another_are_noticed(autojump_clock: MockClock) -> None:
    turn = trio.Lock()

    def server_of(service: Service) -> avrpc.Server:
        async def ping_pong(key: str, take: int, ending: str, items: Any) -> Any:
            async with turn:
                async for one in items:
                    yield one

        methods = {name: getattr(service, name) for name in Conformance.messages}
        return avrpc.Server({Conformance: methods | {"ping_pong": ping_pong}})

    await fails("streams_interleave", ConformanceServer(server_of).serve_stream)
