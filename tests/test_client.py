"""The client: connecting, finding messages, and leaving."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import (
    MockClock,
    assert_checkpoints,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from tests.certificates import client_context, server_context
from tests.desk import DESK, Desk, desk_server, open_desk, tick

CLASHES = avrpc.Protocol.parse(
    '{"protocol": "Clashes", "messages": {'
    '"address": {"request": [], "response": "string"},'
    '"self": {"request": [{"name": "self", "type": "string"},'
    ' {"name": "args", "type": "string"}, {"name": "parameters", "type": "string"}],'
    ' "response": "string"},'
    '"_private": {"request": [], "response": "string"}}}'
)


# Finding a message.


async def test_message_is_an_attribute_and_an_item() -> None:
    async with open_desk() as client:
        assert client.last is client["last"]
        assert client.last.__name__ == "last"
        assert client.last.__doc__ == "The last tick of a symbol."
        assert "last" in dir(client)
        assert repr(client.last) == "<avrpc message last (unary)>"
        assert repr(client) == "<avrpc.Client of test.Desk at stream>"


async def test_message_that_is_not_there_is_named_with_those_that_are() -> None:
    async with open_desk() as client:
        with pytest.raises(avrpc.UnknownMessage, match=r"no message 'lst'.*last"):
            client["lst"]
        with pytest.raises(AttributeError, match="no message 'lst'"):
            getattr(client, "lst")  # noqa: B009  # as a typing error would be
        assert not hasattr(client, "__wrapped__")


async def test_client_has_few_names_of_its_own_and_a_clash_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service: dict[str, Callable[..., Any]] = {
        "address": lambda: "an address",
        "self": lambda self, args, parameters: self + args + parameters,
        "_private": lambda: "private",
    }
    async with open_pair(avrpc.Server({CLASHES: service}), CLASHES) as client:
        assert client.address == "stream"
        assert await client["address"]() == "an address"
        assert await client["_private"]() == await client._private() == "private"
        parameters = {"self": "a", "args": "b", "parameters": "c"}
        assert await client["self"](**parameters) == await client.self("a", "b", "c") == "abc"
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "Clashes.address" in line.message


async def test_dynamic_client_takes_the_servers_protocol() -> None:
    link = Link()
    server = desk_server()
    for protocol in (None, "test.Desk"):
        async with open_pair(server, protocol, link=link) as client:
            assert client.protocol.text == DESK.text
            assert client.protocols == ("test.Desk",)
            assert await client.last("EURUSD") == tick()
            with pytest.raises(client.protocol.errors.UnknownSymbol):
                await client.last("???")
            async with client.watch("EURUSD") as ticks:
                assert len([one async for one in ticks]) == 3
        link = Link()


async def test_errors_are_of_the_protocol_that_the_client_brought_whoever_was_first() -> None:
    server, again = desk_server(), avrpc.Protocol.parse(DESK.text)
    for protocol in (None, DESK, again, DESK):
        async with open_pair(server, protocol) as client:
            with pytest.raises((protocol or client.protocol).errors.UnknownSymbol):
                await client.last("???")


async def test_protocol_that_the_server_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(avrpc.ConnectionRefused, match=r"test\.Nobody.*test\.Desk"):
        async with open_pair(desk_server(), "test.Nobody"):
            pass


# One-way calls at the end.


async def test_one_way_call_is_handled_though_the_client_leaves_right_after(
    autojump_clock: MockClock,
) -> None:
    desk = Desk()
    async with open_pair(avrpc.Server({DESK: desk}), DESK) as client:
        await client.note("hello")
    assert desk.notes == ["hello"]


async def test_client_waits_for_one_way_calls_only_so_long(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def slow(text: str) -> None:
        await trio.sleep(100)

    limits = avrpc.Limits(close_timeout=3)
    async with open_desk(client_limits=limits, note=slow) as client:
        await client.note("hello")
    assert trio.current_time() == pytest.approx(3, abs=0.1)
    assert "may be lost" in caplog.text


async def test_client_left_with_an_exception_waits_for_nothing(autojump_clock: MockClock) -> None:
    async def slow(text: str) -> None:
        await trio.sleep(100)

    with pytest.raises(KeyError):
        async with open_desk(note=slow) as client:
            await client.note("hello")
            raise KeyError
    assert trio.current_time() < 0.1


# Leaving the client's block.


@pytest.mark.parametrize(
    "error", [KeyError("mine"), ExceptionGroup("mine", [KeyError("mine")]), SystemExit(3)]
)
@pytest.mark.parametrize("when", ["whole", "lost", "cancelled"])
async def test_exceptions_of_the_block_come_out_as_they_are(
    error: BaseException, when: str, autojump_clock: MockClock
) -> None:
    link = Link()
    server = desk_server()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        with trio.CancelScope() as scope, pytest.raises(type(error)) as caught:
            async with avrpc.connect_stream(link.client, DESK) as client:
                await client.last("EURUSD")
                if when == "lost":
                    link.cut()
                    await wait_all_tasks_blocked()
                elif when == "cancelled":
                    scope.cancel()
                raise error
        assert caught.value is error
        assert not caught.value.__suppress_context__


async def test_block_that_is_cancelled_from_outside_ends(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server, link = desk_server(), Link()
        nursery.start_soon(server.serve_stream, link.server)
        with trio.move_on_after(3) as scope:
            connecting = avrpc.connect_stream(link.client, DESK)
            async with connecting as client, client.swap() as call:
                await call.receive()
        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(3, abs=0.1)
    assert server.running == 0


async def test_cancel_while_the_block_is_being_left_ends_it(autojump_clock: MockClock) -> None:
    async def slow(text: str) -> None:
        await trio.sleep(100)

    async with trio.open_nursery() as nursery:
        server, link = desk_server(note=slow), Link()
        nursery.start_soon(server.serve_stream, link.server)
        with trio.move_on_after(3) as scope:
            async with avrpc.connect_stream(link.client, DESK) as client:
                await client.note("hello")
        assert scope.cancelled_caught


async def test_connection_lost_in_the_block_is_told_by_the_calls_and_not_by_leaving(
    autojump_clock: MockClock,
) -> None:
    link = Link()
    async with open_desk(link=link) as client:
        await client.last("EURUSD")
        link.cut()
        await wait_all_tasks_blocked()
        for use in (
            partial(client.last, "EURUSD"),
            partial(client.note, "hello"),
            client.watch("EURUSD").__aenter__,
            client.push().__aenter__,
        ):
            with pytest.raises(avrpc.ConnectionLost) as caught, assert_checkpoints():
                await use()
            assert not caught.value.maybe_executed


async def test_call_of_a_client_that_was_closed_says_so(autojump_clock: MockClock) -> None:
    async with open_desk() as client:
        pass
    for use in (
        partial(client.last, "EURUSD"),
        partial(client.note, "hello"),
        client.watch("EURUSD").__aenter__,
    ):
        with pytest.raises(avrpc.ConnectionClosed) as caught:
            await use()
        assert not caught.value.maybe_executed


async def test_calls_that_are_open_when_the_client_closes_end_with_it(
    autojump_clock: MockClock,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        await trio.sleep(100)

    raised: list[avrpc.AvrpcError] = []

    async def call(client: Client) -> None:
        try:
            await client.last("EURUSD")
        except avrpc.ConnectionClosed as error:
            raised.append(error)

    pair = open_desk(client_limits=avrpc.Limits(close_timeout=2), last=last)
    async with trio.open_nursery() as nursery, pair as client:
        nursery.start_soon(call, client)
    assert [error.maybe_executed for error in raised] == [True]
    assert trio.current_time() == pytest.approx(2, abs=0.1)


class Interrupted(trio.abc.HalfCloseableStream):
    """An end whose receiving is interrupted as a Ctrl-C does it, when told."""

    def __init__(self, stream: trio.abc.HalfCloseableStream, error: BaseException) -> None:
        self.stream = stream
        self.error = error
        self.go = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self.stream.receive_some(max_bytes)
        if self.go:
            raise self.error
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
async def test_interrupt_that_hits_a_task_of_ours_comes_out_as_itself(
    error: BaseException, autojump_clock: MockClock
) -> None:
    link = Link()
    stream = Interrupted(link.client, error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk_server().serve_stream, link.server)
        with pytest.raises(type(error)) as caught:
            async with avrpc.connect_stream(stream, DESK) as client:
                stream.go = True
                await client.last("EURUSD")
        assert caught.value is error


async def test_failure_in_a_task_of_ours_is_logged_and_ends_the_calls(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link()
    stream = Interrupted(link.client, ZeroDivisionError())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk_server().serve_stream, link.server)
        async with avrpc.connect_stream(stream, DESK) as client:
            stream.go = True
            with pytest.raises(avrpc.ConnectionLost, match="failed in this process"):
                await client.last("EURUSD")
    assert "ZeroDivisionError" in caplog.text


# What connect takes.


def test_what_connect_does_not_know_it_says() -> None:
    with pytest.raises(ValueError, match="expected tcp"):
        avrpc.connect("nonsense")
    with pytest.raises(ValueError, match=r"^require: expected 'all', 'strict' or None, got 'any'$"):
        avrpc.connect("tcp://127.0.0.1:1", require="any")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^require: expected"):
        avrpc.connect_stream(Link().client, require=True)  # type: ignore[arg-type]


def test_credentials_go_through_plain_tcp_only_on_this_machine_or_by_leave() -> None:
    avrpc.connect("tcp://127.0.0.1:1", credentials="secret")
    with pytest.raises(ValueError, match=r"^tcp://192\.0\.2\.1:1: credentials would go") as caught:
        avrpc.connect("tcp://192.0.2.1:1", credentials="secret")
    assert "secret" not in str(caught.value)
    avrpc.connect("tcp://192.0.2.1:1", credentials="secret", allow_plaintext_credentials=True)
    avrpc.connect("tcp://192.0.2.1:1")


async def test_function_for_credentials_is_asked_before_anything_is_opened(
    autojump_clock: MockClock,
) -> None:
    async def slow() -> str:
        await trio.sleep(20)
        return "secret"

    address = "tcp://127.0.0.1:1"
    with pytest.raises(avrpc.ConnectTimeout, match=r"credentials took over 10 s$"):
        async with avrpc.connect(address, credentials=slow):
            pass

    def fail() -> str:
        raise LookupError("no token")

    with pytest.raises(LookupError, match="no token"):
        async with avrpc.connect(address, credentials=fail):
            pass


async def test_credentials_are_asked_for_at_each_connect_and_reach_the_server() -> None:
    given = iter(["one", b"two", None])
    seen: list[bytes | None] = []

    def hook(presented: avrpc.Presented) -> bool:
        seen.append(presented.credentials)
        return True

    for _ in range(3):
        server = desk_server(authenticate=hook)
        async with open_pair(server, DESK, credentials=lambda: next(given)) as client:
            assert await client.last("EURUSD") == tick()
    assert seen == [b"one", b"two", None]


def test_tls_and_the_address_have_to_go_together() -> None:
    context = client_context()
    for words in ({"tls": context}, {"server_hostname": "localhost"}):
        for address in ("tcp://127.0.0.1:1", "unix:///run/desk"):
            with pytest.raises(ValueError, match=f"^{address}: tls and server_hostname are for"):
                avrpc.connect(address, **words)
    with pytest.raises(TypeError, match=r"expected an ssl\.SSLContext"):
        avrpc.connect("tls://127.0.0.1:1", tls="ca.pem")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="won't do for a client of '127"):
        avrpc.connect("tls://127.0.0.1:1", tls=server_context())
    with pytest.raises(ValueError, match="won't do for a client of ''"):
        avrpc.connect("tls://127.0.0.1:1", tls=context, server_hostname="")


async def test_address_of_a_stream_is_what_its_owner_says() -> None:
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk_server().serve_stream, link.server)
        async with avrpc.connect_stream(link.client, DESK, address="a pipe") as client:
            assert client.address == "a pipe"


async def test_cancelled_connect_leaves_no_stream_open(autojump_clock: MockClock) -> None:
    link = Link()
    with trio.move_on_after(3) as scope:
        async with avrpc.connect_stream(link.client, DESK):
            pass
    assert scope.cancelled_caught
    with pytest.raises(trio.ClosedResourceError):
        await link.client.send_all(b"x")


async def test_connect_over_sockets(nursery: trio.Nursery, tmp_path: Any) -> None:
    server = desk_server()
    path = tmp_path / "desk"
    addresses = await nursery.start(server.serve, "tcp://127.0.0.1:0", f"unix://{path}")
    for address in addresses:
        async with avrpc.connect(address, DESK) as client:
            assert await client.last("EURUSD") == tick()
    await server.aclose()
    for address in addresses:
        with pytest.raises(avrpc.ConnectFailed, match="cannot connect"):
            async with avrpc.connect(address, DESK):
                pass


@pytest.mark.parametrize("require", ["all", "strict"])
async def test_server_that_does_not_fit_is_refused_where_that_is_asked_for(require: Any) -> None:
    def version(response: str) -> avrpc.Protocol:
        made = {"a": {"request": [], "response": response}}
        return avrpc.Protocol.parse(json.dumps({"protocol": "Small", "messages": made}))

    async def answer() -> int:
        return 7

    ours, theirs = memory_stream_pair()
    server = avrpc.Server({version("int"): {"a": answer}})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, theirs)
        with pytest.raises(avrpc.IncompatibleProtocol, match="1 of 1 messages"):
            async with avrpc.connect_stream(ours, version("string"), require=require):
                raise AssertionError("not connected")
