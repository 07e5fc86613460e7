"""The kit's end of a connection, as bytes.

A task reads all the time, whatever the case does, so no server is ever held up because the kit
does not read; what is slow here is slow in taking items, by credit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import trio

from avrpc.conformance.trace import Cutter, Frame
from avrpc.conformance.verdict import Failed, Skipped

T = TypeVar("T")

_TRACED = 12  # the last frames that are told with a failure


class Channel:
    """One connection.

    Args:
        stream: Connected; closed by `aclose`.
        patience: How many seconds anything may take to come.
        credentials: What the kit shows in its handshake; None for nothing.

    Attributes:
        patience, credentials: Those.
        native: Whether the handshake is over, and frames travel.
        may_end: Whether the case has done, or seen, what ends the connection.
        ended: How the server ended its direction; empty while it has not.
        trace: What travelled last, for people.
    """

    def __init__(
        self, stream: trio.abc.Stream, patience: float, credentials: bytes | None = None
    ) -> None:
        self.native = False
        self.may_end = False
        self.ended = ""
        self.trace: deque[str] = deque(maxlen=_TRACED)
        self._stream = stream
        self.patience = patience
        self.credentials = credentials
        self._received = bytearray()
        self._changed = trio.Event()
        self._cut_in, self._cut_out = Cutter(), Cutter()

    async def read(self) -> None:
        """Take what comes until the server ends it: the task of this connection."""
        ended = "the server closed the connection"
        try:
            while data := await self._stream.receive_some():
                self._received += data
                self._tell()
        except trio.BrokenResourceError:
            ended = (
                "the connection was reset (section 14: what was said before may be lost with it)"
            )
        except trio.ClosedResourceError:
            ended = "the kit closed the connection"
        self.ended = ended
        self.trace.append(ended)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, data: bytes) -> None:
        """Send bytes. That the server is gone is no failure here: what came before says why."""
        if self.native:
            self.trace.extend(f"kit: {frame}" for frame in self._cut_out.feed(data))
        else:
            self.trace.append(f"kit: {len(data)} bytes")
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.trace.append(f"the kit could not send: {error}")

    def received(self) -> bytes:
        """All that came and was not taken."""
        return bytes(self._received)

    def take(self, count: int) -> bytes:
        """The next bytes, which must be here."""
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def take_frames(self) -> tuple[bytes, list[Frame]]:
        """All bytes that are here, and the frames that they complete."""
        data = self.take(len(self._received))
        frames = self._cut_in.feed(data)
        self.trace.extend(f"server: {frame}" for frame in frames)
        return data, frames

    async def until(self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        """Wait until something has come.

        Args:
            look: Looks for it, at first and whenever bytes have come; None if it is not there.
            what: What is waited for, for people.

        Raises:
            Failed: The server ended its direction, or nothing came in time.
        """
        with trio.move_on_after(self.patience):
            while True:
                changed, ended = self._changed, self.ended
                found = await look()
                if found is not None:
                    return found
                if ended:
                    raise Failed(what, ended)
                await changed.wait()
        raise Failed(what, f"nothing of the kind within {self.patience:g} s")

    async def wait_ended(self, what: str = "the end of the connection") -> None:
        """Wait until the server has ended its direction."""
        self.may_end = True

        async def look() -> str | None:
            self.take_frames()
            return self.ended or None

        await self.until(look, what)

    async def send_eof(self) -> None:
        """End the kit's direction; go on reading.

        Raises:
            Skipped: A stream such as one over TLS can't end one direction alone.
        """
        if not isinstance(self._stream, trio.abc.HalfCloseableStream):
            raise Skipped("this transport can't end one direction alone")
        self.may_end = True
        with suppress(trio.BrokenResourceError):  # the server was quicker, and is gone
            await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close at once."""
        self.may_end = True
        await trio.aclose_forcefully(self._stream)
