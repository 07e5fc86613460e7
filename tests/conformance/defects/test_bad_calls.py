from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.wire import GoawayCode, encode_long
from avrpc.wire.credit import Credit
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
    table,
)


@pytest.mark.parametrize("name", names("bad_calls"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


LEGAL = ["credit_of_all_there_is"]


BAD = [name for name in names("bad_calls") if name not in LEGAL]


OF_CREDIT = ["items_without_credit", "credit_of_zero", "credit_below_zero", "credit_of_too_much"]


def violations_without_goaway() -> Serve:
    return sending(lambda frame: [] if frame.kind == Kind.GOAWAY else [frame])


def with_code(code: GoawayCode) -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.GOAWAY:
            return [frame]
        return [frame._replace(body=encode_long(frame.longs(1)[0]) + encode_long(code) + b"\0")]

    return sending(change)


def all_is_a_protocol_error() -> Serve:
    return with_code(GoawayCode.PROTOCOL_ERROR)


def all_is_a_flow_control_error() -> Serve:
    return with_code(GoawayCode.FLOW_CONTROL_ERROR)


def connections_that_stay_open() -> Serve:
    return over(lambda stream: Tampered(stream, close=False, eof=False))


@table(
    {
        violations_without_goaway: BAD,
        all_is_a_protocol_error: OF_CREDIT,
        all_is_a_flow_control_error: [name for name in BAD if name not in OF_CREDIT],
        connections_that_stay_open: BAD,
        lenient: BAD,
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


async def test_credit_that_is_not_counted_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Credit, "require_start", lambda credit: None)
    await fails("items_without_credit", ConformanceServer().serve_stream)


async def test_credit_held_to_a_lower_bound_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avrpc.wire.credit.MAX_CREDIT", 2**31 - 2)
    await fails("credit_of_all_there_is", ConformanceServer().serve_stream)
