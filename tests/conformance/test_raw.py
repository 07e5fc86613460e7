from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance, item
from avrpc.conformance.raw import frame, header, items_frame
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.wire import GoawayCode, StatusCode, encode_long
from avrpc.wire.frames import MORE, Kind
from tests.conformance.desk import Serve, kit_for, sending


def limited(**limits: int) -> Serve:
    def server_of(service: Any) -> avrpc.Server:
        return avrpc.Server({Conformance: service}, limits=avrpc.Limits(**limits))

    return ConformanceServer(server_of).serve_stream


@pytest.mark.parametrize(
    ("made", "data"),
    [
        (frame(Kind.CREDIT, 1, -1), "08000002 02 01"),
        (frame(Kind.CALL, 1, 2, b"xy", flags=MORE), "11000004 02 04 7879"),
        (items_frame(1, b"x", b"yz"), "02000006 02 0002 78797a"),
        (items_frame(1, b"x", count=9), "02000004 02 0009 78"),
        (header(Kind.CALL, 70_000), "01011170"),
    ],
)
def test_frames_are_made_by_hand(made: bytes, data: str) -> None:
    assert made == bytes.fromhex(data)


async def test_calls_are_made_and_answered(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect_raw()
        await line.send(line.call(1, "count", key="k"), line.call(2, "count", value=b"\x02l"))
        assert line.decoded("count", await line.result(2)) == 0
        assert line.decoded("count", await line.result(1)) == 0
        assert line.encode("count", {"key": "k"}) == b"\x02k"
        assert line.item(item(1, 1)) == b"\x02\x02\x00"
        await line.ping(7)
        await line.check()


async def test_status_is_told_from_other_outcomes(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect_raw()
        await line.send(line.call(1, "check", value=b"\xff"), line.call(2, "empty"))
        assert not (await line.status(1, StatusCode.INVALID_VALUE)).started
        with pytest.raises(Failed, match="STATUS UNKNOWN for call 1; STATUS, call 1: INVALID"):
            await line.status(1, StatusCode.UNKNOWN)
        with pytest.raises(Failed, match="STATUS UNKNOWN for call 2; RESULT, call 2"):
            await line.status(2, StatusCode.UNKNOWN)
        with pytest.raises(Failed, match="RESULT for call 1"):
            await line.result(1)
        with pytest.raises(Failed, match="a result of count"):
            line.decoded("count", b"\xff")


async def test_what_came_instead_is_told(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect_raw()
        with pytest.raises(Failed) as failed:
            await line.outcome(1)
        assert failed.value.came == "nothing of the kind within 5 s"
        await line.send(frame(13))
        with pytest.raises(Failed) as failed:
            await line.ping(1)
        assert failed.value.came == (
            "GOAWAY PROTOCOL_ERROR, last call 0: 'a frame of unknown kind 13',"
            " then the server closed the connection"
        )


async def test_server_cuts_off_with_a_code(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect_raw()
        await line.send(header(Kind.CALL, 70_000))
        with pytest.raises(Failed, match="GOAWAY PROTOCOL_ERROR or INTERNAL_ERROR"):
            await line.cut_off(GoawayCode.PROTOCOL_ERROR, GoawayCode.INTERNAL_ERROR)
        await line.cut_off(GoawayCode.FRAME_SIZE_ERROR)
        await line.check()


async def test_second_outcome_is_noticed(autojump_clock: MockClock) -> None:
    twice = sending(lambda one: [one, one] if one.kind == Kind.RESULT else [one])
    async with kit_for(twice) as kit:
        line = await kit.connect_raw()
        await line.send(line.call(1, "empty"))
        await line.result(1)
        assert line.outcomes(1) == 2
        with pytest.raises(Failed, match="outcomes of call 1: 1; 2 came"):
            await line.check()


async def test_pieces_are_no_second_outcome(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect_raw()
        await line.send(line.call(1, "blob", payload=b"", size=200_000))
        await line.ping(1)
        await line.check()


async def test_metadata_is_no_part_of_a_result(autojump_clock: MockClock) -> None:
    def change(one: Frame) -> list[Frame]:
        if one.kind != Kind.RESULT:
            return [one]
        return [Frame(Kind.RESULT, 0x20, encode_long(1) + b"\0" + one.body[1:])]

    async with kit_for(sending(change)) as kit:
        line = await kit.connect_raw()
        await line.send(line.call(1, "empty"))
        assert await line.result(1) == b""


@pytest.mark.parametrize(
    ("limits", "name", "parameters", "why"),
    [
        ({"max_streamed_calls": 0}, "source", {"key": "k"}, "no calls that stream"),
        ({"max_frame_bytes": 16_384}, "blob", {"payload": bytes(17_000)}, "of 17004 bytes in one"),
    ],
)
async def test_call_that_the_server_does_not_take_is_a_reason_to_skip(
    limits: dict[str, int],
    name: str,
    parameters: dict[str, Any],
    why: str,
    autojump_clock: MockClock,
) -> None:
    async with kit_for(limited(**limits)) as kit:
        line = await kit.connect_raw()
        with pytest.raises(Skipped, match=why):
            line.call(1, name, **parameters)


async def test_calls_at_once_may_be_required(autojump_clock: MockClock) -> None:
    async with kit_for(limited(max_calls=2)) as kit:
        line = await kit.connect_raw()
        line.require_calls(2)
        with pytest.raises(Skipped, match="fewer than 3 calls"):
            line.require_calls(3)
