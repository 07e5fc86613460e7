from __future__ import annotations

import pytest

from avrpc.conformance.raw import frame, items_frame
from avrpc.conformance.trace import Cutter, Frame, Goaway, Status
from avrpc.wire import GoawayCode, ProtocolError, StatusCode
from avrpc.wire.frames import COMPRESSED, METADATA, MORE, STARTED, Kind
from avrpc.wire.primitives import encode_bytes, encode_metadata

TOLD = [
    (frame(Kind.PING, 7), "PING 7"),
    (frame(Kind.CALL, 1, 2, b"xy"), "CALL, call 1: 4 bytes: 02 04 78 79"),
    (
        frame(Kind.RESULT, 3, bytes(10), flags=MORE),
        "RESULT + MORE, call 3: 11 bytes: 06 00 00 00 00 00 00 00 00 00 00",
    ),
    (frame(Kind.CALL, 3, b"x", flags=COMPRESSED), "CALL + COMPRESSED, call 3: 2 bytes: 06 78"),
    (frame(Kind.CREDIT, 300, 5), "CREDIT, call 300: 5 bytes"),
    (items_frame(2, b"x", b"y"), "ITEMS, call 2: count 2, 5 bytes: 04 00 02 78 79"),
    (
        frame(Kind.STATUS, 1, 1, encode_bytes(b"gone"), flags=STARTED),
        "STATUS, call 1: CANCELLED, started: 'gone'",
    ),
    (
        frame(Kind.STATUS, 1, 99, encode_bytes(b"?")),
        "STATUS, call 1: code 99, not started: '?'",
    ),
    (
        frame(Kind.GOAWAY, 5, 37, encode_bytes(b"bye")),
        "GOAWAY SHUTDOWN, last call 5: 'bye'",
    ),
    (frame(13, b"abc"), "a frame of unknown kind 13: 3 bytes: 61 62 63"),
    (frame(Kind.CALL, 1, bytes(12)), "CALL, call 1: 13 bytes: 02" + " 00" * 11 + " ..."),
    (frame(Kind.END, 1), "END, call 1: 1 byte: 02"),
    (frame(Kind.CREDIT, 1), "CREDIT, malformed ("),
]


@pytest.mark.parametrize(("data", "told"), TOLD, ids=[told for _, told in TOLD])
def test_frames_are_told_in_words(data: bytes, told: str) -> None:
    (cut,) = Cutter().feed(data)
    assert str(cut).startswith(told)


def test_frames_are_cut_from_any_chunks() -> None:
    data = b"".join(data for data, _ in TOLD)
    whole = Cutter().feed(data)
    assert len(whole) == len(TOLD)
    cutter = Cutter()
    bytewise = [one for at in range(len(data)) for one in cutter.feed(data[at : at + 1])]
    assert bytewise == whole


def test_fields_are_read() -> None:
    metadata = encode_metadata({"host": b"a"})
    (status,) = Cutter().feed(
        frame(Kind.STATUS, 1, metadata, 4, encode_bytes(b"late"), flags=METADATA | STARTED)
    )
    assert status.status() == Status(StatusCode.DEADLINE_EXCEEDED, "late", started=True)
    (goaway,) = Cutter().feed(frame(Kind.GOAWAY, 3, 0, encode_bytes(b"")))
    assert goaway.goaway() == Goaway(3, GoawayCode.NO_ERROR, "")
    assert Frame(Kind.CREDIT, 0, b"\x02\x04").longs(2) == [1, 2]
    with pytest.raises(ProtocolError):
        Frame(Kind.CREDIT, 0, b"\x02").longs(2)


@pytest.mark.parametrize(
    ("kind", "call_id"),
    [(Kind.RESULT, 1), (Kind.PING, None), (Kind.GOAWAY, None), (13, None)],
)
def test_call_of_a_frame(kind: int, call_id: int | None) -> None:
    assert Frame(kind, 0, b"\x02").call_id == call_id
