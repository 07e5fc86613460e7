from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from avrpc.conformance.kit import Kit, Opener
from avrpc.conformance.registry import Case, Test
from avrpc.conformance.runner import Ending, Verdict, run_case
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.testing import Link

PATIENCE = 2.0


def connecting(nursery: trio.Nursery) -> Opener:
    server = ConformanceServer()

    async def opener() -> trio.abc.Stream:
        link = Link()
        nursery.start_soon(server.serve_stream, link.server)
        return link.client

    return opener


async def ending_of(test: Test) -> Ending:
    async with trio.open_nursery() as nursery:
        one = Case("one", "unary", "1", "One.", test)
        ending = await run_case(one, connecting(nursery), PATIENCE)
        nursery.cancel_scope.cancel()
    return ending


async def test_case_that_returns_has_passed(autojump_clock: MockClock) -> None:
    async def test(kit: Kit) -> None:
        await (await kit.connect()).call("empty")
        await trio.sleep(1)

    ending = await ending_of(test)
    assert (ending.verdict, ending.expected, ending.came) == (Verdict.PASSED, "", "")
    assert ending.seconds == pytest.approx(1)
    assert ending.trace == []


async def test_case_that_fails_tells_what_travelled(autojump_clock: MockClock) -> None:
    async def test(kit: Kit) -> None:
        await (await kit.connect()).call("empty")
        raise Failed("this", "that")

    ending = await ending_of(test)
    assert (ending.verdict, ending.expected, ending.came) == (Verdict.FAILED, "this", "that")
    assert ending.trace[-1] == "server: RESULT, call 1: 1 byte: 02"


async def test_case_may_be_skipped(autojump_clock: MockClock) -> None:
    async def test(kit: Kit) -> None:
        raise Skipped("not here")

    ending = await ending_of(test)
    assert (ending.verdict, ending.came) == (Verdict.SKIPPED, "not here")


async def test_case_that_goes_on_for_ever_fails(autojump_clock: MockClock) -> None:
    async def test(kit: Kit) -> None:
        await trio.sleep_forever()

    ending = await ending_of(test)
    assert (ending.verdict, ending.seconds) == (Verdict.FAILED, 4 * PATIENCE)
    assert ending.expected == "an end within 8 s"


async def test_case_that_stumbles_fails_with_the_error(autojump_clock: MockClock) -> None:
    async def test(kit: Kit) -> None:
        raise KeyError("what")

    ending = await ending_of(test)
    assert (ending.verdict, ending.came) == (Verdict.FAILED, "KeyError: 'what'")


async def test_case_that_leaves_a_broken_connection_fails(autojump_clock: MockClock) -> None:
    async def test(kit: Kit) -> None:
        line = await kit.connect()
        await line.channel.send(b"\xff\xff\xff\xff")

    ending = await ending_of(test)
    assert ending.verdict is Verdict.FAILED
    assert "FRAME_SIZE_ERROR" in ending.came
