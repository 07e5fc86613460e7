"""What is noticed when nothing happens, and when."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from math import inf
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.limits import Limits
from avrpc.testing import Link, open_pair
from avrpc.watch import Ask, End, Finding, GiveUp, Watch
from avrpc.wire import GoawayCode
from avrpc.wire.frames import MORE, Kind
from avrpc.wire.primitives import encode_long
from tests.desk import DESK, PATIENT, desk_server, open_desk, open_raw_client, tick
from tests.wire.pair import frame

NUMBERS = {name: message.number for name, message in DESK.messages.items()}
FIRST_PIECE = frame(Kind.CALL, 1, NUMBERS["load"], encode_long(100_000), bytes(2000), flags=MORE)


def look(watch: Watch, now: float, **seen: Any) -> list[Finding]:
    """Look at the watch, at the time when it is due."""
    assert watch.due == pytest.approx(now)
    return watch.check(now, **{"busy": False, "last_call": 0, "half_values": {}, **seen})


def codes(findings: list[Finding]) -> list[GoawayCode]:
    return [finding.code for finding in findings if isinstance(finding, End)]


def test_silence_is_answered_by_a_ping_and_silence_after_it_is_the_end() -> None:
    watch = Watch(Limits(keepalive_interval=30, keepalive_timeout=20), 100)
    watch.heard_at = 105
    assert look(watch, 135) == [Ask.PING]
    assert codes(look(watch, 155)) == [GoawayCode.KEEPALIVE_TIMEOUT]


def test_anything_that_comes_after_a_ping_is_a_sign_of_life() -> None:
    watch = Watch(Limits(), 0)
    assert look(watch, 30) == [Ask.PING]
    watch.heard_at, watch.ping_at = 31, None
    assert watch.check(49, busy=False, last_call=0, half_values={}) == []
    assert look(watch, 61) == [Ask.PING]


def test_look_before_its_time_finds_nothing() -> None:
    watch = Watch(Limits(idle_timeout=100), 0)
    assert watch.check(29, busy=False, last_call=0, half_values={}) == []
    watch.ping_at = 30
    watch.blocked_at = 31
    assert watch.check(49, busy=False, last_call=0, half_values={}) == []


def test_peer_that_takes_nothing_is_given_up_but_not_for_its_silence() -> None:
    watch = Watch(Limits(write_stall_timeout=90), 0)
    watch.blocked_at = 5
    assert watch.check(30, busy=False, last_call=0, half_values={}) == []
    (end,) = look(watch, 95)
    assert isinstance(end, End)
    assert end.code == GoawayCode.WRITE_STALLED
    assert end.text == "took no byte for 90 s (Limits.write_stall_timeout)"


def test_connection_is_idle_from_the_end_of_its_last_call() -> None:
    watch = Watch(Limits(keepalive_interval=inf, idle_timeout=100), 0)
    assert look(watch, 25, busy=True, last_call=1) == []
    assert look(watch, 50, busy=True, last_call=1) == []
    assert look(watch, 75, last_call=1) == []
    assert look(watch, 100, last_call=2) == []  # one came and went meanwhile
    assert [look(watch, now, last_call=2) for now in (125, 150, 175)] == [[]] * 3
    assert codes(look(watch, 200, last_call=2)) == [GoawayCode.IDLE]


def test_half_value_of_which_nothing_more_comes_is_given_up() -> None:
    watch = Watch(Limits(keepalive_interval=inf, piece_timeout=20), 0)
    assert watch.due == inf
    assert watch.due_with_half_values == 5
    assert watch.check(5, busy=True, last_call=2, half_values={1: 1000, 2: 0}) == []
    assert look(watch, 10, half_values={1: 1000, 2: 10}) == []
    assert look(watch, 15, half_values={1: 1000, 2: 10}) == []
    assert look(watch, 20, half_values={1: 1000, 2: 10}) == []
    text = "no piece of a value for 20 s (Limits.piece_timeout)"
    assert look(watch, 25, half_values={1: 1000, 2: 11}) == [GiveUp(1, text)]
    assert look(watch, 30) == []
    assert watch.due == inf


def test_nothing_is_due_where_no_time_is_limited() -> None:
    watch = Watch(PATIENT, 0)
    watch.blocked_at = 1
    assert watch.due == inf


# In a connection ...


async def test_quiet_connection_stays_and_its_call_goes_on(autojump_clock: MockClock) -> None:
    async def last(symbol: str, depth: int) -> dict[str, Any]:
        await trio.sleep(10_000)
        return tick(symbol)

    link = Link()
    async with open_desk(link=link, last=last) as client:
        await client.last("EURUSD")
        assert trio.current_time() == 10_000


@pytest.mark.parametrize("way", ["to_server", "to_client"])
async def test_silent_partition_is_noticed_by_both_ends_within_55_seconds(
    way: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[float] = []

    async def watch(symbol: str, count: int) -> AsyncGenerator[dict[str, Any]]:
        try:
            while True:
                yield tick(symbol)
                await trio.sleep(7)
        finally:
            ended.append(trio.current_time())

    link = Link()
    async with (
        open_pair(desk_server(watch=watch), DESK, link=link) as client,
        client.watch("EURUSD", 0) as ticks,
    ):
        await ticks.receive()
        await trio.sleep(20)
        link.to_client.hold()
        if way == "to_server":
            link.to_server.hold()
        begin = trio.current_time()
        with pytest.raises(avrpc.ConnectionLost, match="no sign of life") as raised:
            while True:
                await ticks.receive()
        assert raised.value.maybe_executed
        assert trio.current_time() - begin <= 55
        if way == "to_server":
            await trio.sleep(55 - (trio.current_time() - begin))
        else:  # our GOAWAY went through
            await wait_all_tasks_blocked()
        assert ended
        assert ended[0] - begin <= 55


async def test_client_that_takes_nothing_is_cut_after_30_seconds(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(capacity=1000)
    server = desk_server()
    async with open_raw_client(server, link=link) as client:
        link.to_client.hold()
        await client.send(frame(Kind.CALL, 1, NUMBERS["pull"], encode_long(9), encode_long(9999)))
        await wait_all_tasks_blocked()
        assert server._connections
        with trio.fail_after(32):
            await server._wait_gone()
    assert "took no byte for 30 s" in caplog.text


async def test_client_that_takes_a_little_now_and_then_is_not_cut(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    server = desk_server(limits=Limits(keepalive_interval=inf))
    async with (
        open_pair(server, DESK, limits=PATIENT, link=link) as client,
        client.pull(30, 9999) as blobs,
    ):
        link.to_client.hold()
        for _ in range(20):
            await trio.sleep(25)
            link.to_client.release(20_000)
        link.to_client.release()
        assert len([blob async for blob in blobs]) == 30


@pytest.mark.parametrize("takes", [False, True])
async def test_client_that_is_silent_and_takes_nothing_is_not_looked_at_again_and_again(
    takes: bool,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its silence was due all the time, and the connection did nothing else than look."""
    looks: list[float] = []
    check = Watch.check

    def counted(self: Watch, now: float, **seen: Any) -> list[Finding]:
        looks.append(now)
        assert len(looks) < 10
        return check(self, now, **seen)

    monkeypatch.setattr(Watch, "check", counted)
    link = Link(capacity=1000)
    server = desk_server(limits=Limits(write_stall_timeout=90))
    async with open_raw_client(server, link=link) as client:
        await trio.sleep(20)
        link.to_client.hold()
        await client.send(frame(Kind.CALL, 1, NUMBERS["pull"], encode_long(9), encode_long(9999)))
        await trio.sleep(40)
        if takes:
            link.to_client.release()
            while (await client.receive())[0] != Kind.PING:
                pass
            assert trio.current_time() == 60
        await server._wait_gone()
    if takes:
        assert trio.current_time() == 80
        assert "no sign of life for 60 s" in caplog.text
    else:
        assert trio.current_time() == pytest.approx(111)  # with a second for the GOAWAY
        assert "took no byte for 90 s" in caplog.text


async def test_half_value_is_given_up_and_the_connection_goes_on(
    autojump_clock: MockClock,
) -> None:
    server = desk_server(limits=Limits(keepalive_interval=inf))
    async with open_raw_client(server) as client:
        await client.send(FIRST_PIECE)
        answer = await client.receive()
        assert 30 <= trio.current_time() <= 45
        assert answer[0] == Kind.STATUS
        assert b"no piece of a value for" in answer[-1]
        assert server._budget.available == server.limits.max_assembly_bytes


async def test_idle_connection_is_closed_by_the_end_that_wants_it(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for limits, client_limits in ((Limits(idle_timeout=60), None), (None, Limits(idle_timeout=60))):
        begin = trio.current_time()
        async with open_desk(limits=limits, client_limits=client_limits) as client:
            await trio.sleep(50)
            await client.last("EURUSD")
            await trio.sleep(50)
            await client.last("EURUSD")
            assert trio.current_time() == begin + 100
            await trio.sleep(76)
            with pytest.raises(avrpc.ConnectionLost, match="no call for") as raised:
                await client.last("EURUSD")
            assert not raised.value.maybe_executed


async def test_flood_of_pings_ends_the_connection(autojump_clock: MockClock) -> None:
    server = desk_server(limits=PATIENT)
    async with open_raw_client(server) as client:
        for _ in range(10):  # ten a second are fine
            for _ in range(300):
                await client.send(frame(Kind.PING, 1))
                assert (await client.receive())[0] == Kind.PONG
            await trio.sleep(31)
        for _ in range(301):
            await client.send(frame(Kind.PING, 1))
        kinds = [(await client.receive())[0] for _ in range(302)]
        assert kinds == [Kind.PONG] * 301 + [Kind.GOAWAY]
