from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance, item
from avrpc.conformance.line import require_room
from avrpc.conformance.other_texts import message, parameter, version, with_messages
from avrpc.conformance.service import Service
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.wire import GoawayCode, WireLimits, encode_long
from avrpc.wire.frames import Kind
from tests.conformance.desk import Serve, kit_for, sending


def limited(**limits: int) -> Serve:
    def server_of(service: Service) -> avrpc.Server:
        return avrpc.Server({Conformance: service}, limits=avrpc.Limits(**limits))

    return ConformanceServer(server_of).serve_stream


def instead(kind: Kind, *frames: Frame) -> Serve:
    """Sends these frames instead of one of a kind."""
    return sending(lambda frame: list(frames) if frame.kind == kind else [frame])


async def test_calls_are_made_and_answered(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        assert await line.call("blob", payload=b"", size=2) == b"\0\1"
        call = await line.open("metadata", metadata={"a": b"b"}, ms_left=1000)
        assert await call.result() == {"a": b"b"}
        assert [frame.kind for frame in line.frames] == [Kind.RESULT, Kind.RESULT]
        assert call.id == 2


@pytest.mark.parametrize(
    ("limits", "parameters", "why"),
    [
        ({"max_streamed_calls": 0}, {}, "no more calls at once"),
        ({"max_message_bytes": 16_384}, {"key": "k" * 20_000}, "no value of 20006 bytes"),
        ({"max_metadata_bytes": 4}, {"metadata": {"key": b"v"}}, "no metadata of 8 bytes"),
    ],
)
async def test_call_that_the_server_does_not_take_is_a_reason_to_skip(
    limits: dict[str, int], parameters: dict[str, object], why: str, autojump_clock: MockClock
) -> None:
    async with kit_for(limited(**limits)) as kit:
        line = await kit.connect()
        given = {"key": "", "count": 0, "size": 0, "ending": "WELL"} | parameters
        with pytest.raises(Skipped, match=why):
            await line.open("source", **given)  # type: ignore[arg-type]


def test_room_without_metadata_is_no_question_of_metadata() -> None:
    require_room(WireLimits(max_metadata_bytes=0), 10, 1)


async def test_message_that_can_not_be_called_is_a_reason_to_skip(
    autojump_clock: MockClock,
) -> None:
    async with kit_for() as kit:
        line = await kit.connect(with_messages(count=message([parameter("key", "int")], "int")))
        with pytest.raises(Skipped, match="the server's count can't be called"):
            await line.open("count", key=1)
    without = version(lambda tree: tree["messages"].pop("drain"))
    server = ConformanceServer(lambda service: avrpc.Server({without: service}))
    async with kit_for(server.serve_stream) as kit:
        line = await kit.connect()
        with pytest.raises(Skipped, match="the server has no such message"):
            await line.open("drain")


async def test_frames_that_break_the_rules_are_told(autojump_clock: MockClock) -> None:
    async with kit_for(instead(Kind.RESULT, Frame(Kind.RESULT, 0, encode_long(9)))) as kit:
        line = await kit.connect()
        with pytest.raises(Failed) as failed:
            await line.call("empty")
        assert failed.value.expected == "the outcome of call 1 (empty)"
        assert failed.value.came.startswith("what breaks a rule (PROTOCOL_ERROR): ")
        with pytest.raises(Failed):
            await line.check()


async def test_items_that_do_not_decode_are_told(autojump_clock: MockClock) -> None:
    wrong = Frame(Kind.ITEMS, 0, encode_long(1) + b"\0\1\xff")
    async with kit_for(instead(Kind.ITEMS, wrong)) as kit:
        line = await kit.connect()
        call = await line.open("source", key="k", count=1, size=8, ending="WAIT")
        with pytest.raises(Failed, match="a value that does not decode"):
            await call.item()
        with pytest.raises(Failed, match="frames that keep the rules"):
            await line.check()


async def test_value_beyond_what_was_announced_is_told(autojump_clock: MockClock) -> None:
    large = [Frame(Kind.ITEMS, 0, encode_long(1) + b"\0\1" + bytes(30_000))]
    async with kit_for(instead(Kind.ITEMS, *large)) as kit:
        line = await kit.connect(limits={"maxMessageBytes": 20_000})
        call = await line.open("source", key="k", count=1, size=8, ending="WAIT")
        with pytest.raises(Failed, match="a value of more than 20000 bytes on call 1"):
            await call.item()


async def test_goaway_is_told_where_something_else_was_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        await line.channel.send(b"\xff\xff\xff\xff")
        with pytest.raises(Failed, match="GOAWAY FRAME_SIZE_ERROR: 'a frame of"):
            await line.ping()


async def test_pings_are_answered_both_ways(autojump_clock: MockClock) -> None:
    ping = Frame(Kind.PING, 0, encode_long(5))
    async with kit_for(sending(lambda frame: [ping, frame])) as kit:
        line = await kit.connect()
        await line.ping(3)
        assert "kit: PONG 5" in line.channel.trace
        await line.quiet(0.5)
        assert trio.current_time() == 0.5


async def test_credit_that_comes_is_added_up(autojump_clock: MockClock) -> None:
    async with kit_for(limited(window_bytes=1024)) as kit:
        line = await kit.connect()
        call = await line.open("sink", key="k", take=-1, ending="WELL")
        other = await line.open("sink", key="l", take=-1, ending="WELL")
        await call.send(*(item(number, 600) for number in range(3)))
        # The third needs credit, which has come for the first at least.
        assert call.granted in {603, 1206, 1809}
        assert other.granted == 0


async def test_handlers_that_run_are_waited_for(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        await line.open("hold", key="k")
        await line.wait_count("k")
        with pytest.raises(Failed, match="2 handlers that run"):
            await line.wait_count("k", 2)


async def test_goaway_is_waited_for(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        await line.call("drain")
        with pytest.raises(Failed, match="GOAWAY IDLE"):
            await line.goaway_came(GoawayCode.IDLE)
        assert (await line.goaway_came(GoawayCode.SHUTDOWN)).last_call == 1
        await line.check()


async def test_goodbye_is_said(autojump_clock: MockClock) -> None:
    async with kit_for() as kit:
        line = await kit.connect()
        held = await line.open("hold", key="k")
        await line.say_goodbye()
        await (await kit.connect()).call("release", key="k")
        await held.result()
        await line.check()
