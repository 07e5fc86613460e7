"""What the ends of a handshake say to each other and come to, but for how they decide it.

PROTOCOL.md, "The handshake", has the records; `handshake` the decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from avrpc.schema.handshake_records import HANDSHAKE_RESPONSE, REFUSAL
from avrpc.schema.negotiation import Negotiation
from avrpc.wire import Codec, GoawayCode, MessageShape, WireLimits, open_codec

META_HELLO = "avrpc"
META_REFUSED = "avrpc-refused"
META_AUTH = "avrpc-auth"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a finished handshake came to.

    Attributes:
        negotiation: How the client's version of the protocol fits the server's.
        peer_limits: What the peer accepts.
        offered: Full names of the protocols that the server has, at the client.
        compression: The codec that both ends use; None where they have not agreed on one.
    """

    negotiation: Negotiation
    peer_limits: WireLimits
    offered: tuple[str, ...] = ()
    compression: str | None = None

    @property
    def codec(self) -> Codec | None:
        """That of `compression`, for the wire."""
        return None if self.compression is None else open_codec(self.compression)

    def shapes(self, max_value_bytes: int) -> list[MessageShape]:
        """What the wire needs to know of each message, by the client's numbers."""
        fits = self.negotiation
        wires = [fits[message.name].wire for message in fits.client.messages_by_number]
        return [
            _shape(wire.streams_request, wire.streams_response, max_value_bytes) for wire in wires
        ]


@lru_cache
def _shape(streams_request: bool, streams_response: bool, max_value_bytes: int) -> MessageShape:
    """One for all connections: there are four of them for each limit of this process."""
    return MessageShape(streams_request, streams_response, max_value_bytes)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client's pack holds.

    Attributes:
        record: The HandshakeRequest.
        rest: The bytes behind it.
    """

    record: Mapping[str, Any]
    rest: bytes

    @property
    def credentials(self) -> bytes | None:
        """What the client wants to be known by; None if it says nothing of that."""
        credentials: bytes | None = (self.record["meta"] or {}).get(META_AUTH)
        return credentials

    @property
    def is_plain(self) -> bool:
        """Whether the client speaks Avro RPC and not avrpc."""
        return META_HELLO not in (self.record["meta"] or {})


class Verdict(Enum):
    """What follows a server's answer."""

    NATIVE = "frames"
    AGAIN = "one more pack from the client"
    CLOSE = "nothing"


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer to a pack.

    Attributes:
        content: Of the pack to send.
        verdict: What follows.
        agreement: Where frames follow.
        refusal: Why not, for the log, where nothing follows.
    """

    content: bytes
    verdict: Verdict
    agreement: Agreement | None = None
    refusal: str = ""


def refusal(code: GoawayCode, text: str) -> Reply:
    """To an avrpc peer: NONE, with the reason in the meta."""
    content = HANDSHAKE_RESPONSE.encode(
        {
            "match": "NONE",
            "serverProtocol": None,
            "serverHash": None,
            "meta": {META_REFUSED: REFUSAL.encode({"code": int(code), "text": text[:1000]})},
        }
    )
    return Reply(content, Verdict.CLOSE, refusal=text)


def plain_refusal(text: str, refusal: str) -> Reply:
    """To a plain Avro RPC peer: a match and an error string, which all of them understand."""
    response = HANDSHAKE_RESPONSE.encode(
        {"match": "BOTH", "serverProtocol": None, "serverHash": None, "meta": None}
    )
    # No metadata, the error flag, and the string branch of the error union.
    encoded = text.encode()
    assert len(encoded) < 64  # its length is one byte
    error = b"\0\1\0" + bytes([len(encoded) << 1]) + encoded
    return Reply(response + error, Verdict.CLOSE, refusal=refusal)
