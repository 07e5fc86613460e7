"""A connection on which the kit makes every frame by hand, right or wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import Agreed
from avrpc.conformance.trace import Frame, Goaway, Status
from avrpc.conformance.verdict import Failed, Skipped, expect
from avrpc.errors import InvalidValue
from avrpc.schema.negotiation import Negotiation
from avrpc.wire import GoawayCode, StatusCode, encode_long
from avrpc.wire.frames import HEADER, ITEM_COUNT, METADATA, MORE, Kind, encode_frame
from avrpc.wire.primitives import decode_metadata

_LAST_PING = 2**40

OUTCOMES = (Kind.RESULT, Kind.ERROR, Kind.STATUS)


def frame(kind: int, *fields: int | bytes, flags: int = 0) -> bytes:
    """A frame of these fields: an int becomes a long, bytes stay as they are."""
    body = b"".join(encode_long(one) if isinstance(one, int) else one for one in fields)
    return encode_frame(kind, flags, body)


def items_frame(call_id: int, *items: bytes, count: int | None = None, flags: int = 0) -> bytes:
    """ITEMS with some items, whatever the count says."""
    number = len(items) if count is None else count
    return frame(Kind.ITEMS, call_id, ITEM_COUNT.pack(number), *items, flags=flags)


def header(kind: int, length: int) -> bytes:
    """The first four bytes of a frame that does not follow."""
    return HEADER.pack(kind << 24 | length)


class RawLine:
    """One connection, after its handshake.

    Attributes:
        limits: What the server announced.
    """

    def __init__(self, channel: Channel, agreed: Agreed) -> None:
        self.channel = channel
        self.limits = agreed.limits
        self._negotiation = Negotiation(agreed.client, agreed.server)
        self._frames: list[Frame] = []

    def call(
        self,
        call_id: int,
        name: str,
        *,
        flags: int = 0,
        value: bytes | None = None,
        **parameters: Any,
    ) -> bytes:
        """The CALL of a message, with parameters or with whatever value stands for them.

        Raises:
            Skipped: The server takes no frame as large, or no such call.
        """
        message = self._negotiation.client.messages[name]
        streams = message.kind.streams_request or message.kind.streams_response
        if streams and self.limits.max_streamed_calls == 0:
            raise Skipped("the server takes no calls that stream")
        if value is None:
            value = self.encode(name, parameters)
        if len(value) > min(self.limits.max_message_bytes, self.limits.max_frame_bytes - 100):
            raise Skipped(f"the server takes no value of {len(value)} bytes in one frame")
        return frame(Kind.CALL, call_id, message.number, value, flags=flags)

    def require_calls(self, count: int) -> None:
        """Skip the case if the server takes fewer calls at once."""
        if self.limits.max_calls < count:
            raise Skipped(f"the server takes fewer than {count} calls at once")

    def encode(self, name: str, parameters: Mapping[str, Any]) -> bytes:
        """Parameters, encoded."""
        return bytes(self._negotiation.client.messages[name].request.encode(dict(parameters)))

    def item(self, item: Mapping[str, Any]) -> bytes:
        """An item, encoded."""
        codec = self._negotiation.client.messages["sink"].request_items
        assert codec is not None
        return bytes(codec.encode(item))

    async def send(self, *frames: bytes) -> None:
        """Send frames, or whatever bytes, in one go."""
        await self.channel.send(b"".join(frames))

    def number(self, name: str) -> int:
        """The number of a message."""
        return self._negotiation.client.messages[name].number

    # What comes ...

    async def _first(self, what: str, fits: Callable[[Frame], bool]) -> Frame:
        """The first frame that fits; what came instead is told if none does."""

        async def look() -> Frame | None:
            self._take()
            return next((one for one in self._frames if fits(one)), None)

        try:
            return await self.channel.until(look, what)
        except Failed as error:
            before = ", ".join(map(str, self._frames[-3:]))
            raise Failed(what, f"{before}, then {error.came}" if before else error.came) from None

    async def outcome(self, call_id: int) -> Frame:
        """The outcome of a call; other frames are passed by."""
        return await self._first(
            f"the outcome of call {call_id}",
            lambda one: one.kind in OUTCOMES and one.call_id == call_id,
        )

    async def status(self, call_id: int, code: StatusCode) -> Status:
        """The STATUS that ends a call, which is to have that code."""
        what = f"STATUS {code.name} for call {call_id}"
        outcome = await self.outcome(call_id)
        if outcome.kind != Kind.STATUS or outcome.status().code != code:
            raise Failed(what, str(outcome))
        return outcome.status()

    async def result(self, call_id: int) -> bytes:
        """The value of the RESULT that ends a call, and that is to come in one frame."""
        outcome = await self.outcome(call_id)
        if outcome.kind != Kind.RESULT or outcome.flags & MORE:
            raise Failed(f"RESULT for call {call_id}", str(outcome))
        body, position = outcome.body, len(encode_long(call_id))
        if outcome.flags & METADATA:
            _, position = decode_metadata(body, position, len(body))
        return body[position:]

    def decoded(self, name: str, result: bytes) -> Any:
        """The result of a message, decoded."""
        codec = self._negotiation.at_client(name).response
        assert codec is not None
        try:
            return codec.decode(result)
        except InvalidValue as error:
            raise Failed(f"a result of {name}", str(error)) from None

    async def ping(self, value: int) -> None:
        """Wait for the answer to a PING; what the server sent before it is here then."""
        await self.send(frame(Kind.PING, value))
        await self.pong(value)

    async def pong(self, value: int) -> None:
        """Wait for a PONG."""
        await self._first(
            f"PONG {value}", lambda one: one.kind == Kind.PONG and one.longs(1) == [value]
        )

    def outcomes(self, call_id: int) -> int:
        """How many outcomes of a call came so far."""
        self._take()
        return self._outcome_counts()[call_id]

    def _outcome_counts(self) -> Counter[int | None]:
        return Counter(
            one.call_id
            for one in self._frames
            if one.kind in OUTCOMES and not (one.flags & MORE and one.kind != Kind.STATUS)
        )

    async def check(self) -> None:
        """Fail unless the connection stands, or was to end, and no call had two outcomes."""
        if not self.channel.may_end:
            await self.ping(_LAST_PING)
        self._take()
        for call_id, count in self._outcome_counts().items():
            expect(f"outcomes of call {call_id}", 1, count)

    async def goaway(self, *codes: GoawayCode) -> Goaway:
        """Wait until the server has said GOAWAY with one of these codes.

        Raises:
            Failed: It did something else.
        """
        what = f"GOAWAY {' or '.join(code.name for code in codes)}"
        came = await self._first(what, lambda one: one.kind == Kind.GOAWAY)
        goaway = came.goaway()
        if goaway.code not in codes:
            raise Failed(what, str(came))
        self.channel.may_end = True
        return goaway

    async def cut_off(self, *codes: GoawayCode) -> None:
        """Wait until the server has said GOAWAY with one of these codes, and closed.

        Raises:
            Failed: It did something else.
        """
        await self.goaway(*codes)
        await self.channel.wait_ended("the end of the connection behind its GOAWAY (section 12)")

    def _take(self) -> None:
        self._frames += self.channel.take_frames()[1]
