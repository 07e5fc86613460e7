from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.service import Service
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.wire import Connection, Event, GoawayCode, GoawayReceived, encode_long
from avrpc.wire.frames import Kind
from tests.conformance.desk import (
    Serve,
    Tampered,
    fails,
    handling,
    mute,
    names,
    over,
    ruled_by,
    sending,
    serving,
    table,
    telling,
)


@pytest.mark.parametrize("name", names("connection"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def pongs_of_zero() -> Serve:
    return sending(lambda frame: [frame._replace(body=b"\0") if frame.kind == Kind.PONG else frame])


def pongs_of_32_bits() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.PONG:
            return [frame]
        value = (frame.longs(1)[0] + 2**31) % 2**32 - 2**31
        return [frame._replace(body=encode_long(value))]

    return sending(change)


def oldest_pings_only() -> Serve:
    count = 0

    def change(frame: Frame) -> list[Frame]:
        nonlocal count
        count += frame.kind == Kind.PONG
        return [frame] if count < 100 else []

    return sending(change)


def pongs_that_end_the_connection() -> Serve:
    class Core(Connection):
        def receive_data(self, data: bytes) -> list[Event]:
            if data[:1] == bytes([Kind.PONG]):
                data = b"\xff\xff\xff\xff"
            return super().receive_data(data)

    return ruled_by(Core)


def goodbye_ends_all() -> Serve:
    def change(event: Event) -> list[Event]:
        if isinstance(event, GoawayReceived):
            return [event._replace(code=GoawayCode.INTERNAL_ERROR)]
        return [event]

    return telling(change)


def goodbye_means_nothing() -> Serve:
    class Core(Connection):
        def receive_data(self, data: bytes) -> list[Event]:
            return super().receive_data(data.replace(b"\x0b\x00\x00\x03\0\0\0", b""))

    return ruled_by(Core)


def handlers_that_go_on() -> Serve:
    """They outlive their connection."""

    async def sleep(service: Service, key: str, ms: int, cleanup_ms: int) -> None:
        service._keys[key].count += 1
        with trio.CancelScope(shield=True):
            await trio.sleep(1000)

    return handling(sleep=sleep)


def losses_taken_for_ends() -> Serve:
    async def sink(
        service: Service, key: str, take: int, ending: str, items: Any
    ) -> dict[str, Any]:
        with service._fate_of(key):
            try:
                async for _ in items:
                    pass
            except (trio.Cancelled, trio.BrokenResourceError):
                return {"count": 0, "bytes": 0, "in_order": True}
        return {"count": 1, "bytes": 8, "in_order": True}

    return handling(sink=sink)


def half_frames_filled_up() -> Serve:
    class Stream(Tampered):
        ended = False

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            if self.ended:
                await trio.sleep(1)
            data = await super().receive_some(max_bytes)
            if not data and self._native and not self.ended:
                self.ended = True
                return b"\0"
            return data

    return over(Stream)


def end_of_file_overlooked() -> Serve:
    class Stream(Tampered):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            return await super().receive_some(max_bytes) or await trio.sleep_forever()

    return over(Stream)


def one_bad_connection_ends_all() -> Serve:
    scopes: list[trio.CancelScope] = []
    server = ConformanceServer()

    async def serve(stream: trio.abc.Stream) -> None:
        with trio.CancelScope() as scope:
            scopes.append(scope)
            await server.serve_stream(stream)
            for one in scopes:
                one.cancel()

    return serve


def goaway_of_another_call() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.GOAWAY:
            return [frame]
        rest = encode_long(GoawayCode.SHUTDOWN) + b"\0"
        return [frame._replace(body=encode_long(frame.longs(1)[0] + 1) + rest)]

    return sending(change)


def drain_of_another_code() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.GOAWAY:
            return [frame]
        rest = encode_long(GoawayCode.IDLE) + b"\0"
        return [frame._replace(body=encode_long(frame.longs(1)[0]) + rest)]

    return sending(change)


def drain_that_goes_on() -> Serve:
    """It says GOAWAY, and takes calls as before."""

    class Core(Connection):
        def goaway(self, code: GoawayCode, text: str) -> None:
            self.outgoing.goaway(self._calls.last_id, code, text)

    return ruled_by(Core)


def drain_without_goaway() -> Serve:
    async def drain(service: Service) -> None:
        pass

    return handling(drain=drain)


def drain_that_never_closes() -> Serve:
    return over(lambda stream: Tampered(stream, close=False, eof=False))


def drain_that_ends_calls() -> Serve:
    class Server(avrpc.Server):
        async def aclose(self) -> None:
            self.limits = avrpc.Limits(drain_timeout=0)
            await super().aclose()

    return serving(Server)


PINGS = ["ping_is_answered", "ping_while_calls_run", "many_pings", "pong_that_nobody_asked_for"]


DRAINS = ["drain_lets_calls_finish", "drain_runs_no_later_call", "drain_closes"]


@table(
    {
        pongs_of_zero: PINGS,
        pongs_of_32_bits: ["ping_is_answered"],
        oldest_pings_only: ["many_pings"],
        pongs_that_end_the_connection: ["pong_that_nobody_asked_for"],
        goodbye_ends_all: ["goodbye_lets_calls_finish"],
        goodbye_means_nothing: ["call_after_goodbye"],
        handlers_that_go_on: ["lost_connection_ends_handlers"],
        losses_taken_for_ends: ["lost_connection_is_no_end"],
        half_frames_filled_up: ["half_a_frame_then_the_end"],
        end_of_file_overlooked: ["end_of_the_clients_direction", "lost_connection_is_no_end"],
        one_bad_connection_ends_all: ["connections_are_apart"],
        goaway_of_another_call: ["drain_lets_calls_finish", "drain_runs_no_later_call"],
        drain_of_another_code: DRAINS,
        drain_that_goes_on: ["drain_runs_no_later_call"],
        drain_without_goaway: DRAINS,
        drain_that_never_closes: ["drain_closes", "end_of_the_clients_direction"],
        drain_that_ends_calls: ["drain_lets_calls_finish"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
