import pytest

from avrpc.wire.frames import (
    COMPRESSED,
    DEADLINE,
    LEGAL_FLAGS,
    MAX_LENGTH,
    METADATA,
    MORE,
    STARTED,
    Kind,
    encode_frame,
)

KINDS = {
    1: "CALL",
    2: "ITEMS",
    3: "END",
    4: "RESULT",
    5: "ERROR",
    6: "STATUS",
    7: "CANCEL",
    8: "CREDIT",
    9: "PING",
    10: "PONG",
    11: "GOAWAY",
}
FLAGS = {
    "CALL": 0x70,
    "ITEMS": 0x10,
    "RESULT": 0x30,
    "ERROR": 0x30,
    "STATUS": 0x60,
}


def test_numbers_of_kinds_and_flags_stay() -> None:
    assert {kind.value: kind.name for kind in Kind} == KINDS
    assert {kind.name: flags for kind, flags in LEGAL_FLAGS.items() if flags} == FLAGS
    assert set(LEGAL_FLAGS) == set(Kind)
    assert (MORE, METADATA, DEADLINE, STARTED, COMPRESSED) == (0x10, 0x20, 0x40, 0x40, 0x80)


def test_no_kind_may_be_compressed_yet() -> None:
    assert not any(flags & COMPRESSED for flags in LEGAL_FLAGS.values())


@pytest.mark.parametrize(
    ("kind", "flags", "body", "encoded"),
    [
        (Kind.PING, 0, b"\2", "09000001 02"),
        (Kind.CALL, MORE | METADATA | DEADLINE, b"", "71000000"),
        (Kind.STATUS, STARTED, b"abc", "46000003 616263"),
        (Kind.RESULT, 0, bytes(0x012345), "04012345" + "00" * 0x012345),
        (Kind.RESULT, 0, bytes(MAX_LENGTH), "04ffffff" + "00" * MAX_LENGTH),
    ],
    ids=["PING", "flags", "STATUS", "long", "longest"],
)
def test_frame_is_kind_and_flags_then_length_then_body(
    kind: Kind, flags: int, body: bytes, encoded: str
) -> None:
    assert encode_frame(kind, flags, body) == bytes.fromhex(encoded)
