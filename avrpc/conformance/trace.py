"""Frames as people read them, cut from bytes that may be anything."""

from __future__ import annotations

from typing import NamedTuple

from avrpc.wire import GoawayCode, ProtocolError, StatusCode
from avrpc.wire.frames import COMPRESSED, HEADER, ITEM_COUNT, METADATA, MORE, STARTED, Kind
from avrpc.wire.primitives import decode_long, decode_metadata, decode_string

_CONNECTION_KINDS = (Kind.PING, Kind.PONG, Kind.GOAWAY)
_KINDS = frozenset(Kind)
_MOST_SHOWN = 12  # bytes of a frame


class Status(NamedTuple):
    """The fields of a STATUS."""

    code: int
    text: str
    started: bool


class Goaway(NamedTuple):
    """The fields of a GOAWAY."""

    last_call: int
    code: int
    text: str


class Frame(NamedTuple):
    """A frame, not looked into: its fields may be malformed."""

    kind: int
    flags: int
    body: bytes

    @property
    def call_id(self) -> int | None:
        """The call that it is for; None where it is for none, or its kind is unknown."""
        if self.kind in _CONNECTION_KINDS or self.kind not in _KINDS:
            return None
        return self.longs(1)[0]

    def longs(self, count: int) -> list[int]:
        """The longs that the body begins with.

        Raises:
            ProtocolError: It does not begin with so many.
        """
        found, position = [], 0
        for _ in range(count):
            value, position = decode_long(self.body, position, len(self.body))
            found.append(value)
        return found

    def status(self) -> Status:
        """The fields of a STATUS.

        Raises:
            ProtocolError: They are malformed.
        """
        end = len(self.body)
        _, position = decode_long(self.body, 0, end)
        if self.flags & METADATA:
            _, position = decode_metadata(self.body, position, end)
        code, position = decode_long(self.body, position, end)
        text, _ = decode_string(self.body, position, end)
        return Status(code, text, bool(self.flags & STARTED))

    def goaway(self) -> Goaway:
        """The fields of a GOAWAY.

        Raises:
            ProtocolError: They are malformed.
        """
        end = len(self.body)
        last_call, position = decode_long(self.body, 0, end)
        code, position = decode_long(self.body, position, end)
        text, _ = decode_string(self.body, position, end)
        return Goaway(last_call, code, text)

    def __str__(self) -> str:
        if self.kind not in _KINDS:
            return f"a frame of unknown kind {self.kind}: {self._bytes()}"
        kind = Kind(self.kind)
        try:
            return self._told(kind)
        except ProtocolError as error:
            return f"{kind.name}, malformed ({error})"

    def _told(self, kind: Kind) -> str:
        name = kind.name + (" + MORE" if self.flags & MORE and kind is not Kind.STATUS else "")
        name += " + COMPRESSED" if self.flags & COMPRESSED else ""
        if kind in (Kind.PING, Kind.PONG):
            return f"{name} {self.longs(1)[0]}"
        if kind is Kind.GOAWAY:
            last_call, code, text = self.goaway()
            return f"GOAWAY {named(GoawayCode, code)}, last call {last_call}: {text!r}"
        told = f"{name}, call {self.call_id}"
        if kind is Kind.STATUS:
            code, text, started = self.status()
            when = "started" if started else "not started"
            return f"{told}: {named(StatusCode, code)}, {when}: {text!r}"
        if kind is Kind.CREDIT:
            return f"{told}: {self.longs(2)[1]} bytes"
        if kind is Kind.ITEMS:
            return f"{told}: {self._item_count()}, {self._bytes()}"
        return f"{told}: {self._bytes()}"

    def _bytes(self) -> str:
        size = len(self.body)
        more = " ..." if size > _MOST_SHOWN else ""
        return (
            f"{size} {'byte' if size == 1 else 'bytes'}: {self.body[:_MOST_SHOWN].hex(' ')}{more}"
        )

    def _item_count(self) -> str:
        _, position = decode_long(self.body, 0, len(self.body))
        field = self.body[position : position + ITEM_COUNT.size]
        return f"count {int.from_bytes(field)}"  # of a later piece this is nothing but bytes


class Cutter:
    """Cuts frames from bytes as they come."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes."""
        self._held += data
        frames, position = [], 0
        while len(self._held) - position >= HEADER.size:
            (word,) = HEADER.unpack_from(self._held, position)
            end = position + HEADER.size + (word & 0xFFFFFF)
            if end > len(self._held):
                break
            start = position + HEADER.size
            kind, flags = word >> 24 & 0x0F, word >> 24 & 0xF0
            frames.append(Frame(kind, flags, bytes(self._held[start:end])))
            position = end
        del self._held[:position]
        return frames


def named(codes: type[StatusCode | GoawayCode], code: int) -> str:
    """A code by its name, or by its number where it has none."""
    try:
        return codes(code).name
    except ValueError:
        return f"code {code}"
