"""Each fault does what it is called, to two ends that hold nothing against it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.torture.clock import WaitingClock
from tests.torture.proxy import GENTLE, Fault, Proxy, Script, Way

DATA = bytes(range(256)) * 20
STRIKES = [fault for fault in Fault if fault not in GENTLE]


@pytest.fixture
def clock() -> WaitingClock:
    return WaitingClock()


@dataclass
class End:
    """What one end has received, and how that ended: "", "end" or "reset"."""

    stream: trio.SocketStream
    chunks: list[bytes] = field(default_factory=list)
    ended: str = ""

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)

    async def listen(self) -> None:
        try:
            while data := await self.stream.receive_some():
                self.chunks.append(bytes(data))
            self.ended = "end"
        except trio.BrokenResourceError:
            self.ended = "reset"
        except trio.ClosedResourceError:
            self.ended = "closed here"


@asynccontextmanager
async def ends(script: Script) -> AsyncIterator[tuple[Proxy, dict[Way, End]]]:
    """The two ends, by the way that their bytes go."""
    proxy = Proxy(script)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = await nursery.start(proxy.run, listener.socket.getsockname()[1])
        client = await trio.open_tcp_stream("127.0.0.1", port)
        async with listener, client, await listener.accept() as server:
            both = {Way.UP: End(client), Way.DOWN: End(server)}
            for end in both.values():
                nursery.start_soon(end.listen)
            yield proxy, both
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - it may be anything
            await trio.sleep(0.001)


async def give(both: dict[Way, End], way: Way, *parts: bytes) -> None:
    """Send parts, each when nothing of the last one is to be seen any more."""
    for part in parts:
        await both[way].stream.send_all(part)
        await wait_all_tasks_blocked(0.01)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize(
    "script",
    [
        Script(fault=Fault.DELAY, seconds=0.01),
        Script(fault=Fault.CHOP, at=100, span=500),
        Script(fault=Fault.NARROW, rate=100_000),
        Script(fault=Fault.SLOW_ACCEPT, seconds=0.01),
        *(Script(fault=fault, at=len(DATA) + 1) for fault in STRIKES),
    ],
    ids=lambda script: script.fault,
)
async def test_all_bytes_and_their_end_arrive_where_no_fault_strikes(
    way: Way, script: Script, clock: WaitingClock
) -> None:
    async with ends(script) as (proxy, both):
        await both[way].stream.send_all(DATA)
        await both[way].stream.send_eof()
        await until(lambda: both[way.other].ended == "end")
        assert both[way.other].received == DATA
        assert proxy.carried == {way: len(DATA), way.other: 0}
        assert proxy.struck is (script.fault in GENTLE)
        await both[way.other].stream.send_eof()
        await until(lambda: both[way].ended == "end")


async def test_chopped_bytes_come_a_few_at_a_time(clock: WaitingClock) -> None:
    async with ends(Script(fault=Fault.CHOP, at=100, span=500)) as (_, both):
        await both[Way.UP].stream.send_all(DATA)
        await until(lambda: both[Way.DOWN].received == DATA)
        sizes = [len(chunk) for chunk in both[Way.DOWN].chunks]
        assert sum(size <= 7 for size in sizes) > 50


@pytest.mark.parametrize(
    ("script", "least", "most"),
    [
        (Script(fault=Fault.DELAY, seconds=0.1, chunks=1), 0.001, 0.1),
        (Script(fault=Fault.NARROW, rate=len(DATA) / 0.1), 0.09, 0.1),
        (Script(fault=Fault.SLOW_ACCEPT, seconds=0.1), 0.1, 0.1),
    ],
)
async def test_slow_proxy_is_as_slow_as_its_script_says(
    script: Script, least: float, most: float, clock: WaitingClock
) -> None:
    begin = trio.current_time()
    async with ends(script) as (_, both):
        await both[Way.UP].stream.send_all(DATA)
        await until(lambda: both[Way.DOWN].received == DATA)
        assert least <= trio.current_time() - begin <= most + 0.05


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize(("fault", "ended"), [(Fault.DROP, "end"), (Fault.RESET, "reset")])
async def test_connection_ends_for_both_after_so_many_bytes_one_way(
    fault: Fault, ended: str, way: Way, clock: WaitingClock
) -> None:
    async with ends(Script(fault=fault, way=way, at=10)) as (proxy, both):
        await give(both, way.other, DATA)
        assert {end.ended for end in both.values()} == {""}
        await give(both, way, b"12345", b"67890")
        await until(lambda: both[way].ended == both[way.other].ended == ended)
        assert proxy.struck
        # A reset takes along what the end had not read, as real ones do.
        assert b"1234567890".startswith(both[way.other].received)


@pytest.mark.parametrize("way", Way)
async def test_half_closed_way_loses_what_follows_and_the_other_goes_on(
    way: Way, clock: WaitingClock
) -> None:
    async with ends(Script(fault=Fault.HALF_CLOSE, way=way, at=10)) as (_, both):
        await give(both, way, b"1234567", b"890more", DATA)
        await until(lambda: both[way.other].ended == "end")
        assert both[way.other].received == b"1234567890"
        await both[way.other].stream.send_all(DATA)
        await both[way.other].stream.aclose()
        await until(lambda: both[way].ended == "end")
        assert both[way].received == DATA


@pytest.mark.parametrize("stalls", [False, True])
@pytest.mark.parametrize(
    ("fault", "way"), [(Fault.BLACKHOLE_UP, Way.UP), (Fault.BLACKHOLE_DOWN, Way.DOWN)]
)
async def test_blackhole_hands_on_nothing_not_even_that_its_sender_is_gone(
    fault: Fault, way: Way, stalls: bool, clock: WaitingClock
) -> None:
    async with ends(Script(fault=fault, way=way, at=10, stalls=stalls)) as (_, both):
        await give(both, way, b"1234567890more", b"lost")
        await both[way.other].stream.send_all(DATA)
        await until(lambda: both[way].received == DATA)
        with trio.move_on_after(0.1 if stalls else 5) as stalled:
            await both[way].stream.send_all(bytes(10_000_000))
        assert stalled.cancelled_caught is stalls
        await both[way].stream.aclose()
        await give(both, way.other, DATA, DATA)
        assert both[way.other].received == b"1234567890"
        assert both[way.other].ended == ""


async def test_same_seed_draws_the_same(clock: WaitingClock) -> None:
    times = []
    for seed in (1, 1, 2):
        begin = trio.current_time()
        async with ends(Script(fault=Fault.DELAY, seconds=0.1, chunks=1, seed=seed)) as (_, both):
            await both[Way.UP].stream.send_all(DATA)
            await until(lambda: both[Way.DOWN].received == DATA)
        times.append(round(trio.current_time() - begin, 2))
    assert times[0] == pytest.approx(times[1], abs=0.01) != times[2]
