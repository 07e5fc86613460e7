"""A connection on which both ends keep the rules: avrpc's core holds the server to them."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio

from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import Agreed
from avrpc.conformance.open_call import OpenCall
from avrpc.conformance.trace import Frame, named
from avrpc.conformance.verdict import Failed, Skipped
from avrpc.errors import InvalidValue
from avrpc.schema.negotiation import Negotiation
from avrpc.wire import (
    Codec,
    Connection,
    ErrorReceived,
    GoawayCode,
    GoawayReceived,
    ItemsReceived,
    MessageShape,
    PeerViolated,
    PongReceived,
    ResultReceived,
    Role,
    StatusReceived,
    ValueTooLarge,
    WireLimits,
)
from avrpc.wire.frames import Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.primitives import encode_metadata

T = TypeVar("T")

_POLL, _SLOWEST_POLL = 0.001, 0.1  # seconds


def require_room(limits: WireLimits, value_bytes: int, metadata_bytes: int = 0) -> None:
    """Skip the case if the server announced that it takes nothing as large."""
    if value_bytes > limits.max_message_bytes:
        raise Skipped(f"the server takes no value of {value_bytes} bytes")
    if metadata_bytes > max(limits.max_metadata_bytes, 1):  # 1: none at all
        raise Skipped(f"the server takes no metadata of {metadata_bytes} bytes")


class Line:
    """One connection, after its handshake.

    Args:
        channel: Its bytes.
        agreed: What the handshake came to.
        mine: What the kit announced.
        codec: What both ends compress with.

    Attributes:
        channel: Its bytes.
        agreed: What the handshake came to.
        negotiation: How the messages of the client's version fit the server's.
        core: The rules, at the client.
        limits: What the server announced.
        frames: All that the server sent.
        goaway: The server's last GOAWAY.
    """

    def __init__(
        self, channel: Channel, agreed: Agreed, mine: WireLimits, codec: Codec | None = None
    ) -> None:
        self.channel = channel
        self.agreed = agreed
        self.limits = agreed.limits
        self.frames: list[Frame] = []
        self.goaway: GoawayReceived | None = None
        self.negotiation = Negotiation(agreed.client, agreed.server)
        self.core = Connection(Role.CLIENT, mine)
        self._violation = ""
        self._pongs: set[int] = set()
        self._calls: dict[int, OpenCall] = {}
        # The handshake was made by hand; the core is told no more than that it is over.
        self.core.receive_data(encode_pack(0, b""))
        wires = [self.negotiation[m.name].wire for m in agreed.client.messages_by_number]
        shapes = [
            MessageShape(wire.streams_request, wire.streams_response, mine.max_message_bytes)
            for wire in wires
        ]
        self.core.native(agreed.limits, shapes, codec)

    # Calls ...

    async def open(
        self,
        name: str,
        *,
        ms_left: int | None = None,
        metadata: Mapping[str, bytes] | None = None,
        **parameters: Any,
    ) -> OpenCall:
        """Send the CALL of a message, and flush it.

        Raises:
            Skipped: The server has not the message, or takes no such call: it may announce limits
                that are too low for a case.
        """
        fit = self.negotiation[name]
        if not fit.callable:
            raise Skipped(f"the server's {name} can't be called: {fit.reason}")
        message = self.negotiation.at_client(name)
        value = message.request.encode(parameters)
        if not self.core.has_slot(streamed=fit.wire.streams_request or fit.wire.streams_response):
            raise Skipped("the server takes no more calls at once")
        require_room(self.limits, len(value), len(encode_metadata(metadata or {})))
        call_id = self.core.outgoing.call(
            message.number, value, time_left=ms_left, metadata=metadata
        )
        call = self._calls[call_id] = OpenCall(self, call_id, message)
        await self.flush()
        return call

    async def call(self, name: str, **parameters: Any) -> Any:
        """Call a message that is answered once, and give the result."""
        return await (await self.open(name, **parameters)).result()

    # ... bytes out ...

    async def flush(self) -> None:
        """Send all that the core has to send."""
        while data := bytes(self.core.data_to_send()):
            self.core.sent(len(data))
            await self.channel.send(data)

    # ... bytes in ...

    async def until(self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        """Wait for something; what has come is handed on before each look.

        Raises:
            Failed: It did not come, or the server broke a rule.
        """

        async def take_and_look() -> T | None:
            self._take()
            await self.flush()
            found = await look()
            if found is None and self._violation:
                raise Failed(what, self._violation)
            if found is None and self.goaway is not None and self.channel.ended:
                code = named(GoawayCode, self.goaway.code)
                raise Failed(what, f"GOAWAY {code}: {self.goaway.text!r}, and the end")
            return found

        return await self.channel.until(take_and_look, what)

    def _take(self) -> None:
        data, frames = self.channel.take_frames()
        self.frames += frames
        for frame in frames:
            self._account(frame)
        for event in self.core.receive_data(data):
            try:
                self._hand_on(event)
            except InvalidValue as error:
                self._violation = f"a value that does not decode: {error}"

    def _account(self, frame: Frame) -> None:
        """Note what the core does not tell: how much credit came."""
        if frame.kind == Kind.CREDIT:
            call_id, size = frame.longs(2)
            call = self._calls.get(call_id)
            if call is not None:
                call.granted += size

    def _hand_on(self, event: object) -> None:
        match event:
            case ItemsReceived(call_id, count, data):
                self._calls[call_id].feed(data, count)
            case ResultReceived() | ErrorReceived() | StatusReceived():
                self._calls[event.call_id].outcome = event
            case PongReceived(value):
                self._pongs.add(value)
            case GoawayReceived():
                self.goaway = event
            case ValueTooLarge(call_id, limit):
                self._violation = f"a value of more than {limit} bytes on call {call_id}"
            case PeerViolated(code, text):
                self._violation = f"what breaks a rule ({code.name}): {text}"

    # ... and what else can be asked.

    async def ping(self, value: int = 1) -> None:
        """Wait for the answer to a PING: the connection stands."""
        self._pongs.discard(value)
        self.core.outgoing.ping(value)

        async def look() -> bool | None:
            return value in self._pongs or None

        await self.until(look, f"PONG {value}")

    async def quiet(self, seconds: float) -> None:
        """Take what comes for a while.

        Raises:
            Failed: Something came that breaks a rule.
        """
        await self.ping()
        await trio.sleep(seconds)
        await self.ping()

    async def wait_count(self, key: str, count: int = 1) -> None:
        """Wait until so many handlers have the key: they run."""
        with trio.move_on_after(self.channel.patience):
            for attempt in itertools.count():
                if await self.call("count", key=key) >= count:
                    return
                await trio.sleep(min(_POLL * 2**attempt, _SLOWEST_POLL))
        raise Failed(f"{count} handlers that run", "fewer")

    async def goaway_came(self, *codes: GoawayCode) -> GoawayReceived:
        """Wait for a GOAWAY with one of these codes."""
        what = "GOAWAY " + " or ".join(code.name for code in codes)

        async def look() -> GoawayReceived | None:
            return self.goaway

        goaway = await self.until(look, what)
        if goaway.code not in codes:
            raise Failed(what, f"GOAWAY {named(GoawayCode, goaway.code)}: {goaway.text!r}")
        self.channel.may_end = True
        return goaway

    async def say_goodbye(self) -> None:
        """Send GOAWAY NO_ERROR: no more calls; those that are open go on."""
        self.channel.may_end = True
        self.core.goaway(GoawayCode.NO_ERROR, "goodbye")
        await self.flush()

    async def check(self) -> None:
        """Fail unless the server kept the rules, and the connection stands or ended well."""
        self._check_rules()
        if not self.channel.may_end:
            await self.ping()
        self._check_rules()

    def _check_rules(self) -> None:
        self._take()
        if self._violation:
            raise Failed("frames that keep the rules", self._violation)
