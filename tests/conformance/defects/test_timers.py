from __future__ import annotations

from math import inf
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Known
from avrpc.conformance.service import Service
from avrpc.conformance.serving import ConformanceServer
from avrpc.wire.frames import Kind
from tests.conformance.desk import Serve, Tampered, deaf, fails, handling, names, over, table

TIMES = Known(handshake_seconds=10, silence_seconds=50)


@pytest.mark.parametrize("name", names("timers"))
async def test_case_fails_with_a_deaf_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, deaf, TIMES)


def limited(**limits: float) -> Serve:
    server = ConformanceServer(
        lambda service: avrpc.Server({Conformance: service}, limits=avrpc.Limits(**limits))  # type: ignore[arg-type]
    )
    return server.serve_stream


def handshakes_of_any_length() -> Serve:
    return limited(handshake_timeout=inf)


def no_keepalive() -> Serve:
    return limited(keepalive_interval=inf)


def no_patience_for_silence() -> Serve:
    """It is given up without a PING."""
    return limited(keepalive_interval=inf, idle_timeout=20)


def every_byte_gives_more_time() -> Serve:
    class Stream(Tampered):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            if self._native:
                return await super().receive_some(max_bytes)
            with trio.move_on_after(10):
                return await super().receive_some(max_bytes)
            return b""

    sound = handshakes_of_any_length()

    async def serve(stream: trio.abc.Stream) -> None:
        await sound(Stream(stream))

    return serve


def pongs_that_do_not_count() -> Serve:
    class Stream(Tampered):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            while True:
                data = await super().receive_some(max_bytes)
                if not (self._native and data[:1] == bytes([Kind.PONG])):
                    return data

    return over(Stream)


def handlers_that_go_on() -> Serve:
    async def sleep(service: Service, key: str, ms: int, cleanup_ms: int) -> None:
        service._keys[key].count += 1
        with trio.CancelScope(shield=True):
            await trio.sleep(1000)

    return handling(sleep=sleep)


@table(
    {
        handshakes_of_any_length: [
            "silent_before_the_handshake",
            "handshake_that_trickles",
            "no_second_pack",
        ],
        every_byte_gives_more_time: ["handshake_that_trickles"],
        no_keepalive: [
            "client_that_answers_pings",
            "client_that_answers_no_ping",
            "handlers_of_a_silent_client",
        ],
        no_patience_for_silence: ["client_that_answers_pings"],
        pongs_that_do_not_count: ["client_that_answers_pings"],
        handlers_that_go_on: ["handlers_of_a_silent_client"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect(), TIMES)
