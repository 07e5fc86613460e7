"""What a peer chooses the words of, everywhere: in no log and no error as it wrote them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio

import avrpc
from avrpc.log import logger
from avrpc.memory import hashes
from avrpc.replies import META_REFUSED
from avrpc.schema.handshake_records import HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HELLO, REFUSAL
from avrpc.shown import MOST, MOST_IN_ERROR
from avrpc.testing import Link, open_pair
from avrpc.wire import GoawayCode, StatusCode
from avrpc.wire.frames import Kind
from avrpc.wire.packs import encode_pack
from avrpc.wire.primitives import encode_long
from tests.desk import DESK, RawPeer, desk_server, open_raw_client, open_raw_server, talk, tick
from tests.wire.pair import frame

FORGED = "2026-01-01 ERROR forged\x1b[2J\u2028\u202e"
NASTY = f"so\r\n{FORGED}\n\x00" + "\n" * 1000 + "x" * 10_000
BEGINS = r"so\r\n2026-01-01 ERROR forged\x1b[2J\u2028\u202e\n\x00\n\n"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The file that a program logs to."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.setLevel(level)
    logger.removeHandler(handler)


def records(log: io.StringIO) -> list[str]:
    """What was logged: one line of each record, those of an exception left aside."""
    *lines, last = log.getvalue().split("\n")
    assert last == ""
    assert all(line.isprintable() for line in lines)
    found = [line for line in lines if not line.startswith("    ")]
    for line in found:
        assert " avrpc: " in line
        assert len(line) < MOST + 150
    return found


def assert_fit_to_be_shown(error: BaseException) -> None:
    text = str(error)
    assert text.isprintable()
    assert len(text) < MOST_IN_ERROR + 150


# At the client ...


async def answer_call(server: RawPeer, *frames: bytes) -> None:
    await server.receive()
    await server.send(*frames)


@pytest.mark.parametrize("code", [*StatusCode, 99])
async def test_text_of_a_status(code: int, log: io.StringIO) -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(answer_call, server, frame(Kind.STATUS, 1, int(code), NASTY))
        with pytest.raises(avrpc.AvrpcError) as caught:
            await client.last("EURUSD")
    assert_fit_to_be_shown(caught.value)
    assert BEGINS in str(caught.value)


async def test_text_of_a_status_of_a_one_way_call(log: io.StringIO) -> None:
    async with open_raw_server() as (client, server):
        await client.note("x")
        await answer_call(server, frame(Kind.STATUS, 1, int(StatusCode.UNKNOWN), NASTY))
    (line,) = records(log)
    assert f"one-way call failed: note: {BEGINS}" in line


@pytest.mark.parametrize("code", [0, GoawayCode.SHUTDOWN, GoawayCode.ENHANCE_YOUR_CALM, 99])
async def test_text_of_a_goaway(code: int, log: io.StringIO) -> None:
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(answer_call, server, frame(Kind.GOAWAY, 0, int(code), NASTY))
        with pytest.raises(avrpc.AvrpcError) as caught:
            await client.last("EURUSD")
        with pytest.raises(avrpc.AvrpcError) as later:
            await client.last("EURUSD")
    for error in (caught.value, later.value):
        assert_fit_to_be_shown(error)
        assert BEGINS in str(error)
    told = [line for line in records(log) if "ended the connection" in line]
    assert len(told) == (0 if code in (0, GoawayCode.SHUTDOWN) else 1)
    assert all(BEGINS in line for line in told)


async def test_text_that_stands_for_an_error_of_avros(log: io.StringIO) -> None:
    text = encode_long(0) + encode_long(len(NASTY.encode())) + NASTY.encode()
    async with open_raw_server() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(answer_call, server, frame(Kind.ERROR, 1, text))
        with pytest.raises(avrpc.RemoteError) as caught:
            await client.last("EURUSD")
    assert_fit_to_be_shown(caught.value)
    assert str(caught.value).startswith(BEGINS)


async def test_fields_of_a_declared_error(log: io.StringIO) -> None:
    async def last(symbol: str, depth: int) -> None:
        raise DESK.errors.UnknownSymbol(symbol=symbol, hint=symbol)

    async with open_pair(desk_server(last=last), DESK) as client:
        with pytest.raises(DESK.errors.UnknownSymbol) as caught:
            await client.last(NASTY)
    assert_fit_to_be_shown(caught.value)
    assert caught.value.symbol == NASTY  # the field itself is whole


async def refuse(stream: trio.abc.Stream, meta: dict[str, bytes], text: str | None = None) -> None:
    """A server that answers the handshake so, and no more."""
    await stream.receive_some()
    answer: dict[str, Any] = {"match": "NONE", "serverProtocol": text, "serverHash": None}
    if text is not None:
        answer["serverHash"] = hashes(text.encode())[0]
    await stream.send_all(encode_pack(0, HANDSHAKE_RESPONSE.encode({**answer, "meta": meta})))


def server_hello(text: str, **changed: Any) -> dict[str, bytes]:
    sha256 = hashes(text.encode())[1]
    hello = {
        "minVersion": 1,
        "maxVersion": 1,
        "protocol": "P",
        "protocols": [],
        "sha256": sha256,
        "features": [],
        "limits": {},
    }
    return {"avrpc": HELLO.encode({**hello, **changed})}


BAD_TEXTS = [
    json.dumps({"protocol": NASTY}),
    json.dumps({"protocol": "P", "messages": {NASTY: 1}}),
    json.dumps({"protocol": "P", "types": [{"type": NASTY}]}),
    json.dumps({"protocol": "P", "types": [{"type": "record", "name": "R", "fields": NASTY}]}),
    json.dumps(
        {"protocol": "P", "types": [{"type": "enum", "name": "E", "symbols": ["A", NASTY]}]}
    ),
    f'{{"protocol": "P", "messages": {{}}, {json.dumps(NASTY)}: 1, {json.dumps(NASTY)}: 2}}',
]


@pytest.mark.parametrize("text", [None, *BAD_TEXTS])
async def test_refusal_and_protocol_of_a_server(text: str | None, log: io.StringIO) -> None:
    meta = {META_REFUSED: REFUSAL.encode({"code": 7, "text": NASTY})}
    if text is not None:
        meta = server_hello(text)
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse, link.server, meta, text)
        with pytest.raises(avrpc.ConnectFailed) as caught:
            async with avrpc.connect_stream(link.client):
                pass
    assert_fit_to_be_shown(caught.value)


# ... and at the server.


def client_request(text: str | None, name: str = "") -> bytes:
    md5, sha256 = hashes((text or "").encode())
    return HANDSHAKE_REQUEST.encode(
        {
            "clientHash": md5,
            "clientProtocol": text,
            "serverHash": md5,
            "meta": {"avrpc": HELLO.encode(HELLO_OF_CLIENT | {"protocol": name, "sha256": sha256})},
        }
    )


HELLO_OF_CLIENT = {
    "minVersion": 1,
    "maxVersion": 1,
    "protocols": [],
    "features": [],
    "limits": {},
}


async def test_name_of_the_protocol_that_a_client_wants(log: io.StringIO) -> None:
    await talk(desk_server(), encode_pack(0, client_request(None, NASTY) + b"\0\0"))
    (line,) = records(log)
    assert BEGINS in line.replace("\\\\", "\\")


@pytest.mark.parametrize("text", BAD_TEXTS)
async def test_protocol_of_a_client(text: str, log: io.StringIO) -> None:
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk_server().serve_stream, link.server)
        await link.client.send_all(encode_pack(0, client_request(None) + b"\0\0"))
        await link.client.receive_some()
        await link.client.send_all(encode_pack(1, client_request(text) + b"\0\0"))
        while await link.client.receive_some():
            pass
    (line,) = records(log)
    assert "refused: the client's protocol: " in line


@pytest.mark.parametrize("garbage", [NASTY.encode(), bytes(7) + b"\1" + NASTY.encode()])
async def test_garbage_in_the_handshake(garbage: bytes, log: io.StringIO) -> None:
    await talk(desk_server(), garbage)
    (line,) = records(log)
    assert "refused" in line


@pytest.mark.parametrize("code", [GoawayCode.PROTOCOL_ERROR, 99])
async def test_goaway_of_a_client(code: int, log: io.StringIO) -> None:
    async with open_raw_client(desk_server()) as client:
        await client.send(frame(Kind.GOAWAY, 0, int(code), NASTY))
        with pytest.raises(EOFError):
            await client.receive()
    (line,) = records(log)
    assert BEGINS in line


async def test_violation_of_a_client(log: io.StringIO) -> None:
    async with open_raw_client(desk_server()) as client:
        bad = b"\xff\r\n\x1b[2J" * 100
        await client.send(frame(Kind.GOAWAY, 0, 0, encode_long(len(bad)) + bad))
        with pytest.raises(EOFError):
            while True:
                await client.receive()
    (line,) = records(log)
    assert "protocol violation" in line


async def test_what_a_handler_says_in_its_exceptions(log: io.StringIO) -> None:
    async def last(symbol: str, depth: int) -> None:
        raise LookupError(f"no symbol {symbol}")

    async def watch(symbol: str, count: int) -> AsyncIterator[Any]:
        yield tick()
        raise ExceptionGroup(symbol, [ValueError(symbol), TypeError(symbol)])

    async with open_pair(desk_server(last=last, watch=watch), DESK) as client:
        for _ in range(2):
            with pytest.raises(avrpc.InternalError) as caught:
                await client.last(NASTY)
        async with client.watch(NASTY) as ticks:
            await ticks.receive()
            with pytest.raises(avrpc.InternalError) as caught:
                await ticks.receive()
    assert_fit_to_be_shown(caught.value)
    lines = records(log)
    assert len(lines) == 3
    assert [line.rpartition(" ")[0].split(": ", 2)[2] for line in lines] == [
        "the handler of last failed; the caller was told: internal error",
        "the handler of last failed; the caller was told: internal error",
        "the handler of watch failed; the caller was told: internal error",
    ]
    assert "ERROR forged" in log.getvalue()  # it is there, further to the right
