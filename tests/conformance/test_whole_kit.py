"""All cases in a row: over sockets, with low limits, and against another implementation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

import avrpc
import avrpc.conformance.cases
from avrpc.conformance.dial import opener_of
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import NOTHING, Known, Opener
from avrpc.conformance.other_texts import version
from avrpc.conformance.registry import chosen
from avrpc.conformance.runner import Ending, Verdict, run_case
from avrpc.conformance.service import Keys, Service
from avrpc.conformance.serving import ConformanceServer, server_that_is
from avrpc.testing import Link
from tests.conformance.peer import ConformancePeer

PATIENCE = 5.0


async def run_all(opener: Opener, known: Known = NOTHING) -> dict[str, Ending]:
    """Run all cases; none fails. Gives how they ended, by name."""
    endings = {one.name: await run_case(one, opener, PATIENCE, known) for one in chosen([])}
    failed = [ending for ending in endings.values() if ending.verdict is Verdict.FAILED]
    assert failed == []
    return endings


def skipped(endings: dict[str, Ending]) -> set[str]:
    return {name for name in endings if endings[name].verdict is Verdict.SKIPPED}


async def test_avrpcs_server_passes_over_sockets() -> None:
    """As a user serves; it can't drain one connection alone, so its text has no `drain`."""
    without = version(lambda tree: tree["messages"].pop("drain"))
    service = Service(Keys(), lambda: None, without)
    server = avrpc.Server({without: service}, compression="auto")
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        endings = await run_all(opener_of(address))
        nursery.cancel_scope.cancel()
    drains = {name for name in endings if name.startswith("drain_")}
    assert skipped(endings) == drains | UNTOLD


# What is tried only where the kit is told of the server.
UNTOLD = {one.name for one in chosen(["credentials", "timers"])}


async def test_server_that_asks_and_watches_the_clock_passes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    known = Known(credentials=b"secret", handshake_seconds=10, silence_seconds=50)
    server = ConformanceServer(server_that_is(known))
    async with trio.open_nursery() as nursery:

        async def opener() -> trio.abc.Stream:
            link = Link()
            nursery.start_soon(server.serve_stream, link.server)
            return link.client

        endings = await run_all(opener, known)
        nursery.cancel_scope.cancel()
    assert skipped(endings) == set()


LOW = {
    "low": avrpc.Limits(
        max_frame_bytes=16_384,
        max_message_bytes=16_384,
        window_bytes=1_024,
        max_calls=8,
        max_streamed_calls=4,
        max_values_in_pieces=2,
        max_metadata_bytes=1_024,
    ),
    "lowest": avrpc.Limits(
        max_frame_bytes=16_384,
        max_message_bytes=16_384,
        window_bytes=1_024,
        max_calls=1,
        max_streamed_calls=0,
        max_values_in_pieces=1,
        max_metadata_bytes=0,
    ),
}


@pytest.mark.parametrize(("name", "most_skipped"), [("low", 7), ("lowest", 84)])
async def test_server_with_low_limits_fails_no_case(
    name: str, most_skipped: int, autojump_clock: trio.testing.MockClock
) -> None:
    server = ConformanceServer(
        lambda it: avrpc.Server({Conformance: it}, limits=LOW[name], compression="auto")
    )
    async with trio.open_nursery() as nursery:

        async def opener() -> trio.abc.Stream:
            link = Link()
            nursery.start_soon(server.serve_stream, link.server)
            return link.client

        endings = await run_all(opener)
        nursery.cancel_scope.cancel()
    assert 0 < len(skipped(endings) - UNTOLD) <= most_skipped


@pytest.fixture
def peer() -> Iterator[ConformancePeer]:
    server = ConformancePeer(timeout=PATIENCE, features=["snappy"])
    yield server
    server.close()


async def test_second_implementation_passes(peer: ConformancePeer) -> None:
    """It takes no text but its own, so what it skips are the other versions."""
    host, port = peer.address
    endings = await run_all(opener_of(f"tcp://{host}:{port}"))
    untried = skipped(endings) - UNTOLD
    without_zstd = {name for name in untried if endings[name].case.group == "compression"}
    reasons = {endings[name].came for name in without_zstd}
    assert reasons == {"the server does not offer zstd"}
    untried -= without_zstd
    assert {name for name in untried if endings[name].case.group != "versions"} == {
        "text_with_an_array_of_null",  # valid Avro, which it is content with
        "text_with_an_endless_record",
    }
    assert {endings[name].came for name in untried} == {"the server takes no text but its own"}
