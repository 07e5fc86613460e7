"""A message of a client: what it takes, its options, and its calls."""

from __future__ import annotations

import inspect
import json
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

import avrpc
from avrpc.client_message import UnaryMessage
from avrpc.testing import Link, open_pair
from tests.desk import DESK, Note, at_rest, open_desk, tick


async def test_unary_message_is_an_async_function() -> None:
    async with open_desk() as client, trio.open_nursery() as nursery:
        coroutine = client.last("EURUSD")
        assert inspect.iscoroutine(coroutine)
        await coroutine
        nursery.start_soon(client.last, "EURUSD")
        nursery.start_soon(partial(client.last, symbol="EURUSD"))


# Its parameters ...


async def test_parameters_go_by_position_or_name_and_defaults_may_be_left_out() -> None:
    async with open_desk() as client:
        for call in (
            client.last("X", 5),
            client.last("X", depth=5),
            client.last(symbol="X", depth=5),
            client.last(depth=5, symbol="X"),
        ):
            assert await call == tick("X", size=5)
        assert await client.last("X") == tick("X", size=1)
        async with client.watch("X") as ticks:
            assert len([one async for one in ticks]) == 3
        async with client.watch(count=1, symbol="X") as ticks:
            assert len([one async for one in ticks]) == 1
        assert await client.quote({"symbol": "X", "price": 2.0}) == "X 2.0 1"


async def test_parameter_that_is_a_keyword_takes_an_underscore() -> None:
    async with open_desk() as client:
        assert await client.trade("here") == "here spot"
        assert await client.trade(from_="here", class_="swap") == "here swap"
        assert await client.trade("here", **{"class": "swap"}) == "here swap"
        with pytest.raises(avrpc.InvalidValue, match="from"):
            await client.trade(class_="swap")
        with pytest.raises(TypeError, match="twice"):
            await client.trade("here", from_="there")
        with pytest.raises(TypeError, match="twice"):
            await client.trade(from_="there", **{"from": "here"})


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("last", (5,), {}, r"last\.symbol: expected string, got int"),
    ("last", ("X", "5"), {}, r"last\.depth: expected int, got str"),
    ("last", (), {}, "symbol"),
    ("last", ("X",), {"dpth": 5}, "dpth"),
    ("quote", ({"symbol": "X", "price": "1.5"},), {}, r"price: expected double, got str"),
    ("quote", ({"symbol": "X"},), {}, "price"),
    ("quote", ({"symbol": "X", "price": 1.5, "sze": 1},), {}, "sze"),
    ("load", ("text",), {}, r"load\.data: expected bytes, got str"),
    ("note", (5,), {}, r"note\.text: expected string, got int"),
    ("watch", (5,), {}, r"watch\.symbol: expected string, got int"),
    ("watch", ("X", 2**40), {}, r"watch\.count"),
    ("record", ("X",), {"ticks": []}, "ticks"),
]


@pytest.mark.parametrize(("name", "args", "parameters", "message"), WRONG)
async def test_wrong_parameter_fails_at_the_caller_before_anything_is_sent(
    name: str, args: tuple[Any, ...], parameters: dict[str, Any], message: str
) -> None:
    link = Link()
    async with open_desk(link=link) as client:
        sent = link.to_server.sent
        with pytest.raises(avrpc.InvalidValue, match=message) as caught:
            made = client[name](*args, **parameters)
            if inspect.iscoroutine(made):
                await made
        assert not caught.value.maybe_executed
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent
        assert at_rest(client) == []


async def test_too_many_parameters_are_a_type_error() -> None:
    async with open_desk() as client:
        with pytest.raises(TypeError, match=r"last\(\) takes 2 parameters \(symbol, depth\), 3"):
            await client.last("X", 1, 2)
        with pytest.raises(TypeError, match="'symbol' twice"):
            await client.last("X", symbol="Y")


async def test_item_of_the_wrong_type_is_named_with_its_path() -> None:
    link = Link()
    async with open_desk(link=link) as client, client.record("X") as call:
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        with pytest.raises(avrpc.InvalidValue, match=r"^Tick\.price: expected double, got str"):
            await call.send({"symbol": "X", "price": "1.5"})
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent


async def test_parameters_larger_than_the_server_takes_are_not_sent() -> None:
    link = Link()
    async with open_desk(limits=avrpc.Limits(max_message_bytes=20_000), link=link) as client:
        sent = link.to_server.sent
        with pytest.raises(avrpc.LimitExceeded, match=r"20004 bytes.*20000.*max_message_bytes"):
            await client.load(bytes(20_001))
        with pytest.raises(avrpc.LimitExceeded, match="20000"):
            client.record("x" * 20_001)
        assert link.to_server.sent == sent
        assert await client.load(bytes(19_997)) == bytes(19_997)


# ... and its options.


async def test_metadata_takes_bytes_and_text_and_is_held_to_the_limits() -> None:
    seen: list[Any] = []

    async def last(symbol: str, depth: int) -> Any:
        seen.append(dict(avrpc.current_call().metadata))
        return tick()

    async with open_desk(last=last) as client:
        await client.last.using(metadata={"a": "ä", "b": b"\xff"})("X")
        await client.last.using(metadata={})("X")
        assert seen == [{"a": "ä".encode(), "b": b"\xff"}, {}]
        for metadata in ({"a": bytes(9000)}, {str(number): b"" for number in range(65)}):
            with pytest.raises(avrpc.LimitExceeded, match="metadata of"):
                client.last.using(metadata=metadata)
            with pytest.raises(avrpc.LimitExceeded, match="metadata of"):
                client.watch.using(metadata=metadata)


async def test_options_make_a_message_of_their_own() -> None:
    async with open_desk() as client:
        hurried = client.last.using(timeout=5)
        assert isinstance(hurried, UnaryMessage)
        assert hurried is not client.last
        assert await hurried("X") == await client.last("X")


# Checkpoints, and one-way calls.


async def test_calls_are_checkpoints() -> None:
    async with open_desk() as client:
        with assert_checkpoints():
            await client.last("EURUSD")
        with assert_checkpoints():
            await client.note("hello")
        with assert_checkpoints():
            async with client.watch("EURUSD"):
                pass
        with assert_checkpoints(), pytest.raises(DESK.errors.UnknownSymbol):
            await client.last("???")


async def test_one_way_call_waits_for_a_slot_and_for_nothing_else(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def slow(text: str) -> None:
        await trio.sleep(10)
        note(text)

    limits = avrpc.Limits(max_calls=2)
    patient = avrpc.Limits(close_timeout=100)
    async with open_desk(limits=limits, client_limits=patient, note=slow) as client:
        await client.note("one")
        await client.note("two")
        assert trio.current_time() == 0
        await client.note("three")
        assert trio.current_time() == 10
    assert sorted(note.lines) == ["one", "three", "two"]


async def test_message_that_the_server_lacks_or_has_otherwise_can_not_be_called() -> None:
    def version(**messages: str) -> avrpc.Protocol:
        made = {name: {"request": [], "response": response} for name, response in messages.items()}
        return avrpc.Protocol.parse(json.dumps({"protocol": "Small", "messages": made}))

    async def answer() -> int:
        return 7

    server = avrpc.Server({version(a="int", b="int"): {"a": answer, "b": answer}})
    mine = version(a="int", b="string", c="null")
    async with open_pair(server, mine) as client:
        assert await client.a() == 7
        assert [str(fit.verdict) for fit in client.negotiation.values()] == [
            "same",
            "incompatible",
            "missing",
        ]
        with pytest.raises(avrpc.IncompatibleMessage, match="expected string, the writer has int"):
            client.b.using(timeout=1)()
        with pytest.raises(avrpc.UnknownMessage, match="no such message"):
            client.c()
