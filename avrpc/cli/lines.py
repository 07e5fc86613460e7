"""Standard input as JSON lines, while other tasks run."""

from __future__ import annotations

import os
import sys
from typing import Any

import trio

from avrpc import InvalidValue, SchemaError
from avrpc.cli.failures import Usage
from avrpc.cli.values import from_json
from avrpc.schema import ItemsCodec
from avrpc.schema.fit import At
from avrpc.schema.strictjson import read_json
from avrpc.schema.types import Record, short

_CHUNK = 65536


class Lines:
    """Lines of standard input.

    Reads the file descriptor, not `sys.stdin`: a thread that waits there could not be left alone
    at the end, and `sys.stdin` would keep what was typed until its buffer is full.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._ended = False
        self._scanned = 0  # bytes of `_held` that hold no newline
        self.number = 0
        """Of the line read last, from 1."""

    async def next(self) -> bytes | None:
        """Wait for the next line; None after the last one."""
        while (end := self._held.find(b"\n", self._scanned)) < 0 and not self._ended:
            self._scanned = len(self._held)
            chunk = await _read()
            self._held += chunk
            self._ended = not chunk
        self._scanned = 0
        if end < 0:
            end = len(self._held)
            if not end:
                return None
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        self.number += 1
        return line


async def _read() -> bytes:
    """Wait for some bytes of standard input; none at its end."""
    if sys.stdin is None:  # the program was started without
        return b""
    try:
        fd = sys.stdin.fileno()
    except OSError:  # a test's
        await trio.lowlevel.checkpoint()
        return sys.stdin.buffer.read()
    while True:
        try:
            await trio.lowlevel.wait_readable(fd)
        except PermissionError:  # a file: it is always ready, and epoll refuses it
            await trio.lowlevel.checkpoint()
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:
            continue  # another program reads from it too, and was first


class Items:
    """Items to be sent, one per line of standard input; empty lines are skipped."""

    def __init__(self, codec: ItemsCodec, name: str) -> None:
        self._codec = codec
        self._at = At(short(codec.type.name) if isinstance(codec.type, Record) else name)
        self._lines = Lines()

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Any:
        """Give the next item.

        Raises:
            Usage: The line is no JSON, or does not fit; the text says which line.
        """
        while (line := await self._lines.next()) is not None:
            if line.strip():
                return self._item(line)
        raise StopAsyncIteration

    def _item(self, line: bytes) -> Any:
        where = f"standard input, line {self._lines.number}"
        try:
            item = from_json(self._codec.type, read_json(line), self._at)
            self._codec.encode(item)  # so that what is wrong is known to be wrong here
        except (InvalidValue, SchemaError) as error:
            raise Usage(f"{where}: {error}") from None
        return item
