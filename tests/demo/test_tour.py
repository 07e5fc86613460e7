"""The whole tour, at a server in the same process."""

import io
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import avrpc
from avrpc.demo import tour as module
from avrpc.demo.interface import Vitals
from avrpc.demo.machine import Device
from avrpc.demo.screen import PlainScreen
from avrpc.demo.service import VitalsService
from avrpc.demo.tour import INTERVAL, demo, open_stream, tour
from avrpc.demo.traffic import Ledger
from avrpc.testing import Link


def devices() -> dict[str, Device]:
    steps = count()
    made = (
        Device("cpu", "PERCENT", lambda: (50 + 40 * math.sin(next(steps)), 1.0), counts=False),
        Device("memory", "BYTES", lambda: (512, 1.0), counts=False, capacity=1024.0),
        Device("disk-read", "BYTES_PER_SECOND", lambda: None),
    )
    return {device.name: device for device in made}


async def take_tour(
    seconds: float, shown: dict[str, Device] | None = None, link: Link | None = None
) -> tuple[Ledger, str]:
    """The tour at a server with some devices: what was booked, and what was shown."""
    paper = io.StringIO()
    link = link or Link()
    server = avrpc.Server({Vitals: VitalsService(devices() if shown is None else shown)})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        ledger = await tour(PlainScreen(paper), link.client, seconds)
    return ledger, paper.getvalue()


async def test_tour_makes_a_call_of_each_kind_and_books_what_travelled(
    autojump_clock: MockClock,
) -> None:
    link = Link()
    ledger, text = await take_tour(2.0, link=link)
    steps = {row.step: row for row in ledger.rows}
    assert list(steps) == [
        "handshake",
        "unary",
        "one-way",
        "streamed response",
        "streamed request",
        "both ways",
        "declared error",
        "goodbye",
    ]
    watched = steps["streamed response"].values_down
    assert watched in {3 * round(2 / INTERVAL), 3 * (round(2 / INTERVAL) - 1)}  # the last, or not
    assert steps["streamed request"].values_up == 3 + watched
    assert steps["both ways"].values_up == 1 + watched / 3
    assert steps["both ways"].values_down == watched / 3
    total = ledger.total()
    assert (total.bytes_up, total.bytes_down) == (link.to_server.sent, link.to_client.sent)
    # A reading takes 16 bytes and a few of its frame, many together less; and JSON twice that.
    per_value = [steps[name].bytes_per_value or 0 for name in list(steps)[3:6]]
    assert all(10 < each < 26 for each in per_value), per_value
    for words in ("await vitals.now", "512 B", "50.0 %", "missing on this machine", "toaster"):
        assert words in text


async def test_tour_at_a_server_without_capacities_converts_what_there_is(
    autojump_clock: MockClock,
) -> None:
    ledger, text = await take_tour(1.0, {"cpu": devices()["cpu"]})
    assert "readings of cpu; the last" in text
    assert ledger.total().values_up > 0


async def test_tour_that_is_too_short_for_a_reading_says_so_and_goes_on(
    autojump_clock: MockClock,
) -> None:
    ledger, text = await take_tour(INTERVAL / 2)
    assert "0 readings on 3 streams" in text
    assert "missing" not in text
    assert ledger.rows[-1].step == "goodbye"


async def test_tour_whose_connection_is_lost_fails_with_that(autojump_clock: MockClock) -> None:
    link = Link()
    link.to_client.cut_after(2000)  # while it watches
    with pytest.raises(BaseExceptionGroup) as caught:
        await take_tour(60.0, link=link)
    lost, other = caught.value.split(avrpc.ConnectionLost)
    assert lost
    assert other is None


class FakeServer:
    """Takes the place of a process."""

    pid = 1234
    exit_code = 0
    address = "tcp://127.0.0.1:1"


async def fake_tour(screen: Any, connected: str, seconds: float) -> Ledger:
    screen.say(f"a tour of {seconds} s at {connected}")
    return Ledger(None)  # type: ignore[arg-type]  # nothing will be booked


@pytest.fixture
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stream(address: str) -> str:
        return address

    monkeypatch.setattr(module, "open_stream", stream)
    monkeypatch.setattr(module, "tour", fake_tour)


@pytest.mark.usefixtures("_no_sockets")
async def test_demo_starts_a_server_shows_the_tour_and_says_how_the_server_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = []

    @asynccontextmanager
    async def server_process() -> AsyncIterator[FakeServer]:
        yield FakeServer()
        ended.append(True)

    monkeypatch.setattr(module, "server_process", server_process)
    paper = io.StringIO()
    await demo(PlainScreen(paper), 3.0)
    assert ended
    lines = [line.strip() for line in paper.getvalue().splitlines() if line.strip()]
    assert lines[0].endswith("through avrpc")
    assert lines[2:6] == [
        "process 1234 at tcp://127.0.0.1:1",
        "a tour of 3.0 s at tcp://127.0.0.1:1",
        "server            SIGTERM",
        "process 1234 drained and ended with exit code 0",
    ]
    assert lines[6].startswith("what travelled")


@pytest.mark.usefixtures("_no_sockets")
async def test_demo_at_a_server_that_runs_starts_none() -> None:
    paper = io.StringIO()
    await demo(PlainScreen(paper), 3.0, "tcp://there:1")
    assert "a tour of 3.0 s at tcp://there:1" in paper.getvalue()
    assert "process" not in paper.getvalue()


async def test_open_stream_connects_to_a_tcp_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with await open_stream(f"tcp://127.0.0.1:{listener.getsockname()[1]}"):
            listener.accept()[0].close()


async def test_open_stream_connects_to_a_unix_address(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        async with await open_stream(f"unix://{tmp_path}/s"):
            listener.accept()[0].close()


async def test_open_stream_to_nothing_fails_as_connect_does(tmp_path: Path) -> None:
    with pytest.raises(avrpc.ConnectFailed, match="s: cannot connect"):
        await open_stream(f"unix://{tmp_path}/s")


async def test_open_stream_to_where_nobody_answers_gives_up(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def never(host: str, port: int) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    with pytest.raises(avrpc.ConnectTimeout, match="tcp://there:1: no answer within 10 s"):
        await open_stream("tcp://there:1")
