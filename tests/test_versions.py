"""Calls between two versions of a protocol, over a connection: verdicts, values and failures.

Three tables drive them. `EVOLUTIONS` has a row for each rule of types; each is put where a value
can stand: a parameter, a response, an item either way, an error. `MESSAGE_EVOLUTIONS` has the rules
of messages. `STREAMED_BY` are the cases in which an end streams to one that does not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.client_message import StreamMessage, UnaryMessage
from avrpc.errors import (
    ConnectionLost,
    DeadlineExceeded,
    DeclaredError,
    IncompatibleMessage,
    IncompatibleProtocol,
    InvalidValue,
    LimitExceeded,
    RemoteError,
    SchemaError,
    UnknownMessage,
)
from avrpc.limits import Limits
from avrpc.schema import Kind, Message, Protocol
from avrpc.schema.changes import TOO_LARGE_TEXT
from avrpc.schema.compat import Verdict
from avrpc.schema.negotiation import Negotiation
from avrpc.testing import Link, open_pair
from tests.desk import Note, at_rest
from tests.schema.build import TOO_LARGE
from tests.schema.evolutions import (
    EVOLUTIONS,
    INCOMPATIBLE,
    PARTIAL,
    RESOLVABLE,
    SAME,
    Evolution,
    Invalid,
    array,
    enum,
    record,
)
from tests.schema.message_evolutions import (
    GONE,
    MESSAGE_EVOLUTIONS,
    Call,
    MessageEvolution,
    Raised,
    message,
    streamed,
    version,
)

Handler = Callable[..., Any]


# The two ends.


def answering(of: Message, answer: Any, note: Callable[[dict[str, Any]], None]) -> Handler:
    """A handler for a message of whatever kind: notes what came, and answers."""
    streamed = of.streamed_parameter

    async def take(parameters: dict[str, Any]) -> None:
        if streamed is not None:
            parameters[streamed] = [item async for item in parameters[streamed]]
        note(parameters)
        if isinstance(answer, DeclaredError):
            raise answer

    async def once(**parameters: Any) -> Any:
        await take(parameters)
        return None if of.kind is Kind.ONE_WAY else answer

    async def items(**parameters: Any) -> AsyncGenerator[Any]:
        await take(parameters)
        for item in answer:
            yield item

    return items if of.kind.streams_response else once


def serving(protocol: Protocol, answer: Any = None, note: Any = lambda _: None) -> avrpc.Server:
    """A server whose messages all give the same answer."""
    handlers = {
        name: answering(of, answer, note if name == "m" else lambda _: None)
        for name, of in protocol.messages.items()
    }
    return avrpc.Server({protocol: handlers})


async def call(client: Client, parameters: dict[str, Any]) -> Any:
    """Call message "m", of whatever kind, as its client's version has it."""
    of = client.protocol.messages["m"]
    given = dict(parameters)
    items = given.pop(of.streamed_parameter) if of.streamed_parameter else ()
    if not of.kind.streams_request and not of.kind.streams_response:
        return await client["m"](**given)
    async with client["m"](**given) as stream:
        for item in items:
            await stream.send(item)
        if of.kind is Kind.STREAM_REQUEST:
            return await stream.result()
        if of.kind is Kind.STREAM_BOTH:
            await stream.send_eof()
        return [item async for item in stream]


@asynccontextmanager
async def meeting(server: avrpc.Server, mine: Protocol, **more: Any) -> AsyncIterator[Client]:
    async with open_pair(server, mine, **more) as client:
        yield client
        await wait_all_tasks_blocked()
        assert not at_rest(client, server)


# Every rule of types, in each place where a value can stand.


class Placed:
    """A row of EVOLUTIONS with its type in one place of a message."""

    def __init__(self, row: Evolution, place: str) -> None:
        writer, reader = (self._message(of, place) for of in (row.writer, row.reader))
        to_server = place in ("request", "request item")
        self.client, self.server = map(version, (writer, reader) if to_server else (reader, writer))
        self.to_server = to_server
        self.place = place
        self.verdict = row.verdict
        if place == "error":
            self.verdict = min(row.verdict, PARTIAL)

    @staticmethod
    def _message(of: Any, place: str) -> dict[str, Any]:
        if place == "request":
            return message(("it", of))
        if place == "request item":
            return message(("it", array(of)), stream="request")
        if place == "response":
            return message(response=of)
        if place == "response item":
            return message(response=array(of), stream="response")
        return message(errors=[record(("it", of), name="Fault", kind="error")])

    async def pass_over(self, client: Client, server_end: ServerEnd, value: Any) -> Any:
        """Let a value go from its writer to its reader."""
        whole = [value, value] if self.place.endswith("item") else value
        if self.to_server:
            await call(client, {"it": whole})
            arrived = server_end.came["it"]
        elif self.place == "error":
            server_end.answer = self.server.errors.Fault(it=value)
            with pytest.raises(client.protocol.errors.Fault) as raised:
                await call(client, {})
            arrived = raised.value.fields["it"]
        else:
            server_end.answer = whole
            arrived = await call(client, {})
        if self.place.endswith("item"):
            assert repr(arrived[0]) == repr(arrived[1])
            assert len(arrived) == 2
            return arrived[0]
        return arrived


class ServerEnd:
    """A server of one message, whose answer a test sets."""

    def __init__(self, protocol: Protocol) -> None:
        self.came: dict[str, Any] = {}
        self.answer: Any = None
        of = protocol.messages["m"]
        if of.kind.streams_response:
            self.server = avrpc.Server({protocol: {"m": self._items}})
        else:
            self.server = avrpc.Server({protocol: {"m": self._once}})

    async def _take(self, came: dict[str, Any]) -> None:
        for name, value in came.items():
            if isinstance(value, trio.abc.ReceiveChannel):
                came[name] = [item async for item in value]
        self.came = came
        if isinstance(self.answer, Exception):
            raise self.answer

    async def _once(self, **came: Any) -> Any:
        await self._take(came)
        return self.answer

    async def _items(self, **came: Any) -> AsyncGenerator[Any]:
        await self._take(came)
        for item in self.answer:
            yield item


def exactly(value: Any) -> Any:
    """Something to compare that tells 1 from 1.0 and True, and not the order of keys."""
    if isinstance(value, dict):
        return {key: exactly(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [exactly(one) for one in value]
    return type(value), repr(value)


PLACES = ("request", "response", "request item", "response item", "error")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("row", EVOLUTIONS, ids=lambda row: row.name)
async def test_value_arrives_as_its_readers_version_has_it(row: Evolution, place: str) -> None:
    try:
        placed = Placed(row, place)
    except SchemaError as error:
        if "may take no bytes at all" in error.problem:
            return  # such as null: it is no item
        raise
    end, link = ServerEnd(placed.server), Link()
    async with meeting(end.server, placed.client, link=link) as client:
        fit = client.negotiation["m"]
        assert fit.verdict is placed.verdict
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        if fit.verdict is INCOMPATIBLE:
            with pytest.raises(IncompatibleMessage) as refused:
                await call(client, {"it": row.sent})
            assert fit.reason in str(refused.value)
            assert refused.value.maybe_executed is False
        elif row.verdict is INCOMPATIBLE or row.sent is None:
            return
        elif isinstance(row.arrives, Invalid):
            problem, _, _ = row.arrives.text.partition(" (at ")
            with pytest.raises(InvalidValue) as invalid:
                await placed.pass_over(client, end, row.sent)
            assert problem.split(": ", 1)[1] in str(invalid.value)  # the path is of the place
            assert invalid.value.maybe_executed is not placed.to_server or "item" in place
        else:
            arrived = await placed.pass_over(client, end, row.sent)
            assert exactly(arrived) == exactly(row.arrives)
        await wait_all_tasks_blocked()
        assert (link.to_server.sent > sent) is fit.callable


# Every rule of messages.


@pytest.mark.parametrize("row", MESSAGE_EVOLUTIONS, ids=lambda row: row.name)
async def test_message_is_called_across_versions(row: MessageEvolution) -> None:
    theirs = version(row.server, other=message(("x", "int"), response="string"))
    mine = version(row.client, other=message(("x", "int"), response="string"))
    for each in row.calls or (None,):
        came: list[dict[str, Any]] = []
        answer = each.answer if each else []
        if isinstance(answer, Raised):
            answer = theirs.errors[answer.name](**answer.fields)
        handlers = {
            name: answering(of, answer if name == "m" else "fine", came.append)
            for name, of in theirs.messages.items()
        }
        server = avrpc.Server({theirs: handlers})
        async with meeting(server, mine) as client:
            fit = client.negotiation["m"]
            assert (fit.verdict, fit.wire) == (row.verdict, row.wire)
            if each is None:
                assert row.verdict >= INCOMPATIBLE
            elif isinstance(each.got, Raised):
                await _expect_raised(client, each)
                assert came == [each.arrived]
            else:
                got = await call(client, each.sent)
                await wait_all_tasks_blocked()
                assert exactly(got) == exactly(each.got)
                assert exactly(came) == exactly([each.arrived])
            assert await client.other(x=1) == "fine"


async def _expect_raised(client: Client, each: Call) -> None:
    with pytest.raises(RemoteError) as raised:
        await call(client, each.sent)
    error = raised.value
    assert (error.name, error.fields) == (each.got.name, each.got.fields)
    if each.got.declared:
        assert isinstance(error, client.protocol.errors[each.got.name])
    else:
        assert type(error) is RemoteError
    assert error.maybe_executed is True


@pytest.mark.parametrize("row", MESSAGE_EVOLUTIONS, ids=lambda row: row.name)
async def test_both_ends_come_to_the_same_verdicts(
    row: MessageEvolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Negotiation] = []
    methods = avrpc.Server.methods

    def note(self: avrpc.Server, negotiation: Negotiation) -> Any:
        seen.append(negotiation)
        return methods(self, negotiation)

    monkeypatch.setattr(avrpc.Server, "methods", note)
    mine, theirs = version(row.client), version(row.server)
    async with meeting(serving(theirs, []), mine) as client:
        assert dict(client.negotiation) == dict(seen[0])
        assert client.negotiation.client.text == seen[0].client.text == mine.text
        assert client.negotiation.server.text == seen[0].server.text == theirs.text
        assert client.negotiation.only_at_server == seen[0].only_at_server


# What can't be called.

STUCK = {
    "m": message(("a", "int")),
    "gone": message(),
    "broken": message(("x", "string")),
    "torn": streamed("both"),
    "wide": message(("x", "int")),
    "narrow": message(response=enum("A")),
}
STUCK_AT_SERVER = {
    "m": message(("a", "int")),
    "broken": message(("x", "int")),
    "torn": streamed("both", "string", "string"),
    "wide": message(("x", "long")),
    "narrow": message(response=enum("A B")),
}


def all_of(messages: dict[str, Any]) -> Protocol:
    return Protocol.parse(json.dumps({"protocol": "P", "messages": messages}))


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("gone", UnknownMessage, "the server has no such message"),
        ("broken", IncompatibleMessage, "broken.x: expected int, the writer has string"),
        ("torn", IncompatibleMessage, "torn.items[]: expected string, the writer has int"),
    ],
)
async def test_message_that_does_not_fit_raises_before_anything_is_sent(
    name: str, error: type[avrpc.AvrpcError], reason: str
) -> None:
    link = Link()
    server = serving(all_of(STUCK_AT_SERVER))
    async with meeting(server, all_of(STUCK), link=link) as client:
        await client.m(a=1)
        sent = link.to_server.sent
        for bound in (client[name], getattr(client, name), client[name].using(timeout=3)):
            with pytest.raises(error) as raised:
                bound("any", other="thing")
            assert str(raised.value) == f"{name}: stream: {reason}"
            assert raised.value.maybe_executed is False
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent
        await client.m(a=1)


async def test_versions_too_large_to_be_compared_say_why_nothing_is_called() -> None:
    mine, theirs = (version(message(("a", of)), other=message()) for of in TOO_LARGE)
    server = serving(theirs)
    async with meeting(server, mine) as client:
        assert client.negotiation["m"].reason == f"m: {TOO_LARGE_TEXT}"
        with pytest.raises(IncompatibleMessage, match="too large to be compared, so they count as"):
            client.m(a={"leaf": 1})
        await client.other()
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        with pytest.raises(
            IncompatibleProtocol, match="m is incompatible: m: the two versions are"
        ):
            async with avrpc.connect_stream(link.client, mine, require="all"):
                pass


async def test_server_refuses_such_a_call_of_a_client_that_makes_it_all_the_same() -> None:
    """And takes no notice of what it streams on it; other calls go on."""
    mine = all_of(STUCK)
    note = Note()
    server = serving(all_of(STUCK_AT_SERVER), note=lambda _: note("m"))
    async with open_pair(server, mine) as client:
        for name in ("gone", "broken"):
            bound = UnaryMessage(client._session, mine.messages[name])
            with pytest.raises(UnknownMessage, match="has no such message, or another") as raised:
                await bound(*([] if name == "gone" else ["x"]))
            assert raised.value.maybe_executed is False
        torn = StreamMessage(client._session, mine.messages["torn"])
        async with torn("t") as stream:
            with pytest.raises(UnknownMessage):
                while True:
                    await stream.send(1)
        await client.m(a=1)
        assert note.lines == ["m"]
        assert not at_rest(client, server)


@pytest.mark.parametrize(
    ("names", "require", "problem"),
    [
        (["m", "wide", "narrow"], "all", None),
        (["m", "wide"], "strict", None),
        (list(STUCK), None, None),
        (
            ["m", "wide", "narrow"],
            "strict",
            "(1 of 3 messages): narrow is partial: narrow(): the reader has no B",
        ),
        (["m", "gone"], "all", "(1 of 2 messages): gone is missing: the server has no such"),
        (["broken", "m"], "all", "(1 of 2 messages): broken is incompatible: broken.x: exp"),
        (list(STUCK), "strict", "(4 of 6 messages): gone is missing: the server has no such mess"),
    ],
)
async def test_required_fit_is_looked_at_when_connecting(
    names: list[str], require: Any, problem: str | None
) -> None:
    mine = all_of({name: STUCK[name] for name in names})
    server, link = serving(all_of(STUCK_AT_SERVER)), Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        if problem is None:
            async with avrpc.connect_stream(link.client, mine, require=require) as client:
                await client["m"](a=1)
        else:
            with pytest.raises(IncompatibleProtocol) as raised:
                async with avrpc.connect_stream(link.client, mine, require=require, address="x"):
                    pass
            assert str(raised.value).startswith(f"x: its P does not fit this end's {problem}")


# Values that a partial message does not carry: an error of that one call.


@pytest.mark.parametrize("mark", ["", "request", "response", "both"])
@pytest.mark.parametrize("at_server", ["", "request", "response", "both"])
async def test_value_that_the_reader_does_not_know_ends_that_call_alone(
    mark: str, at_server: str
) -> None:
    def ends(mark: str, symbols: str, union: list[str]) -> Protocol:
        stream = {"stream": mark} if mark else {}
        sides = array({"type": "enum", "name": "Side", "symbols": symbols.split()})
        return version(message(("sides", sides), response=array(union), **stream))

    mine, theirs = (
        ends(mark, "BUY SELL", ["null", "int"]),
        ends(at_server, "BUY", ["int", "string"]),
    )
    end = ServerEnd(theirs)
    async with meeting(end.server, mine) as client:
        assert client.negotiation["m"].verdict is PARTIAL
        end.answer = [1]
        assert await call(client, {"sides": ["BUY"]}) == [1]
        with pytest.raises(InvalidValue, match="the symbol SELL is not in this end's version"):
            await call(client, {"sides": ["BUY", "SELL"]})
        end.answer = [1, "x"]
        with pytest.raises(InvalidValue) as raised:
            await call(client, {"sides": ["BUY"]})
        assert raised.value.maybe_executed is True
        end.answer = [2]
        assert await call(client, {"sides": ["BUY"]}) == [2]


async def test_items_before_one_that_does_not_arrive_are_delivered() -> None:
    mine = version(message(response=array(enum("A")), stream="response"))
    theirs = version(message(response=array(enum("A B")), stream="response"))
    go = trio.Event()

    async def m() -> AsyncGenerator[str]:
        yield "A"
        await go.wait()
        yield "B"

    async with meeting(avrpc.Server({theirs: {"m": m}}), mine) as client, client.m() as items:
        assert await items.receive() == "A"
        go.set()
        with pytest.raises(InvalidValue, match=r"^m\(\)\[\]: the symbol B"):
            await items.receive()


# Streams that only one end knows of: collected, and sent whole.


async def test_client_that_streams_calls_when_its_items_have_ended() -> None:
    came: list[Any] = []
    server = serving(version(streamed("")), [1], came.append)
    link = Link()
    async with (
        meeting(server, version(streamed("request")), link=link) as client,
        client.m("t") as stream,
    ):
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        for item in (1, 2, 3):
            await stream.send(item)
        with pytest.raises(InvalidValue, match=r"^m\.items\[\]: expected int"):
            await stream.send("x")
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent
        assert await stream.result() == [1]
        assert await stream.result() == [1]
        with pytest.raises(trio.ClosedResourceError):
            await stream.send(4)
    assert came == [{"tag": "t", "items": [1, 2, 3]}]


async def test_block_left_without_an_exception_makes_the_collected_call() -> None:
    came: list[Any] = []
    server = serving(version(streamed("")), [1], came.append)
    async with (
        meeting(
            server,
            version(streamed("request")),
        ) as client,
        client.m("t") as stream,
    ):
        await stream.send(1)
    assert came == [{"tag": "t", "items": [1]}]


@pytest.mark.parametrize("mark", ["request", "both"])
@pytest.mark.parametrize("how", ["exception", "aclose", "cancel"])
async def test_collected_call_that_is_given_up_is_not_made(mark: str, how: str) -> None:
    came: list[Any] = []
    server, link = serving(version(streamed("")), [1], came.append), Link()
    async with meeting(server, version(streamed(mark)), link=link) as client:
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        with trio.CancelScope() as scope:
            try:
                async with client.m("t") as stream:
                    await stream.send(1)
                    if how == "exception":
                        raise KeyError
                    if how == "aclose":
                        await stream.aclose()
                        with pytest.raises(trio.ClosedResourceError):
                            await stream.send(2)
                    else:
                        scope.cancel()
                        await trio.sleep_forever()
            except KeyError:
                pass
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent
    assert came == []


async def test_collected_items_are_at_most_a_message_of_the_servers() -> None:
    came: list[Any] = []
    theirs = version(message(("tag", "string"), ("b", array("bytes"))))
    handlers = {"m": answering(theirs.messages["m"], None, came.append)}
    server = avrpc.Server({theirs: handlers}, limits=Limits(max_message_bytes=20_000))
    mine = version(message(("tag", "string"), ("b", array("bytes")), stream="request"))
    async with meeting(server, mine) as client, client.m("x" * 4000) as stream:
        for _ in range(3):
            await stream.send(bytes(4000))
        with pytest.raises(LimitExceeded, match=r"bytes of items .* which travel whole"):
            await stream.send(bytes(4000))
        await stream.send(bytes(2000))
    assert [len(one) for one in came[0]["b"]] == [4000, 4000, 4000, 2000]


@pytest.mark.parametrize("mark", ["response", "both"])
async def test_servers_collected_items_are_at_most_a_message_of_the_clients(
    mark: str, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = version(streamed(mark))
    server = serving(theirs, range(20_000))
    async with meeting(
        server, version(streamed("")), limits=Limits(max_message_bytes=20_000)
    ) as client:
        with pytest.raises(LimitExceeded, match="more than 20000 bytes of items") as raised:
            await call(client, {"tag": "t", "items": []})
        assert raised.value.maybe_executed is True
    assert "more than 20000 bytes of items" in caplog.text
    caplog.clear()


async def test_server_may_go_on_without_the_item_that_there_was_no_room_for() -> None:
    theirs = version(message(response=array("bytes"), stream="response"))

    async def m() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield bytes(4000)
        except LimitExceeded:
            yield b"more"

    mine = version(message(response=array("bytes")))
    server = avrpc.Server({theirs: {"m": m}})
    async with meeting(server, mine, limits=Limits(max_message_bytes=20_000)) as client:
        assert [len(one) for one in await client.m()] == [4000] * 4 + [4]


@pytest.mark.parametrize("how", ["timeout", "scope", "cancel"])
async def test_servers_collected_response_ends_with_its_caller(
    how: str, autojump_clock: MockClock
) -> None:
    note = Note()

    async def m(tag: str, items: Any) -> AsyncGenerator[int]:
        try:
            while True:
                yield 1
                await trio.sleep(1)
        finally:
            note("ended")

    server = avrpc.Server({version(streamed("response")): {"m": m}})
    async with meeting(server, version(streamed(""))) as client:
        if how == "timeout":
            with pytest.raises(DeadlineExceeded):
                await client.m.using(timeout=3.5)("t", [])
        else:
            with trio.CancelScope() as scope:
                if how == "scope":
                    scope.deadline = trio.current_time() + 3.5
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client.m, "t", [])
                    await wait_all_tasks_blocked()
                    if how == "cancel":
                        scope.cancel()
            assert scope.cancelled_caught
        await note.wait_for("ended")


@pytest.mark.parametrize("mark", ["request", "both"])
async def test_deadline_of_a_collected_call_counts_from_entering_the_block(
    mark: str, autojump_clock: MockClock
) -> None:
    came: list[Any] = []
    server, link = serving(version(streamed("")), [1], came.append), Link()
    async with meeting(server, version(streamed(mark)), link=link) as client:
        await wait_all_tasks_blocked()
        sent = link.to_server.sent
        async with client.m.using(timeout=3)("t") as stream:
            await trio.sleep(2)
            await stream.send(1)
            await trio.sleep(2)
            with pytest.raises(DeadlineExceeded, match="not done within 3 s") as raised:
                await (stream.send_eof() if mark == "both" else stream.result())
            assert raised.value.maybe_executed is False
            await stream.aclose()
        await wait_all_tasks_blocked()
        assert link.to_server.sent == sent
    assert came == []


async def test_collected_call_tells_the_server_what_is_left_of_its_time(
    autojump_clock: MockClock,
) -> None:
    left: list[float] = []

    async def m(tag: str, items: Any) -> list[int]:
        left.append(avrpc.current_call().deadline - trio.current_time())
        await trio.sleep_forever()
        raise AssertionError

    server = avrpc.Server({version(streamed("")): {"m": m}})
    async with (
        meeting(server, version(streamed("request"))) as client,
        client.m.using(timeout=3)("t") as stream,
    ):
        await trio.sleep(2)
        with pytest.raises(DeadlineExceeded) as raised:
            await stream.result()
        assert raised.value.maybe_executed is True
        await stream.aclose()
    assert left == [pytest.approx(1, abs=0.01)]


@pytest.mark.parametrize("mark", ["request", "both"])
async def test_error_of_a_collected_call_reaches_its_caller(mark: str) -> None:
    theirs = version(streamed("") | {"errors": [GONE]})
    server = serving(theirs, theirs.errors.Gone(at=3))
    mine = version(streamed(mark) | {"errors": [GONE]})
    async with meeting(server, mine) as client:
        with pytest.raises(mine.errors.Gone) as raised:
            await call(client, {"tag": "t", "items": [1]})
        assert raised.value.fields == {"at": 3}


async def test_error_after_collected_items_drops_them() -> None:
    theirs = version(streamed("response") | {"errors": [GONE]})

    async def m(tag: str, items: Any) -> AsyncGenerator[int]:
        yield 1
        raise theirs.errors.Gone(at=3)

    mine = version(streamed("") | {"errors": [GONE]})
    async with meeting(avrpc.Server({theirs: {"m": m}}), mine) as client:
        with pytest.raises(mine.errors.Gone):
            await client.m("t", [])


async def test_receiver_learns_that_a_collected_call_could_not_be_made() -> None:
    link = Link()
    server = serving(version(streamed("response")), [1])
    async with (
        open_pair(server, version(streamed("both")), link=link) as client,
        client.m("t") as stream,
        trio.open_nursery() as nursery,
    ):

        async def receive() -> None:
            with pytest.raises(ConnectionLost):
                await stream.receive()

        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        link.cut()
        await wait_all_tasks_blocked()
        await stream.send(1)
        with pytest.raises(ConnectionLost) as raised:
            await stream.send_eof()
        assert raised.value.maybe_executed is False


async def test_collected_call_that_waits_for_a_slot_may_be_tried_again(
    autojump_clock: MockClock,
) -> None:
    came: list[Any] = []
    go = trio.Event()

    async def m(tag: str, items: Any) -> list[int]:
        came.append(items)
        await go.wait()
        return [5]

    server = avrpc.Server({version(streamed("")): {"m": m}}, limits=Limits(max_calls=1))
    async with (
        meeting(server, version(streamed("request"))) as client,
        client.m("t") as first,
        client.m("t") as second,
        client.m("t") as third,
    ):
        await first.send(1)
        await second.send(2)
        await third.send(3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.result)
            await wait_all_tasks_blocked()
            with trio.move_on_after(1) as scope:
                await second.result()
            assert scope.cancelled_caught
            with pytest.raises(trio.ClosedResourceError):
                await second.send(9)

            async def close() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await third.result()

            nursery.start_soon(close)
            nursery.start_soon(second.result)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await second.result()
            await third.aclose()
            go.set()
        assert await second.result() == [5]
    assert came == [[1], [2]]


async def test_handler_that_leaves_collected_items_alone_answers() -> None:
    async def m(tag: str, items: Any) -> list[int]:
        return [1]

    server = avrpc.Server({version(streamed("request")): {"m": m}})
    async with meeting(server, version(streamed(""))) as client:
        assert await client.m("t", list(range(1000))) == [1]


async def test_both_ways_against_a_response_stream_items_come_after_the_request_has_ended() -> None:
    server = serving(version(streamed("response")), [1, 2])
    async with meeting(server, version(streamed("both"))) as client:
        async with client.m("t") as stream, trio.open_nursery() as nursery:
            got: list[int] = []

            async def receive() -> None:
                got.extend([item async for item in stream])

            nursery.start_soon(receive)
            await stream.send(1)
            await wait_all_tasks_blocked()
            assert got == []
            await stream.send_eof()
            await stream.send_eof()
        assert got == [1, 2]


# Many versions, and what is made once for them.


def numbered(number: int) -> Protocol:
    """One of many versions, each of which has a field of its own."""
    point = record(("x", "int"), (f"f{number}", "int", number), name="Point")
    return version(message(("p", point), response="Point"), only={**message(("n", "int"))})


async def test_ten_clients_of_other_versions_call_one_server_at_once() -> None:
    theirs = numbered(0)

    async def m(p: dict[str, Any]) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return p

    async def only(n: int) -> None:
        """Nothing."""

    server = avrpc.Server({theirs: {"m": m, "only": only}})
    done: list[int] = []

    async def run(number: int) -> None:
        async with open_pair(server, numbered(number)) as client:
            for x in range(20):
                given = {"x": x, f"f{number}": 77}
                back = 77 if number == 0 else number  # the server drops it, the default comes back
                assert await client.m(p=given) == {"x": x, f"f{number}": back}
            done.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(run, number)
    assert sorted(done) == list(range(10))


async def test_pair_of_versions_is_compared_and_its_codecs_are_made_once() -> None:
    mine, theirs = version(streamed("", "int", "double")), version(streamed("", "double"))
    server = serving(theirs, [1])
    found = []
    for _ in range(2):
        async with meeting(server, mine) as client:
            assert await call(client, {"tag": "t", "items": [1]}) == [1.0]
            found.append(client.negotiation)
    assert found[0] is found[1]
    assert found[0].at_client("m").response is found[1].at_client("m").response
    assert len(server._negotiations) == 1
    pair = next(iter(server._negotiations._known.values()))
    made = vars(pair.at_server("m"))["request"]
    async with meeting(server, mine) as client:
        await call(client, {"tag": "t", "items": [1]})
    assert vars(pair.at_server("m"))["request"] is made


# Over TCP.


@pytest.mark.parametrize(
    ("client", "server"), [("", ""), ("both", ""), ("", "both"), ("both", "both")]
)
async def test_versions_meet_over_tcp_too(client: str, server: str) -> None:
    mine = version(streamed(client, "int", "double"), gone=message())
    theirs = version(streamed(server, "double"), fresh=message())
    items = list(range(20_000))
    async with trio.open_nursery() as nursery:
        served = serving(theirs, items)
        addresses = await nursery.start(served.serve, "tcp://127.0.0.1:0")
        for _ in range(2):  # the second time with one round trip
            async with avrpc.connect(addresses[0], mine) as caller:
                assert caller.negotiation.only_at_server == ("fresh",)
                assert await call(caller, {"tag": "t", "items": items}) == items
                with pytest.raises(UnknownMessage):
                    await caller.gone()
        nursery.cancel_scope.cancel()


def test_tables_have_every_verdict() -> None:
    assert {row.verdict for row in EVOLUTIONS} == {SAME, RESOLVABLE, PARTIAL, INCOMPATIBLE}
    assert {row.verdict for row in MESSAGE_EVOLUTIONS} == set(Verdict)
