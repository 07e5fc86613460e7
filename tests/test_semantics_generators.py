"""Handlers that are async generators: a `yield` means ``await send(item)`` at that place.

Elsewhere, cancel scopes and nurseries around a `yield` are unsound (PEP 789): the scope is entered
and left while other code runs in between. Here each of that page's cases has a test that it works.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.client import Client
from avrpc.testing import Link, open_pair
from tests.desk import DESK, Note, at_rest, desk_server, tick

BLOB = bytes(10_000)
FULL = 27  # so many of them are more than a window: the next send waits


@asynccontextmanager
async def serving(*, link: Link | None = None, **handlers: Any) -> AsyncIterator[Client]:
    """A client of these handlers; after it, nothing is left, and nothing was left to the GC."""
    server = desk_server(**handlers)
    async with open_pair(server, DESK, link=link) as client:
        await wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        yield client
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []
        # A worker may stay, parked, for the next call.
        assert trio.lowlevel.current_statistics().tasks_living <= tasks + 1
        assert await client.quote(tick()) == "EURUSD 1.25 1"
    gc.collect()  # a generator that was not closed would warn here, and warnings are errors


# A timeout around a yield ...


async def test_timeout_around_a_yield_whose_reader_is_slow_cancels_the_yield(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        sent = 0
        with trio.move_on_after(3) as scope:
            for _ in range(1000):
                yield BLOB
                sent += 1
        assert scope.cancelled_caught
        note(f"{sent} in {trio.current_time():.0f} s")
        await trio.sleep(1)  # no cancel has leaked
        yield b"the end"

    async with serving(pull=pull) as client, client.pull(0) as blobs:
        await note.wait_for(f"{FULL} in 3 s")
        got = [one async for one in blobs]
        assert got == [BLOB] * FULL + [b"the end"]


async def test_timeout_around_a_yield_that_does_not_wait_does_not_fire_later(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        with trio.move_on_after(3) as scope:
            yield b"one"
        assert not scope.cancelled_caught
        await trio.sleep(10)
        note(f"{scope.cancelled_caught}")
        yield b"two"

    async with serving(pull=pull) as client, client.pull(0) as blobs:
        assert [one async for one in blobs] == [b"one", b"two"]
    assert note.lines == ["False"]


async def test_timeout_runs_while_the_generator_works_between_yields(
    autojump_clock: MockClock,
) -> None:
    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        with trio.move_on_after(3):
            yield b"one"
            await trio.sleep(10)
            yield b"not this"
        yield b"two"

    async with serving(pull=pull) as client, client.pull(0) as blobs:
        assert [one async for one in blobs] == [b"one", b"two"]
        assert trio.current_time() == pytest.approx(3)


async def test_fail_after_around_a_yield_raises_in_the_generator(
    autojump_clock: MockClock,
) -> None:
    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        try:
            with trio.fail_after(3):
                while True:
                    yield BLOB
        except trio.TooSlowError:
            yield b"too slow"

    async with serving(pull=pull) as client, client.pull(0) as blobs:
        await trio.sleep(5)
        assert [one async for one in blobs] == [BLOB] * FULL + [b"too slow"]


# ... a nursery around it ...


async def test_child_that_fails_cancels_the_yield_and_its_declared_error_reaches_the_caller(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def fail() -> None:
        await trio.sleep(3)
        raise DESK.errors.UnknownSymbol(symbol="gone")

    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                while True:
                    yield tick(symbol * 1000)
        except* DESK.errors.UnknownSymbol:
            note(f"in the generator at {trio.current_time():.0f}")
            raise

    async with serving(watch=watch) as client:
        with pytest.raises(DESK.errors.UnknownSymbol) as caught:
            async with client.watch("EURUSD") as ticks:
                await note.wait_for("in the generator at 3")
                [one async for one in ticks]
        assert caught.value.fields["symbol"] == "gone"


async def test_child_that_fails_while_the_yield_does_not_wait_ends_the_nursery_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async def fail() -> None:
        raise DESK.errors.UnknownSymbol(symbol="gone")

    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        async with trio.open_nursery() as nursery:
            yield tick()
            nursery.start_soon(fail)
            await trio.sleep(1)
            yield tick()

    async with serving(watch=watch) as client:
        with pytest.raises(DESK.errors.UnknownSymbol):
            async with client.watch("EURUSD") as ticks:
                [one async for one in ticks]


async def test_children_feed_the_generator(autojump_clock: MockClock) -> None:
    """The common shape: tasks that produce, and a loop that yields what they made."""

    async def produce(channel: trio.MemorySendChannel[int], start: int) -> None:
        async with channel:
            for number in range(start, start + 5):
                await trio.sleep(1)
                await channel.send(number)

    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        send, receive = trio.open_memory_channel[int](0)
        async with trio.open_nursery() as nursery:
            async with send:
                for start in (0, 100):
                    nursery.start_soon(produce, send.clone(), start)
            async for number in receive:
                yield tick(size=number)

    async with serving(watch=watch) as client:
        async with client.watch("EURUSD") as ticks:
            got = [one["size"] async for one in ticks]
        assert sorted(got) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
        async with client.watch("EURUSD") as ticks:
            await ticks.receive()  # and leave it to cancel all of them


async def test_error_between_yields_inside_a_nursery_is_no_corrupted_stack(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            yield tick()
            raise KeyError("a secret")

    async with serving(watch=watch) as client:
        with pytest.raises(avrpc.InternalError) as caught:
            async with client.watch("EURUSD") as ticks:
                [one async for one in ticks]
        assert "secret" not in str(caught.value)
    assert "KeyError: 'a secret'" in caplog.text


# ... a cancel from the peer, and a reader that leaves early ...


@pytest.mark.parametrize("way", ["leave", "aclose", "cancel", "raise", "lose"])
async def test_reader_that_goes_away_cancels_the_generator_in_its_own_task(
    way: str, autojump_clock: MockClock
) -> None:
    note = Note()
    tasks = set()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        tasks.add(trio.lowlevel.current_task())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                try:
                    while True:
                        yield BLOB
                        tasks.add(trio.lowlevel.current_task())
                except BaseException as error:
                    note(type(error).__name__)
                    raise
                finally:
                    tasks.add(trio.lowlevel.current_task())
                    with trio.CancelScope(shield=True):
                        await trio.sleep(2)
        finally:
            tasks.add(trio.lowlevel.current_task())
            note("finally")

    link = Link()
    server = desk_server(pull=pull)
    async with open_pair(server, DESK, link=link) as client:
        with suppress(KeyError), trio.move_on_after(5):
            async with client.pull(0) as blobs:
                await blobs.receive()
                if way == "aclose":
                    await blobs.aclose()
                elif way == "lose":
                    link.cut()
                elif way == "raise":
                    raise KeyError("mine")
                elif way == "cancel":
                    await trio.sleep(100)
        await note.wait_for("finally")
        assert note.lines == ["Cancelled", "finally"]
        assert len(tasks) == 1
    gc.collect()


async def test_reader_that_leaves_before_the_first_item_cancels_too(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        try:
            await trio.sleep(1000)
            yield b"never"
        finally:
            note("finally")

    async with serving(pull=pull) as client:
        async with client.pull(0):
            await trio.sleep(1)
        await note.wait_for("finally")


async def test_call_that_is_cancelled_before_its_handler_began_does_not_run_it(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        note("ran")
        yield b"one"

    link = Link()
    async with serving(pull=pull, link=link) as client:
        link.to_server.hold()
        async with client.pull(0):
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        link.to_server.release()
        await wait_all_tasks_blocked()
    assert note.lines == []


# ... and generators that resist.


async def test_generator_that_catches_the_cancel_and_goes_on_yielding_gets_it_again(
    autojump_clock: MockClock,
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        for attempt in range(5):
            try:
                while True:
                    yield BLOB
            except trio.Cancelled:
                note(f"cancelled {attempt}")  # and is not raised again, which is a bug

    async with serving(pull=pull) as client:
        async with client.pull(0) as blobs:
            await blobs.receive()
        await wait_all_tasks_blocked()
        assert note.lines == [f"cancelled {attempt}" for attempt in range(5)]


@pytest.mark.parametrize("lost", [False, True])
async def test_shielded_yield_raises_broken_resource_when_the_reader_is_gone(
    lost: bool, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    note = Note()

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        with trio.CancelScope(shield=True):
            for attempt in range(3):
                try:
                    while True:
                        yield BLOB
                except trio.BrokenResourceError:
                    note(f"broken {attempt}")
            yield BLOB  # let through

    link = Link()
    server = desk_server(pull=pull)
    async with open_pair(server, DESK, link=link) as client:
        async with client.pull(0) as blobs:
            await blobs.receive()
            await trio.sleep(1)  # it waits for credit
            if lost:
                link.cut()
        await note.wait_for("broken 2")
        await wait_all_tasks_blocked()
        assert server.running == 0
    assert not caplog.records


async def test_shielded_generator_may_return_as_if_nothing_was(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        with trio.CancelScope(shield=True):
            try:
                while True:
                    yield BLOB
            except trio.BrokenResourceError:
                await trio.sleep(1)

    async with serving(pull=pull) as client:
        async with client.pull(0) as blobs:
            await blobs.receive()
        await trio.sleep(2)
    assert not caplog.records


async def test_error_in_a_finally_is_logged_and_ends_the_call_only(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield BLOB
        finally:
            raise KeyError("in the finally")

    async with serving(pull=pull) as client:
        async with client.pull(0) as blobs:
            await blobs.receive()
        await wait_all_tasks_blocked()
    assert [one.levelno for one in caplog.records] == [logging.ERROR]
    assert "in the finally" in caplog.text


async def test_error_in_a_finally_after_the_last_item_reaches_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        try:
            yield tick()
        finally:
            raise DESK.errors.UnknownSymbol(symbol="finally")

    async with serving(watch=watch) as client:
        with pytest.raises(DESK.errors.UnknownSymbol, match="finally"):
            async with client.watch("EURUSD") as ticks:
                assert await ticks.receive() == tick()
                await ticks.receive()
    assert not caplog.records


async def test_item_that_does_not_fit_raises_at_the_yield() -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        try:
            yield {"symbol": symbol}
        except avrpc.InvalidValue as error:
            yield tick(str(error))

    async with serving(watch=watch) as client, client.watch("EURUSD") as ticks:
        got = [one["symbol"] async for one in ticks]
    assert len(got) == 1
    assert got[0].startswith("Tick")


async def test_item_that_does_not_fit_and_is_not_caught_is_a_failure_of_the_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        yield tick()
        yield 5

    async with serving(watch=watch) as client:
        with pytest.raises(avrpc.InternalError):
            async with client.watch("EURUSD") as ticks:
                assert await ticks.receive() == tick()
                await ticks.receive()
    assert "expected" in caplog.text


async def test_item_larger_than_the_caller_takes_is_told_to_both(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = desk_server()
    limits = avrpc.Limits(max_message_bytes=20_000)
    async with open_pair(server, DESK, limits=limits) as client:
        with pytest.raises(avrpc.LimitExceeded, match="20000") as caught:
            async with client.pull(3, 20_001) as blobs:
                await blobs.receive()
        assert caught.value.maybe_executed
    assert "20000" in caplog.text


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
async def test_exceptions_with_a_meaning_for_generators_have_none_here(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        yield tick()
        raise error

    async with serving(watch=watch) as client:
        with pytest.raises(avrpc.InternalError):
            async with client.watch("EURUSD") as ticks:
                assert await ticks.receive() == tick()
                await ticks.receive()
    assert len(caplog.records) == 1


# What is around the generator.


async def test_generator_within_a_generator_is_closed_in_time(autojump_clock: MockClock) -> None:
    note = Note()

    async def inner() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield BLOB
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            note("inner")

    async def pull(count: int, size: int) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(inner()) as blobs:
                async for one in blobs:
                    yield one
        finally:
            note("outer")

    async with serving(pull=pull) as client:
        async with client.pull(0) as blobs:
            await blobs.receive()
        await note.wait_for("outer")
        await wait_all_tasks_blocked()
    assert note.lines == ["inner", "outer"]


async def test_context_variables_last_for_the_call_and_no_longer() -> None:
    variable = ContextVar("variable", default="untouched")
    seen: list[str] = []

    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        seen.append(variable.get())
        variable.set(symbol)
        for _ in range(count):
            assert avrpc.current_call().message.name == "watch"
            yield tick(variable.get())

    async def last(symbol: str, depth: int) -> Any:
        seen.append(variable.get())
        variable.set(symbol)
        await trio.lowlevel.checkpoint()
        return tick(variable.get())

    async with serving(watch=watch, last=last) as client:
        for name in ("first", "second"):
            async with client.watch(name) as ticks:
                assert [one["symbol"] async for one in ticks] == [name] * 3
            assert (await client.last(name))["symbol"] == name
    assert seen == ["untouched"] * 4


async def test_scope_that_a_generator_leaves_open_ends_with_its_call(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A scope that is entered and never left would cancel whatever the task does next."""
    kept: list[trio.CancelScope] = []

    async def last(symbol: str, depth: int) -> Any:
        scope = trio.CancelScope()
        kept.append(scope)
        scope.__enter__()
        return tick()

    server = desk_server(last=last)
    async with open_pair(server, DESK) as client:
        for _ in range(3):
            with suppress(avrpc.InternalError):
                await client.last("EURUSD")
            for scope in kept:
                scope.cancel()
            assert await client.load(b"next") == b"next"
        await wait_all_tasks_blocked()
        assert at_rest(client, server) == []


async def test_tasks_of_a_handler_know_its_call() -> None:
    names: list[str] = []

    async def note_name() -> None:
        names.append(avrpc.current_call().message.name)

    async def watch(symbol: str, count: int) -> AsyncGenerator[Any]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note_name)
            yield tick()

    async with serving(watch=watch) as client, client.watch("EURUSD") as ticks:
        assert len([one async for one in ticks]) == 1
    assert names == ["watch"]
    with pytest.raises(RuntimeError, match="in a handler only"):
        avrpc.current_call()


async def test_generator_of_both_ways_may_read_in_another_task(autojump_clock: MockClock) -> None:
    async def convert(ticks: Any) -> AsyncGenerator[Any]:
        latest: list[Any] = []

        async def read() -> None:
            latest.extend([one async for one in ticks])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(1)
            for one in latest:
                yield one

    async with serving(convert=convert) as client, client.convert() as call:
        for number in range(3):
            await call.send(tick(size=number))
        await call.send_eof()
        assert [one["size"] async for one in call] == [0, 1, 2]
