"""The handshake as a client makes it, by hand: any field of it can be other than it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from avrpc.conformance.channel import Channel
from avrpc.conformance.interface import Conformance
from avrpc.conformance.verdict import Failed, Skipped, expect, expect_true
from avrpc.errors import InvalidValue, SchemaError
from avrpc.limits import limits_of_peer
from avrpc.schema import Protocol
from avrpc.schema.handshake_records import (
    HANDSHAKE_REQUEST,
    HANDSHAKE_RESPONSE,
    HELLO,
    REFUSAL,
    RecordCodec,
)
from avrpc.wire import CODECS, GoawayCode, ProtocolError, WireLimits
from avrpc.wire.packs import encode_pack, parse_pack

VERSION = 1
LONGEST_ANSWER = 288 * 1024
PING = b"\0\0"


@dataclass(frozen=True)
class Greeting:
    """What the client says.

    Attributes:
        client_md5: Of the text that it says it has.
        sha256: Of the same.
        server_md5: Of the text that it takes the server's to be.
        text: The text in this pack.
        protocol: The full name of the protocol wanted.
        versions: The lowest and the highest version that it speaks.
        limits: What it announces.
        features: What it can.
        more_meta: Further entries of the meta map.
        hello: The whole record, encoded, instead of the one made of the fields above; empty for no
            entry at all.
        behind: What stands behind the HandshakeRequest.
    """

    client_md5: bytes = bytes(16)
    sha256: bytes = bytes(32)
    server_md5: bytes = bytes(16)
    text: str | None = None
    protocol: str = ""
    versions: tuple[int, int] = (VERSION, VERSION)
    limits: Mapping[str, int] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    more_meta: Mapping[str, bytes] = field(default_factory=dict)
    hello: bytes | None = None
    behind: bytes = PING

    @classmethod
    def of(cls, protocol: Protocol, limits: Mapping[str, int] | None = None) -> Greeting:
        """The greeting of a client that has a protocol, and takes it for the server's."""
        return cls(
            client_md5=protocol.md5,
            sha256=protocol.sha256,
            server_md5=protocol.md5,
            protocol=protocol.name,
            limits=limits or {},
        )

    @classmethod
    def of_text(cls, text: str) -> Greeting:
        """That of a client that has the conformance protocol in these bytes, or says so."""
        md5, sha256 = hashes(text)
        return cls(client_md5=md5, sha256=sha256, server_md5=md5, protocol=Conformance.name)

    def with_text(self, text: str, server_md5: bytes) -> Greeting:
        """The same, once the server has answered NONE."""
        md5, sha256 = hashes(text)
        return replace(self, text=text, client_md5=md5, sha256=sha256, server_md5=server_md5)

    def content(self, credentials: bytes | None = None) -> bytes:
        """The content of the pack.

        Args:
            credentials: What is shown in it; None for nothing.
        """
        hello = self._hello() if self.hello is None else self.hello
        meta = {"avrpc": hello} if hello else {}
        if credentials is not None:
            meta["avrpc-auth"] = credentials
        return (
            HANDSHAKE_REQUEST.encode(
                {
                    "clientHash": self.client_md5,
                    "clientProtocol": self.text,
                    "serverHash": self.server_md5,
                    "meta": meta | dict(self.more_meta),
                }
            )
            + self.behind
        )

    def _hello(self) -> bytes:
        return HELLO.encode(
            {
                "minVersion": self.versions[0],
                "maxVersion": self.versions[1],
                "protocol": self.protocol,
                "protocols": [],
                "sha256": self.sha256,
                "features": list(self.features),
                "limits": dict(self.limits),
            }
        )


@dataclass(frozen=True)
class Answer:
    """What the server says.

    Attributes:
        serial: Of its pack.
        match: BOTH, CLIENT or NONE.
        text: The server's text, if it is there.
        md5: Its hash, if that is there.
        hello: The record under `avrpc`.
        refusal: The code and the text, if it is one.
        behind: What stands behind the HandshakeResponse.
    """

    serial: int
    match: str
    text: str | None
    md5: bytes | None
    hello: Mapping[str, Any] | None
    refusal: tuple[int, str] | None
    behind: bytes

    def __str__(self) -> str:
        if self.refusal is not None:
            return f"a refusal, {refusal_name(self.refusal[0])}: {self.refusal[1]!r}"
        plain = "" if self.hello is not None else " without the key avrpc"
        return f"the answer {self.match}{plain}"


class Refused(Exception):
    """The server refused.

    Attributes:
        code: Why, as a `GoawayCode` or a number that is none.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        assert answer.refusal is not None
        self.code = answer.refusal[0]


@dataclass(frozen=True)
class Agreed:
    """What a handshake came to.

    Attributes:
        client: The client's protocol, by which messages are numbered.
        server: The server's.
        limits: What the server accepts.
        matches: Its answers, one or two.
        features: Those asked for that it takes.
    """

    client: Protocol
    server: Protocol
    limits: WireLimits
    matches: tuple[str, ...]
    features: tuple[str, ...] = ()


def hashes(text: str) -> tuple[bytes, bytes]:
    """The MD5 and the SHA-256 of a text."""
    encoded = text.encode()
    md5 = hashlib.md5(encoded, usedforsecurity=False).digest()
    return md5, hashlib.sha256(encoded).digest()


def skip_unless_compared(answer: Answer) -> None:
    """Skip the case if the server insists on equal bytes, and looks no further at other texts."""
    if answer.refusal is not None and answer.refusal[0] == GoawayCode.INCOMPATIBLE_PROTOCOL:
        raise Skipped("the server takes no text but its own")


def refusal_name(code: int) -> str:
    """The name of a code, or its number."""
    return GoawayCode(code).name if code in set(GoawayCode) else f"code {code}"


async def ask(channel: Channel, greeting: Greeting, serial: int = 0) -> Answer:
    """Send a pack and read the answer.

    Raises:
        Failed: None came, or it is malformed.
    """
    await channel.send(encode_pack(serial, greeting.content(channel.credentials)))
    return await read_answer(channel)


async def read_answer(channel: Channel) -> Answer:
    """Read the answer to a pack that was sent.

    Raises:
        Failed: None came, or it is malformed.
    """
    what = "a pack with a HandshakeResponse (section 4.1)"

    async def look() -> Answer | None:
        try:
            parsed = parse_pack(channel.received(), LONGEST_ANSWER)
        except ProtocolError as error:
            raise Failed(what, str(error)) from None
        if isinstance(parsed, int):
            return None
        pack, size = parsed
        channel.take(size)
        try:
            return _read(pack.serial, pack.content)
        except InvalidValue as error:
            raise Failed(what, f"{error}: {pack.content[:60].hex(' ')}") from None

    answer = await channel.until(look, what)
    channel.trace.append(f"server: {answer}")
    return answer


def _read(serial: int, content: bytes) -> Answer:
    response, position = HANDSHAKE_RESPONSE.decode(content)
    meta = response["meta"] or {}
    refusal = _whole(REFUSAL, meta["avrpc-refused"]) if "avrpc-refused" in meta else None
    return Answer(
        serial,
        response["match"],
        response["serverProtocol"],
        response["serverHash"],
        _whole(HELLO, meta["avrpc"]) if "avrpc" in meta else None,
        (refusal["code"], refusal["text"]) if refusal else None,
        content[position:],
    )


def _whole(record: RecordCodec, data: bytes) -> dict[str, Any]:
    value, end = record.decode(data)
    if end != len(data):
        raise InvalidValue(f"{len(data) - end} bytes behind the record in meta")
    return value


async def shake_hands(channel: Channel, greeting: Greeting, own: Protocol | None) -> Agreed:
    """Shake hands as a client does, and hold the answers to section 4.6.

    Args:
        channel: A connection on which nothing was sent.
        greeting: The first pack.
        own: The client's protocol; None to take the server's.

    Raises:
        Refused: The server refused.
        Failed: It did something that the page forbids.
    """
    matches, server = [], own
    for serial in (0, 1):
        answer = await ask(channel, greeting, serial)
        if answer.refusal is not None:
            raise Refused(answer)
        hello = checked_hello(answer, serial, greeting.features)
        matches.append(answer.match)
        if answer.match != "BOTH":
            server = checked_text(answer)
        elif server is None or (server.md5, server.sha256) != (
            greeting.server_md5,
            hello["sha256"],
        ):
            raise Failed("BOTH only where serverHash and sha256 are those of one text", str(answer))
        if answer.match != "NONE":
            assert server is not None
            channel.native = True
            limits, features = checked_limits(hello), tuple(hello["features"])
            return Agreed(own or server, server, limits, tuple(matches), features)
        assert server is not None
        own = own or server
        greeting = greeting.with_text(own.text, server.md5)
    raise Failed(
        "BOTH or CLIENT once the server has the text (section 4.5)", "the answer NONE again"
    )


def checked_hello(answer: Answer, serial: int = 0, asked: Sequence[str] = ()) -> Mapping[str, Any]:
    """The record under `avrpc`, held to section 4.3.

    Args:
        answer: Of the server.
        serial: Of the request.
        asked: The features that the client listed; all but codecs are unheard of.
    """
    expect("the serial, which is that of the request", serial, answer.serial)
    if answer.hello is None:
        raise Failed("an answer with the key avrpc in meta (section 4.3)", str(answer))
    hello = answer.hello
    chosen = hello["minVersion"], hello["maxVersion"]
    expect("minVersion and maxVersion, both the version chosen", (VERSION, VERSION), chosen)
    listed = hello["protocol"] in hello["protocols"]
    expect_true("protocols with the protocol taken among them", hello["protocols"], holds=listed)
    features = hello["features"]
    taken = len(features) <= 1 and set(features) <= {*asked} & {*CODECS}
    expect_true("features, one of the codecs asked for or none", features, holds=taken)
    if answer.match == "BOTH":
        expect("serverProtocol and serverHash with BOTH", (None, None), (answer.text, answer.md5))
    return hello


def checked_text(answer: Answer) -> Protocol:
    """The server's text, held to its hashes."""
    if answer.text is None or answer.hello is None:
        raise Failed(f"the server's text with {answer.match} (section 4.4)", "none")
    md5, sha256 = hashes(answer.text)
    expect("serverHash, the MD5 of the text that came", md5, answer.md5)
    expect("sha256 of the text that came", sha256, answer.hello["sha256"])
    try:
        protocol = Protocol.parse(answer.text, source="the server's text", verbatim=True)
    except SchemaError as error:
        raise Failed("the text of a valid protocol (section 4.4)", str(error)) from None
    expect("protocol, the full name in the text", protocol.name, answer.hello["protocol"])
    return protocol


def checked_limits(hello: Mapping[str, Any]) -> WireLimits:
    """What the server accepts, held to the ranges of section 4.3."""
    try:
        return limits_of_peer(hello["limits"])
    except ValueError as error:
        raise Failed("limits within their ranges (section 4.3)", str(error)) from None
