"""How a connection begins."""

from __future__ import annotations

import struct
from dataclasses import replace

from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import (
    Greeting,
    Refused,
    ask,
    checked_hello,
    checked_limits,
    checked_text,
    hashes,
    read_answer,
    shake_hands,
    skip_unless_compared,
)
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Kit
from avrpc.conformance.other_texts import unknown_text
from avrpc.conformance.raw import frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Failed, expect
from avrpc.limits import Limits
from avrpc.wire.frames import Kind
from avrpc.wire.packs import encode_pack

OWN = Greeting.of(Conformance)
ASKING = Greeting(protocol=Conformance.name)


async def _works(channel: Channel) -> None:
    """Frames follow: a PING is answered."""
    channel.native = True
    await channel.send(frame(Kind.PING, 77))

    async def look() -> bool | None:
        _, frames = channel.take_frames()
        return any(one.kind == Kind.PONG and one.longs(1) == [77] for one in frames) or None

    await channel.until(look, "PONG 77, as frames follow the handshake")


async def _text_of_the_server(kit: Kit) -> str:
    """The server's text, byte for byte."""
    channel = await kit.dial()
    answer = await ask(channel, ASKING)
    return checked_text(answer).text


@case("4.5")
async def handshake_both(kit: Kit) -> None:
    """A client that has the server's text gets BOTH in one round."""
    text = await _text_of_the_server(kit)
    md5, sha256 = hashes(text)
    channel = await kit.dial()
    answer = await ask(channel, Greeting(client_md5=md5, sha256=sha256, server_md5=md5))
    expect("the answer", "BOTH", answer.match)
    hello = checked_hello(answer)
    expect("sha256, that of the server's text", sha256, hello["sha256"])
    checked_limits(hello)
    await _works(channel)


@case("4.5")
async def handshake_client(kit: Kit) -> None:
    """A client that takes the server's text for another one gets CLIENT, with the text."""
    text = await _text_of_the_server(kit)
    md5, sha256 = hashes(text)
    channel = await kit.dial()
    answer = await ask(channel, Greeting(client_md5=md5, sha256=sha256, server_md5=bytes(16)))
    expect("the answer", "CLIENT", answer.match)
    checked_hello(answer)
    expect("the server's text", text, checked_text(answer).text)
    await _works(channel)


@case("4.5")
async def handshake_none(kit: Kit) -> None:
    """Hashes that the server can't know get NONE; with the text the second pack is taken."""
    own = unknown_text()
    channel = await kit.dial()
    answer = await ask(channel, Greeting.of_text(own))
    expect("the answer", "NONE", answer.match)
    checked_hello(answer)
    server = checked_text(answer)
    answer = await ask(channel, Greeting.of_text(own).with_text(own, server.md5), serial=1)
    skip_unless_compared(answer)
    expect("the answer to the second pack", "BOTH", answer.match)
    checked_hello(answer, 1)
    await _works(channel)


@case("4.5")
async def handshake_none_then_client(kit: Kit) -> None:
    """The second pack is answered CLIENT where its serverHash is not the server's."""
    own = unknown_text()
    channel = await kit.dial()
    await ask(channel, Greeting.of_text(own))
    answer = await ask(channel, Greeting.of_text(own).with_text(own, bytes(16)), serial=1)
    skip_unless_compared(answer)
    expect("the answer to the second pack", "CLIENT", answer.match)
    checked_hello(answer, 1)
    checked_text(answer)
    await _works(channel)


@case("4.4")
async def handshake_without_protocol(kit: Kit) -> None:
    """A client without a protocol takes the server's text, and sends it back as its own."""
    channel = await kit.dial()
    try:
        agreed = await shake_hands(channel, ASKING, None)
    except Refused as error:
        raise Failed("NONE, then BOTH", str(error)) from None
    expect("the answers", ("NONE", "BOTH"), agreed.matches)
    expect("the full name of the server's protocol", Conformance.name, agreed.server.name)
    await _works(channel)


@case("4.4")
async def handshake_md5_is_no_proof(kit: Kit) -> None:
    """A text is known by both hashes: with the MD5 alone the answer is NONE."""
    md5, _ = hashes(await _text_of_the_server(kit))
    channel = await kit.dial()
    answer = await ask(channel, replace(OWN, client_md5=md5, sha256=bytes(32)))
    expect("the answer", "NONE", answer.match)
    checked_text(answer)


@case("4.4")
async def handshake_sha256_of_no_text(kit: Kit) -> None:
    """A sha256 that has not 32 bytes is that of no text."""
    channel = await kit.dial()
    answer = await ask(channel, replace(OWN, sha256=b"short"))
    expect("the answer", "NONE", answer.match)
    checked_text(answer)


@case("4.3")
async def handshake_first_protocol(kit: Kit) -> None:
    """An empty name is that of the server's first protocol."""
    channel = await kit.dial()
    answer = await ask(channel, Greeting(protocol=""))
    hello = checked_hello(answer)
    expect("protocol, the first one offered", hello["protocols"][0], hello["protocol"])


@case("4.3")
async def handshake_ignores_what_is_new(kit: Kit) -> None:
    """Features, limits and keys of meta that are unknown are ignored."""
    greeting = replace(
        OWN,
        features=("unheard-of",),
        limits={"maxMoons": 7, "windowBytes": 100_000},
        more_meta={"unheard-of": b"\1\2", "avrpc-later": b""},
    )
    channel = await kit.dial()
    try:
        await shake_hands(channel, greeting, Conformance)
    except Refused as error:
        raise Failed("BOTH, CLIENT or NONE", str(error)) from None
    await _works(channel)


@case("4.3")
async def handshake_with_every_limit(kit: Kit) -> None:
    """All seven limits may be announced, and credentials that nobody asked for."""
    greeting = replace(OWN, limits=Limits().announced())
    channel = await kit.dial()
    channel.credentials = channel.credentials or b"me"
    try:
        await shake_hands(channel, greeting, Conformance)
    except Refused as error:
        raise Failed("BOTH, CLIENT or NONE", str(error)) from None
    await _works(channel)


@case("4.1")
async def handshake_in_many_buffers(kit: Kit) -> None:
    """Where a pack is cut into buffers means nothing: 64 of them, most of them empty."""
    channel = await kit.dial()
    content = ASKING.content(channel.credentials)
    size = 10 + len(content) // 60
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    parts += [b""] * (64 - len(parts))
    packed = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    await channel.send(struct.pack(">iI", 0, len(parts)) + packed)
    answer = await read_answer(channel)
    expect("the answer", "NONE", answer.match)
    checked_text(answer)


@case("4.1")
async def handshake_byte_by_byte(kit: Kit) -> None:
    """A pack that arrives byte by byte is read like any other."""
    channel = await kit.dial()
    pack = encode_pack(0, ASKING.content(channel.credentials))
    for position in range(len(pack)):
        await channel.send(pack[position : position + 1])
    expect("the answer", "NONE", (await read_answer(channel)).match)


@case("4.5")
async def later_versions_too(kit: Kit) -> None:
    """A client that speaks later versions as well is answered in version 1."""
    channel = await kit.dial()
    answer = await ask(channel, replace(ASKING, versions=(1, 9)))
    checked_hello(answer)
    expect("the answer", "NONE", answer.match)
