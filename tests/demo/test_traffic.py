"""Counting what travels."""

from datetime import UTC, datetime

import trio
from trio.testing import MockClock, memory_stream_pair

from avrpc.demo.traffic import CountingStream, Ledger, Row


async def test_stream_counts_what_passes_and_changes_nothing() -> None:
    near, far = memory_stream_pair()
    counting = CountingStream(near)
    await counting.wait_send_all_might_not_block()
    await counting.send_all(b"12345")
    await far.send_all(b"123")
    assert await far.receive_some() == b"12345"
    assert (await counting.receive_some(2), await counting.receive_some()) == (b"12", b"3")
    await counting.send_eof()
    assert await far.receive_some() == b""
    await far.aclose()
    assert await counting.receive_some() == b""
    assert (counting.sent, counting.received) == (5, 3)
    await counting.aclose()


async def test_wait_quiet_waits_until_nothing_has_passed_for_a_while(
    autojump_clock: MockClock,
) -> None:
    near, _ = memory_stream_pair()
    counting = CountingStream(near)

    async def send() -> None:
        for _ in range(3):
            await trio.sleep(0.7)
            await counting.send_all(b"x")

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await counting.wait_quiet(1)
    assert counting.sent == 3
    assert 2.1 + 1 <= trio.current_time() - start <= 2.1 + 2


async def test_ledger_books_bytes_under_the_step_in_which_they_travelled() -> None:
    near, far = memory_stream_pair()
    counting = CountingStream(near)
    ledger = Ledger(counting)
    await counting.send_all(b"12345")
    ledger.book("first", up=["abc"])
    await far.send_all(b"123")
    await counting.receive_some()
    ledger.book("second", down=[1, {"at": datetime.fromtimestamp(1.5, UTC)}])
    first = Row("first", 1, 5, 0, 0, len('"abc"\n'))
    second = Row("second", 0, 0, 2, 3, len('1\n{"at":1500}\n'))
    assert ledger.rows == [first, second]
    assert ledger.total() == Row("all", 1, 5, 2, 3, first.json_bytes + second.json_bytes)


def test_row_shares_its_bytes_among_its_values() -> None:
    row = Row("step", 3, 10, 1, 30, 100)
    assert (row.bytes_per_value, row.json_per_value) == (10, 25)


def test_row_without_values_has_no_share() -> None:
    row = Row("step", 0, 10, 0, 30, 0)
    assert (row.bytes_per_value, row.json_per_value) == (None, None)
