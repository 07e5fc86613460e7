"""Handshakes that a server refuses, or at once ends."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

from avrpc.conformance.greeting import (
    PING,
    Answer,
    Greeting,
    ask,
    read_answer,
    skip_unless_compared,
)
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Kit
from avrpc.conformance.other_texts import unknown_text
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Failed, expect
from avrpc.schema.handshake_records import HELLO
from avrpc.wire import GoawayCode
from avrpc.wire.packs import encode_pack

OWN = Greeting.of(Conformance)


async def _refused(kit: Kit, greeting: Greeting, code: GoawayCode) -> None:
    """Expect that the first pack is refused with that code, and the connection closed."""
    channel = await kit.dial()
    _expect_refusal(await ask(channel, greeting), code)
    await channel.wait_ended("the end of the connection behind a refusal (section 4.7)")


def _expect_refusal(answer: Answer, code: GoawayCode) -> None:
    what = f"a refusal, {code.name}"
    if answer.refusal is None or answer.refusal[0] != code:
        raise Failed(what, str(answer))
    plain = answer.match, answer.text, answer.md5, answer.hello
    expect("match, text, hash and Hello of a refusal", ("NONE", None, None, None), plain)


@case("4.5")
async def no_version_in_common(kit: Kit) -> None:
    """A client that speaks later versions only is refused."""
    await _refused(kit, replace(OWN, versions=(2, 9)), GoawayCode.UNSUPPORTED_VERSION)


@case("4.5")
async def unknown_protocol(kit: Kit) -> None:
    """A protocol that the server does not offer is refused."""
    await _refused(kit, replace(OWN, protocol="no.Such"), GoawayCode.UNKNOWN_PROTOCOL)


@case("4.5")
async def text_in_the_first_pack(kit: Kit) -> None:
    """A text in the first pack is refused."""
    await _refused(kit, replace(OWN, text=Conformance.text), GoawayCode.PROTOCOL_ERROR)


@case("4.5")
async def no_ping(kit: Kit) -> None:
    """A first pack that ends with the HandshakeRequest, without the ping, is refused."""
    await _refused(kit, replace(OWN, behind=b""), GoawayCode.PROTOCOL_ERROR)


@case("4.5")
async def more_than_a_ping(kit: Kit) -> None:
    """A first pack with more behind the ping is refused."""
    await _refused(kit, replace(OWN, behind=PING + b"\0"), GoawayCode.PROTOCOL_ERROR)


@case("4.5")
async def limit_out_of_range(kit: Kit) -> None:
    """A limit out of its range is refused."""
    greeting = replace(OWN, limits={"maxFrameBytes": 16_383})
    await _refused(kit, greeting, GoawayCode.PROTOCOL_ERROR)


@case("4.5")
async def hello_that_is_malformed(kit: Kit) -> None:
    """A first pack whose `avrpc` holds no Hello is refused."""
    await _refused(kit, replace(OWN, hello=b"\xff" * 11), GoawayCode.PROTOCOL_ERROR)


@case("4.3")
async def hello_with_bytes_over(kit: Kit) -> None:
    """A Hello with bytes behind it is refused."""
    hello = HELLO.encode(
        {
            "minVersion": 1,
            "maxVersion": 1,
            "protocol": "",
            "protocols": [],
            "sha256": bytes(32),
            "features": [],
            "limits": {},
        }
    )
    await _refused(kit, replace(OWN, hello=hello + b"\0"), GoawayCode.PROTOCOL_ERROR)


async def _second_pack(kit: Kit, second: Greeting, code: GoawayCode) -> None:
    """Expect that the pack after NONE is refused with that code."""
    channel = await kit.dial()
    answer = await ask(channel, replace(second, text=None))
    expect("the answer to hashes of an unknown text", "NONE", answer.match)
    answer = await ask(channel, second, serial=1)
    if code != GoawayCode.INCOMPATIBLE_PROTOCOL:
        skip_unless_compared(answer)
    _expect_refusal(answer, code)
    await channel.wait_ended("the end of the connection behind a refusal (section 4.7)")


@case("4.5")
async def second_pack_without_text(kit: Kit) -> None:
    """A second pack without a text is refused."""
    greeting = Greeting.of_text(unknown_text())
    await _second_pack(kit, greeting, GoawayCode.SCHEMA_REJECTED)


@case("4.4")
async def text_of_other_hashes(kit: Kit) -> None:
    """A text is believed to be that of its hashes only once the server has computed them."""
    own, another = unknown_text(), unknown_text()
    greeting = replace(Greeting.of_text(own), text=another)
    await _second_pack(kit, greeting, GoawayCode.SCHEMA_REJECTED)


@case("4.4")
async def text_of_another_sha256(kit: Kit) -> None:
    """The server computes the SHA-256 of a text, too, and not only the MD5."""
    own = unknown_text()
    greeting = replace(Greeting.of_text(own), text=own, sha256=bytes(range(32)))
    await _second_pack(kit, greeting, GoawayCode.SCHEMA_REJECTED)


@case("4.5")
async def text_that_is_no_protocol(kit: Kit) -> None:
    """A text that is no JSON is refused."""
    text = '{"protocol":"Conformance","key":"' + kit.key() + '"'
    greeting = replace(Greeting.of_text(text), text=text)
    await _second_pack(kit, greeting, GoawayCode.SCHEMA_REJECTED)


@case("4.4")
async def text_with_an_unknown_type(kit: Kit) -> None:
    """A text that names a type which it does not define is refused."""
    await _type_is_rejected(kit, "Nowhere")


@case("4.4")
async def text_with_an_array_of_null(kit: Kit) -> None:
    """A text with items that take no byte is refused."""
    await _type_is_rejected(kit, {"type": "array", "items": "null"})


@case("4.4")
async def text_with_an_endless_record(kit: Kit) -> None:
    """A text with a record that always holds itself is refused."""
    fields = [{"name": "itself", "type": "Endless"}]
    await _type_is_rejected(kit, {"type": "record", "name": "Endless", "fields": fields})


async def _type_is_rejected(kit: Kit, of: object) -> None:
    """Expect that a text is refused for the type of a response in it."""
    text = json.dumps(
        {
            "protocol": Conformance.name,
            "doc": kit.key(),
            "messages": {"m": {"request": [], "response": of}},
        }
    )
    greeting = replace(Greeting.of_text(text), text=text)
    await _second_pack(kit, greeting, GoawayCode.SCHEMA_REJECTED)


@case("4.4")
async def text_that_is_too_long(kit: Kit) -> None:
    """A text of more than 256 KiB is refused."""
    text = unknown_text().ljust(256 * 1024 + 1)
    greeting = replace(Greeting.of_text(text), text=text)
    await _second_pack(kit, greeting, GoawayCode.SCHEMA_REJECTED)


@case("4.5")
async def text_of_another_protocol(kit: Kit) -> None:
    """A text of a protocol with another full name is refused."""
    text = '{"protocol":"Other","doc":"' + kit.key() + '"}'
    greeting = replace(Greeting.of_text(text), text=text, protocol=Conformance.name)
    await _second_pack(kit, greeting, GoawayCode.INCOMPATIBLE_PROTOCOL)


@case("4.7")
async def plain_avro_rpc(kit: Kit) -> None:
    """A client of plain Avro RPC gets BOTH and an Avro error, and the connection is closed."""
    channel = await kit.dial()
    answer = await ask(channel, replace(OWN, hello=b"", behind=b"\0\x0aempty"), serial=7)
    expect("the serial, which is that of the request", 7, answer.serial)
    plain = answer.match, answer.text, answer.md5, answer.hello
    expect("match, text, hash and Hello", ("BOTH", None, None, None), plain)
    expect("empty metadata, the error flag, branch 0", b"\0\1\0", answer.behind[:3])
    await channel.wait_ended()


async def _closed(kit: Kit, sent: bytes) -> None:
    """Expect that the server refuses or just closes."""
    channel = await kit.dial()
    await channel.send(sent)

    async def look() -> str | None:
        return channel.ended or None

    await channel.until(look, "the end of the connection, perhaps behind a refusal")
    if channel.received():
        answer = await read_answer(channel)
        if answer.refusal is None:
            raise Failed("a refusal, or nothing", str(answer))


@case("4.1")
async def pack_that_is_too_long(kit: Kit) -> None:
    """A first pack that says it has more than 16 KiB is noticed before it has come."""
    await _closed(kit, struct.pack(">iII", 0, 1, 2**31 - 1) + bytes(100))


@case("4.7")
async def pack_without_buffers(kit: Kit) -> None:
    """A pack of no buffers is none."""
    await _closed(kit, struct.pack(">iI", 0, 0))


@case("4.7")
async def pack_of_too_many_buffers(kit: Kit) -> None:
    """A pack of more than 64 buffers is none."""
    await _closed(kit, struct.pack(">iI", 0, 65) + bytes(65 * 4))


@case("4.7")
async def http_request(kit: Kit) -> None:
    """A client that speaks HTTP is refused, or the connection just closed."""
    await _closed(kit, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


@case("4.5")
async def pack_of_other_bytes(kit: Kit) -> None:
    """A pack that holds no HandshakeRequest is refused, or the connection just closed."""
    await _closed(kit, encode_pack(0, b"\xff" * 40))
