"""The rules of PROTOCOL.md, section 4, at both ends: contents of packs in and out."""

import copy
import hashlib
import io
import json
from typing import Any, NamedTuple

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.errors import (
    ConnectFailed,
    ConnectionRefused,
    CredentialsRefused,
    IncompatibleProtocol,
    NotAvrpc,
)
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.limits import Limits
from avrpc.memory import ServerMemory, TextCache
from avrpc.replies import Agreement, Reply, Request, Verdict, refusal
from avrpc.schema import Protocol
from avrpc.schema.compat import Verdict as Fits
from avrpc.schema.handshake_records import (
    HANDSHAKE_REQUEST,
    HANDSHAKE_RESPONSE,
    HELLO,
    REFUSAL,
)
from avrpc.wire import GoawayCode, MessageShape, WireLimits

PING = b"\0\0"
ADDRESS = "tcp://127.0.0.1:7000"
MAX_TEXT_BYTES = 262_144


def protocol(text: str) -> Protocol:
    return Protocol.parse(text, verbatim=True)


MESSAGES: dict[str, Any] = {
    "last": {"request": [{"name": "symbol", "type": "string"}], "response": "double"},
    "watch": {"stream": "response", "request": [], "response": {"type": "array", "items": "int"}},
}
JSON = {"protocol": "Quotes", "namespace": "demo", "messages": MESSAGES}
TEXT = json.dumps(JSON)
QUOTES = protocol(TEXT)
SYMBOL = ["null", "string"]
SPACED = protocol(json.dumps({**JSON, "doc": "Means the same."}, indent=4))
MORE = protocol(json.dumps({**JSON, "messages": {**MESSAGES, "note": MESSAGES["last"]}}))
OTHER = protocol(json.dumps({**JSON, "protocol": "Orders"}))
WIDER = protocol(
    json.dumps(
        {
            **JSON,
            "messages": {
                **MESSAGES,
                "last": {**MESSAGES["last"], "request": [{"name": "symbol", "type": SYMBOL}]},
            },
        }
    )
)


def of_length(size: int) -> Protocol:
    """The same protocol, in a text of so many bytes."""
    text = json.dumps({**JSON, "doc": ""})
    return protocol(text.replace('"doc": "', '"doc": "' + "x" * (size - len(text))))


class Text:
    """Any text, which may be no protocol, with its hashes."""

    name = ""

    def __init__(self, text: str) -> None:
        self.text = text
        self.md5 = hashlib.md5(text.encode()).digest()
        self.sha256 = hashlib.sha256(text.encode()).digest()


# Both ends.


def server_end(
    *offered: Protocol,
    knows: tuple[Protocol, ...] = (),
    limits: Limits | None = None,
    features: tuple[str, ...] = (),
) -> ServerHandshake:
    texts = TextCache()
    for each in knows:
        texts.learn(each.text, source="")
    found = {each.name: each for each in offered or (QUOTES,)}
    return ServerHandshake(found, limits=limits or Limits(), texts=texts, features=features)


def client_end(
    mine: Protocol | None = QUOTES,
    name: str | None = None,
    *,
    memory: ServerMemory | None = None,
    limits: Limits | None = None,
    features: tuple[str, ...] = (),
) -> ClientHandshake:
    if name is None:
        name = mine.name if mine else ""
    return ClientHandshake(
        mine,
        name,
        address=ADDRESS,
        limits=limits or Limits(),
        memory=memory or ServerMemory(),
        features=features,
    )


class Shaken(NamedTuple):
    """A handshake that came to an agreement."""

    matches: list[str]
    client: Agreement
    server: Agreement


def shake(client: ClientHandshake, server: ServerHandshake) -> Shaken:
    matches = []
    content = client.first()
    while True:
        reply = server.request(content)
        matches.append(HANDSHAKE_RESPONSE.decode(reply.content)[0]["match"])
        answer = client.answer(reply.content)
        if isinstance(answer, Agreement):
            assert reply.verdict is Verdict.NATIVE
            assert reply.agreement
            return Shaken(matches, answer, reply.agreement)
        assert reply.verdict is Verdict.AGAIN
        content = answer


# What the client holds and remembers, whether the server knows its text -> the answers.
ROUNDS = [
    (QUOTES, None, (), ["BOTH"]),
    (QUOTES, SPACED, (), ["CLIENT"]),
    (SPACED, None, (), ["NONE", "BOTH"]),
    (SPACED, QUOTES, (), ["NONE", "BOTH"]),
    (SPACED, MORE, (), ["NONE", "BOTH"]),
    (SPACED, None, (SPACED,), ["CLIENT"]),
    (SPACED, MORE, (SPACED,), ["CLIENT"]),
    (SPACED, QUOTES, (SPACED,), ["BOTH"]),
    (None, None, (), ["NONE", "BOTH"]),
    (None, QUOTES, (), ["NONE", "BOTH"]),
    (None, MORE, (MORE,), ["NONE", "BOTH"]),
]


@pytest.mark.parametrize(("mine", "remembered", "known", "matches"), ROUNDS)
def test_rounds_are_as_many_as_the_ends_know_too_little(
    mine: Protocol | None,
    remembered: Protocol | None,
    known: tuple[Protocol, ...],
    matches: list[str],
) -> None:
    memory = ServerMemory()
    if remembered:
        memory.texts.learn(remembered.text, source="")
        memory.note(ADDRESS, "demo.Quotes" if mine else "", remembered)
    shaken = shake(client_end(mine, memory=memory), server_end(knows=known))
    assert shaken.matches == matches
    texts = [
        each.text
        for agreement in (shaken.client, shaken.server)
        for each in (agreement.negotiation.client, agreement.negotiation.server)
    ]
    ours = mine.text if mine else TEXT
    assert texts == [ours, TEXT, ours, TEXT]


@pytest.mark.parametrize(
    ("mine", "first", "then"),
    [
        (QUOTES, ["BOTH"], ["BOTH"]),
        (SPACED, ["NONE", "BOTH"], ["BOTH"]),
        (None, ["NONE", "BOTH"], ["NONE", "BOTH"]),
    ],
)
def test_second_connect_takes_one_round_where_the_client_has_a_protocol(
    mine: Protocol | None, first: list[str], then: list[str]
) -> None:
    memory, texts = ServerMemory(), TextCache()
    for matches in (first, then, then):
        server = ServerHandshake({QUOTES.name: QUOTES}, limits=Limits(), texts=texts)
        assert shake(client_end(mine, memory=memory), server).matches == matches


def test_each_end_learns_the_limits_and_the_client_what_is_offered() -> None:
    client = client_end(limits=Limits(max_calls=7, window_bytes=2000))
    server = server_end(OTHER, QUOTES, limits=Limits(max_message_bytes=20_000))
    shaken = shake(client, server)
    assert shaken.server.peer_limits == WireLimits(max_calls=7, window_bytes=2000)
    assert shaken.client.peer_limits == WireLimits(max_message_bytes=20_000)
    assert shaken.client.offered == ("demo.Orders", "demo.Quotes")


# What the client would compress with, what the server would -> what they do.
@pytest.mark.parametrize(
    ("wanted", "offered", "agreed"),
    [
        ((), (), None),
        (("zstd",), (), None),
        ((), ("zstd", "snappy"), None),
        (("zstd",), ("snappy",), None),
        (("zstd", "snappy"), ("snappy", "zstd"), "zstd"),
        (("snappy", "zstd"), ("zstd", "snappy"), "snappy"),
        (("lz99", "snappy"), ("zstd", "snappy"), "snappy"),
    ],
)
@pytest.mark.parametrize("mine", [QUOTES, SPACED, None])
def test_both_ends_come_to_the_same_codec_in_one_round_or_two(
    mine: Protocol | None, wanted: tuple[str, ...], offered: tuple[str, ...], agreed: str | None
) -> None:
    client = client_end(mine, features=wanted, limits=Limits(max_contexts=3))
    shaken = shake(client, server_end(features=offered, limits=Limits(max_contexts=4)))
    assert shaken.client.compression == shaken.server.compression == agreed
    if agreed == "zstd":
        limits = shaken.client.peer_limits, shaken.server.peer_limits
        assert [each.max_contexts for each in limits] == [4, 3]


@pytest.mark.parametrize(
    ("listed", "agreed"),
    [
        (["snappy", "zstd"], "zstd"),  # in the client's order
        (["snappy", "other"], "snappy"),
        (["other"], None),
        ([], None),
    ],
)
def test_client_takes_the_first_of_its_own_that_the_server_lists(
    listed: list[str], agreed: str | None
) -> None:
    client = client_end(features=("zstd", "snappy"))
    answer = client.answer(response(match="BOTH", **meta(features=listed)))
    assert isinstance(answer, Agreement)
    assert answer.compression == agreed


def test_agreement_tells_the_wire_the_shapes_by_the_clients_numbers() -> None:
    agreement = shake(client_end(), server_end()).client
    assert agreement.shapes(5) == [
        MessageShape(streams_request=False, streams_response=False, max_value_bytes=5),
        MessageShape(streams_request=False, streams_response=True, max_value_bytes=5),
    ]
    again = shake(client_end(), server_end()).client
    assert again.shapes(5)[0] is agreement.shapes(5)[0]  # or each connection would hold its own


@pytest.mark.parametrize(
    ("name", "found"), [("", QUOTES), ("demo.Orders", OTHER), ("demo.Quotes", QUOTES)]
)
def test_client_without_a_protocol_takes_the_servers_by_name_or_its_first(
    name: str, found: Protocol
) -> None:
    shaken = shake(client_end(None, name), server_end(QUOTES, OTHER))
    assert shaken.client.negotiation.client is shaken.client.negotiation.server
    assert shaken.client.negotiation.client.text == found.text
    assert shaken.server.negotiation.server is found


@pytest.mark.parametrize("mine", [QUOTES, OTHER])
def test_server_of_several_protocols_takes_the_one_that_the_client_has(mine: Protocol) -> None:
    shaken = shake(client_end(mine), server_end(OTHER, QUOTES))
    assert shaken.matches == ["BOTH"]
    assert shaken.server.negotiation.server is mine


def test_text_in_other_bytes_is_kept_and_sent_back_as_it_is() -> None:
    server = server_end(SPACED)
    client = client_end(None)
    second = client.answer(server.request(client.first()).content)
    assert isinstance(second, bytes)
    request = HANDSHAKE_REQUEST.decode(second)[0]
    assert request["clientProtocol"] == SPACED.text
    assert request["clientHash"] == request["serverHash"] == SPACED.md5
    assert HELLO.decode(request["meta"]["avrpc"])[0]["sha256"] == SPACED.sha256


def test_second_request_differs_from_the_first_by_the_text_and_its_hashes_alone() -> None:
    client = client_end(SPACED)
    first = client.first()
    second = client.answer(server_end().request(first).content)
    assert isinstance(second, bytes)
    (before, at), (after, end) = map(HANDSHAKE_REQUEST.decode, (first, second))
    assert first[at:] == second[end:] == PING
    assert before.pop("clientProtocol") is None
    assert before.pop("serverHash") == SPACED.md5
    assert after.pop("clientProtocol") == SPACED.text
    assert after.pop("serverHash") == QUOTES.md5
    assert after == before


def test_first_pack_of_any_client_is_short() -> None:
    long_name = protocol(json.dumps({**JSON, "namespace": "n" * 248}))
    for mine in (QUOTES, of_length(MAX_TEXT_BYTES), long_name):
        assert len(client_end(mine).first()) + 12 <= 16 * 1024


# Versions of a protocol that differ.


@pytest.mark.parametrize(
    ("mine", "theirs", "verdict"),
    [
        (QUOTES, SPACED, Fits.SAME),
        (QUOTES, MORE, Fits.SAME),
        (MORE, QUOTES, Fits.MISSING),
        (QUOTES, WIDER, Fits.RESOLVABLE),
        (WIDER, QUOTES, Fits.PARTIAL),
    ],
)
def test_both_ends_of_differing_protocols_come_to_the_same_verdicts(
    mine: Protocol, theirs: Protocol, verdict: Fits
) -> None:
    shaken = shake(client_end(mine), server_end(theirs))
    client, server = shaken.client.negotiation, shaken.server.negotiation
    assert dict(client) == dict(server)
    assert client.verdict is verdict
    assert client.only_at_server == server.only_at_server
    assert shaken.client.shapes(5) == shaken.server.shapes(5)
    assert len(shaken.client.shapes(5)) == len(mine.messages)


def test_server_refuses_a_client_whose_protocol_has_another_name() -> None:
    server = server_end()
    assert server.request(request(OTHER)).verdict is Verdict.AGAIN
    reply = server.request(request(OTHER, clientProtocol=OTHER.text))
    assert refused(reply) == GoawayCode.INCOMPATIBLE_PROTOCOL
    assert reply.refusal == "the client's protocol is demo.Orders, and not demo.Quotes"


def test_client_without_a_protocol_takes_the_new_one_of_a_server_that_changed() -> None:
    memory = ServerMemory()
    shaken = shake(client_end(None, memory=memory), server_end(QUOTES))
    assert shaken.client.negotiation.client.text == TEXT
    # Another client of the old protocol has been there meanwhile: the new server knows the text.
    shaken = shake(client_end(None, memory=memory), server_end(MORE, knows=(QUOTES,)))
    assert shaken.client.negotiation.client.text == MORE.text


# What a server answers: the table of section 4.5.


def hello(of: Protocol | Text = QUOTES, **changed: Any) -> bytes:
    record = {
        "minVersion": 1,
        "maxVersion": 1,
        "protocol": "",
        "protocols": [],
        "sha256": of.sha256,
        "features": [],
        "limits": {},
    }
    return HELLO.encode({**record, **changed})


def request(of: Protocol | Text = QUOTES, *, ping: bytes = PING, **changed: Any) -> bytes:
    record = {
        "clientHash": of.md5,
        "clientProtocol": None,
        "serverHash": of.md5,
        "meta": {"avrpc": hello(of)},
    }
    return HANDSHAKE_REQUEST.encode({**record, **changed}) + ping


def meta(**changed: Any) -> dict[str, Any]:
    return {"meta": {"avrpc": hello(**changed)}}


def refused(reply: Reply) -> GoawayCode | str:
    """The code of a refusal; the match of an answer that is none."""
    response, end = HANDSHAKE_RESPONSE.decode(reply.content)
    assert end == len(reply.content)
    if "avrpc-refused" not in response["meta"]:
        assert reply.verdict is not Verdict.CLOSE
        assert reply.refusal == ""
        match: str = response["match"]
        return match
    assert reply.verdict is Verdict.CLOSE
    assert reply.agreement is None
    assert list(response["meta"]) == ["avrpc-refused"]
    del response["meta"]
    assert response == {"match": "NONE", "serverProtocol": None, "serverHash": None}
    refusal = REFUSAL.decode(HANDSHAKE_RESPONSE.decode(reply.content)[0]["meta"]["avrpc-refused"])
    assert refusal[0]["text"] == reply.refusal[:1000]
    return GoawayCode(refusal[0]["code"])


MALFORMED, VERSION = GoawayCode.PROTOCOL_ERROR, GoawayCode.UNSUPPORTED_VERSION
UNKNOWN, REJECTED = GoawayCode.UNKNOWN_PROTOCOL, GoawayCode.SCHEMA_REJECTED

FIRST: list[tuple[bytes, GoawayCode | str]] = [
    (request(), "BOTH"),
    (request(serverHash=SPACED.md5), "CLIENT"),
    (request(SPACED), "NONE"),
    (request(clientHash=bytes(16)), "NONE"),
    # No HandshakeRequest, or a malformed Hello.
    (b"", MALFORMED),
    (b"\0", MALFORMED),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", MALFORMED),
    (request()[:-5], MALFORMED),
    (request(meta={"avrpc": b""}), MALFORMED),
    (request(meta={"avrpc": hello()[:-1]}), MALFORMED),
    (request(meta={"avrpc": hello() + b"\0"}), MALFORMED),
    (request(meta={"avrpc": hello(), "avrpc-auth": b"any", "other": b""}), "BOTH"),
    # Versions.
    (request(**meta(minVersion=0, maxVersion=2)), "BOTH"),
    (request(**meta(minVersion=-(2**31), maxVersion=2**31 - 1)), "BOTH"),
    (request(**meta(minVersion=2, maxVersion=3)), VERSION),
    (request(**meta(minVersion=0, maxVersion=0)), VERSION),
    (request(**meta(minVersion=2, maxVersion=0)), VERSION),
    (request(**meta(minVersion=2, maxVersion=2, protocol="demo.None"), ping=b""), VERSION),
    # The ping, and limits.
    (request(ping=b""), MALFORMED),
    (request(ping=b"\0"), MALFORMED),
    (request(ping=b"\0\0\0"), MALFORMED),
    (request(ping=b"\0\x06add\x04\x06"), MALFORMED),
    (request(**meta(limits={"maxCalls": 0})), MALFORMED),
    (request(**meta(limits={"maxFrameBytes": 2**62})), MALFORMED),
    (request(**meta(limits={"windowBytes": -1})), MALFORMED),
    (request(**meta(limits={"maxCalls": 1, "maxDreams": -1}, features=["zstd"])), "BOTH"),
    # The protocol wanted.
    (request(**meta(protocol="demo.Quotes")), "BOTH"),
    (request(**meta(protocol="demo.Quote")), UNKNOWN),
    (request(**meta(protocol="Quotes")), UNKNOWN),
    (request(**meta(protocol="\n" * 16_000)), UNKNOWN),
    # Texts and hashes: both have to be those of one text.
    (request(clientProtocol=TEXT), MALFORMED),
    (request(clientProtocol=""), MALFORMED),
    (request(**meta(of=SPACED)), "NONE"),
    (request(SPACED, **meta(of=QUOTES)), "NONE"),
    (request(**meta(sha256=b"")), "NONE"),
    (request(**meta(sha256=QUOTES.sha256[:31])), "NONE"),
    (request(**meta(sha256=QUOTES.sha256 + b"\0")), "NONE"),
    (request(MORE), "NONE"),
    (request(MORE, **meta(of=OTHER)), "NONE"),
    (request(OTHER), GoawayCode.INCOMPATIBLE_PROTOCOL),
]


@pytest.mark.parametrize(("content", "answer"), FIRST)
def test_first_request_is_answered_by_the_first_row_that_fits(
    content: bytes, answer: GoawayCode | str
) -> None:
    server = server_end(knows=(OTHER,))
    assert refused(server.request(content)) == answer


BIGGEST = of_length(MAX_TEXT_BYTES)
TOO_BIG = Text(f"{BIGGEST.text} ")
NO_PROTOCOL = "{}"

SECOND: list[tuple[bytes, GoawayCode | str]] = [
    (request(SPACED, clientProtocol=SPACED.text, serverHash=QUOTES.md5), "BOTH"),
    (request(SPACED, clientProtocol=SPACED.text), "CLIENT"),
    (request(clientProtocol=TEXT), "BOTH"),
    (request(BIGGEST, clientProtocol=BIGGEST.text, serverHash=QUOTES.md5), "BOTH"),
    # Anything that a first request is refused for.
    (request(SPACED, clientProtocol=SPACED.text, ping=b""), MALFORMED),
    (request(SPACED, clientProtocol=SPACED.text, **meta(minVersion=2, maxVersion=2)), VERSION),
    (request(SPACED, clientProtocol=SPACED.text, **meta(protocol="a.B")), UNKNOWN),
    # A text that is missing, wrong, or no protocol.
    (request(SPACED), REJECTED),
    (request(), REJECTED),
    (request(SPACED, clientProtocol=TEXT), REJECTED),
    (request(SPACED, clientProtocol=TEXT, **meta(of=QUOTES)), REJECTED),
    (request(QUOTES, clientProtocol=TEXT, **meta(of=SPACED)), REJECTED),
    (request(SPACED, clientProtocol=SPACED.text + " "), REJECTED),
    (request(SPACED, clientProtocol=SPACED.text, clientHash=bytes(16)), REJECTED),
    (request(SPACED, clientProtocol=SPACED.text, **meta(sha256=b"")), REJECTED),
    (request(TOO_BIG, clientProtocol=TOO_BIG.text), REJECTED),
    (request(MORE, clientProtocol=MORE.text), "CLIENT"),
    (request(MORE, clientProtocol=MORE.text, serverHash=QUOTES.md5), "BOTH"),
    (request(OTHER, clientProtocol=OTHER.text), GoawayCode.INCOMPATIBLE_PROTOCOL),
]


@pytest.mark.parametrize(("content", "answer"), SECOND)
def test_second_request_is_answered_by_the_first_row_that_fits(
    content: bytes, answer: GoawayCode | str
) -> None:
    server = server_end()
    assert server.request(request(SPACED)).verdict is Verdict.AGAIN
    assert refused(server.request(content)) == answer


@pytest.mark.parametrize("credentials", [None, b"", b"\0\xff"])
def test_request_tells_the_credentials_and_no_more_is_looked_at(credentials: bytes | None) -> None:
    entries = {} if credentials is None else {"avrpc-auth": credentials}
    for meta_, is_plain in ({"avrpc": b"\xff"} | entries, False), (entries or None, True):
        read = ServerHandshake({}, limits=Limits(), texts=TextCache()).read(
            request(meta=meta_, ping=b"?")
        )
        assert isinstance(read, Request)
        assert (read.credentials, read.is_plain, read.rest) == (credentials, is_plain, b"?")


def test_stranger_is_turned_away_by_a_code_and_one_text() -> None:
    server = server_end()
    read = server.read(request())
    assert isinstance(read, Request)
    reply = server.turn_away(read)
    assert refused(reply) == GoawayCode.UNAUTHENTICATED
    assert reply.refusal == "not authenticated"


def test_credentials_stand_in_both_requests() -> None:
    client = ClientHandshake(
        SPACED,
        SPACED.name,
        address=ADDRESS,
        limits=Limits(),
        memory=ServerMemory(),
        credentials=b"token",
    )
    first = client.first()
    second = client.answer(server_end().request(first).content)
    assert isinstance(second, bytes)
    for content in (first, second):
        assert HANDSHAKE_REQUEST.decode(content)[0]["meta"]["avrpc-auth"] == b"token"


def hashed(text: str) -> bytes:
    """A second request with any text and the hashes that are its own."""
    return request(Text(text), clientProtocol=text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("{}", 'expected a protocol, with its name under "protocol"'),
        ("[" * 100_000, "expected at most 64 brackets in each other, found 100000"),
        ('{"protocol": "P", "messages": {}, "messages": {}}', 'key "messages" is there twice'),
        ('{"protocol": "\\ud800"}', "half of a surrogate pair"),
        ('{"protocol": "P", "types": 1}', "$.types: expected a list, found 1"),
        ('{"protocol": "P", "types": [{"type": []}]}', "$.types[0]: expected the definition"),
        ('{"protocol": "P", "types": [{"type": {}}]}', "$.types[0]: expected the definition"),
        ("\ufeff" + TEXT, "not JSON"),
    ],
)
def test_text_that_is_no_protocol_is_refused_with_the_place(text: str, problem: str) -> None:
    texts = TextCache()
    server = ServerHandshake({QUOTES.name: QUOTES}, limits=Limits(), texts=texts)
    server.request(request(SPACED))
    reply = server.request(hashed(text))
    assert refused(reply) == REJECTED
    assert problem in reply.refusal
    assert reply.refusal.startswith("the client's protocol")
    assert len(texts) == 0


def test_nothing_is_learnt_from_a_text_with_the_hash_of_another() -> None:
    texts = TextCache()
    for content in (
        request(SPACED, clientProtocol=MORE.text),
        request(SPACED, clientProtocol=SPACED.text, clientHash=MORE.md5),
        request(SPACED, clientProtocol=SPACED.text, **meta(of=MORE)),
    ):
        server = ServerHandshake({QUOTES.name: QUOTES}, limits=Limits(), texts=texts)
        server.request(request(SPACED))
        assert refused(server.request(content)) == REJECTED
    assert len(texts) == 0


def test_refusal_of_an_unknown_protocol_tells_which_there_are() -> None:
    reply = server_end(OTHER, QUOTES).request(request(**meta(protocol="demo.Quote")))
    assert reply.refusal == "no protocol 'demo.Quote' here; there is demo.Orders, demo.Quotes"


def test_server_that_is_full_says_so_in_a_refusal() -> None:
    reply = refusal(GoawayCode.TOO_MANY_CONNECTIONS, "come back later" * 100)
    assert refused(reply) == GoawayCode.TOO_MANY_CONNECTIONS
    with pytest.raises(ConnectionRefused, match="come back later") as raised:
        client_end().answer(reply.content)
    assert raised.value.code == 38


# What a client does with an answer: the table of section 4.6.


def response(of: Protocol | Text = QUOTES, match: str = "NONE", **changed: Any) -> bytes:
    record = {
        "match": match,
        "serverProtocol": None if match == "BOTH" else of.text,
        "serverHash": None if match == "BOTH" else of.md5,
        "meta": {"avrpc": hello(of, protocol=of.name, protocols=[of.name])},
    }
    return HANDSHAKE_RESPONSE.encode({**record, **changed})


NULLS: dict[str, Any] = {"serverProtocol": None, "serverHash": None}
LIES = "MD5 and SHA-256 are not of one text"
NO_TEXT = "the server's protocol text is missing, or not that of its hashes"
PLAIN = "speaks Avro RPC and not avrpc"
GARBAGE = "expected an Avro handshake, found b'"

ANSWERS: list[tuple[bytes, type[ConnectFailed], str]] = [
    # Refusals.
    (
        response(**NULLS, meta={"avrpc-refused": REFUSAL.encode({"code": 39, "text": "no"})}),
        ConnectionRefused,
        "the server refused: no",
    ),
    (
        response(**NULLS, meta={"avrpc-refused": REFUSAL.encode({"code": 40, "text": "other"})}),
        IncompatibleProtocol,
        "the server refused: other",
    ),
    (
        response(meta={"avrpc-refused": REFUSAL.encode({"code": -5, "text": "\x1b[2J\r\n"})}),
        ConnectionRefused,
        r"the server refused: \x1b[2J\r\n",
    ),
    (
        response(**NULLS, meta={"avrpc-refused": REFUSAL.encode({"code": 33, "text": "no"})}),
        CredentialsRefused,
        "the server refused: no; no credentials were given",
    ),
    (response(meta={"avrpc-refused": b""}), NotAvrpc, GARBAGE),
    (
        response(meta={"avrpc-refused": REFUSAL.encode({"code": 1, "text": ""}) + b"\0"}),
        NotAvrpc,
        GARBAGE,
    ),
    # Plain Avro RPC servers.
    (response(match="BOTH", meta=None), NotAvrpc, PLAIN),
    (response(match="CLIENT", meta={}), NotAvrpc, PLAIN),
    (response(match="NONE", meta={"other": b""}), NotAvrpc, PLAIN),
    (response(match="NONE", meta=None, **NULLS), NotAvrpc, PLAIN),
    # Garbage.
    (b"", NotAvrpc, GARBAGE),
    (b"HTTP/1.1 400 Bad Request", NotAvrpc, GARBAGE),
    (response()[:-1], NotAvrpc, GARBAGE),
    (response(meta={"avrpc": b"\2"}), NotAvrpc, GARBAGE),
    (response(meta={"avrpc": hello() + b"\0"}), NotAvrpc, GARBAGE),
    # Versions.
    (response(**meta(minVersion=2, maxVersion=2)), ConnectFailed, "the server chose version 2"),
    (response(**meta(minVersion=0, maxVersion=1)), ConnectFailed, "chose version 0 to 1 of avrpc"),
    # BOTH has to be the text whose MD5 was sent; other texts have to come with both their hashes.
    (response(SPACED, "BOTH"), ConnectFailed, LIES),
    (response(QUOTES, "BOTH", **meta(sha256=b"")), ConnectFailed, LIES),
    (response(match="CLIENT", **NULLS), ConnectFailed, NO_TEXT),
    (response(match="CLIENT", serverProtocol=None), ConnectFailed, NO_TEXT),
    (response(match="CLIENT", serverHash=None), ConnectFailed, NO_TEXT),
    (response(match="CLIENT", serverHash=SPACED.md5), ConnectFailed, NO_TEXT),
    (response(match="CLIENT", **meta(of=SPACED)), ConnectFailed, NO_TEXT),
    (response(match="CLIENT", serverProtocol=SPACED.text), ConnectFailed, NO_TEXT),
    (response(match="NONE", **NULLS), ConnectFailed, NO_TEXT),
    (response(match="NONE", serverHash=SPACED.md5), ConnectFailed, NO_TEXT),
    (response(TOO_BIG, "CLIENT"), ConnectFailed, "a text of at most 262144 bytes, found 262145"),
    # Protocols.
    (response(OTHER, "CLIENT"), IncompatibleProtocol, "asked for demo.Quotes, the server answ"),
    (response(OTHER, "NONE"), IncompatibleProtocol, "the server answered with demo.Orders"),
    # Limits.
    (
        response(match="BOTH", **meta(limits={"maxCalls": 0})),
        ConnectFailed,
        "the server announced maxCalls: expected 1 to 2147483647, got 0",
    ),
    # Names that are none.
    *(
        (
            response(match="BOTH", **meta(protocols=["demo.Quotes", name])),
            ConnectFailed,
            f"the server offers {repr(name)[:100]}",
        )
        for name in ("", "demo.", "a b", "a\nb", "x" * 256)
    ),
]


@pytest.mark.parametrize(("content", "error", "problem"), ANSWERS)
def test_client_gives_up_on_an_answer_by_name(
    content: bytes, error: type[ConnectFailed], problem: str
) -> None:
    client = client_end()
    client.first()
    with pytest.raises(ConnectFailed) as raised:
        client.answer(content)
    assert type(raised.value) is error
    assert str(raised.value).startswith(f"{ADDRESS}: ")
    assert problem in str(raised.value)
    assert raised.value.maybe_executed is False


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (refusal(GoawayCode.UNKNOWN_PROTOCOL, "").content, 39),
        (response(meta={"avrpc-refused": REFUSAL.encode({"code": 99, "text": ""})}), 99),
    ],
)
def test_refusal_is_told_with_its_code(content: bytes, code: int) -> None:
    with pytest.raises(ConnectionRefused) as raised:
        client_end().answer(content)
    assert raised.value.code == code


GOOD: list[tuple[bytes, Protocol]] = [
    (response(match="BOTH"), QUOTES),
    (response(match="CLIENT"), QUOTES),
    (response(SPACED, "CLIENT"), SPACED),
    (response(MORE, "CLIENT"), MORE),
    (response(BIGGEST, "CLIENT"), BIGGEST),
    (response(match="BOTH") + b"\0\1\0\0", QUOTES),  # what some servers append is ignored
    (response(match="BOTH", meta={"avrpc": hello(), "other": b"\0"}), QUOTES),
    (response(match="BOTH", **meta(features=["zstd"], limits={"maxDreams": 0})), QUOTES),
]


@pytest.mark.parametrize(("content", "remote"), GOOD)
def test_client_agrees_to_an_answer(content: bytes, remote: Protocol) -> None:
    agreement = client_end().answer(content)
    assert isinstance(agreement, Agreement)
    assert agreement.negotiation.client is QUOTES
    assert agreement.negotiation.server.text == remote.text


def test_second_none_is_the_end() -> None:
    client = client_end(SPACED)
    assert isinstance(client.answer(response(match="NONE") + b"an error, as avsc does"), bytes)
    with pytest.raises(ConnectFailed, match="the server answered NONE twice"):
        client.answer(response(match="NONE"))


def test_both_for_a_client_that_sent_no_hash_is_a_lie() -> None:
    with pytest.raises(ConnectFailed, match=LIES):
        client_end(None).answer(response(match="BOTH"))


def test_server_that_answers_with_another_protocol_than_was_asked_for_is_noticed() -> None:
    client = client_end(None, "demo.Quotes")
    with pytest.raises(ConnectFailed, match=r"asked for demo\.Quotes, .* answered with demo\.Ord"):
        client.answer(response(OTHER))


def test_protocol_of_the_server_that_is_not_valid_is_told_with_the_place() -> None:
    with pytest.raises(ConnectFailed, match=r"protocol of .*\$\.protocol: expected a name"):
        client_end().answer(response(Text('{"protocol": 5}'), "CLIENT"))


# Plain Avro RPC: bytes of real peers (Java 1.8.2, avsc 5.7.9), buffers joined.

V1 = bytes.fromhex("c981deac1d18f9339fe055a29b5113b0")
JAVA_CALL = V1 + b"\0" + V1 + b"\2\0" + b"\0\6add\4\6"
AVSC_PING = V1 + b"\0" + V1 + b"\0" + b"\0\0"

IPC = "org.apache.avro.ipc"
MD5 = {"type": "fixed", "name": "MD5", "namespace": IPC, "size": 16}
META = ["null", {"type": "map", "values": "bytes"}]
RESPONSE_SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "HandshakeResponse",
        "namespace": IPC,
        "fields": [
            {
                "name": "match",
                "type": {
                    "type": "enum",
                    "name": "HandshakeMatch",
                    "symbols": ["BOTH", "CLIENT", "NONE"],
                },
            },
            {"name": "serverProtocol", "type": ["null", "string"]},
            {"name": "serverHash", "type": ["null", MD5]},
            {"name": "meta", "type": META},
        ],
    }
)
QUOTE_ERROR = {
    "type": "error",
    "name": "QuoteError",
    "fields": [{"name": "reason", "type": "string"}, {"name": "code", "type": "int"}],
}


@pytest.mark.parametrize(
    ("content", "errors"),
    [(JAVA_CALL, ["string"]), (JAVA_CALL, ["string", QUOTE_ERROR]), (AVSC_PING, ["string"])],
)
@pytest.mark.parametrize("text", [None, '{"protocol":"Market"}'])
def test_plain_client_reads_the_refusal_as_an_error_of_its_call(
    content: bytes, errors: list[Any], text: str | None
) -> None:
    if text:  # its second pack, after a NONE of some other server, would have the text
        fields, position = HANDSHAKE_REQUEST.decode(content)
        content = HANDSHAKE_REQUEST.encode({**fields, "clientProtocol": text}) + content[position:]
    reply = server_end().request(content)
    assert reply.verdict is Verdict.CLOSE
    assert reply.refusal == "a plain Avro RPC client"
    # As any Avro RPC client reads it.
    data = io.BytesIO(reply.content)
    shaken = fastavro.schemaless_reader(data, RESPONSE_SCHEMA, None)
    assert shaken == {"match": "BOTH", "serverProtocol": None, "serverHash": None, "meta": None}
    assert fastavro.schemaless_reader(data, {"type": "map", "values": "bytes"}, None) == {}
    assert fastavro.schemaless_reader(data, "boolean", None) is True
    error = fastavro.schemaless_reader(data, errors, None)
    assert error == "this server speaks avrpc; plain Avro RPC is not supported yet"
    assert data.read() == b""


REAL_ANSWERS = [
    (b"\0\0\0\0" + b"\0\0\x0a", PLAIN),  # Java and avsc: BOTH, and the result 5
    (b"\0\0\0\0", PLAIN),  # avsc: BOTH, an empty response to the ping
    (b"\0\1\0\x0eNo text", GARBAGE),  # Java, where no answer comes about: a bare error
]


@pytest.mark.parametrize(("content", "problem"), REAL_ANSWERS)
def test_plain_server_is_told_by_its_answer(content: bytes, problem: str) -> None:
    with pytest.raises(NotAvrpc) as raised:
        client_end().answer(content)
    assert problem in str(raised.value)


# Hostile bytes: the server answers them all, and the client gives up by name.

CONTENTS = [request(), request(SPACED), request(SPACED, clientProtocol=SPACED.text), JAVA_CALL]
REPLIES = [response(match=match) for match in ("BOTH", "CLIENT", "NONE")] + [
    refusal(GoawayCode.SHUTDOWN, "bye").content
]


def holds(content: bytes, *, again: bool) -> None:
    """Whatever came, the server has an answer, and a client has an agreement or gives up."""
    server = server_end(knows=(MORE,))
    if again:
        server.request(request(SPACED))
    reply = server.request(content)
    assert (reply.verdict is Verdict.NATIVE) == (reply.agreement is not None)
    assert (reply.verdict is Verdict.CLOSE) == (reply.refusal != "")
    assert len(reply.content) < 16_384
    for mine in (QUOTES, None):
        client = client_end(mine)
        if again:
            client.answer(response())
        try:
            client.answer(content)
        except ConnectFailed as error:
            assert len(str(error)) < 2000  # noqa: PT017


def cut_and_bent(content: bytes) -> st.SearchStrategy[bytes]:
    """The content, cut or with some bytes changed."""
    at = st.integers(0, len(content) - 1)
    return st.one_of(
        at.map(lambda end: content[:end]),
        st.lists(st.tuples(at, st.integers(0, 255)), min_size=1, max_size=4).map(
            lambda changes: bytes(dict(changes).get(at, byte) for at, byte in enumerate(content))
        ),
    )


@given(st.one_of(st.binary(), *map(cut_and_bent, CONTENTS + REPLIES)), st.booleans())
def test_bytes_of_any_kind_are_answered_and_given_up_by_name(content: bytes, again: bool) -> None:
    holds(content, again=again)


@pytest.mark.parametrize("content", CONTENTS + REPLIES)
def test_content_that_is_cut_anywhere_is_answered_and_given_up_by_name(content: bytes) -> None:
    for end in range(len(content)):
        holds(content[:end], again=end % 2 == 1)


HASHES = st.sampled_from([bytes(16), QUOTES.md5, SPACED.md5, MORE.md5])
TEXTS = st.sampled_from([None, "", TEXT, SPACED.text, MORE.text])
LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 2])
INTS = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, 2])
HELLOS = st.fixed_dictionaries(
    {
        "minVersion": INTS,
        "maxVersion": INTS,
        "protocol": st.text() | st.sampled_from(["", "demo.Quotes"]),
        "protocols": st.lists(st.text()),
        "sha256": st.binary() | st.sampled_from([QUOTES.sha256, SPACED.sha256]),
        "features": st.lists(st.text()),
        "limits": st.dictionaries(st.text() | st.sampled_from(list(Limits().announced())), LONGS),
    }
).map(HELLO.encode)
METAS = st.none() | st.dictionaries(st.text(), st.binary()) | HELLOS.map(lambda it: {"avrpc": it})


@given(HASHES, TEXTS, HASHES, METAS, st.sampled_from([b"", PING, b"\0\6add"]), st.booleans())
def test_any_request_is_answered(
    md5: bytes, text: str | None, guess: bytes, metas: Any, rest: bytes, again: bool
) -> None:
    fields = {"clientHash": md5, "clientProtocol": text, "serverHash": guess, "meta": metas}
    holds(HANDSHAKE_REQUEST.encode(fields) + rest, again=again)


@given(st.sampled_from(["BOTH", "CLIENT", "NONE"]), TEXTS, HASHES | st.none(), METAS, st.booleans())
def test_any_answer_is_agreed_to_or_given_up_by_name(
    match: str, text: str | None, md5: bytes | None, metas: Any, again: bool
) -> None:
    fields = {"match": match, "serverProtocol": text, "serverHash": md5, "meta": metas}
    holds(HANDSHAKE_RESPONSE.encode(fields), again=again)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "items", "fields", "default"]), inner)
    ),
    max_leaves=5,
) | st.sampled_from(["int", "Tick", "array", "record", {"type": "array", "items": "int"}])


@st.composite
def bent_json(draw: st.DrawFn) -> str:
    """The protocol's JSON with something else in one or two places."""
    made = json.loads(json.dumps({**JSON, "types": [QUOTE_ERROR]}))
    for _ in range(draw(st.integers(1, 2))):
        at = made
        while True:
            key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if not (isinstance(at[key], dict | list) and at[key]) or draw(st.booleans()):
                break
            at = at[key]
        at[key] = copy.deepcopy(draw(JSONS))
    return json.dumps(made)


@given(bent_json())
def test_any_json_for_a_text_is_taken_or_refused_by_name(text: str) -> None:
    holds(hashed(text), again=True)


# What is remembered: the rest is in tests/test_memory.py.


def test_what_one_server_says_is_no_more_than_a_guess_for_the_next_at_its_address() -> None:
    memory = ServerMemory()
    # A server at the address says what it likes: here, a text that means the same.
    assert shake(client_end(QUOTES, memory=memory), server_end(SPACED)).matches == ["NONE", "BOTH"]
    remembered = memory.recall(ADDRESS, "demo.Quotes")
    assert remembered
    assert remembered.text == SPACED.text
    # The real one is asked with that guess, and corrects it.
    for matches in (["CLIENT"], ["BOTH"]):
        shaken = shake(client_end(QUOTES, memory=memory), server_end(QUOTES))
        assert shaken.matches == matches
        assert shaken.client.negotiation.server.text == TEXT


def test_server_that_was_not_agreed_with_is_not_remembered() -> None:
    memory = ServerMemory()
    for content in (response(OTHER, "CLIENT"), response(OTHER, "NONE"), response(SPACED, "BOTH")):
        with pytest.raises(ConnectFailed):
            client_end(QUOTES, memory=memory).answer(content)
    assert memory.recall(ADDRESS, "demo.Quotes") is None
