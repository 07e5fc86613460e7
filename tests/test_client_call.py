"""A call at the client: what it comes to."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.client_call import outcome_error, time_left
from avrpc.testing import Link
from avrpc.wire import ErrorReceived, StatusCode, StatusReceived
from avrpc.wire.frames import STARTED, Kind
from tests.desk import (
    DESK,
    at_rest,
    open_desk,
    open_raw_server,
)
from tests.wire.pair import count, frame

LAST = DESK.messages["last"]


# What a call that ended badly comes to ...


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (StatusCode.CANCELLED, avrpc.CallCancelled),
        (StatusCode.UNKNOWN, avrpc.InternalError),
        (StatusCode.INTERNAL, avrpc.InternalError),
        (StatusCode.INVALID_VALUE, avrpc.InvalidValue),
        (StatusCode.DEADLINE_EXCEEDED, avrpc.DeadlineExceeded),
        (StatusCode.RESOURCE_EXHAUSTED, avrpc.LimitExceeded),
        (StatusCode.UNIMPLEMENTED, avrpc.UnknownMessage),
        (StatusCode.UNAVAILABLE, avrpc.Unavailable),
        (StatusCode.PERMISSION_DENIED, avrpc.PermissionDenied),
        (StatusCode.UNAUTHENTICATED, avrpc.Unauthenticated),
        (999, avrpc.RemoteError),
    ],
)
@pytest.mark.parametrize("started", [True, False])
def test_status_is_an_error_that_knows_whether_the_handler_had_begun(
    code: int, kind: type[avrpc.AvrpcError], started: bool
) -> None:
    error = outcome_error(StatusReceived(1, None, code, "so it is", started), LAST)
    assert type(error) is kind
    assert str(error).startswith("last: so it is")
    assert error.maybe_executed is started


def test_unknown_status_tells_its_number() -> None:
    error = outcome_error(StatusReceived(1, None, 999, "so it is", started=False), LAST)
    assert isinstance(error, avrpc.RemoteError)
    assert (str(error), error.name) == ("last: so it is (status 999)", "avrpc.Status999")


def test_declared_error_has_its_fields() -> None:
    encoded = LAST.error.encode(DESK.errors.UnknownSymbol(symbol="X", hint="try Y"))
    error = outcome_error(ErrorReceived(1, None, encoded), LAST)
    assert isinstance(error, DESK.errors.UnknownSymbol)
    assert error.fields == {"symbol": "X", "hint": "try Y"}
    assert error.maybe_executed


def test_error_that_is_none_of_the_messages_is_an_invalid_value() -> None:
    error = outcome_error(ErrorReceived(1, None, b"\x7f"), LAST)
    assert isinstance(error, avrpc.InvalidValue)
    assert error.maybe_executed


@pytest.mark.parametrize(("use", "reply"), [("last", b""), ("push", b"\x80")])
async def test_result_that_does_not_fit_the_schema_is_an_invalid_value(
    use: str, reply: bytes
) -> None:
    async def call(client: Client) -> None:
        if use == "last":
            await client.last("EURUSD")
        else:
            async with client.push():
                pass

    async with open_raw_server() as (client, server):
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                await server.receive()
                await server.send(frame(Kind.RESULT, 1, reply))

            nursery.start_soon(answer)
            with pytest.raises(avrpc.InvalidValue) as caught:
                await call(client)
        assert caught.value.maybe_executed
        assert at_rest(client) == []


async def test_items_that_do_not_fit_the_schema_end_the_call_and_nothing_else() -> None:
    async with open_raw_server() as (client, server), client.pull(3) as blobs:
        good = frame(Kind.ITEMS, 1, count(1), b"\x02a")
        await server.send(good, frame(Kind.ITEMS, 1, count(2), b"\x02b\x7f"), good)
        assert await blobs.receive() == b"a"
        for _ in range(2):
            with pytest.raises(avrpc.InvalidValue) as caught:
                await blobs.receive()
            assert caught.value.maybe_executed
        await wait_all_tasks_blocked()
        assert (await server.receive())[0] == Kind.CALL
        assert await server.receive() == (Kind.CANCEL, 0, b"\x02")
        await server.send(good)  # it crossed the CANCEL
        await server.send(frame(Kind.STATUS, 1, StatusCode.CANCELLED, "", flags=STARTED))
        await wait_all_tasks_blocked()
        assert at_rest(client) == []


# ... when its caller does not wait for it, or there is nobody left to answer ...


async def test_call_that_is_cancelled_is_cancelled_at_the_server() -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(client.last, "EURUSD")
        assert (await server.receive())[0] == Kind.CALL
        nursery.cancel_scope.cancel()
    assert await server.receive() == (Kind.CANCEL, 0, b"\x02")


async def test_call_ends_with_its_connection() -> None:
    link = Link()
    async with open_desk(link=link) as client, trio.open_nursery() as nursery:
        link.to_server.hold()

        async def call() -> None:
            with pytest.raises(avrpc.ConnectionLost) as caught:
                await client.last("EURUSD")
            assert caught.value.maybe_executed

        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        link.cut()


# ... and one-way calls, for which nobody waits.


async def test_one_way_call_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def note(text: str) -> None:
        raise RuntimeError("a secret")

    async with open_desk(note=note) as client:
        await client.note("hello")
        await wait_all_tasks_blocked()
    told = [one for one in caplog.records if "one-way" in one.message]
    assert [one.levelno for one in told] == [logging.WARNING]
    assert "internal error" in told[0].message
    assert "secret" not in told[0].message


@pytest.mark.parametrize(("value", "lines"), [(b"", 0), (b"\x00", 1)])
async def test_one_way_call_that_is_answered_with_a_value_is_logged(
    value: bytes, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_raw_server() as (client, server):
        await client.note("hello")
        await server.send(frame(Kind.RESULT, 1, value))
        await wait_all_tasks_blocked()
        assert at_rest(client) == []
    told = [one.message for one in caplog.records if "one-way" in one.message]
    text = "one-way call failed: note(): expected a result without a value, got 1 bytes"
    assert told == [text] * lines


async def test_one_way_call_that_the_server_may_not_have_got_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = Link()
    async with open_desk(link=link) as client:
        link.to_server.hold()
        await client.note("hello")
        link.cut()
        await wait_all_tasks_blocked()
    assert "one-way call note may be lost" in caplog.text


def test_time_left_is_rounded_up_and_zero_only_when_the_time_is_up() -> None:
    async def main() -> None:
        now = trio.current_time()
        assert time_left(float("inf")) is None
        assert time_left(now + 0.0001) == 1
        assert time_left(now + 1.5) in (1500, 1501)
        assert time_left(now) == time_left(now - 1) == time_left(-float("inf")) == 0

    trio.run(main, clock=MockClock())
