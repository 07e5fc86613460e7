"""What a process remembers of other ends' protocols, so that a handshake is short. All bounded."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from avrpc.schema import Protocol
from avrpc.schema.negotiation import Negotiation


class TextCache:
    """Protocols that were seen, by both hashes of their text. Bounded; the oldest use goes first.

    Args:
        max_protocols: 256, a rolling fleet's versions many times over.
        max_bytes: 1 MiB of texts: parsed, one takes 4 to 12 times its size, whatever its author
            means by it.
    """

    def __init__(self, max_protocols: int = 256, max_bytes: int = 1024 * 1024) -> None:
        self._max_protocols = max_protocols
        self._max_bytes = max_bytes
        self._bytes = 0
        self._protocols: OrderedDict[tuple[bytes, bytes], Protocol] = OrderedDict()

    def __len__(self) -> int:
        return len(self._protocols)

    def get(self, md5: bytes, sha256: bytes) -> Protocol | None:
        """The protocol whose text has both hashes."""
        protocol = self._protocols.get((md5, sha256))
        if protocol is not None:
            self._protocols.move_to_end((md5, sha256))
        return protocol

    def learn(self, text: str, *, source: str) -> Protocol:
        """The protocol of a text that came, parsed unless it is known.

        Raises:
            SchemaError: It is no protocol, or too long.
        """
        encoded = text.encode()
        key = hashes(encoded)
        protocol = self.get(*key)
        if protocol is None:
            protocol = Protocol.parse(text, source=source, verbatim=True)
            self._protocols[key] = protocol
            self._bytes += len(encoded)
            while len(self._protocols) > self._max_protocols or self._bytes > self._max_bytes:
                _, forgotten = self._protocols.popitem(last=False)
                self._bytes -= len(forgotten.text.encode())
        return protocol


def hashes(encoded: bytes) -> tuple[bytes, bytes]:
    """The MD5 and the SHA-256 of a text."""
    md5 = hashlib.md5(encoded, usedforsecurity=False).digest()
    return md5, hashlib.sha256(encoded).digest()


class NegotiationCache:
    """How pairs of protocols fit, found once. Bounded; the oldest use goes first.

    Args:
        max_pairs: 256, with the codecs that were compiled for them.
        max_bytes: 512 KiB, of both texts of every pair: what is known of a pair takes up to 10
            times its texts, 25 times with all codecs. The last pair is always kept.
    """

    def __init__(self, max_pairs: int = 256, max_bytes: int = 512 * 1024) -> None:
        self._max_pairs = max_pairs
        self._max_bytes = max_bytes
        self._bytes = 0
        # By the protocols themselves: each has error classes of its own, also two of one text.
        self._known: OrderedDict[tuple[Protocol, Protocol], Negotiation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def between(self, client: Protocol, server: Protocol) -> Negotiation:
        """How a client's version fits a server's."""
        key = client, server
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Negotiation(client, server)
            self._bytes += _size(found)
            while len(self._known) > self._max_pairs or (
                self._bytes > self._max_bytes and len(self._known) > 1
            ):
                _, forgotten = self._known.popitem(last=False)
                self._bytes -= _size(forgotten)
        self._known.move_to_end(key)
        return found


class ServerMemory:
    """What a client process remembers of servers, so that a next connect takes one round trip.

    Whoever answers at an address can make it remember what he likes. That costs the next connect a
    round trip: what is remembered is only a guess, and believed where both its hashes come back.
    """

    def __init__(self, max_servers: int = 256) -> None:
        self.texts = TextCache()
        self.negotiations = NegotiationCache()
        self._max_servers = max_servers
        self._last: OrderedDict[tuple[str, str], tuple[bytes, bytes]] = OrderedDict()

    def recall(self, address: str, protocol_name: str) -> Protocol | None:
        """The protocol that the server there had the last time, if its text is still known."""
        last = self._last.get((address, protocol_name))
        return self.texts.get(*last) if last else None

    def note(self, address: str, protocol_name: str, protocol: Protocol) -> None:
        """Remember it for the next time."""
        self._last[address, protocol_name] = protocol.md5, protocol.sha256
        self._last.move_to_end((address, protocol_name))
        if len(self._last) > self._max_servers:
            self._last.popitem(last=False)


def _size(negotiation: Negotiation) -> int:
    return len(negotiation.client.text) + len(negotiation.server.text)
