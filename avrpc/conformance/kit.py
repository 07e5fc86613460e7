"""What a case is given: connections to the server that is tried."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import trio

from avrpc import Protocol
from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import Agreed, Greeting, Refused, shake_hands
from avrpc.conformance.interface import Conformance
from avrpc.conformance.line import Line
from avrpc.conformance.raw import RawLine
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.limits import limits_of_peer
from avrpc.wire import Codec, GoawayCode

Opener = Callable[[], Awaitable[trio.abc.Stream]]

# How long a server that is to send nothing is listened to. Longer finds no more in one that
# overruns its credit: it sends at once what it may not.
QUIET = 0.05


@dataclass(frozen=True, slots=True)
class Known:
    """What a server does that its clients can't find out; the cases that need it are skipped else.

    Attributes:
        credentials: Those that it lets in; None if it asks for none.
        handshake_seconds: How long a handshake may take, from when the connection was accepted.
        silence_seconds: After how long without a byte it has given a client up, which it has sent
            a PING before.
    """

    credentials: bytes | None = None
    handshake_seconds: float | None = None
    silence_seconds: float | None = None

    @property
    def longest(self) -> float:
        """How many seconds a case may have to wait for it."""
        return max(self.handshake_seconds or 0, self.silence_seconds or 0)


NOTHING = Known()


class Kit:
    """Opens connections for one case, and looks after them.

    Args:
        opener: Makes a new connection to the server.
        patience: How many seconds anything may take to come.
        nursery: For the tasks that read.
        known: Of the server.

    Attributes:
        known: That.
    """

    def __init__(
        self, opener: Opener, patience: float, nursery: trio.Nursery, known: Known = NOTHING
    ) -> None:
        self.known = known
        self._opener = opener
        self._patience = patience
        self._nursery = nursery
        self._channels: list[Channel] = []
        self._lines: list[Line | RawLine] = []

    async def dial(self) -> Channel:
        """A connection on which nothing was said.

        Raises:
            Failed: The server can't be reached.
        """
        try:
            with trio.fail_after(self._patience):
                stream = await self._opener()
        except (OSError, trio.TooSlowError) as error:
            raise Failed("a connection", f"{type(error).__name__}: {error}") from None
        channel = Channel(stream, self._patience, self.known.credentials)
        self._channels.append(channel)
        self._nursery.start_soon(channel.read)
        return channel

    async def connect(
        self,
        protocol: Protocol = Conformance,
        limits: Mapping[str, int] | None = None,
        *,
        codec: Codec | None = None,
    ) -> Line:
        """A connection that has shaken hands; held to the rules at the end of the case, too.

        Args:
            protocol: The client's.
            limits: What the client announces; the defaults for the rest.
            codec: What to compress with.

        Raises:
            Skipped: The server takes no version but its own, and this is another one; or it does
                not offer the codec.
        """
        channel = await self.dial()
        agreed = await self._shake(channel, protocol, limits, codec)
        line = Line(channel, agreed, limits_of_peer(dict(limits or {})), codec)
        self._lines.append(line)
        return line

    async def connect_raw(
        self,
        protocol: Protocol = Conformance,
        limits: Mapping[str, int] | None = None,
        *,
        codec: Codec | None = None,
    ) -> RawLine:
        """A connection that has shaken hands, and on which every frame is made by hand.

        Arguments and errors as for `connect`.
        """
        channel = await self.dial()
        line = RawLine(channel, await self._shake(channel, protocol, limits, codec))
        self._lines.append(line)
        return line

    async def _shake(
        self,
        channel: Channel,
        protocol: Protocol,
        limits: Mapping[str, int] | None,
        codec: Codec | None,
    ) -> Agreed:
        greeting = Greeting.of(protocol, limits)
        if codec is not None:
            greeting = replace(greeting, features=(codec.name,))
        try:
            agreed = await shake_hands(channel, greeting, protocol)
        except Refused as error:
            if protocol is not Conformance and error.code == GoawayCode.INCOMPATIBLE_PROTOCOL:
                raise Skipped("the server takes no text but its own") from None
            raise Failed("BOTH, CLIENT or NONE", str(error)) from None
        if codec is not None and codec.name not in agreed.features:
            raise Skipped(f"the server does not offer {codec.name}")
        return agreed

    def key(self) -> str:
        """A key that no case used before."""
        return secrets.token_hex(8)

    async def check(self) -> None:
        """Fail unless every connection stands, or ended as it was to."""
        for line in self._lines:
            await line.check()

    @property
    def trace(self) -> list[str]:
        """What travelled last, on all connections."""
        many = len(self._channels) > 1
        return [
            f"{f'connection {number}, ' if many else ''}{text}"
            for number, channel in enumerate(self._channels, 1)
            for text in channel.trace
        ]

    async def aclose(self) -> None:
        """Close all connections."""
        for channel in self._channels:
            await channel.aclose()


@asynccontextmanager
async def open_kit(opener: Opener, patience: float, known: Known = NOTHING) -> AsyncIterator[Kit]:
    """A kit for one case; its connections are closed at the end of the block."""
    async with trio.open_nursery() as nursery:
        kit = Kit(opener, patience, nursery, known)
        try:
            yield kit
        finally:
            with trio.CancelScope(shield=True):
                await kit.aclose()
            nursery.cancel_scope.cancel()
