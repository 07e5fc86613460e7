from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.trace import Frame
from avrpc.wire import Connection, GoawayCode, encode_long
from avrpc.wire.frames import Kind
from tests.conformance.desk import (
    Serve,
    Tampered,
    fails,
    lenient,
    mute,
    names,
    over,
    sending,
    serving,
    table,
)


@pytest.mark.parametrize("name", names("bad_frames"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


LEGAL = ["longest_frame"]


BAD = [name for name in names("bad_frames") if name not in LEGAL]


def violations_without_goaway() -> Serve:
    return sending(lambda frame: [] if frame.kind == Kind.GOAWAY else [frame])


def goaway_of_one_code() -> Serve:
    """Whatever was wrong, it is an internal error."""

    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.GOAWAY:
            return [frame]
        rest = encode_long(GoawayCode.INTERNAL_ERROR) + b"\0"
        return [frame._replace(body=encode_long(frame.longs(1)[0]) + rest)]

    return sending(change)


def goaway_of_two_fields() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        return [frame._replace(body=b"\0\2")] if frame.kind == Kind.GOAWAY else [frame]

    return sending(change)


def connections_that_stay_open() -> Serve:
    return over(lambda stream: Tampered(stream, close=False, eof=False))


def frames_of_half_the_length() -> Serve:
    class Server(avrpc.Server):
        def connection(self) -> Connection:
            core = super().connection()
            core._calls.limits = replace(core._calls.limits, max_frame_bytes=40_000)
            return core

    return serving(Server)


@table(
    {
        violations_without_goaway: BAD,
        goaway_of_one_code: BAD,
        goaway_of_two_fields: BAD,
        connections_that_stay_open: BAD,
        lenient: BAD,
        frames_of_half_the_length: LEGAL,
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
