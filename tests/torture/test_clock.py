"""Time that passes only while trio waits."""

import time
from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.torture.clock import WaitingClock


def run(main: Callable[[], Awaitable[None]]) -> None:
    clock = WaitingClock()
    trio.run(main, clock=clock, instruments=[clock])


def test_time_passes_while_waiting_and_ends_where_the_deadline_is() -> None:
    async def main() -> None:
        begin = trio.current_time()
        await trio.sleep(0.01)
        with trio.move_on_after(0.02):
            await trio.sleep_forever()
        assert trio.current_time() - begin == pytest.approx(0.03)

    run(main)


def test_no_time_passes_while_the_program_works() -> None:
    async def main() -> None:
        begin = trio.current_time()
        with trio.fail_after(0.001):
            time.sleep(0.01)  # noqa: ASYNC251 - it stands for work
            await trio.lowlevel.checkpoint()
        assert trio.current_time() == begin

    run(main)


def test_who_waits_while_another_works_is_not_late() -> None:
    async def work() -> None:
        await trio.sleep(0.01)
        time.sleep(0.05)  # noqa: ASYNC251 - it stands for work

    async def main() -> None:
        begin = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await trio.sleep(0.02)
            assert trio.current_time() - begin == pytest.approx(0.02)

    run(main)
