"""A server that asks who is there: what strangers learn of it, and what becomes of the hook."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import avrpc
from avrpc.auth import REFUSAL_SECONDS
from avrpc.handshake import ClientHandshake
from avrpc.memory import ServerMemory, hashes
from avrpc.schema.handshake_records import HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HELLO, REFUSAL
from avrpc.testing import Link, open_pair
from avrpc.wire import GoawayCode
from avrpc.wire.packs import encode_pack, parse_pack
from tests.certificates import (
    HOST,
    ca_pem,
    client_certificate,
    client_context,
    pem,
    server_certificate,
)
from tests.desk import DESK, Note, desk_server, tick
from tests.sockets import all_gone, served

TOKENS = avrpc.BearerTokens({"alice": "alices token", "bob": ["bobs old token", "bobs token"]})
PING = b"\0\0"
OLDER = avrpc.Protocol.parse(json.dumps({**json.loads(DESK.text), "doc": "An older one."}))


def server_of(authenticate: Any = TOKENS, limits: avrpc.Limits | None = None) -> avrpc.Server:
    """A desk that asks who is there."""
    return desk_server(authenticate=authenticate, limits=limits)


# Packs that a stranger may send.


def hello(**changed: Any) -> bytes:
    record = {
        "minVersion": 1,
        "maxVersion": 1,
        "protocol": DESK.name,
        "protocols": [],
        "sha256": DESK.sha256,
        "features": [],
        "limits": {},
    }
    return HELLO.encode({**record, **changed})


def request(
    credentials: bytes | None, meta: bytes | None = None, rest: bytes = PING, **changed: Any
) -> bytes:
    """The content of a pack; everything in it is as the server wants it, but for what is given."""
    record = {"clientHash": DESK.md5, "clientProtocol": None, "serverHash": DESK.md5}
    entries = {"avrpc": hello() if meta is None else meta}
    if credentials is not None:
        entries["avrpc-auth"] = credentials
    return HANDSHAKE_REQUEST.encode({**record, **changed, "meta": entries}) + rest


def first_packs(credentials: bytes | None) -> dict[str, bytes]:
    """What differs in how much of the server it gets right."""
    give = credentials
    return {
        "all right": request(give),
        "another protocol": request(give, hello(protocol="test.Other")),
        "a protocol with a line end": request(give, hello(protocol="\n")),
        "no protocol": request(give, hello(protocol="")),
        "another hash": request(give, clientHash=bytes(16)),
        "another sha256": request(give, hello(sha256=bytes(32))),
        "no hashes": request(give, hello(sha256=b""), clientHash=bytes(16), serverHash=bytes(16)),
        "another server hash": request(give, serverHash=bytes(16)),
        "a text": request(give, clientProtocol=DESK.text),
        "a text that is none": request(give, clientProtocol="{" * 1000),
        "another version": request(give, hello(minVersion=2, maxVersion=3)),
        "a limit out of its range": request(give, hello(limits={"maxCalls": 0})),
        "a malformed hello": request(give, b"\xff"),
        "no ping": request(give, rest=b""),
        "a call": request(give, rest=b"\0\x08last\x0cEURUSD\2"),
    }


class Answer:
    """What a server says to some packs, each sent after an answer, and when it hangs up."""

    def __init__(self) -> None:
        self.packs: list[bytes] = []
        self.seconds = 0.0


async def answers(server: avrpc.Server, *contents: bytes) -> Answer:
    answer, link, began = Answer(), Link(), trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        for content in contents:
            await link.client.send_all(encode_pack(0, content))
            answer.packs.append(bytes(await link.client.receive_some()))
        while more := await link.client.receive_some():
            answer.packs.append(bytes(more))
        answer.seconds = trio.current_time() - began
    return answer


def packs_in(data: bytes | bytearray, count: int) -> list[bytes]:
    """The contents of the packs that bytes begin with."""
    found = []
    for _ in range(count):
        parsed = parse_pack(bytes(data), 300_000)
        assert isinstance(parsed, tuple)
        found.append(parsed[0].content)
        data = data[parsed[1] :]
    return found


def code_of(pack: bytes) -> int:
    """The code of a refusal."""
    (content,) = packs_in(pack, 1)
    response, _ = HANDSHAKE_RESPONSE.decode(content)
    code: int = REFUSAL.decode(response["meta"]["avrpc-refused"])[0]["code"]
    return code


# The stranger ...


@pytest.mark.parametrize("credentials", [None, b"", b"wrong", b"alice", b"x" * 9000])
async def test_stranger_gets_the_same_bytes_at_the_same_time_whatever_it_names(
    credentials: bytes | None,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = server_of()
    # As if somebody else's version were known, too: it makes no difference.
    server._texts.learn(OLDER.text, source="")
    for look_up in ("get", "learn"):
        monkeypatch.setattr(server._texts, look_up, pytest.fail)
    monkeypatch.setattr(server, "_offered", None)
    found = {
        name: await answers(server, content) for name, content in first_packs(credentials).items()
    }
    assert {tuple(answer.packs) for answer in found.values()} == {
        tuple(found["all right"].packs),
    }
    assert code_of(found["all right"].packs[0]) == GoawayCode.UNAUTHENTICATED
    for answer in found.values():
        assert answer.seconds == pytest.approx(REFUSAL_SECONDS, abs=1e-6)
    assert [record.message for record in caplog.records] == [
        "stream: refused: not authenticated"
    ] * len(found)
    assert server.running == 0
    told = found["all right"].packs[0]
    assert len(told) < 100
    assert b"Desk" not in told


async def test_stranger_that_speaks_plain_avro_learns_no_more(autojump_clock: MockClock) -> None:
    found = []
    for of in (DESK, OLDER):
        for meta in (None, {}, {"avrpc-auth": b"wrong"}):
            for rest in (PING, b"\0\x08last\x0cEURUSD\2"):
                record = {"clientHash": of.md5, "clientProtocol": of.text, "serverHash": of.md5}
                content = HANDSHAKE_REQUEST.encode({**record, "meta": meta}) + rest
                found.append(await answers(server_of(), content))
    assert {tuple(answer.packs) for answer in found} == {tuple(found[0].packs)}
    assert b"not authenticated" in found[0].packs[0]
    assert {round(answer.seconds, 6) for answer in found} == {REFUSAL_SECONDS}


async def test_plain_avro_client_that_is_known_is_told_that_it_is_not_served() -> None:
    record = {"clientHash": DESK.md5, "clientProtocol": None, "serverHash": DESK.md5}
    content = HANDSHAKE_REQUEST.encode({**record, "meta": {"avrpc-auth": b"alices token"}}) + PING
    answer = await answers(server_of(), content)
    assert b"plain Avro RPC is not supported yet" in answer.packs[0]


async def test_what_is_no_handshake_has_no_credentials_and_is_told_so_at_once(
    autojump_clock: MockClock,
) -> None:
    asked: list[avrpc.Presented] = []
    answer = await answers(server_of(asked.append), b"\7" * 50)
    assert code_of(answer.packs[0]) == GoawayCode.PROTOCOL_ERROR
    assert (asked, answer.seconds) == ([], 0)


async def test_stranger_over_sockets_gets_the_same_bytes(nursery: trio.Nursery) -> None:
    server = server_of()
    (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
    port = int(address.rpartition(":")[2])
    found: set[bytes] = set()

    async def knock(content: bytes) -> None:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(encode_pack(0, content))
            found.add(b"".join([bytes(data) async for data in stream]))

    async with trio.open_nursery() as knocking:
        for content in first_packs(b"wrong").values():
            knocking.start_soon(knock, content)
    (said,) = found
    assert code_of(said) == GoawayCode.UNAUTHENTICATED
    with pytest.raises(avrpc.CredentialsRefused) as raised:
        async with avrpc.connect(address):
            pass
    assert str(raised.value) == (
        f"{address}: the server refused: not authenticated; no credentials were given"
    )
    async with avrpc.connect(address, credentials="bobs token") as client:
        assert await client.last("EURUSD") == tick()
    await server.aclose()


@pytest.mark.parametrize("protocol", [None, "test.Desk", "test.Other", DESK, OLDER])
@pytest.mark.parametrize("credentials", [None, "wrong", b"", "bobs token "])
async def test_client_that_is_not_known_is_told_so_by_name(
    protocol: Any, credentials: Any, autojump_clock: MockClock
) -> None:
    link = Link(record=True)
    with pytest.raises(avrpc.CredentialsRefused) as raised:
        async with open_pair(server_of(), protocol, link=link, credentials=credentials):
            pytest.fail("connected")
    assert isinstance(raised.value, avrpc.Unauthenticated)
    assert isinstance(raised.value, avrpc.ConnectFailed)
    assert (raised.value.code, raised.value.maybe_executed) == (GoawayCode.UNAUTHENTICATED, False)
    hint = "; no credentials were given" if credentials is None else ""
    assert str(raised.value) == f"stream: the server refused: not authenticated{hint}"
    assert b"Desk" not in link.to_client.record
    assert b"max" not in link.to_client.record  # nor its limits


# ... while the hook is asked ...


async def hangs(presented: avrpc.Presented) -> str:
    await trio.sleep_forever()
    raise AssertionError


async def test_hook_that_hangs_is_ended_by_the_timer_of_the_handshake(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await answers(server_of(hangs, limits=avrpc.Limits(handshake_timeout=7)), request(b""))
    assert answer.packs == [b""]
    assert answer.seconds == pytest.approx(7)
    assert [record.message for record in caplog.records] == [
        "stream: no answer of authenticate in 7 s"
    ]


async def test_timer_counts_from_the_first_byte_and_not_from_the_pack(
    autojump_clock: MockClock,
) -> None:
    link, server = Link(), server_of(hangs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        await trio.sleep(9)
        await link.client.send_all(encode_pack(0, request(b"")))
        assert await link.client.receive_some() == b""
    assert trio.current_time() == pytest.approx(10)


class Watched:
    """A hook that takes a while, and notes what becomes of it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.note = Note()

    async def __call__(self, presented: avrpc.Presented) -> str:
        try:
            self.note("asked")
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.note("cancelled")
            raise
        self.note("answered")
        return "alice"


@pytest.mark.parametrize("how", ["eof", "gone", "more"])
async def test_hook_is_cancelled_when_the_client_leaves_or_does_not_wait(
    how: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    hook, link = Watched(5), Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server_of(hook).serve_stream, link.server)
        await link.client.send_all(encode_pack(0, request(b"")))
        await hook.note.wait_for("asked")
        await trio.sleep(1)
        if how == "eof":
            await link.client.send_eof()
        elif how == "gone":
            await link.client.aclose()
        else:
            await link.client.send_all(b"\0")
        await hook.note.wait_for("cancelled")
        if how != "gone":
            assert await link.client.receive_some() == b""
    assert trio.current_time() == pytest.approx(1)
    refusals = ["stream: refused: the client sent more before it was answered"]
    assert [record.message for record in caplog.records] == (refusals if how == "more" else [])


async def test_client_that_leaves_does_not_wait_for_its_refusal(autojump_clock: MockClock) -> None:
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server_of().serve_stream, link.server)
        await link.client.send_all(encode_pack(0, request(b"wrong")))
        await wait_all_tasks_blocked()
        await link.client.aclose()
    assert trio.current_time() < REFUSAL_SECONDS


async def test_connection_whose_hook_is_asked_at_the_drain_is_closed(
    autojump_clock: MockClock,
) -> None:
    hook, link = Watched(5), Link()
    server = server_of(hook)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, link.server)
        await link.client.send_all(encode_pack(0, request(b"")))
        await hook.note.wait_for("asked")
        await server.aclose()
        assert await link.client.receive_some() == b""
    assert hook.note.lines == ["asked", "cancelled"]
    assert trio.current_time() == 0


async def test_slow_hook_holds_up_nobody_else(autojump_clock: MockClock) -> None:
    async def hook(presented: avrpc.Presented) -> str:
        await trio.sleep(3 if presented.credentials == b"slow" else 0)
        return "x"

    server = server_of(hook)
    async with trio.open_nursery() as nursery:

        async def slow() -> None:
            async with open_pair(server, DESK, credentials="slow") as client:
                await client.last("EURUSD")

        nursery.start_soon(slow)
        await wait_all_tasks_blocked()
        async with open_pair(server, DESK, credentials="quick") as client:
            assert await client.last("EURUSD") == tick()
        assert trio.current_time() == 0
    assert trio.current_time() == pytest.approx(3)


# ... and the second pack.


@pytest.mark.parametrize("protocol", [None, OLDER])
async def test_both_packs_of_a_handshake_hold_the_credentials_and_the_hook_is_asked_once(
    protocol: Any,
) -> None:
    asked: list[bytes | None] = []

    def hook(presented: avrpc.Presented) -> str:
        asked.append(presented.credentials)
        return "alice"

    count = 0

    def token() -> str:
        nonlocal count
        count += 1
        return f"token {count}"

    for number in (1, 2):
        link = Link(record=True)
        async with open_pair(server_of(hook), protocol, link=link, credentials=token) as client:
            await client.last("EURUSD")
        first, second = packs_in(link.to_server.record, 2)
        for content in (first, second):
            meta = HANDSHAKE_REQUEST.decode(content)[0]["meta"]
            assert meta["avrpc-auth"] == f"token {number}".encode()
    assert asked == [b"token 1", b"token 2"]


def second_request(credentials: bytes | None, text: str = OLDER.text) -> bytes:
    md5, sha256 = hashes(text.encode())
    return request(credentials, hello(sha256=sha256), clientProtocol=text, clientHash=md5)


@pytest.mark.parametrize("credentials", [None, b"", b"bobs token", b"alices token "])
async def test_second_pack_with_other_credentials_is_a_strangers(
    credentials: bytes | None, autojump_clock: MockClock
) -> None:
    first = request(b"alices token", hello(sha256=bytes(32)))
    for text in (OLDER.text, "{}"):
        answer = await answers(server_of(), first, second_request(credentials, text))
        assert b"Desk" in answer.packs[0]  # NONE, and the text
        assert code_of(answer.packs[1]) == GoawayCode.UNAUTHENTICATED
        assert answer.seconds == pytest.approx(REFUSAL_SECONDS)


async def test_server_that_asks_nobody_ignores_credentials() -> None:
    for credentials in (None, "", "anything"):
        async with open_pair(desk_server(), DESK, credentials=credentials) as client:
            assert await client.last("EURUSD") == tick()
    first = request(b"one", hello(sha256=bytes(32)))
    link = Link()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk_server().serve_stream, link.server)
        for content in (first, second_request(b"two")):
            await link.client.send_all(encode_pack(0, content))
            (answer,) = packs_in(await link.client.receive_some(), 1)
            assert b"avrpc-refused" not in answer
        await link.client.aclose()


def test_longest_credentials_fit_the_first_pack_beside_the_longest_name() -> None:
    mine = avrpc.Protocol.parse(json.dumps({"protocol": "P", "namespace": "n" * 253}))
    client = ClientHandshake(
        mine,
        mine.name,
        address="there",
        limits=avrpc.Limits(),
        memory=ServerMemory(),
        credentials=b"x" * 8192,
    )
    assert len(encode_pack(0, client.first())) < 16 * 1024


# The same over TLS, which tells who a client is, too.


def by_certificate(presented: avrpc.Presented) -> str | None:
    assert presented.tls is not None
    certificate = presented.tls.certificate
    return certificate.common_name if certificate is not None else None


@asynccontextmanager
async def served_by_tls(tmp_path: Path, hook: Any) -> AsyncIterator[tuple[avrpc.Server, str]]:
    tls = avrpc.server_tls(
        pem(tmp_path, server_certificate()), client_ca=ca_pem(tmp_path), client_optional=True
    )

    async def last(symbol: str, depth: int) -> Any:
        return tick(avrpc.current_call().identity)

    server = desk_server(authenticate=hook, last=last)
    async with served(server, f"tls://{HOST}:0", tls) as address:
        yield server, address


async def test_hook_knows_the_certificate_that_a_client_showed(tmp_path: Path) -> None:
    async with served_by_tls(tmp_path, by_certificate) as (_, address):
        own = client_context(client_certificate())
        async with avrpc.connect(address, DESK, tls=own) as client:
            assert await client.last("EURUSD") == tick("worker 7")
        for protocol in (None, DESK, OLDER):
            with pytest.raises(avrpc.CredentialsRefused):
                async with avrpc.connect(address, protocol, tls=client_context()):
                    pass


async def test_credentials_go_through_tls_to_the_hook(tmp_path: Path) -> None:
    async with served_by_tls(tmp_path, TOKENS) as (_, address):
        for protocol in (None, DESK, OLDER):
            own = avrpc.connect(address, protocol, tls=client_context(), credentials="bobs token")
            async with own as client:
                assert await client.last("EURUSD") == tick("bob")
            with pytest.raises(avrpc.CredentialsRefused):
                async with avrpc.connect(address, protocol, tls=client_context()):
                    pass


async def test_hook_is_cancelled_when_a_client_of_tls_leaves(tmp_path: Path) -> None:
    hook = Watched(1000)
    async with served_by_tls(tmp_path, hook) as (server, address):
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:

                async def knock() -> None:
                    async with avrpc.connect(address, DESK, tls=client_context()):
                        pytest.fail("connected")

                nursery.start_soon(knock)
                await hook.note.wait_for("asked")
                nursery.cancel_scope.cancel()
            await hook.note.wait_for("cancelled")
            await all_gone(server)
