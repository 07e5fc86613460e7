"""Frames that break the rules by themselves, whatever calls there are."""

from __future__ import annotations

from avrpc.conformance.kit import Kit
from avrpc.conformance.raw import RawLine, frame, header
from avrpc.conformance.registry import case
from avrpc.wire import MAX_METADATA_ENTRIES, GoawayCode
from avrpc.wire.frames import COMPRESSED, METADATA, MORE, Kind, encode_frame
from avrpc.wire.primitives import encode_bytes, encode_metadata


async def _cut_off(kit: Kit, *sent: bytes, code: GoawayCode = GoawayCode.PROTOCOL_ERROR) -> None:
    """Send frames of which the last one breaks a rule."""
    line = await kit.connect_raw()
    await line.send(*sent)
    await line.cut_off(code)


@case("6")
async def garbage(kit: Kit) -> None:
    """What is no frame at all ends the connection."""
    line = await kit.connect_raw()
    await line.send(b"\r\nGET / HTTP/1.1")
    await line.cut_off(GoawayCode.PROTOCOL_ERROR, GoawayCode.FRAME_SIZE_ERROR)


@case("16")
async def kind_zero(kit: Kit) -> None:
    """A frame of kind 0 breaks the rules."""
    await _cut_off(kit, frame(0, 1))


@case("16")
async def kind_twelve(kit: Kit) -> None:
    """A frame of kind 12 breaks the rules in version 1."""
    await _cut_off(kit, frame(12, 1))


@case("15")
async def reserved_flag(kit: Kit) -> None:
    """The flag COMPRESSED breaks the rules where no codec is in use."""
    line = await kit.connect_raw()
    await line.send(line.call(1, "empty", flags=COMPRESSED))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("6")
async def flag_of_another_kind(kit: Kit) -> None:
    """A flag that the kind does not have breaks the rules."""
    await _cut_off(kit, frame(Kind.PING, 1, flags=MORE))


@case("12")
async def frame_that_is_too_long(kit: Kit) -> None:
    """A frame beyond maxFrameBytes is noticed from its length: FRAME_SIZE_ERROR."""
    line = await kit.connect_raw()
    await line.send(header(Kind.CALL, line.limits.max_frame_bytes + 1))
    await line.cut_off(GoawayCode.FRAME_SIZE_ERROR)


@case("12")
async def longest_frame(kit: Kit) -> None:
    """A frame of exactly maxFrameBytes is taken."""
    line = await kit.connect_raw()
    value = _value_of(line, line.limits.max_frame_bytes - 2)  # the id and the number
    await line.send(frame(Kind.CALL, 1, line.number("blob"), value))
    await line.result(1)


def _value_of(line: RawLine, size: int) -> bytes:
    """Parameters of `blob` that take so many bytes."""
    overhead = len(line.encode("blob", {"payload": bytes(size - 10), "size": 0})) - (size - 10)
    return line.encode("blob", {"payload": bytes(size - overhead), "size": 0})


@case("6")
async def frame_of_no_bytes(kit: Kit) -> None:
    """A frame without its fields breaks the rules."""
    await _cut_off(kit, encode_frame(Kind.CALL, 0, b""))


@case("6")
async def long_beyond_64_bits(kit: Kit) -> None:
    """A long of more than ten bytes breaks the rules."""
    await _cut_off(kit, encode_frame(Kind.PING, 0, b"\xff" * 10 + b"\x01"))


@case("6")
async def long_of_65_bits(kit: Kit) -> None:
    """A long of ten bytes that holds more than 64 bits breaks the rules."""
    await _cut_off(kit, encode_frame(Kind.PING, 0, b"\xff" * 9 + b"\x02"))


@case("12")
async def bytes_behind_the_last_field(kit: Kit) -> None:
    """Bytes that are left behind the last field break the rules."""
    await _cut_off(kit, frame(Kind.PING, 1, b"\0"))


@case("6")
async def length_past_the_frame(kit: Kit) -> None:
    """A length that reaches past the frame breaks the rules."""
    await _cut_off(kit, frame(Kind.GOAWAY, 0, 0, b"\x20short"))


@case("6")
async def field_that_is_no_utf8(kit: Kit) -> None:
    """A string of a frame that is no UTF-8 breaks the rules."""
    await _cut_off(kit, frame(Kind.GOAWAY, 0, 0, encode_bytes(b"\xc3\x28")))


@case("6")
async def metadata_of_too_many_bytes(kit: Kit) -> None:
    """Metadata beyond maxMetadataBytes breaks the rules."""
    line = await kit.connect_raw()
    metadata = encode_metadata({"key": bytes(line.limits.max_metadata_bytes)})
    await line.send(frame(Kind.CALL, 1, line.number("empty"), metadata, flags=METADATA))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)


@case("6")
async def metadata_of_too_many_entries(kit: Kit) -> None:
    """Metadata of more than 64 entries breaks the rules."""
    line = await kit.connect_raw()
    entries = {f"{number}": b"" for number in range(MAX_METADATA_ENTRIES + 1)}
    fields = line.number("empty"), encode_metadata(entries)
    await line.send(frame(Kind.CALL, 1, *fields, flags=METADATA))
    await line.cut_off(GoawayCode.PROTOCOL_ERROR)
