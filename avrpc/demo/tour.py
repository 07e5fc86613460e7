"""The client of the demo: a call of each kind, and what travelled."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import trio

import avrpc
from avrpc.address import TcpAddress, TlsAddress, parse_address
from avrpc.demo.interface import Vitals
from avrpc.demo.process import server_process
from avrpc.demo.screen import Gauge, Screen, Table
from avrpc.demo.traffic import CountingStream, Ledger, Row
from avrpc.demo.units import show

INTERVAL = 0.1  # seconds between two readings; the chart has room for some fifty
_QUIET = 0.02  # what a step leaves under way has come by then
_MOST_GAUGES = 6
_CONNECT_SECONDS = 10


async def demo(screen: Screen, seconds: float, address: str | None = None) -> None:
    """Start a server, unless there is one at ``address``, and show each kind of call on it.

    Args:
        screen: Where to show it.
        seconds: How long to watch.
        address: A server of Vitals that runs.

    Raises:
        ServerFailed: Our server did not start, or did not end well.
        AvrpcError: A call failed that should not.
    """
    screen.title("avrpc demo", f"the vitals of {socket.gethostname()}, through avrpc")
    if address is not None:
        screen.step("server", address)
        ledger = await tour(screen, await open_stream(address), seconds)
    else:
        async with server_process() as server:
            screen.step("server", "python -m avrpc.demo.server")
            screen.say(f"process {server.pid} at {server.address}")
            ledger = await tour(screen, await open_stream(server.address), seconds)
        screen.step("server", "SIGTERM")
        screen.say(f"process {server.pid} drained and ended with exit code {server.exit_code}")
    rows = [*ledger.rows, ledger.total()]
    screen.table(Table(_TITLE, _HEADS, [_cells(row) for row in rows], _NOTE))


async def tour(screen: Screen, connected: trio.abc.HalfCloseableStream, seconds: float) -> Ledger:
    """Make a call of each kind over a connected stream, and book what travelled."""
    stream = CountingStream(connected)
    ledger = Ledger(stream)
    start = trio.current_time()
    screen.step("connect", "async with avrpc.connect(address, Vitals) as vitals:")
    async with avrpc.connect_stream(stream, Vitals) as vitals:
        screen.say(f"both ends have {Vitals.name}; handshake {_ms(start)}")
        ledger.book("handshake")
        guide = _Guide(screen, ledger, stream, vitals)
        gauges = await guide.unary()
        await guide.one_way()
        await guide.response(gauges, seconds)
        await guide.request(gauges)
        await guide.both(gauges)
        await guide.error()
    ledger.book("goodbye")
    return ledger


async def open_stream(address: str) -> trio.SocketStream:
    """A connection that can be counted on; `avrpc.connect` shows nobody the one that it makes."""
    where = parse_address(address)
    if isinstance(where, TlsAddress):
        raise avrpc.ConnectFailed(f"{address}: the demo shows the bytes, and so takes no TLS")
    with trio.move_on_after(_CONNECT_SECONDS):
        try:
            if isinstance(where, TcpAddress):
                return await trio.open_tcp_stream(where.host, where.port)
            return await trio.open_unix_socket(where.path)
        except OSError as error:
            raise avrpc.ConnectFailed(f"{address}: cannot connect: {error}") from error
    raise avrpc.ConnectTimeout(f"{address}: no answer within {_CONNECT_SECONDS} s")


class _Guide:
    """The steps of the tour, each with what it shows and books."""

    def __init__(
        self, screen: Screen, ledger: Ledger, stream: CountingStream, vitals: avrpc.Client
    ) -> None:
        self._screen = screen
        self._ledger = ledger
        self._stream = stream
        self._vitals = vitals

    async def unary(self) -> list[Gauge]:
        devices = await self._vitals.devices()
        gauges = [Gauge(device) for device in devices[:_MOST_GAUGES]]
        gauge = _with_capacity(gauges)
        self._screen.step("unary", f'await vitals.now("{gauge.name}")')
        start = trio.current_time()
        reading = await self._vitals.now(gauge.name)
        took = _ms(start)
        self._screen.say(f"{show(reading['value'], gauge.unit)}, after {took}")
        self._ledger.book("unary", [{}, gauge.name], [devices, reading])
        return gauges

    async def one_way(self) -> None:
        text = "avrpc demo was here"
        self._screen.step("one-way", f'await vitals.note("{text}")')
        await self._vitals.note(text)
        await self._book("one-way", [text], [])
        self._screen.say("in the server's log, with nothing to wait for")

    async def response(self, gauges: Sequence[Gauge], seconds: float) -> None:
        """Watch some devices at once. Leaving the blocks, for the time is up, ends the calls."""
        code = f"async with vitals.watch(device, interval={INTERVAL}) as readings:"
        self._screen.step("streamed response", code)
        start = trio.current_time()
        with self._screen.live(gauges) as redraw:
            with trio.move_on_after(seconds):
                async with trio.open_nursery() as nursery:
                    for gauge in gauges:
                        nursery.start_soon(self._watch, gauge)
                    while True:
                        await trio.sleep(INTERVAL)
                        redraw(trio.current_time() - start)
            redraw(trio.current_time() - start)
        names = [{"device": gauge.name, "interval": INTERVAL} for gauge in gauges]
        readings = [reading for gauge in gauges for reading in gauge.readings]
        await self._book("streamed response", names, readings)

    async def _watch(self, gauge: Gauge) -> None:
        async with self._vitals.watch(gauge.name, interval=INTERVAL) as readings:
            async for reading in readings:
                gauge.readings.append(reading)

    async def request(self, gauges: Sequence[Gauge]) -> None:
        """Send up what was watched, all devices at once."""
        self._screen.step("streamed request", "await call.send(reading); await call.result()")
        summaries: dict[str, Any] = {}

        async def record(gauge: Gauge) -> None:
            async with self._vitals.record(gauge.name) as call:
                for reading in gauge.readings:
                    await call.send(reading)
                summaries[gauge.name] = await call.result()

        async with trio.open_nursery() as nursery:
            for gauge in gauges:
                nursery.start_soon(record, gauge)
        count = sum(summary["count"] for summary in summaries.values())
        self._screen.say(f"{count} readings on {len(gauges)} streams, summed up at the server")
        for gauge in gauges:
            self._screen.say(_summary(gauge, summaries[gauge.name]))
        up = [gauge.name for gauge in gauges]
        readings = [reading for gauge in gauges for reading in gauge.readings]
        self._ledger.book("streamed request", [*up, *readings], list(summaries.values()))

    async def both(self, gauges: Sequence[Gauge]) -> None:
        """Have the readings of one device converted, while they are being sent."""
        gauge = _with_capacity(gauges)
        code = "await call.send(reading); await call.receive()"
        self._screen.step("both ways", code)

        async def send(call: Any) -> None:
            for reading in gauge.readings:
                await call.send(reading)
            await call.send_eof()

        async with self._vitals.convert(gauge.name) as call, trio.open_nursery() as nursery:
            nursery.start_soon(send, call)
            converted = [reading async for reading in call]
        up = [{"device": gauge.name, "unit": "PERCENT"}, *gauge.readings]
        await self._book("both ways", up, converted)
        if converted:
            before, after = gauge.latest(), show(converted[-1]["value"], "PERCENT")
            self._screen.say(
                f"{len(converted)} readings of {gauge.name}; the last, {before}, is {after}"
            )

    async def error(self) -> None:
        self._screen.step("declared error", 'await vitals.now("toaster")')
        try:
            await self._vitals.now("toaster")
        except Vitals.errors.UnknownDevice as error:
            known = ", ".join(error.known)
            self._screen.say(f"UnknownDevice: no {error.device} here; there are {known}")
            self._ledger.book("declared error", [error.device], [error.fields])

    async def _book(self, step: str, up: Sequence[Any], down: Sequence[Any]) -> None:
        await self._stream.wait_quiet(_QUIET)
        self._ledger.book(step, up, down)


def _with_capacity(gauges: Sequence[Gauge]) -> Gauge:
    """A device whose readings can be told in percent and are not yet; any if there is none."""
    able = [gauge for gauge in gauges if gauge.capacity and gauge.unit != "PERCENT"]
    return (able or list(gauges))[0]


def _summary(gauge: Gauge, summary: dict[str, Any]) -> str:
    if summary["mean"] is None:
        return f"{gauge.name:<11} missing on this machine" if summary["count"] else gauge.name
    lowest, mean, highest = (
        show(summary[field], gauge.unit) for field in ("lowest", "mean", "highest")
    )
    return f"{gauge.name:<11} mean {mean:>10}, from {lowest} to {highest}"


_TITLE = "what travelled: values and bytes, up to the server and down from it"
_HEADS = ("", "up", "bytes", "down", "bytes", "bytes/value", "as JSON")
_NOTE = "bytes: all that TCP was given to carry; as JSON: the bare values, one a line"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.step,
        f"{row.values_up:,}",
        f"{row.bytes_up:,}",
        f"{row.values_down:,}",
        f"{row.bytes_down:,}",
        _decimal(row.bytes_per_value),
        _decimal(row.json_per_value),
    )


def _decimal(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"


def _ms(start: float) -> str:
    return f"{(trio.current_time() - start) * 1000:.1f} ms"
