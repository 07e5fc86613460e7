from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import (
    Agreed,
    Answer,
    Greeting,
    Refused,
    ask,
    hashes,
    refusal_name,
    shake_hands,
)
from avrpc.conformance.interface import Conformance
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.verdict import Failed
from avrpc.schema import Protocol
from avrpc.schema.handshake_records import HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HELLO
from avrpc.testing import Link
from avrpc.wire.packs import encode_pack

OWN = Greeting.of(Conformance)
OTHER = Protocol.parse(Conformance.text.replace('"doc":"Does nothing."', '"doc":"Nothing."'))


@asynccontextmanager
async def dialled(
    serve: Callable[[trio.abc.Stream], Any] | None = None,
) -> AsyncIterator[Channel]:
    link = Link()
    channel = Channel(link.client, 3.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve or ConformanceServer().serve_stream, link.server)
        nursery.start_soon(channel.read)
        yield channel
        await channel.aclose()
        nursery.cancel_scope.cancel()


async def shaken(own: Protocol | None, greeting: Greeting) -> Agreed:
    async with dialled() as channel:
        agreed = await shake_hands(channel, greeting, own)
        assert channel.native
        return agreed


async def test_handshake_of_one_round(autojump_clock: MockClock) -> None:
    agreed = await shaken(Conformance, OWN)
    assert agreed.matches == ("BOTH",)
    assert agreed.client is agreed.server is Conformance
    assert agreed.limits.max_calls == 1024


async def test_handshake_of_two_rounds(autojump_clock: MockClock) -> None:
    agreed = await shaken(OTHER, Greeting.of(OTHER))
    assert agreed.matches == ("NONE", "BOTH")
    assert agreed.client is OTHER
    assert agreed.server.text == Conformance.text


async def test_handshake_with_the_servers_text(autojump_clock: MockClock) -> None:
    agreed = await shaken(None, Greeting())
    assert agreed.client.text == agreed.server.text == Conformance.text


async def test_handshake_with_a_wrong_idea_of_the_server(autojump_clock: MockClock) -> None:
    agreed = await shaken(Conformance, replace(OWN, server_md5=bytes(16)))
    assert agreed.matches == ("CLIENT",)


async def test_refusal_is_told(autojump_clock: MockClock) -> None:
    async with dialled() as channel:
        with pytest.raises(Refused, match="a refusal, UNKNOWN_PROTOCOL: ") as refused:
            await shake_hands(channel, replace(OWN, protocol="no.Such"), Conformance)
        assert refused.value.code == 39


def test_request_says_what_the_greeting_does() -> None:
    greeting = replace(OWN, more_meta={"key": b"value"}, features=("one",), limits={"maxCalls": 2})
    request, end = HANDSHAKE_REQUEST.decode(greeting.content())
    assert greeting.content()[end:] == b"\0\0"
    assert request["clientHash"] == request["serverHash"] == Conformance.md5
    assert request["clientProtocol"] is None
    assert request["meta"]["key"] == b"value"
    hello, _ = HELLO.decode(request["meta"]["avrpc"])
    assert hello["sha256"] == Conformance.sha256
    assert (hello["features"], hello["limits"]) == (["one"], {"maxCalls": 2})


def test_hello_can_be_other_bytes_or_left_out() -> None:
    request, _ = HANDSHAKE_REQUEST.decode(replace(OWN, hello=b"\xff").content())
    assert request["meta"] == {"avrpc": b"\xff"}
    request, _ = HANDSHAKE_REQUEST.decode(replace(OWN, hello=b"").content())
    assert request["meta"] == {}


def answering(change: Callable[[dict[str, Any]], object], rounds: int = 1) -> Any:
    """A server that answers BOTH, but for a change."""

    async def serve(stream: trio.abc.Stream) -> None:
        for serial in range(rounds):
            if not await stream.receive_some():
                return
            hello: dict[str, Any] = {
                "minVersion": 1,
                "maxVersion": 1,
                "protocol": Conformance.name,
                "protocols": [Conformance.name],
                "sha256": Conformance.sha256,
                "features": [],
                "limits": {},
            }
            response: dict[str, Any] = {
                "match": "BOTH",
                "serverProtocol": None,
                "serverHash": None,
                "hello": hello,
            }
            change(response)
            hello_bytes = HELLO.encode(response.pop("hello"))
            response.setdefault("meta", {"avrpc": hello_bytes})
            with suppress(trio.BrokenResourceError):  # it is refused, and the client gone
                await stream.send_all(encode_pack(serial, HANDSHAKE_RESPONSE.encode(response)))

    return serve


def with_text(
    response: dict[str, Any], match: str = "CLIENT", text: str = Conformance.text
) -> None:
    response.update(match=match, serverProtocol=text, serverHash=Conformance.md5)


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda response: response["hello"].update(maxVersion=2), "minVersion and maxVersion"),
    (lambda response: response["hello"].update(protocols=[]), "protocols with the protocol"),
    (lambda response: response["hello"].update(features=["x"]), "features"),
    (lambda response: response["hello"].update(sha256=bytes(32)), "those of one text"),
    (lambda response: response["hello"].update(limits={"maxCalls": 0}), "limits within"),
    (lambda response: response.update(meta=None), "the key avrpc"),
    (lambda response: response.update(meta={"avrpc": b"\x02"}), "a pack with a Handshake"),
    (lambda response: response.update(serverHash=bytes(16)), "serverProtocol and serverHash"),
    (lambda response: response.update(match="CLIENT"), "the server's text with CLIENT"),
    (lambda response: with_text(response, text=Conformance.text + " "), "the MD5 of the text"),
    (lambda response: with_text(response, match="NONE"), "once the server has the text"),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=[told for _, told in WRONG])
async def test_answer_that_breaks_a_rule_is_a_failure(
    change: Callable[[dict[str, Any]], object], expected: str, autojump_clock: MockClock
) -> None:
    async with dialled(answering(change, rounds=2)) as channel:
        with pytest.raises(Failed) as failed:
            await shake_hands(channel, OWN, Conformance)
        assert expected in failed.value.expected


async def test_text_of_no_protocol_is_a_failure(autojump_clock: MockClock) -> None:
    text = "{}"
    md5, sha256 = hashes(text)

    def change(response: dict[str, Any]) -> None:
        response.update(match="NONE", serverProtocol=text, serverHash=md5)
        response["hello"].update(sha256=sha256)

    async with dialled(answering(change)) as channel:
        with pytest.raises(Failed, match="the text of a valid protocol"):
            await shake_hands(channel, OWN, Conformance)


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad", encode_pack(0, b"\x09")])
async def test_what_is_no_answer_is_a_failure(data: bytes, autojump_clock: MockClock) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all(data)

    async with dialled(serve) as channel:
        with pytest.raises(Failed, match="a pack with a HandshakeResponse"):
            await ask(channel, OWN)


def test_answers_are_told_in_words() -> None:
    answer = Answer(0, "NONE", None, None, None, (41, "later"), b"")
    assert str(answer) == "a refusal, UNSUPPORTED_VERSION: 'later'"
    assert str(replace(answer, refusal=None)) == "the answer NONE without the key avrpc"
    assert str(replace(answer, refusal=None, hello={})) == "the answer NONE"
    assert refusal_name(99) == "code 99"
