"""Callers that are known: what their calls' handlers know of them, and what they may call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import open_pair
from avrpc.wire import StatusCode
from avrpc.wire.frames import DEADLINE, Kind
from tests.desk import DESK, Note, at_rest, desk_server, open_raw_client, tick
from tests.wire.pair import frame

TOKENS = avrpc.BearerTokens({"alice": "alices token", "bob": "bobs token"})

# Who it is ...


async def every_kind(client: Client) -> list[Any]:
    """Call a message of each kind; what they gave, or how they failed."""

    async def response() -> Any:
        async with client.watch("EURUSD", 1) as ticks:
            return [one async for one in ticks]

    async def streamed_request() -> Any:
        async with client.push() as call:
            await call.send(b"x")
            return await call.result()

    async def both() -> Any:
        async with client.swap() as call:
            await call.send(b"x")
            await call.send_eof()
            return [one async for one in call]

    found: list[Any] = []
    for call in (lambda: client.last("EURUSD"), response, streamed_request, both):
        try:
            found.append(await call())
        except avrpc.AvrpcError as error:
            found.append(error)
    return found


async def test_handlers_of_every_kind_know_who_calls() -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append(avrpc.current_call().identity)

    async def last(symbol: str, depth: int) -> Any:
        look()
        return tick()

    def quote(tick: Any) -> str:  # in a thread
        look()
        return ""

    async def note(text: str) -> None:
        look()

    async def watch(symbol: str, count: int) -> AsyncIterator[Any]:
        async with trio.open_nursery() as nursery:

            async def child() -> None:
                look()

            nursery.start_soon(child)
        yield tick()

    async def push(blobs: Any) -> int:
        look()
        return len([one async for one in blobs])

    async def swap(blobs: Any) -> AsyncIterator[Any]:
        look()
        async for one in blobs:
            yield one

    handlers: dict[str, Any] = {
        "last": last,
        "quote": quote,
        "note": note,
        "watch": watch,
        "push": push,
        "swap": swap,
    }
    server = desk_server(authenticate=TOKENS, **handlers)
    for token, name in (("alices token", "alice"), ("bobs token", "bob")):
        async with open_pair(server, DESK, credentials=token) as client:
            await every_kind(client)
            await client.quote(tick())
            await client.note("x")
        assert seen == [name] * 6
        seen.clear()


async def test_identity_is_the_object_that_the_hook_gave() -> None:
    identity = {"name": "alice", "groups": ["traders"]}

    async def last(symbol: str, depth: int) -> Any:
        assert avrpc.current_call().identity is identity
        return tick()

    async with open_pair(desk_server(authenticate=lambda _: identity, last=last), DESK) as client:
        assert await client.last("EURUSD") == tick()


# ... and what they may call.


async def test_message_that_is_not_allowed_is_refused_in_every_kind_and_runs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[tuple[str, str, str]] = []

    async def authorize(call: avrpc.CallInfo) -> bool:
        assert avrpc.current_call() is call
        asked.append((call.identity, call.protocol, call.message.name))
        return bool(call.identity == "bob")

    def fail(*args: Any, **parameters: Any) -> Any:
        pytest.fail("it ran")

    async def generator(**parameters: Any) -> AsyncIterator[Any]:
        fail()
        yield

    async def coroutine(**parameters: Any) -> Any:
        fail()

    handlers: dict[str, Any] = {
        "last": coroutine,
        "quote": fail,
        "note": coroutine,
        "push": coroutine,
        "watch": generator,
        "swap": generator,
    }
    server = desk_server(authenticate=TOKENS, authorize=authorize, **handlers)
    async with open_pair(server, DESK, credentials="alices token") as client:
        found = await every_kind(client)
        with pytest.raises(avrpc.PermissionDenied):
            await client.quote(tick())
        await client.note("x")
        await client._session.wait_idle()
        assert at_rest(client, server) == []
    assert [type(one) for one in found] == [avrpc.PermissionDenied] * 4
    names = ["last", "watch", "push", "swap", "quote", "note"]
    assert [str(one) for one in found] == [f"{name}: not allowed" for name in names[:4]]
    assert not any(one.maybe_executed for one in found)
    assert asked == [("alice", "test.Desk", name) for name in names]
    messages = [record.message for record in caplog.records]
    assert messages.pop() == "one-way call failed: note: not allowed"
    assert messages == [
        f"stream: refused: {name} of test.Desk: PERMISSION_DENIED" for name in names
    ]

    server = desk_server(authenticate=TOKENS, authorize=authorize)
    async with open_pair(server, DESK, credentials="bobs token") as client:
        assert await every_kind(client) == [tick(), [tick(size=0)], 1, [b"x"]]


async def test_call_is_asked_about_before_its_parameters_are_decoded() -> None:
    server = desk_server(authorize=lambda call: False)
    async with open_raw_client(server) as client:
        await client.send(frame(Kind.CALL, 1, DESK.messages["last"].number, b"\xff\xff"))
        kind, flags, body = await client.receive()
    assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.PERMISSION_DENIED << 1)


async def test_refusals_of_one_connection_are_logged_once_for_each_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_pair(desk_server(authorize=lambda call: False), DESK) as client:
        for _ in range(20):
            for call in (client.last, client.load):
                with pytest.raises(avrpc.PermissionDenied):
                    await call("EURUSD" if call is client.last else b"")
    assert len(caplog.records) == 2


async def test_identity_that_has_run_out_is_unauthenticated() -> None:
    def authorize(call: avrpc.CallInfo) -> bool:
        raise avrpc.Unauthenticated("a token of last year")

    async with open_pair(desk_server(authorize=authorize), DESK) as client:
        with pytest.raises(avrpc.Unauthenticated) as raised:
            await client.last("EURUSD")
    assert str(raised.value) == "last: not authenticated"
    assert not raised.value.maybe_executed


async def test_authorize_that_outlasts_the_deadline_has_run_nothing(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def authorize(call: avrpc.CallInfo) -> bool:
        try:
            await trio.sleep(100)
        finally:
            note("ended")
        return True

    server = desk_server(authorize=authorize)
    async with open_raw_client(server) as client:
        fields = (DESK.messages["last"].number, 3000, "EURUSD", 1)
        await client.send(frame(Kind.CALL, 1, *fields, flags=DEADLINE))
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.DEADLINE_EXCEEDED << 1)
    assert trio.current_time() == pytest.approx(3)
    assert note.lines == ["ended"]


@pytest.mark.parametrize("shield", [False, True])
async def test_call_that_is_cancelled_while_authorize_is_asked_runs_nothing(
    shield: bool, autojump_clock: MockClock
) -> None:
    async def authorize(call: avrpc.CallInfo) -> bool:
        with trio.CancelScope(shield=shield):
            await trio.sleep(5)
        return True

    async def last(symbol: str, depth: int) -> Any:
        pytest.fail("it ran")

    server = desk_server(authorize=authorize, last=last)
    async with open_raw_client(server) as client:
        fields = (DESK.messages["last"].number, "EURUSD", 1)
        await client.send(frame(Kind.CALL, 1, *fields))
        await trio.sleep(1)
        await client.send(frame(Kind.CANCEL, 1))
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.CANCELLED << 1)
    assert trio.current_time() == pytest.approx(5 if shield else 1)
    assert at_rest(server) == []


async def test_items_wait_for_authorize_within_the_credit(autojump_clock: MockClock) -> None:
    async def authorize(call: avrpc.CallInfo) -> bool:
        await trio.sleep(5)
        return True

    limits = avrpc.Limits(window_bytes=1024)
    server = desk_server(authorize=authorize, limits=limits)
    async with open_pair(server, DESK) as client, client.push() as call:
        for _ in range(10):
            await call.send(bytes(500))
        assert await call.result() == 5000
    assert trio.current_time() == pytest.approx(5)


async def test_authorize_that_is_asked_counts_as_a_handler_that_runs(
    autojump_clock: MockClock,
) -> None:
    async def authorize(call: avrpc.CallInfo) -> bool:
        await trio.sleep(5)
        return True

    server = desk_server(authorize=authorize, limits=avrpc.Limits(max_running_handlers=1))
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.last, "EURUSD")
        await wait_all_tasks_blocked()
        with pytest.raises(avrpc.LimitExceeded):
            await client.last("EURUSD")
