"""Clients that the server knows, and strangers. Tried where the kit has been given credentials."""

from __future__ import annotations

from dataclasses import replace

from avrpc.conformance.channel import Channel
from avrpc.conformance.greeting import Answer, Greeting, Refused, ask, read_answer, shake_hands
from avrpc.conformance.interface import Conformance
from avrpc.conformance.kit import Kit
from avrpc.conformance.other_texts import unknown_text
from avrpc.conformance.raw import frame
from avrpc.conformance.registry import case
from avrpc.conformance.verdict import Failed, Skipped, expect
from avrpc.wire import GoawayCode, encode_long
from avrpc.wire.frames import Kind
from avrpc.wire.packs import encode_pack

OWN = Greeting.of(Conformance)
ASKING = Greeting(protocol=Conformance.name)
TEXT = "not authenticated"
LONGEST = 8 * 1024


def _right(kit: Kit) -> bytes:
    """The credentials of the kit."""
    if kit.known.credentials is None:
        raise Skipped("the kit was given no --credentials")
    return kit.known.credentials


def _nearly(right: bytes) -> bytes:
    """The same, but for a bit of the last byte."""
    return right[:-1] + bytes([right[-1] ^ 1])


async def _stranger(kit: Kit, credentials: bytes | None) -> Channel:
    """A connection on which these are shown."""
    channel = await kit.dial()
    channel.credentials = credentials
    return channel


async def _refusal(channel: Channel, answer: Answer) -> Answer:
    """Expect that an answer is a stranger's refusal, and the connection closed behind it."""
    wanted = int(GoawayCode.UNAUTHENTICATED), TEXT
    if answer.refusal != wanted:
        raise Failed(f"a refusal, UNAUTHENTICATED: {TEXT!r}", str(answer))
    plain = answer.match, answer.text, answer.md5, answer.hello, answer.behind
    nothing = ("NONE", None, None, None, b"")
    expect("match, text, hash and Hello of a refusal, and what is behind", nothing, plain)
    await channel.wait_ended("the end of the connection behind a refusal (section 4.7)")
    return answer


async def _refused(kit: Kit, *strangers: tuple[bytes | None, Greeting]) -> list[Answer]:
    """Expect that each gets a refusal. They ask all at once, as a refusal takes its time."""
    channels = [await _stranger(kit, credentials) for credentials, _ in strangers]
    for channel, (credentials, greeting) in zip(channels, strangers, strict=True):
        await channel.send(encode_pack(0, greeting.content(credentials)))
    return [await _refusal(channel, await read_answer(channel)) for channel in channels]


@case("4.8")
async def right_credentials(kit: Kit) -> None:
    """A client with the right credentials is let in, and calls."""
    _right(kit)
    line = await kit.connect()
    expect("the result of a call", None, await line.call("empty"))


@case("4.8")
async def right_credentials_in_both_packs(kit: Kit) -> None:
    """A client that needs a second pack shows them in both."""
    _right(kit)
    try:
        agreed = await shake_hands(await kit.dial(), ASKING, None)
    except Refused as error:
        raise Failed("NONE, then BOTH", str(error)) from None
    expect("the answers", ("NONE", "BOTH"), agreed.matches)


@case("4.8")
async def wrong_credentials(kit: Kit) -> None:
    """Other credentials are refused: UNAUTHENTICATED, and the text that says no more."""
    await _refused(kit, (b"other than " + _right(kit)[: LONGEST // 2], OWN))


@case("4.8")
async def no_credentials(kit: Kit) -> None:
    """A client without credentials gets the same refusal."""
    _right(kit)
    await _refused(kit, (None, OWN))


@case("4.8")
async def nearly_right_credentials(kit: Kit) -> None:
    """No part of the right credentials will do, nor they with a byte more, or another one."""
    right = _right(kit)
    others = (b"", right[:-1], (right + b"\0")[-LONGEST:], _nearly(right))
    await _refused(kit, *((other, OWN) for other in others))


@case("4.8")
async def longest_credentials(kit: Kit) -> None:
    """Credentials of 8 KiB are looked at like any others."""
    await _refused(kit, (_right(kit).ljust(LONGEST + 1)[1:], OWN))


@case("4.8")
async def strangers_learn_nothing(kit: Kit) -> None:
    """A stranger's refusal is the same whatever it names, knows or gets wrong."""
    _right(kit)
    greetings = (
        OWN,
        ASKING,
        Greeting.of_text(unknown_text()),
        replace(OWN, protocol="no.Such"),
        replace(OWN, versions=(2, 9)),
        replace(OWN, text=Conformance.text),
        replace(OWN, limits={"maxFrameBytes": 1}),
        replace(OWN, hello=b"\xff" * 11),
        replace(OWN, behind=b""),
    )
    first, *others = await _refused(kit, *((None, greeting) for greeting in greetings))
    for other in others:
        expect("the refusal, as for others", first, other)


@case("4.8")
async def other_credentials_in_the_second_pack(kit: Kit) -> None:
    """A second pack with others than the first is refused, also with none."""
    right, own = _right(kit), unknown_text()
    for other in (_nearly(right), None):
        channel = await _stranger(kit, right)
        answer = await ask(channel, Greeting.of_text(own))
        expect("the answer to hashes of an unknown text", "NONE", answer.match)
        channel.credentials = other
        second = Greeting.of_text(own).with_text(own, bytes(16))
        await _refusal(channel, await ask(channel, second, serial=1))


@case("4.8")
async def stranger_of_plain_avro_rpc(kit: Kit) -> None:
    """A stranger without the key avrpc gets the error of section 4.7, with the same text."""
    _right(kit)
    channel = await _stranger(kit, None)
    answer = await ask(channel, replace(OWN, hello=b"", behind=b"\0\x0aempty"), serial=7)
    plain = answer.match, answer.text, answer.md5, answer.hello
    expect("match, text, hash and Hello", ("BOTH", None, None, None), plain)
    error = b"\0\1\0" + encode_long(len(TEXT)) + TEXT.encode()
    expect("empty metadata, the error flag, branch 0, the text", error, answer.behind)
    await channel.wait_ended()


@case("4.8")
async def strangers_call_nothing(kit: Kit) -> None:
    """A CALL right behind a stranger's first pack is not run."""
    _right(kit)
    line = await kit.connect()
    key, channel = kit.key(), await _stranger(kit, None)
    note = Conformance.messages["note"]
    call = frame(Kind.CALL, 1, note.number, bytes(note.request.encode({"key": key})))
    await channel.send(encode_pack(0, OWN.content(channel.credentials)) + call)

    async def look() -> str | None:
        return channel.ended or None

    await channel.until(look, "the end of the connection, perhaps behind a refusal")
    expect("how often the handler ran", 0, await line.call("count", key=key))
