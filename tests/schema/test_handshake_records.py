"""The frozen records of the handshake, against bytes that Java and avsc sent."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import InvalidValue
from avrpc.schema.handshake_records import (
    HANDSHAKE_REQUEST,
    HANDSHAKE_RESPONSE,
    HELLO,
    REFUSAL,
    RecordCodec,
)

HASH = bytes.fromhex("c981deac1d18f9339fe055a29b5113b0")
HELLO_VALUE = {
    "minVersion": 1,
    "maxVersion": 2,
    "protocol": "demo.Quotes",
    "protocols": ["demo.Quotes", "demo.Admin"],
    "sha256": bytes(32),
    "features": [],
    "limits": {"frame": 65536},
}

# A codec, a value, the bytes.
RECORDS: list[tuple[RecordCodec, dict[str, Any], bytes]] = [
    (  # Java's, as captured from Avro 1.8.2
        HANDSHAKE_REQUEST,
        {"clientHash": HASH, "clientProtocol": None, "serverHash": HASH, "meta": {}},
        HASH + b"\0" + HASH + b"\2\0",
    ),
    (
        HANDSHAKE_REQUEST,
        {"clientHash": HASH, "clientProtocol": "{}", "serverHash": HASH, "meta": {"a": b"x"}},
        HASH + b"\2\4{}" + HASH + b"\2\2\2a\2x\0",
    ),
    (
        HANDSHAKE_RESPONSE,
        {"match": "BOTH", "serverProtocol": None, "serverHash": None, "meta": None},
        b"\0\0\0\0",
    ),
    (
        HANDSHAKE_RESPONSE,
        {"match": "NONE", "serverProtocol": "{}", "serverHash": HASH, "meta": {}},
        b"\4\2\4{}\2" + HASH + b"\2\0",
    ),
    (
        HELLO,
        HELLO_VALUE,
        b"\2\4\x16demo.Quotes\4\x16demo.Quotes\x14demo.Admin\0\x40"
        + bytes(32)
        + b"\0\2\x0aframe\x80\x80\x08\0",
    ),
    (REFUSAL, {"code": 3, "text": "no"}, b"\6\4no"),
]


@pytest.mark.parametrize(("codec", "value", "data"), RECORDS)
def test_records_have_their_bytes(codec: RecordCodec, value: dict[str, Any], data: bytes) -> None:
    encoded = codec.encode(value)
    assert type(encoded) is bytes
    assert encoded == data
    assert codec.decode(data) == (value, len(data))
    assert codec.decode(b"??" + data + b"\0\0", 2) == (value, 2 + len(data))


@pytest.mark.parametrize(("codec", "value", "data"), RECORDS)
def test_truncated_records_are_invalid(
    codec: RecordCodec, value: dict[str, Any], data: bytes
) -> None:
    for size in range(len(data)):
        with pytest.raises(InvalidValue):
            codec.decode(data[:size])


@pytest.mark.parametrize("codec", [one for one, _, _ in RECORDS])
@given(data=st.binary(max_size=80))
def test_garbage_raises_nothing_else(codec: RecordCodec, data: bytes) -> None:
    with contextlib.suppress(InvalidValue):
        codec.decode(data)


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (HANDSHAKE_REQUEST, {}),
        (HANDSHAKE_RESPONSE, {"match": "MAYBE"}),
        (HELLO, {**HELLO_VALUE, "limits": {"frame": "x"}}),
        (REFUSAL, {"code": 3, "text": "no", "more": 1}),
    ],
)
def test_what_does_not_fit_is_invalid(codec: RecordCodec, value: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        codec.encode(value)
