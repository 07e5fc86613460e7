"""What travelled: bytes counted at the stream, values counted by those who send and take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import trio


class CountingStream(trio.abc.HalfCloseableStream):
    """Another stream, and how many bytes went through it: all that TCP is given to carry.

    Attributes:
        sent: Bytes that went out.
        received: Bytes that came in.
    """

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.sent = 0
        self.received = 0
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)
        self.sent += len(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.received += len(data)
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def wait_quiet(self, seconds: float) -> None:
        """Wait until nothing has gone through for some time."""
        before = None
        while (now := (self.sent, self.received)) != before:
            before = now
            await trio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Row:
    """One step of the demo. Parameters, items, responses and errors each count as a value.

    Attributes:
        step: Its name.
        values_up: Values that the client sent.
        bytes_up: All bytes that it sent meanwhile.
        values_down: Values that came.
        bytes_down: All bytes that came meanwhile.
        json_bytes: The size of the same values as lines of JSON.
    """

    step: str
    values_up: int
    bytes_up: int
    values_down: int
    bytes_down: int
    json_bytes: int

    @property
    def bytes_per_value(self) -> float | None:
        """Bytes both ways over values both ways; None without any."""
        return self._per_value(self.bytes_up + self.bytes_down)

    @property
    def json_per_value(self) -> float | None:
        """The same for JSON, which is given its newlines and nothing else."""
        return self._per_value(self.json_bytes)

    def _per_value(self, size: int) -> float | None:
        values = self.values_up + self.values_down
        return size / values if values else None


class Ledger:
    """Books what travelled under the step that it belongs to."""

    def __init__(self, stream: CountingStream) -> None:
        self.rows: list[Row] = []
        self._stream = stream
        self._sent = 0
        self._received = 0

    def book(self, step: str, up: Sequence[Any] = (), down: Sequence[Any] = ()) -> None:
        """Book all bytes since the last time, with the values that they carried."""
        sent, received = self._stream.sent, self._stream.received
        size = sum(len(_json(value)) + 1 for value in (*up, *down))
        bytes_up, bytes_down = sent - self._sent, received - self._received
        self.rows.append(Row(step, len(up), bytes_up, len(down), bytes_down, size))
        self._sent, self._received = sent, received

    def total(self) -> Row:
        """The sum of all rows."""
        rows = self.rows
        return Row(
            "all",
            sum(row.values_up for row in rows),
            sum(row.bytes_up for row in rows),
            sum(row.values_down for row in rows),
            sum(row.bytes_down for row in rows),
            sum(row.json_bytes for row in rows),
        )


def _json(value: Any) -> str:
    """A value as JSON without blanks; a time is the number of its milliseconds, as on our wire."""
    return json.dumps(
        value, separators=(",", ":"), default=lambda time: round(time.timestamp() * 1000)
    )
