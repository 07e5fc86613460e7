"""The stream that tests of everything else stand on."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from avrpc.testing import Link


async def make_ends() -> tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]:
    link = Link()
    return link.client, link.server


async def make_clogged_ends() -> tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]:
    link = Link(capacity=100)
    with trio.move_on_after(1):
        await link.client.send_all(bytes(200))
    with trio.move_on_after(1):
        await link.server.send_all(bytes(200))
    return link.client, link.server


async def test_ends_behave_as_trio_asks_of_half_closeable_streams(
    autojump_clock: trio.testing.MockClock,
) -> None:
    await trio.testing.check_half_closeable_stream(make_ends, make_clogged_ends)


@pytest.mark.parametrize("capacity", [None, 1, 1000])
async def test_bytes_arrive_as_sent_whatever_the_capacity(capacity: int | None) -> None:
    link = Link(capacity=capacity)
    data = random.Random(1).randbytes(5000)
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.client.send_all, data)
        while len(received) < len(data):
            received += await link.server.receive_some(700)
    assert received == data
    assert link.to_server.sent == link.to_server.delivered == 5000
    assert link.to_server.under_way == link.to_client.sent == 0


async def test_send_waits_while_as_much_is_under_way_as_the_capacity(
    autojump_clock: trio.testing.MockClock,
) -> None:
    link = Link(capacity=10)
    with trio.move_on_after(1) as scope:
        await link.client.send_all(bytes(11))
    assert scope.cancelled_caught
    assert link.to_server.under_way == 10
    assert len(await link.server.receive_some()) == 10
    await link.client.send_all(bytes(10))


async def test_chunk_bounds_each_receive() -> None:
    link = Link(chunk=lambda: 3)
    await link.client.send_all(b"abcdefg")
    assert [await link.server.receive_some() for _ in range(3)] == [b"abc", b"def", b"g"]


async def test_record_keeps_all_bytes_of_each_direction() -> None:
    link = Link(record=True)
    await link.client.send_all(b"ab")
    await link.client.send_all(b"cd")
    await link.server.send_all(b"x")
    assert bytes(link.to_server.record) == b"abcd"
    assert bytes(link.to_client.record) == b"x"
    assert not Link().to_client.record


async def test_held_bytes_arrive_when_released_and_no_more_of_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    link = Link()
    link.to_server.hold()
    await link.client.send_all(b"abcdef")
    with trio.move_on_after(1) as scope:
        await link.server.receive_some()
    assert scope.cancelled_caught
    link.to_server.release(2)
    assert await link.server.receive_some() == b"ab"
    with trio.move_on_after(1) as scope:
        await link.server.receive_some()
    assert scope.cancelled_caught
    link.to_server.release()
    assert await link.server.receive_some() == b"cdef"


async def test_the_end_of_a_held_direction_is_held_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    link = Link()
    link.to_server.hold()
    await link.client.send_all(b"a")
    await link.client.send_eof()
    with trio.move_on_after(1) as scope:
        await link.server.receive_some()
    assert scope.cancelled_caught
    link.to_server.release()
    assert [await link.server.receive_some() for _ in range(2)] == [b"a", b""]


async def test_cut_breaks_both_ends_after_what_is_under_way_has_arrived() -> None:
    link = Link()
    await link.client.send_all(b"a")
    link.cut()
    assert await link.server.receive_some() == b"a"
    for end in (link.client, link.server):
        with pytest.raises(trio.BrokenResourceError):
            await end.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await end.send_all(b"b")
    link.cut(eof=True)  # too late to change that
    with pytest.raises(trio.BrokenResourceError):
        await link.client.receive_some()


async def test_cut_with_eof_ends_receiving_and_breaks_sending() -> None:
    link = Link()
    link.cut(eof=True)
    for end in (link.client, link.server):
        assert await end.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await end.send_all(b"b")


async def test_cut_loses_what_is_held_back() -> None:
    link = Link()
    link.to_server.hold()
    await link.client.send_all(b"abc")
    link.to_server.release(1)
    link.cut()
    assert await link.server.receive_some() == b"a"
    with pytest.raises(trio.BrokenResourceError):
        await link.server.receive_some()


async def test_cut_wakes_those_who_wait() -> None:
    link = Link(capacity=1)

    async def send() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await link.client.send_all(b"abc")

    async def receive() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await link.client.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        link.cut()


@pytest.mark.parametrize("eof", [False, True])
async def test_cut_after_lets_that_many_bytes_through(eof: bool) -> None:
    link = Link()
    link.to_server.cut_after(4, eof=eof)
    await link.client.send_all(b"abc")
    with pytest.raises(trio.BrokenResourceError):
        await link.client.send_all(b"def")
    assert await link.server.receive_some() == b"abcd"
    if eof:
        assert await link.server.receive_some() == b""
    else:
        with pytest.raises(trio.BrokenResourceError):
            await link.server.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await link.server.send_all(b"x")


async def test_cut_after_what_was_sent_already_cuts_at_once() -> None:
    link = Link()
    await link.client.send_all(b"abc")
    link.to_server.cut_after(2)
    with pytest.raises(trio.BrokenResourceError):
        await link.client.send_all(b"")


async def test_receiving_no_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        await Link().client.receive_some(0)
