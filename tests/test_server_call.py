"""A call at the server: its handler runs, and it is answered exactly once."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.call_info import current_call
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from avrpc.wire import StatusCode
from avrpc.wire.frames import DEADLINE, MORE, STARTED, Kind
from tests.desk import (
    DESK,
    PATIENT,
    Note,
    at_rest,
    desk_server,
    open_desk,
    open_raw_client,
    tick,
)
from tests.wire.pair import frame

NUMBERS = {name: message.number for name, message in DESK.messages.items()}
SECRET = "the password is 1234"


# What a handler may know of its call ...


async def test_handler_sees_its_message_peer_metadata_deadline_and_attempt() -> None:
    seen: list[Any] = []

    async def last(symbol: str, depth: int) -> Any:
        call = avrpc.current_call()
        assert call.tls is None  # of what there is: tests/test_tls_sockets.py
        seen.append((call.message, call.peer, dict(call.metadata), call.deadline, call.attempt))
        return tick()

    async with open_desk(last=last) as client:
        await client.last.using(metadata={"user": "ann", "key": b"\xff"})("EURUSD")
        await client.last("EURUSD")
    assert seen == [
        (DESK.messages["last"], "stream", {"user": b"ann", "key": b"\xff"}, float("inf"), 0),
        (DESK.messages["last"], "stream", {}, float("inf"), 0),
    ]


def test_current_call_is_for_handlers_only() -> None:
    with pytest.raises(RuntimeError, match="in a handler only"):
        current_call()


async def test_streamed_parameter_comes_by_its_name_among_the_others() -> None:
    async def record(ticks: Any, symbol: str) -> int:
        assert symbol == "EURUSD"
        return len([one async for one in ticks])

    async with open_desk(record=record) as client, client.record("EURUSD") as call:
        await call.send(tick())
        assert await call.result() == 1


async def test_generator_without_an_item_is_an_empty_response() -> None:
    async with open_desk() as client, client.watch("EURUSD", 0) as ticks:
        assert [one async for one in ticks] == []


# ... errors that its message declares ...


async def test_declared_error_reaches_the_caller_with_its_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        raise DESK.errors.UnknownSymbol(symbol=symbol, hint="try EURUSD")

    async with open_desk(last=last) as client:
        with pytest.raises(DESK.errors.UnknownSymbol) as caught:
            await client.last("???")
    assert (caught.value.symbol, caught.value.hint) == ("???", "try EURUSD")
    assert not caplog.records


async def test_group_of_one_declared_error_counts_as_that_error() -> None:
    async def last(symbol: str, depth: int) -> Any:
        error = DESK.errors.UnknownSymbol(symbol=symbol)
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [error])])

    async with open_desk(last=last) as client:
        with pytest.raises(DESK.errors.UnknownSymbol):
            await client.last("???")


async def test_declared_error_of_a_child_task_counts_though_its_siblings_were_cancelled(
    autojump_clock: MockClock,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        async def fail() -> None:
            await trio.sleep(1)
            raise DESK.errors.UnknownSymbol(symbol=symbol)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail)
            await trio.sleep_forever()

    async with open_desk(last=last) as client:
        with pytest.raises(DESK.errors.UnknownSymbol):
            await client.last("???")


async def test_group_of_several_errors_is_not_declared(caplog: pytest.LogCaptureFixture) -> None:
    async def last(symbol: str, depth: int) -> Any:
        error = DESK.errors.UnknownSymbol(symbol=symbol)
        raise ExceptionGroup("two", [error, KeyError(SECRET)])

    async with open_desk(last=last) as client:
        with pytest.raises(avrpc.InternalError):
            await client.last("???")
    assert SECRET in caplog.text


async def test_error_of_another_message_is_not_declared(caplog: pytest.LogCaptureFixture) -> None:
    def quote(tick: object) -> str:
        raise DESK.errors.UnknownSymbol(symbol=SECRET)

    async with open_desk(quote=quote) as client:
        with pytest.raises(avrpc.InternalError):
            await client.quote(tick())
    assert SECRET in caplog.text


async def test_declared_error_whose_fields_were_spoilt_is_an_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        error = DESK.errors.UnknownSymbol(symbol=symbol)
        error.fields["symbol"] = 5
        raise error

    async with open_desk(last=last) as client:
        with pytest.raises(avrpc.InternalError):
            await client.last("???")
    assert "expected string, got" in caplog.text


# ... and those that it does not.


def raises(error: BaseException) -> dict[str, Any]:
    """Handlers of each style and kind that raise an error."""

    async def coroutine(**_: object) -> None:
        raise error

    async def generator(**_: object) -> AsyncGenerator[Any]:
        yield tick()
        raise error

    def thread(**_: object) -> None:
        raise error

    return {
        "last": coroutine,
        "quote": thread,
        "record": coroutine,
        "watch": generator,
        "convert": generator,
    }


async def call_last(client: Client) -> None:
    await client.last("EURUSD")


async def call_quote(client: Client) -> None:
    await client.quote(tick())


async def call_record(client: Client) -> None:
    async with client.record("EURUSD"):
        pass


async def call_watch(client: Client) -> None:
    async with client.watch("EURUSD") as ticks:
        [one async for one in ticks]


async def call_convert(client: Client) -> None:
    async with client.convert() as ticks:
        [one async for one in ticks]


CALLS = [call_last, call_quote, call_record, call_watch, call_convert]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [RuntimeError(SECRET), ExceptionGroup("x", [OSError(SECRET)])])
async def test_caller_learns_an_id_and_the_log_the_rest(
    call: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(record=True)
    server = desk_server(**raises(error))
    async with open_pair(server, DESK, link=link) as client:
        with pytest.raises(avrpc.InternalError) as caught:
            await call(client)
        assert caught.value.maybe_executed
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
    assert SECRET.encode() not in link.to_client.record
    assert SECRET not in str(caught.value)
    (logged,) = caplog.records
    error_id = str(caught.value).rpartition(" ")[2]
    assert len(error_id) == 16
    assert error_id in logged.message
    assert SECRET in caplog.text


async def test_answer_that_does_not_fit_its_schema_is_an_internal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        return {"symbol": symbol, "price": SECRET}

    async def note(text: str) -> Any:
        return SECRET

    async with open_desk(last=last, note=note) as client:
        with pytest.raises(avrpc.InternalError):
            await client.last("EURUSD")
        assert "price: expected double, got str" in caplog.text
        await client.note("hello")
        await wait_all_tasks_blocked()


async def test_answer_larger_than_the_caller_takes_is_told_to_both(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def load(data: bytes) -> bytes:
        if not data:
            raise DESK.errors.UnknownSymbol(symbol="x" * 30_000)
        return bytes(30_000)

    limits = avrpc.Limits(max_message_bytes=20_000)
    async with open_desk(client_limits=limits, load=load) as client:
        for data in (b"", b"x"):
            with pytest.raises(avrpc.LimitExceeded, match="20000") as caught:
                await client.load(data)
            assert caught.value.maybe_executed
    assert len(caplog.records) == 2


async def test_one_crashed_handler_among_a_hundred_ends_one_call(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        await trio.sleep(1)
        if depth == 50:
            raise RuntimeError(SECRET)
        await trio.sleep(1)
        return tick(size=depth)

    outcomes: dict[int, object] = {}

    async def call(client: Client, depth: int) -> None:
        try:
            outcomes[depth] = (await client.last("EURUSD", depth))["size"]
        except avrpc.InternalError as error:
            outcomes[depth] = type(error)

    server = desk_server(last=last)
    async with open_pair(server, DESK) as client:
        async with trio.open_nursery() as nursery:
            for depth in range(100):
                nursery.start_soon(call, client, depth)
        assert outcomes == {**{n: n for n in range(100)}, 50: avrpc.InternalError}
        assert len(caplog.records) == 1
        assert at_rest(client, server) == []


# A handler that raises a Cancelled that is not its own ...


@pytest.mark.parametrize("grouped", [False, True])
async def test_cancelled_that_a_handler_kept_ends_its_call_only(
    grouped: bool, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[BaseException] = []

    async def last(symbol: str, depth: int) -> Any:
        with trio.move_on_after(1):
            try:
                await trio.sleep_forever()
            except trio.Cancelled as cancelled:
                kept.append(cancelled)
                raise
        raise BaseExceptionGroup("kept", kept) if grouped else kept[0]

    server = desk_server(last=last)
    async with open_pair(server, DESK) as client:
        with pytest.raises(avrpc.InternalError):
            await client.last("EURUSD")
        assert await client.quote(tick())
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
    assert len(caplog.records) == 1


async def test_errors_beside_a_cancel_of_the_call_are_logged(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def last(symbol: str, depth: int) -> Any:
        async def fail_at_the_end() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise RuntimeError(SECRET)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_at_the_end)
            await trio.sleep_forever()

    server = desk_server(last=last)
    async with open_pair(server, DESK) as client:
        with trio.move_on_after(1):
            await client.last("EURUSD")
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
        assert await client.quote(tick())
    assert SECRET in caplog.text


# ... or SystemExit: that is for the process.


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("call", [call_last, call_watch])
async def test_exit_of_a_handler_ends_the_server_and_stays_what_it_is(
    call: Any, error: BaseException
) -> None:
    server = desk_server(**raises(error))
    link = Link()
    raised: list[BaseException] = []

    async def serve() -> None:
        try:
            await server.serve_stream(link.server)
        except BaseException as one:  # noqa: BLE001  # that is what is tested
            raised.append(one)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with avrpc.connect_stream(link.client, DESK) as client:
            with pytest.raises(avrpc.ConnectionLost) as caught:
                await call(client)
            assert caught.value.maybe_executed
    assert raised == [error]


# Cancelling, from the caller's side.


async def test_cancelled_call_cancels_the_handler_whose_slot_is_free_when_it_has_ended(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def last(symbol: str, depth: int) -> Any:
        try:
            await trio.sleep_forever()
        finally:
            note("cancelled")
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            note("ended")

    # `quote` runs in a thread, so this clock would jump while it does.
    server = desk_server(limits=replace(PATIENT, max_calls=1), last=last)
    async with open_pair(server, DESK, limits=PATIENT) as client:
        with trio.move_on_after(1):
            await client.last("EURUSD")
        assert trio.current_time() == 1  # the caller does not wait for the handler
        await wait_all_tasks_blocked()
        assert note.lines == ["cancelled"]
        assert server.running == 1
        assert not client._session.connection.has_slot(streamed=False)
        await client.quote(tick())
        assert note.lines == ["cancelled", "ended"]
        assert trio.current_time() == 6


async def test_result_that_crosses_a_cancel_is_dropped_and_the_slot_is_free(
    autojump_clock: MockClock,
) -> None:
    for name in ("last", "watch", "load"):
        link = Link()
        server = desk_server()
        async with open_pair(server, DESK, link=link) as client:
            link.to_client.hold()
            with trio.move_on_after(1) as scope:
                if name == "watch":
                    async with client.watch("EURUSD") as ticks:
                        await ticks.receive()
                else:
                    await client[name]("EURUSD" if name == "last" else bytes(200_000))
            assert scope.cancelled_caught
            await wait_all_tasks_blocked()
            link.to_client.release()
            await wait_all_tasks_blocked()
            assert at_rest(client, server) == []
            assert await client.last("EURUSD") == tick()


async def test_cancel_stops_a_large_answer_that_is_still_leaving() -> None:
    """Its handler has run, and the answer says so."""

    async def load(data: bytes) -> bytes:
        return bytes(1_000_000)

    link = Link(capacity=1000)
    server = desk_server(load=load)
    async with open_raw_client(server, link=link) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["load"], b"\0"))
        await wait_all_tasks_blocked()
        await client.send(frame(Kind.CANCEL, 1))
        await wait_all_tasks_blocked()
        kinds = [await client.receive()]
        while kinds[-1][0] != Kind.STATUS:
            kinds.append(await client.receive())
        assert {kind for kind, flags, _ in kinds[:-1]} <= {Kind.RESULT}
        assert len(kinds) < 5
        assert kinds[-1][1] == STARTED
        await wait_all_tasks_blocked()
        assert at_rest(server) == []


async def test_cancel_of_a_call_whose_parameters_have_not_all_come_is_answered() -> None:
    server = desk_server()
    async with open_raw_client(server) as client:
        piece = frame(Kind.CALL, 1, NUMBERS["load"], bytes(2000), flags=MORE)
        await client.send(piece, frame(Kind.CANCEL, 1))
        kind, flags, body = await client.receive()
        assert (kind, flags) == (Kind.STATUS, 0)
        assert body[1] == StatusCode.CANCELLED << 1
        assert at_rest(server) == []


async def test_call_that_is_cancelled_before_its_handler_begins_has_not_run() -> None:
    note = Note()

    async def load(data: bytes) -> bytes:
        note("ran")
        await trio.lowlevel.checkpoint()
        return data

    async with open_raw_client(desk_server(load=load)) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["load"], b"\x02x"))
        assert (await client.receive())[0] == Kind.RESULT  # from now on it is known to wait
        await client.send(frame(Kind.CALL, 2, NUMBERS["load"], b"\x02x") + frame(Kind.CANCEL, 2))
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.CANCELLED << 1)
    assert note.lines == ["ran"]


async def test_handler_that_answers_though_it_was_cancelled_is_heard() -> None:
    async def last(symbol: str, depth: int) -> Any:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return tick()  # which hides the cancel: not nice, and no harm

    server = desk_server(last=last)
    async with open_raw_client(server) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["last"], "EURUSD", 1))
        await wait_all_tasks_blocked()
        await client.send(frame(Kind.CANCEL, 1))
        assert (await client.receive())[0] == Kind.RESULT


async def test_parameters_that_do_not_fit_are_not_run(caplog: pytest.LogCaptureFixture) -> None:
    note = Note()

    async def load(data: bytes) -> bytes:
        note("ran")
        return data

    server = desk_server(load=load)
    async with open_raw_client(server) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["load"], b"\x7f"))
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.INVALID_VALUE << 1)
    assert not note.lines
    assert not caplog.records


async def test_any_number_of_bad_values_ends_their_calls_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each costs what a good call costs, so none is one too many; nor do they fill the log."""
    good = DESK.messages["load"].request.encode({"data": b"x"})
    async with open_raw_client(desk_server()) as client:
        for call_id in range(1, 601, 2):
            await client.send(
                frame(Kind.CALL, call_id, NUMBERS["load"], b"\x7f"),
                frame(Kind.CALL, call_id + 1, NUMBERS["load"], bytes(good)),
            )
            assert {(await client.receive())[0] for _ in range(2)} == {Kind.STATUS, Kind.RESULT}
    assert not caplog.records


async def test_large_answers_beyond_the_places_wait_for_one(autojump_clock: MockClock) -> None:
    link = Link(capacity=1000)
    limits = avrpc.Limits(max_values_in_pieces=2)
    got: list[int] = []

    async def load(client: Client) -> None:
        got.append(len(await client.load(bytes(100_000))))

    async with open_desk(client_limits=limits, link=link) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(load, client)
        assert got == [100_000] * 10
        assert at_rest(client) == []


async def test_answer_that_waits_for_its_place_ends_with_the_deadline(
    autojump_clock: MockClock,
) -> None:
    link = Link(capacity=1000)
    limits = avrpc.Limits(max_values_in_pieces=1)
    server = desk_server()
    async with open_pair(server, DESK, limits=limits, link=link) as client:
        async with trio.open_nursery() as nursery:
            link.to_client.hold()
            nursery.start_soon(client.load, bytes(100_000))
            await wait_all_tasks_blocked()
            with trio.move_on_after(3) as scope:
                await client.load(bytes(100_000))
            assert scope.cancelled_caught
            await wait_all_tasks_blocked()
            assert server.running == 0
            link.to_client.release()
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []


async def test_item_that_outgrows_the_limit_ends_its_call_and_is_no_failure_of_the_handler(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A peer that sends more than it may, and handlers that take its end in their stride."""
    note = Note()

    async def swap(blobs: Any) -> AsyncGenerator[bytes]:
        try:
            async for one in blobs:
                yield one
        except trio.Cancelled:
            note("cancelled")

    server = desk_server(limits=avrpc.Limits(max_message_bytes=20_000), swap=swap)
    async with open_raw_client(server) as client:
        piece = frame(Kind.ITEMS, 1, b"\0\1", bytes(15_000), flags=MORE)
        await client.send(frame(Kind.CALL, 1, NUMBERS["swap"]), piece)
        await wait_all_tasks_blocked()
        await client.send(frame(Kind.ITEMS, 1, bytes(15_000), flags=MORE))
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, STARTED, StatusCode.RESOURCE_EXHAUSTED << 1)
        await wait_all_tasks_blocked()
        assert note.lines == ["cancelled"]
        assert at_rest(server) == []
    assert not caplog.records


async def test_item_that_outgrows_the_limit_while_a_large_error_leaves_is_dropped() -> None:
    async def convert(ticks: Any) -> AsyncGenerator[Any]:
        if ticks is not None:
            raise DESK.errors.UnknownSymbol(symbol="x" * 1_000_000)
        yield

    link = Link(capacity=1000)
    server = desk_server(limits=avrpc.Limits(max_message_bytes=20_000), convert=convert)
    async with open_raw_client(server, link=link) as client:
        await client.send(frame(Kind.CALL, 1, NUMBERS["convert"]))
        await wait_all_tasks_blocked()
        for start in (b"\0\1", b""):
            await client.send(frame(Kind.ITEMS, 1, start, bytes(15_000), flags=MORE))
        kinds = [await client.receive()]
        while kinds[-1][0] != Kind.STATUS:
            kinds.append(await client.receive())
        assert {kind for kind, _, _ in kinds[:-1]} == {Kind.ERROR}
        assert kinds[-1][1] == STARTED
        await wait_all_tasks_blocked()
        assert at_rest(server) == []


async def test_items_that_do_not_fit_end_the_call_as_invalid(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = desk_server()
    async with open_raw_client(server) as client:
        items = frame(Kind.ITEMS, 1, b"\0\1", b"\x7f")
        await client.send(frame(Kind.CALL, 1, NUMBERS["push"]), items)
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, STARTED, StatusCode.INVALID_VALUE << 1)
    assert not caplog.records


@pytest.mark.parametrize("left", [0, -1, -(2**63)])
async def test_call_with_no_time_left_is_not_run(left: int) -> None:
    server = desk_server()
    async with open_raw_client(server) as client:
        call = frame(Kind.CALL, 1, NUMBERS["last"], left, "EURUSD", 1, flags=DEADLINE)
        await client.send(call)
        kind, flags, body = await client.receive()
        assert (kind, flags, body[1]) == (Kind.STATUS, 0, StatusCode.DEADLINE_EXCEEDED << 1)


async def test_call_with_all_the_time_that_can_be_told_is_run() -> None:
    async with open_raw_client(desk_server()) as client:
        call = frame(Kind.CALL, 1, NUMBERS["last"], 2**63 - 1, "EURUSD", 1, flags=DEADLINE)
        await client.send(call)
        kind, _, _ = await client.receive()
        assert kind == Kind.RESULT


async def test_handler_waits_for_credit_and_ends_quietly_when_it_is_broken_off(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        with trio.CancelScope(shield=True):
            for _ in range(count):
                yield bytes(size)

    server = desk_server(pull=pull)
    async with open_pair(server, DESK) as client:
        async with client.pull(100, 10_000) as blobs:
            assert len([one async for one in blobs]) == 100
        async with client.pull(100, 10_000) as blobs:
            await blobs.receive()
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
    assert not caplog.records


@pytest.mark.parametrize("way", ["cancel", "lose"])
@pytest.mark.parametrize("items", [0, 100])
async def test_shielded_receive_raises_broken_resource_when_the_caller_is_gone(
    way: str, items: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not wait, and what had come is dropped."""
    note = Note()

    async def push(blobs: Any) -> Any:
        with trio.CancelScope(shield=True):
            if items:
                await blobs.receive()
                await trio.sleep(10)
            for _ in range(2):
                try:
                    await blobs.receive()
                except trio.BrokenResourceError:
                    note("broken")
            await blobs.receive()  # let through

    link = Link()
    server = desk_server(push=push)
    async with open_pair(server, DESK, link=link) as client:
        call = client.push()
        await call.__aenter__()
        for _ in range(items):
            await call.send(b"x")
        await wait_all_tasks_blocked()
        if way == "cancel":
            await call.aclose()
        else:
            link.cut()
        await trio.sleep(20)
        assert note.lines == ["broken", "broken"]
        assert at_rest(server) == []
    assert not caplog.records


async def test_item_and_answer_of_a_generator_that_are_too_large_are_told_to_both(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = avrpc.Limits(max_message_bytes=20_000)
    async with open_desk(client_limits=limits) as client:
        with pytest.raises(avrpc.LimitExceeded):
            async with client.pull(1, 20_001) as blobs:
                await blobs.receive()
    assert "20000" in caplog.text


# Plain functions, in threads. Without the autojump clock, which takes a thread for idleness.


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110  # nobody would set an event
            await trio.sleep(0.001)


async def test_plain_handlers_run_in_threads_and_know_their_call() -> None:
    here = threading.get_ident()

    def quote(tick: dict[str, Any]) -> str:
        assert threading.get_ident() != here
        call = avrpc.current_call()
        return f"{call.message.name} {call.metadata['user'].decode()}"

    async with open_desk(quote=quote) as client:
        assert await client.quote.using(metadata={"user": "ann"})(tick()) == "quote ann"


async def test_one_way_message_may_have_a_plain_handler() -> None:
    texts: list[str] = []
    async with open_desk(note=lambda text: texts.append(text)) as client:  # noqa: PLW0108
        await client.note("hello")
    assert texts == ["hello"]


async def test_plain_handler_may_call_back_into_the_loop() -> None:
    def quote(tick: dict[str, Any]) -> str:
        trio.from_thread.run(trio.sleep, 0)
        return trio.from_thread.run_sync(lambda: avrpc.current_call().message.name)

    async with open_desk(quote=quote) as client:
        assert await client.quote(tick()) == "quote"


async def test_at_the_deadline_a_thread_is_abandoned_and_counts_until_it_returns() -> None:
    go = threading.Event()

    def quote(tick: dict[str, Any]) -> str:
        go.wait(10)
        return "too late"

    server = desk_server(limits=avrpc.Limits(max_calls=1), quote=quote)
    async with open_pair(server, DESK) as client:
        with pytest.raises(avrpc.DeadlineExceeded) as caught:
            await client.quote.using(timeout=0.05)(tick())
        assert caught.value.maybe_executed
        assert await client.last("EURUSD") == tick()  # the one slot is free
        assert server.running == 1
        assert server.thread_limiter.borrowed_tokens == 1
        go.set()
        await until(lambda: server.running == 0)
        assert server.thread_limiter.borrowed_tokens == 0
        assert at_rest(client, server) == []


async def test_call_that_ends_while_it_waits_for_a_thread_counts_no_more() -> None:
    go = threading.Event()
    ran: list[str] = []

    def quote(tick: dict[str, Any]) -> str:
        ran.append(tick["symbol"])
        go.wait(10)
        return "done"

    server = desk_server(threads=1, quote=quote)
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.quote, tick("first"))
        await until(lambda: ran == ["first"])
        for _ in range(3):
            with trio.move_on_after(0.02) as scope:
                await client.quote(tick("second"))
            assert scope.cancelled_caught
        await until(lambda: server.running == 1)
        go.set()
    await until(lambda: server.running == 0)
    assert ran == ["first"]


async def test_threads_beyond_the_limit_wait() -> None:
    running = 0
    most = 0
    lock = threading.Lock()

    def quote(tick: dict[str, Any]) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.005)
        with lock:
            running -= 1
        return ""

    server = desk_server(threads=2, quote=quote)
    async with open_pair(server, DESK) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(client.quote, tick())
        assert server.running == 0
    assert most == 2


async def test_connection_that_is_lost_abandons_the_threads_of_its_calls() -> None:
    go = threading.Event()

    def quote(tick: dict[str, Any]) -> str:
        go.wait(10)
        return "nobody listens"

    link = Link()
    server = desk_server(quote=quote)

    async def call(client: Client) -> None:
        with pytest.raises(avrpc.ConnectionLost):
            await client.quote(tick())

    with trio.fail_after(5):
        async with open_pair(server, DESK, link=link) as client, trio.open_nursery() as nursery:
            nursery.start_soon(call, client)
            await until(lambda: server.running == 1)
            link.cut()
        assert server.running == 1
        go.set()
        await until(lambda: server.running == 0)


@pytest.mark.parametrize(
    ("asked", "error"),
    [(None, avrpc.LimitExceeded), (100, avrpc.LimitExceeded), (5, avrpc.DeadlineExceeded)],
)
async def test_handler_has_the_servers_longest_time_at_most(
    asked: float | None, error: type[avrpc.AvrpcError], autojump_clock: MockClock
) -> None:
    seen: list[float] = []

    async def last(symbol: str, depth: int) -> Any:
        seen.append(current_call().deadline - trio.current_time())
        await trio.sleep_forever()

    async with open_desk(limits=avrpc.Limits(max_call_time=10), last=last) as client:
        with pytest.raises(error) as raised:
            await client.last.using(timeout=asked)("EURUSD")
        assert raised.value.maybe_executed
        assert trio.current_time() == min(asked or 10, 10)
        assert seen == [min(asked or 10, 10)]


# What an `authorize` hook says of it.


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (None, avrpc.PermissionDenied, "last: not allowed"),
        (ValueError("secret"), avrpc.PermissionDenied, "last: not allowed"),
        (avrpc.Unauthenticated("secret"), avrpc.Unauthenticated, "last: not authenticated"),
    ],
)
async def test_call_that_is_not_allowed_has_not_run(
    error: Exception | None, kind: type[avrpc.AvrpcError], text: str
) -> None:
    def authorize(call: avrpc.CallInfo) -> bool:
        if error is not None:
            raise error
        return False

    async def last(symbol: str, depth: int) -> Any:
        pytest.fail("it ran")

    async with open_pair(desk_server(last=last, authorize=authorize), DESK) as client:
        with pytest.raises(kind) as caught:
            await client.last("EURUSD")
        assert type(caught.value) is kind
        assert (str(caught.value), caught.value.maybe_executed) == (text, False)


async def test_call_whose_time_runs_out_behind_the_hooks_shield_has_not_run(
    autojump_clock: MockClock,
) -> None:
    async def authorize(call: avrpc.CallInfo) -> bool:
        with trio.CancelScope(shield=True):
            await trio.sleep(5)
        return True

    async def last(symbol: str, depth: int) -> Any:
        pytest.fail("it ran")

    server = desk_server(last=last, authorize=authorize)
    async with open_pair(server, DESK) as client, trio.open_nursery() as nursery:
        with pytest.raises(trio.TooSlowError):
            with trio.fail_after(2):
                await client.last("EURUSD")
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await client._session.wait_idle()
            await trio.sleep(10)
        assert at_rest(server) == []
