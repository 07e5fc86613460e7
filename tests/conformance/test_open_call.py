from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance, item
from avrpc.conformance.open_call import OpenCall, described
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.wire import ErrorReceived, ResultReceived, StatusCode, StatusReceived, encode_long
from avrpc.wire.frames import Kind
from tests.conformance.desk import Serve, kit_for, sending


def with_value(kind: Kind, value: bytes) -> Serve:
    """Sends another value with frames of a kind."""
    body = encode_long(1) + value
    return sending(lambda frame: [Frame(kind, 0, body)] if frame.kind == kind else [frame])


async def test_streams_go_both_ways(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        call = await (await kit.connect()).open("ping_pong", key="k", take=-1, ending="WELL")
        assert call.has_credit
        await call.send(item(0, 8), item(1, 8))
        assert await call.item() == item(0, 8)
        await call.send_together(item(2, 8), item(3, 8))
        await call.end()
        assert await call.items() == [item(number, 8) for number in (1, 2, 3)]
        assert await call.result() is None
        assert call.items_here == 0
        assert call.bytes_came == 4 * 10


async def test_credit_is_given_back_as_items_come(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect(limits={"windowBytes": 1024})
        call = await line.open("source", key="k", count=50, size=100, ending="WELL")
        assert len(await call.items()) == 50
        slow = await line.open("source", key="l", count=50, size=1100, ending="WELL")
        await slow.item()
        await slow.grant(1200)
        assert (await slow.item())["number"] == 1


async def test_items_wait_for_credit(autojump_clock: MockClock) -> None:
    def server_of(service: Any) -> avrpc.Server:
        return avrpc.Server({Conformance: service}, limits=avrpc.Limits(window_bytes=1024))

    async with kit_for(ConformanceServer(server_of).serve_stream) as kit:
        line = await kit.connect()
        call = await line.open("sink", key="k", take=0, ending="WAIT")
        await call.send(item(0, 2000))
        assert not call.has_credit
        with pytest.raises(Failed, match="CREDIT for an item"):
            await call.send(item(1, 8))
        ended = await line.open("sink", key="l", take=0, ending="WELL")
        await ended.result()
        with pytest.raises(Failed, match="credit for items of call 2; RESULT of 3 bytes came"):
            await ended.send(item(0, 8))


async def test_item_that_the_server_does_not_take_is_a_reason_to_skip(
    autojump_clock: MockClock,
) -> None:
    async with kit_for() as kit:
        call = await (await kit.connect()).open("sink", key="k", take=0, ending="WAIT")
        with pytest.raises(Skipped, match="no item of"):
            await call.send(item(0, 5_000_000))


async def test_outcomes_are_told_apart(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()

        async def call(how: str) -> OpenCall:
            return await line.open("fail", how=how, reason="why")

        error = await (await call("DECLARED")).error()
        assert (error.name, error.fields) == ("avrpc.conformance.Refused", {"reason": "why"})
        text = await (await call("UNDECLARED")).status(StatusCode.UNKNOWN, started=True)
        assert text.startswith("internal error")
        with pytest.raises(Failed, match="expected RESULT for call 3"):
            await (await call("DECLARED")).result()
        with pytest.raises(Failed, match="expected ERROR for call 4"):
            await (await call("UNDECLARED")).error()
        with pytest.raises(Failed, match="STATUS UNKNOWN without STARTED for call 5"):
            await (await call("UNDECLARED")).status(StatusCode.UNKNOWN, started=False)
        with pytest.raises(Failed, match="STATUS CANCELLED for call 6"):
            await (await call("DECLARED")).status(StatusCode.CANCELLED)


async def test_calls_are_cancelled(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        call = await line.open("hold", key="k")
        await line.wait_count("k")
        await call.cancel()
        await call.status(StatusCode.CANCELLED, started=True)


async def test_end_instead_of_an_item_is_told(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        call = await line.open("source", key="k", count=0, size=0, ending="DECLARED")
        with pytest.raises(Failed, match="an item of call 1; ERROR of"):
            await call.item()
        with pytest.raises(Failed, match="RESULT for call 1"):
            await call.items()


@pytest.mark.parametrize(
    ("kind", "name", "parameters", "expected"),
    [
        (Kind.RESULT, "count", {"key": ""}, "a result of count"),
        (Kind.ERROR, "fail", {"how": "DECLARED", "reason": ""}, "an error of fail"),
        (
            Kind.RESULT,
            "source",
            {"key": "", "count": 0, "size": 0, "ending": "WELL"},
            "the value of RESULT where the response is streamed",
        ),
    ],
)
async def test_value_that_does_not_decode_is_told(
    kind: Kind, name: str, parameters: dict[str, Any], expected: str, autojump_clock: MockClock
) -> None:
    async with kit_for(with_value(kind, b"\xff")) as kit:
        call = await (await kit.connect()).open(name, **parameters)
        with pytest.raises(Failed) as failed:
            await (call.error() if kind is Kind.ERROR else call.result())
        assert expected in failed.value.expected


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (ResultReceived(1, None, b"ab"), "RESULT of 2 bytes"),
        (ErrorReceived(1, None, b"a"), "ERROR of 1 bytes"),
        (StatusReceived(1, None, 1, "x", started=False), "STATUS CANCELLED, not STARTED: 'x'"),
        (StatusReceived(1, None, 99, "x", started=True), "STATUS code 99, STARTED: 'x'"),
    ],
)
def test_outcomes_are_told_in_words(outcome: Any, told: str) -> None:
    assert described(outcome) == told
