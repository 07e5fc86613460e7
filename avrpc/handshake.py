"""Who the two ends are to each other, before a call is made: PROTOCOL.md, "The handshake".

Pure: content of packs in, content of packs out. Each end tells the other (hashes of) the protocol
it holds; when both know both texts, they know what fits. A text is known by its MD5, which
is Avro's rule, *and* its SHA-256, which is ours, both computed here over the text that came: a
hash that only claims to be a text's is never believed.

    client                               server
    hashes ────────────────────────────►  knows them?  BOTH or CLIENT: done
                                          else
    the server's text  ◄──────────────── NONE
    text and hashes  ──────────────────►  BOTH or CLIENT, or a refusal
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from avrpc.auth import NOT_AUTHENTICATED
from avrpc.compression import choose
from avrpc.errors import (
    ConnectFailed,
    ConnectionRefused,
    CredentialsRefused,
    IncompatibleProtocol,
    InvalidValue,
    NotAvrpc,
    SchemaError,
)
from avrpc.limits import Limits, limits_of_peer
from avrpc.memory import NegotiationCache, ServerMemory, TextCache, hashes
from avrpc.replies import (
    META_AUTH,
    META_HELLO,
    META_REFUSED,
    Agreement,
    Reply,
    Request,
    Verdict,
    plain_refusal,
    refusal,
)
from avrpc.schema import Protocol
from avrpc.schema.gate import MAX_NAME_LENGTH
from avrpc.schema.handshake_records import (
    HANDSHAKE_REQUEST,
    HANDSHAKE_RESPONSE,
    HELLO,
    REFUSAL,
    RecordCodec,
)
from avrpc.schema.names import NAME
from avrpc.shown import MOST_IN_ERROR, shown
from avrpc.wire import GoawayCode

VERSION = 1

_PING = b"\0\0"  # no metadata, and the empty name of Avro's ping
_NO_MD5 = bytes(16)
_NO_SHA256 = bytes(32)


def _decode_hello(meta: Mapping[str, bytes] | None) -> dict[str, Any] | None:
    if meta is None or META_HELLO not in meta:
        return None
    return _whole(HELLO, meta[META_HELLO])


def _whole(record: RecordCodec, data: bytes) -> dict[str, Any]:
    value, end = record.decode(data)
    if end != len(data):
        raise InvalidValue(f"{len(data) - end} bytes after the record")
    return value


def _hello(
    limits: Limits, name: str, names: Iterable[str], sha256: bytes, features: Sequence[str]
) -> bytes:
    return HELLO.encode(
        {
            "minVersion": VERSION,
            "maxVersion": VERSION,
            "protocol": name,
            "protocols": list(names),
            "sha256": sha256,
            "features": list(features),
            "limits": limits.announced(features),
        }
    )


# The client's side ...


class ClientHandshake:
    """One handshake, at the client.

    Args:
        protocol: The client's own; None to speak whatever the server has. Then nothing that is
            remembered helps: the server is asked each time, as it may have another text by now.
        name: Full name of the protocol wanted; empty for the server's first.
        address: Of the server, to remember it by and for errors.
        limits: What this end accepts.
        memory: What is known of servers.
        credentials: Sent in each pack. Nothing here shows them.
        features: What this end would use, the preferred ones first.
    """

    def __init__(
        self,
        protocol: Protocol | None,
        name: str,
        *,
        address: str,
        limits: Limits,
        memory: ServerMemory,
        credentials: bytes | None = None,
        features: Sequence[str] = (),
    ) -> None:
        self._protocol = protocol
        self._name = name
        self._address = address
        self._limits = limits
        self._memory = memory
        self._credentials = credentials
        self._features = features
        self._guess = (memory.recall(address, name) or protocol) if protocol else None
        self._asked_again = False

    def first(self) -> bytes:
        """The content of the first pack: hashes, no text."""
        return self._request(self._protocol, with_text=False)

    def _request(self, mine: Protocol | None, *, with_text: bool) -> bytes:
        sha256 = mine.sha256 if mine else _NO_SHA256
        meta = {META_HELLO: _hello(self._limits, self._name, (), sha256, self._features)}
        if self._credentials is not None:
            meta[META_AUTH] = self._credentials
        request = {
            "clientHash": mine.md5 if mine else _NO_MD5,
            "clientProtocol": mine.text if mine and with_text else None,
            "serverHash": self._guess.md5 if self._guess else _NO_MD5,
            "meta": meta,
        }
        return HANDSHAKE_REQUEST.encode(request) + _PING

    def answer(self, content: bytes) -> Agreement | bytes:
        """Take the server's answer: the agreement, or the content of the second pack.

        Raises:
            ConnectFailed: It is none, a refusal, or names a protocol that does not fit.
        """
        try:
            response, _ = HANDSHAKE_RESPONSE.decode(content)
            meta = response["meta"] or {}
            if META_REFUSED in meta:
                raise self._refused(_whole(REFUSAL, meta[META_REFUSED]))
            hello = _decode_hello(meta)
        except InvalidValue as error:
            raise NotAvrpc(
                f"{self._address}: expected an Avro handshake, found {content[:40]!r}"
            ) from error
        if hello is None:
            raise NotAvrpc(
                f"{self._address}: the server speaks Avro RPC and not avrpc"
                " (its answer has no 'avrpc' in its meta); plain Avro RPC is not supported yet"
            )
        chosen = hello["minVersion"], hello["maxVersion"]
        if chosen != (VERSION, VERSION):
            raise ConnectFailed(
                f"{self._address}: the server chose version {' to '.join(map(str, chosen))}"
                f" of avrpc; this client speaks {VERSION}"
            )
        remote = self._remote(response, hello["sha256"])
        if self._protocol is None and self._name not in ("", remote.name):
            raise ConnectFailed(
                f"{self._address}: asked for {self._name}, the server answered with {remote.name}"
            )
        local = self._protocol or remote
        if local.name != remote.name:
            raise IncompatibleProtocol(
                f"{self._address}: asked for {local.name}, the server answered with {remote.name}"
            )
        if response["match"] == "NONE":
            if self._asked_again:
                raise ConnectFailed(f"{self._address}: the server answered NONE twice")
            self._asked_again = True
            self._guess = remote
            return self._request(local, with_text=True)
        if self._protocol is not None:
            self._memory.note(self._address, self._name, remote)
        try:
            peer_limits = limits_of_peer(hello["limits"])
        except ValueError as error:
            raise ConnectFailed(f"{self._address}: the server announced {error}") from error
        negotiation = self._memory.negotiations.between(local, remote)
        compression = choose(self._features, hello["features"])
        return Agreement(negotiation, peer_limits, self._offered(hello["protocols"]), compression)

    def _offered(self, names: list[str]) -> tuple[str, ...]:
        for name in names:
            if len(name) > MAX_NAME_LENGTH or not all(map(NAME.fullmatch, name.split("."))):
                raise ConnectFailed(
                    f"{self._address}: the server offers {shown(repr(name))}, which is no name"
                )
        return tuple(names)

    def _remote(self, response: Mapping[str, Any], sha256: bytes) -> Protocol:
        """The server's protocol: the one guessed, or the one whose text the answer holds."""
        if response["match"] == "BOTH":
            if self._guess is None or self._guess.sha256 != sha256:
                raise ConnectFailed(
                    f"{self._address}: the server says it has a protocol that it has not"
                    " (MD5 and SHA-256 are not of one text)"
                )
            return self._guess
        text, md5 = response["serverProtocol"], response["serverHash"]
        if text is None or (md5, sha256) != hashes(text.encode()):
            raise ConnectFailed(
                f"{self._address}: the server's protocol text is missing, or not that of its hashes"
            )
        try:
            return self._memory.texts.learn(text, source=f"protocol of {self._address}")
        except SchemaError as error:
            told = shown(error, MOST_IN_ERROR)
            raise ConnectFailed(f"{self._address}: {told}") from error

    def _refused(self, refusal: Mapping[str, Any]) -> ConnectFailed:
        told = shown(refusal["text"], MOST_IN_ERROR)
        text = f"{self._address}: the server refused: {told}"
        if refusal["code"] == GoawayCode.INCOMPATIBLE_PROTOCOL:
            return IncompatibleProtocol(text)
        if refusal["code"] == GoawayCode.UNAUTHENTICATED:
            if self._credentials is None:
                text += "; no credentials were given"
            return CredentialsRefused(text, code=refusal["code"])
        return ConnectionRefused(text, code=refusal["code"])


# ... and the server's.


class _Refused(Exception):
    def __init__(self, code: GoawayCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class ServerHandshake:
    """One handshake, at the server.

    Args:
        offered: The server's protocols by full name, the first one first.
        limits: What this end accepts.
        texts: Clients' protocols seen before.
        negotiations: How they fitted.
        features: What this end would use.
    """

    def __init__(
        self,
        offered: Mapping[str, Protocol],
        *,
        limits: Limits,
        texts: TextCache,
        negotiations: NegotiationCache | None = None,
        features: Sequence[str] = (),
    ) -> None:
        self._offered = offered
        self._limits = limits
        self._texts = texts
        self._negotiations = NegotiationCache() if negotiations is None else negotiations
        self._features = features
        self._again = False

    def request(self, content: bytes) -> Reply:
        """Answer the client's first or second pack, whoever it is."""
        read = self.read(content)
        return self.answer(read) if isinstance(read, Request) else read

    def read(self, content: bytes) -> Request | Reply:
        """Read the client's first or second pack, as far as its credentials; or refuse it.

        Looks at nothing that the server holds. Never raises for what is in the pack, nor do the
        others.
        """
        try:
            record, position = HANDSHAKE_REQUEST.decode(content)
        except InvalidValue as error:
            return refusal(GoawayCode.PROTOCOL_ERROR, f"not an Avro handshake: {error}")
        return Request(record, content[position:])

    def answer(self, request: Request) -> Reply:
        """Answer a client that may go on."""
        record = request.record
        try:
            hello = _decode_hello(record["meta"])
        except InvalidValue as error:
            return refusal(GoawayCode.PROTOCOL_ERROR, f"not an Avro handshake: {error}")
        if hello is None:
            text = "this server speaks avrpc; plain Avro RPC is not supported yet"
            return plain_refusal(text, "a plain Avro RPC client")
        try:
            return self._decide(record, hello, request.rest)
        except _Refused as refused:
            return refusal(refused.code, str(refused))

    def turn_away(self, request: Request) -> Reply:
        """Answer a client that may not go on. What the answer is depends on nothing it named."""
        if request.is_plain:
            return plain_refusal(NOT_AUTHENTICATED, NOT_AUTHENTICATED)
        return refusal(GoawayCode.UNAUTHENTICATED, NOT_AUTHENTICATED)

    def _decide(self, request: Mapping[str, Any], hello: Mapping[str, Any], rest: bytes) -> Reply:
        if not hello["minVersion"] <= VERSION <= hello["maxVersion"]:
            raise _Refused(
                GoawayCode.UNSUPPORTED_VERSION,
                f"this server speaks version {VERSION} of avrpc, the client"
                f" {hello['minVersion']} to {hello['maxVersion']}",
            )
        if rest != _PING:
            raise _Refused(GoawayCode.PROTOCOL_ERROR, "expected a ping after the handshake")
        try:
            peer_limits = limits_of_peer(hello["limits"])
        except ValueError as error:
            raise _Refused(GoawayCode.PROTOCOL_ERROR, f"announced limit {error}") from error
        wanted = self._wanted(hello["protocol"])
        compression = choose(hello["features"], self._features)
        theirs = self._theirs(request, hello["sha256"], wanted)
        if theirs is None:
            self._again = True
            content = self._response("NONE", wanted, compression, with_text=True)
            return Reply(content, Verdict.AGAIN)
        if theirs.name != wanted.name:
            raise _Refused(
                GoawayCode.INCOMPATIBLE_PROTOCOL,
                f"the client's protocol is {shown(theirs.name)}, and not {wanted.name}",
            )
        known = request["serverHash"] == wanted.md5
        match = "BOTH" if known else "CLIENT"
        content = self._response(match, wanted, compression, with_text=not known)
        negotiation = self._negotiations.between(theirs, wanted)
        agreement = Agreement(negotiation, peer_limits, compression=compression)
        return Reply(content, Verdict.NATIVE, agreement)

    def _wanted(self, name: str) -> Protocol:
        if not name:
            return next(iter(self._offered.values()))
        try:
            return self._offered[name]
        except KeyError:
            raise _Refused(
                GoawayCode.UNKNOWN_PROTOCOL,
                f"no protocol {shown(name)!r} here; there is {', '.join(self._offered)}",
            ) from None

    def _theirs(
        self, request: Mapping[str, Any], sha256: bytes, wanted: Protocol
    ) -> Protocol | None:
        """The client's protocol; None where its text has to be asked for."""
        text, md5 = request["clientProtocol"], request["clientHash"]
        if not self._again:
            if text is not None:
                raise _Refused(GoawayCode.PROTOCOL_ERROR, "a text in the first handshake pack")
            if (md5, sha256) == (wanted.md5, wanted.sha256):
                return wanted
            return self._texts.get(md5, sha256)
        if text is None or (md5, sha256) != hashes(text.encode()):
            raise _Refused(
                GoawayCode.SCHEMA_REJECTED,
                "the client's protocol text is missing, or not that of its hashes",
            )
        if (md5, sha256) == (wanted.md5, wanted.sha256):
            return wanted
        try:
            return self._texts.learn(text, source="the client's protocol")
        except SchemaError as error:
            raise _Refused(GoawayCode.SCHEMA_REJECTED, str(error)) from error

    def _response(
        self, match: str, wanted: Protocol, compression: str | None, *, with_text: bool
    ) -> bytes:
        features = () if compression is None else (compression,)
        hello = _hello(self._limits, wanted.name, self._offered, wanted.sha256, features)
        return HANDSHAKE_RESPONSE.encode(
            {
                "match": match,
                "serverProtocol": wanted.text if with_text else None,
                "serverHash": wanted.md5 if with_text else None,
                "meta": {META_HELLO: hello},
            }
        )
