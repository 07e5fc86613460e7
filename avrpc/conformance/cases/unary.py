"""Calls that are answered once, and those that are not answered with a value."""

from __future__ import annotations

from avrpc.conformance.interface import body
from avrpc.conformance.kit import Kit
from avrpc.conformance.line import require_room
from avrpc.conformance.raw import frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import expect
from avrpc.wire.frames import METADATA, Kind
from avrpc.wire.primitives import encode_metadata


@case("6")
async def empty_unary(kit: Kit) -> None:
    """A call without parameters and without a result."""
    line = await kit.connect()
    expect("the result of empty()", None, await line.call("empty"))


@case("9")
async def large_unary(kit: Kit) -> None:
    """Parameters of 271,828 bytes, and a result of 314,159."""
    line = await kit.connect()
    came = await line.call("blob", payload=body(271_828), size=314_159)
    expect("a result of 314,159 bytes", body(314_159), came)


@case("5")
async def result_of_any_size(kit: Kit) -> None:
    """Values of sizes around those where something changes: a length byte, a piece, a frame."""
    line = await kit.connect()
    for size in (0, 1, 63, 64, 8_191, 8_192, 16_300, 16_384, 65_500, 65_534, 65_536, 131_072):
        expect(f"{size} bytes", body(size), await line.call("blob", payload=body(size), size=size))


@case("7")
async def calls_one_after_the_other(kit: Kit) -> None:
    """Seventy calls on one connection: from 64 on an id takes two bytes."""
    line = await kit.connect()
    for size in range(70):
        expect(f"{size} bytes", body(size), await line.call("blob", payload=b"", size=size))


@case("7")
async def one_way_is_answered(kit: Kit) -> None:
    """A one-way call is run, and answered by RESULT without a value."""
    line = await kit.connect()
    key = kit.key()
    note = await line.open("note", key=key)
    outcome = await note.ended()
    expect(
        "the outcome of a one-way call",
        ("ResultReceived", b""),
        (type(outcome).__name__, outcome[2]),
    )
    expect("the count after one note", 1, await line.call("count", key=key))


@case("6")
async def metadata_reaches_the_handler(kit: Kit) -> None:
    """The handler sees the metadata of its call, behind a deadline as well, or none."""
    line = await kit.connect()
    sent = {"trace": b"\x07\x1f", "empty": b"", "na\u00efve": bytes(200)}
    for ms_left in (None, 60_000):
        call = await line.open("metadata", metadata=sent, ms_left=ms_left)
        expect("the metadata", sent, await call.result())
    expect("the metadata of a call without", {}, await line.call("metadata"))


@case("6")
async def metadata_in_every_form(kit: Kit) -> None:
    """Metadata may be a map in several blocks, one of them with its size in bytes."""
    line = await kit.connect_raw()
    require_room(line.limits, 0, 32)
    one, two = encode_metadata({"one": b"1"}), encode_metadata({"two": b"22"})
    entry = two[1:-1]
    in_blocks = one[:-1] + frame(0, -1, len(entry))[4:] + entry + b"\0"
    await line.send(frame(Kind.CALL, 1, line.number("metadata"), in_blocks, flags=METADATA))
    found = line.decoded("metadata", await line.result(1))
    expect("the metadata", {"one": b"1", "two": b"22"}, found)
