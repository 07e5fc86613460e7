"""Both ends of the handshake on trio, together and each against what someone else says."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from avrpc.auth import Authenticate, Doorkeeper, Presented
from avrpc.errors import ConnectFailed, ConnectionRefused, CredentialsRefused, NotAvrpc, TlsFailed
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.limits import Limits
from avrpc.memory import ServerMemory, TextCache
from avrpc.opening import Refused, open_client, open_server
from avrpc.replies import Agreement
from avrpc.schema import Protocol
from avrpc.schema.compat import Verdict
from avrpc.transport import StreamTransport, Transport
from avrpc.wire import (
    Connection,
    ConnectionState,
    GoawayCode,
    GoawayReceived,
    PackReceived,
    PeerViolated,
    Role,
    WireLimits,
)
from avrpc.wire.packs import encode_pack

MESSAGES = {"last": {"request": [], "response": "double"}}
JSON = {"protocol": "Quotes", "namespace": "demo", "messages": MESSAGES}
QUOTES = Protocol.parse(json.dumps(JSON))
SPACED = Protocol.parse(json.dumps({**JSON, "doc": "Means the same."}, indent=4), verbatim=True)
OTHER = Protocol.parse(json.dumps({**JSON, "messages": {}}))
ORDERS = Protocol.parse(json.dumps({**JSON, "protocol": "Orders"}))
BIGGEST = Protocol.parse(
    json.dumps({**JSON, "doc": "x" * (262_144 - len(json.dumps({**JSON, "doc": ""})))}),
    verbatim=True,
)

Opened = tuple[Agreement, list[Any]]
Open = Callable[[], Awaitable[Opened]]


def client_handshake(mine: Protocol | None = QUOTES) -> ClientHandshake:
    return ClientHandshake(
        mine, mine.name if mine else "", address="there", limits=Limits(), memory=ServerMemory()
    )


def server_handshake(mine: Protocol = QUOTES) -> ServerHandshake:
    return ServerHandshake({mine.name: mine}, limits=Limits(), texts=TextCache())


def opener(
    role: Role,
    transport: Transport,
    mine: Protocol | None = QUOTES,
    connection: Connection | None = None,
) -> Open:
    """One end, ready to shake hands."""
    connection = connection or Connection(role)
    if role is Role.CLIENT:
        client = client_handshake(mine)
        return lambda: open_client(transport, connection, client, Limits())
    assert mine
    server = server_handshake(mine)
    return lambda: open_server(transport, connection, server, Limits())


def chopped(stream: Any, size: int | None) -> StreamTransport:
    """A transport that receives so many bytes at a time."""
    if size:
        receive = stream.receive_stream.receive_some
        stream.receive_stream.receive_some = lambda _: receive(size)
    return StreamTransport(stream, "there")


# Both ends together.


class Outcome:
    """What became of one end."""

    opened: Opened | None = None
    error: Exception | None = None


async def meet(
    mine: Protocol | None, theirs: Protocol, chop: int | None = None
) -> tuple[Outcome, Outcome]:
    """Let both ends shake hands."""
    outcomes = Outcome(), Outcome()
    streams = memory_stream_pair()

    async def run(outcome: Outcome, stream: Any, open_end: Open) -> None:
        try:
            outcome.opened = await open_end()
        except Exception as error:  # noqa: BLE001
            outcome.error = error
            await stream.aclose()

    async with trio.open_nursery() as nursery:
        for outcome, stream, role, protocol in (
            (outcomes[0], streams[0], Role.CLIENT, mine),
            (outcomes[1], streams[1], Role.SERVER, theirs),
        ):
            nursery.start_soon(run, outcome, stream, opener(role, chopped(stream, chop), protocol))
    return outcomes


@pytest.mark.parametrize("chop", [None, 1])
@pytest.mark.parametrize("mine", [QUOTES, SPACED, None])
async def test_both_ends_agree_in_one_round_or_two(mine: Protocol | None, chop: int | None) -> None:
    client, server = await meet(mine, QUOTES, chop)
    assert client.opened
    assert server.opened
    for agreement, _ in (client.opened, server.opened):
        assert agreement.negotiation.client.text == (mine or QUOTES).text
        assert agreement.negotiation.server.text == QUOTES.text
    assert client.opened[1] == server.opened[1] == []


@pytest.mark.parametrize("ends", [(BIGGEST, QUOTES), (QUOTES, BIGGEST), (None, BIGGEST)])
async def test_text_of_256_kib_passes(ends: tuple[Protocol | None, Protocol]) -> None:
    client, server = await meet(*ends)
    assert client.opened
    assert server.opened


async def test_ends_that_differ_know_both_what_fits() -> None:
    client, server = await meet(QUOTES, OTHER)
    assert client.opened
    assert server.opened
    fits = [dict(opened[0].negotiation) for opened in (client.opened, server.opened)]
    assert fits[0] == fits[1]
    assert fits[0]["last"].verdict is Verdict.MISSING


async def test_refusal_reaches_the_client_and_the_servers_log() -> None:
    client, server = await meet(ORDERS, QUOTES)
    assert isinstance(client.error, ConnectionRefused)
    assert client.error.code == GoawayCode.UNKNOWN_PROTOCOL
    assert isinstance(server.error, Refused)
    assert str(server.error) == "no protocol 'demo.Orders' here; there is demo.Quotes"
    assert str(server.error) in str(client.error)


# One end against a script: what the other one says, and then it hangs up.


class Script:
    """The other end: says one thing after the other, each when it was heard from, and hangs up."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.heard = b""
        self._nursery = nursery
        self._ours, self._theirs = memory_stream_pair()
        self.transport = StreamTransport(self._ours, "there")

    async def play(self, role: Role, *says: bytes) -> None:
        for said in says:
            if role is Role.SERVER:
                self.heard += await self._theirs.receive_some()
            await self._theirs.send_all(said)
            await wait_all_tasks_blocked()
        await self._theirs.send_eof()

    async def against(self, role: Role, *says: bytes, mine: Protocol = QUOTES) -> Opened:
        """Shake hands with the script."""
        self._nursery.start_soon(self.play, role.other, *says)
        try:
            return await opener(role, self.transport, mine)()
        finally:
            await self._ours.send_eof()
            with trio.CancelScope(shield=True):
                while data := await self._theirs.receive_some():
                    self.heard += data


@pytest.fixture
def script(nursery: trio.Nursery) -> Script:
    return Script(nursery)


def first(mine: Protocol = QUOTES) -> bytes:
    return encode_pack(0, client_handshake(mine).first())


def second() -> bytes:
    client = client_handshake(SPACED)
    content = client.answer(server_handshake().request(client.first()).content)
    assert isinstance(content, bytes)
    return encode_pack(1, content)


def answers(mine: Protocol) -> list[bytes]:
    """The packs of a server to a client."""
    client, server = client_handshake(mine), server_handshake()
    content: Agreement | bytes = client.first()
    packs: list[bytes] = []
    while isinstance(content, bytes):
        reply = server.request(content)
        packs.append(encode_pack(len(packs), reply.content))
        content = client.answer(reply.content)
    return packs


def frames(role: Role) -> bytes:
    """What one end may say right behind the handshake: here, goodbye."""
    connection = Connection(role)
    connection.receive_data(first())
    connection.native(WireLimits(), [])
    connection.goaway(GoawayCode.NO_ERROR, "bye")
    return bytes(connection.data_to_send())


(BOTH,), (NONE, THEN_BOTH) = answers(QUOTES), answers(SPACED)
GOODBYE = GoawayReceived(0, 0, "bye", ())

ONE_BUFFER = bytes(4) + (1).to_bytes(4)  # serial 0, one buffer: its length follows
HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
TLS_ALERT = bytes.fromhex("15030100020246")
TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(range(64))
HTTP2_SETTINGS = bytes.fromhex("000012040000000000000300000064000400100000000600002000")
MYSQL = b"\x4a\0\0\0\x0a8.0.36\0"

# The client ...


@pytest.mark.parametrize("chop", [None, 1])
@pytest.mark.parametrize("said", [HTTP, SSH, HTTP2_SETTINGS, MYSQL, b"-ERR\r\n", b"N"])
async def test_server_that_speaks_something_else_is_told_with_what_it_said(
    said: bytes, chop: int | None
) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(said)  # it stays connected: the client does not wait for more
    with pytest.raises(NotAvrpc) as raised:
        await opener(Role.CLIENT, chopped(ours, chop))()
    found = said[:40]
    if chop:  # as soon as it can't be the answer
        found = said[: next(at for at, byte in enumerate(said) if byte) + 1]
    assert str(raised.value) == (
        f"there: does not speak avrpc: expected the answer to handshake pack 0, found {found!r}"
    )


@pytest.mark.parametrize("chop", [None, 1])
async def test_server_that_speaks_tls_is_told_as_that(chop: int | None) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(TLS_ALERT)
    transport = chopped(ours, chop)
    transport.peer = "tcp://there:1"
    with pytest.raises(
        NotAvrpc, match=r"^tcp://there:1: .* speaks TLS .*; connect to tls://there:1$"
    ):
        await opener(Role.CLIENT, transport)()


class Prepared(StreamTransport):
    """A transport that has something to do before it is open, such as TLS."""

    error: Exception | None = None
    opened = 0

    async def open(self) -> None:
        self.opened += 1
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "at_client", "at_server"),
    [
        (
            TlsFailed("there: no", reason="untrusted"),
            (TlsFailed, "^there: no$"),
            (Refused, "^no$"),
        ),
        (
            trio.BrokenResourceError("left"),
            (ConnectFailed, "^there: hung up in the handshake: left$"),
            (trio.BrokenResourceError, "^left$"),
        ),
    ],
)
async def test_transport_is_opened_first_and_its_failure_is_that_of_the_handshake(
    error: Exception,
    at_client: tuple[type[Exception], str],
    at_server: tuple[type[Exception], str],
) -> None:
    for role, (kind, text) in ((Role.CLIENT, at_client), (Role.SERVER, at_server)):
        transport = Prepared(memory_stream_pair()[0], "there")
        transport.error = error
        with pytest.raises(kind, match=text):
            await opener(role, transport)()
        assert transport.opened == 1


CLIENT_GIVES_UP: list[tuple[list[bytes], type[ConnectFailed], str]] = [
    # Hang-ups.
    ([], ConnectFailed, "there: hung up in the handshake"),
    ([b"\0\0"], ConnectFailed, r"hung up in the handshake; before that came b'\x00\x00'"),
    ([BOTH[:30]], ConnectFailed, r"before that came b'\x00\x00\x00\x00\x00\x00\x00\x01\x00"),
    ([NONE], ConnectFailed, "there: hung up in the handshake"),
    ([NONE, b"\0\0\0\1"], ConnectFailed, r"before that came b'\x00\x00\x00\x01'"),
    # Packs that are none, or too long by their lengths alone.
    ([bytes(8)], NotAvrpc, "expected an Avro RPC message in 1 to 64 buffers"),
    ([ONE_BUFFER + (300 * 1024).to_bytes(4)], NotAvrpc, "found a buffer of 307200"),
    ([ONE_BUFFER + b"\xff\xff\xff\xff"], NotAvrpc, "found a buffer of 4294967295"),
    ([encode_pack(0, b"\7" * 50)], NotAvrpc, r"expected an Avro handshake, found b'\x07"),
    # The wrong serial, and more than an answer.
    ([encode_pack(1, BOTH[12:])], NotAvrpc, "expected the answer to handshake pack 0"),
    ([NONE, encode_pack(0, THEN_BOTH[12:])], NotAvrpc, "expected the answer to handshake pack 1"),
    ([NONE + b"\0"], NotAvrpc, "there: does not speak avrpc: sent more than an answer"),
    ([NONE + NONE], NotAvrpc, "there: does not speak avrpc: sent more than an answer"),
    ([NONE + bytes(8)], NotAvrpc, "there: does not speak avrpc: sent more than an answer"),
    ([NONE, encode_pack(1, NONE[12:])], ConnectFailed, "there: the server answered NONE twice"),
]


@pytest.mark.parametrize(("says", "error", "problem"), CLIENT_GIVES_UP)
async def test_client_gives_up_by_name(
    script: Script, says: list[bytes], error: type[ConnectFailed], problem: str
) -> None:
    with pytest.raises(ConnectFailed) as raised:
        await script.against(Role.CLIENT, *says, mine=SPACED)
    assert type(raised.value) is error
    assert problem in str(raised.value)


async def test_client_that_can_say_nothing_any_more_gives_up() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.aclose()
    with pytest.raises(ConnectFailed, match="there: hung up in the handshake"):
        await opener(Role.CLIENT, StreamTransport(ours, "there"))()


class Reset(StreamTransport):
    """A connection that the peer resets as soon as it heard from us."""

    async def receive(self) -> bytes:
        raise trio.BrokenResourceError("Connection reset by peer")


async def test_client_that_is_reset_gives_up() -> None:
    transport = Reset(memory_stream_pair()[0], "there")
    problem = "there: hung up in the handshake: Connection reset by peer"
    with pytest.raises(ConnectFailed, match=problem) as raised:
        await opener(Role.CLIENT, transport)()
    assert isinstance(raised.value.__cause__, trio.BrokenResourceError)


@pytest.mark.parametrize("said", [b"", b"\0\0\0\0", BOTH[:-1], NONE])
async def test_server_that_does_not_answer_is_a_matter_of_the_callers_timeout(
    said: bytes, autojump_clock: MockClock
) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(said)
    with pytest.raises(trio.TooSlowError):
        with trio.fail_after(10):
            await opener(Role.CLIENT, StreamTransport(ours, "there"), SPACED)()
    assert trio.current_time() == pytest.approx(10, abs=1e-6)


async def test_client_takes_frames_that_come_with_the_answer(script: Script) -> None:
    agreement, events = await script.against(Role.CLIENT, BOTH + frames(Role.SERVER))
    assert agreement.negotiation.client is QUOTES
    assert events == [GOODBYE]


@pytest.mark.parametrize("says", [[NONE, THEN_BOTH + frames(Role.SERVER)[:5]]])
async def test_client_keeps_a_frame_that_has_not_come_whole(
    script: Script, says: list[bytes]
) -> None:
    connection = Connection(Role.CLIENT)
    script._nursery.start_soon(script.play, Role.SERVER, *says)
    _, events = await opener(Role.CLIENT, script.transport, SPACED, connection)()
    assert events == []
    assert connection.receive_data(frames(Role.SERVER)[5:]) == [GOODBYE]


# ... and the server.

SERVER_REFUSES: list[tuple[list[bytes], str]] = [
    ([b"GET / HTTP/1.1\r\n\r\n"], "found b'GET / HTTP/1.1"),
    ([TLS_HELLO], "the client speaks TLS, and this address is served without TLS"),
    ([b"\x16\x04" + TLS_HELLO[2:]], r"found b'\x16\x04\x01\x02\x00\x01"),
    ([SSH], "found b'SSH-2.0-OpenSSH"),
    ([bytes(8)], "1 to 64 buffers, found"),
    # By its length alone: 16 KiB for the first pack, 288 KiB for the second.
    ([ONE_BUFFER + (16 * 1024 - 11).to_bytes(4)], "at most 16384 bytes, found a buffer of 16373"),
    ([ONE_BUFFER + (300 * 1024).to_bytes(4)], "at most 16384 bytes, found a buffer of 307200"),
    (
        [first(SPACED), ONE_BUFFER + (300 * 1024).to_bytes(4)],
        "at most 294912 bytes, found a buffer of 307200",
    ),
    ([encode_pack(0, b"\7" * 50)], "not an Avro handshake"),
    ([encode_pack(0, b"")], "not an Avro handshake"),
    ([first(SPACED), first(SPACED)], "protocol text is missing"),
    ([first(SPACED) + second()], "the client sent more before it was answered"),
    ([first(SPACED) + b"\0"], "the client sent more before it was answered"),
]


@pytest.mark.parametrize(("says", "problem"), SERVER_REFUSES)
async def test_server_refuses_what_is_no_handshake(
    script: Script, says: list[bytes], problem: str
) -> None:
    with pytest.raises(Refused) as raised:
        await script.against(Role.SERVER, *says)
    assert problem in str(raised.value)


@pytest.mark.parametrize("chop", [None, 1])
async def test_server_answers_a_tls_client_with_bytes_that_are_not_tls(chop: int | None) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(TLS_HELLO)
    with pytest.raises(Refused, match="the client speaks TLS"):
        await opener(Role.SERVER, chopped(ours, chop))()
    await ours.send_eof()
    answer = b""
    while more := await theirs.receive_some():
        answer += more
    (event,) = Connection(Role.CLIENT).receive_data(answer)
    assert isinstance(event, PackReceived)
    with pytest.raises(ConnectionRefused, match="this address is served without TLS"):
        client_handshake().answer(event.content)


@pytest.mark.parametrize(
    "says", [[], [b"\0"], [first()[:-1]], [first(SPACED)], [first(SPACED), second()[:-1]]]
)
async def test_server_is_left_by_a_client_that_hangs_up(script: Script, says: list[bytes]) -> None:
    with pytest.raises(trio.BrokenResourceError, match="hung up in the handshake"):
        await script.against(Role.SERVER, *says)


@pytest.mark.parametrize("says", [[first()], [first(SPACED), second()]])
async def test_server_answers_by_the_serial_of_each_request(
    script: Script, says: list[bytes]
) -> None:
    renumbered = [(-7 - at).to_bytes(4, signed=True) + said[4:] for at, said in enumerate(says)]
    await script.against(Role.SERVER, *renumbered)
    client = Connection(Role.CLIENT)
    heard = client.receive_data(script.heard)
    if len(says) == 2:
        heard += client.again()
    assert [type(event) for event in heard] == [PackReceived] * len(says)
    assert [event.serial for event in heard if isinstance(event, PackReceived)] == [-7, -8][
        : len(says)
    ]


# Real first packs (Java 1.8.2, avsc 5.7.9): a call of Java's in two buffers, a ping of avsc's.
JAVA = bytes.fromhex(
    "000000010000000200000028c981deac1d18f9339fe055a29b5113b000c981deac1d18f9339fe055a29b5113b0"
    "0200000661646400000002"
    "0406"
)
AVSC = bytes.fromhex(
    "000000000000000200000022c981deac1d18f9339fe055a29b5113b000c981deac1d18f9339fe055a29b5113b0"
    "00000000020000"
)


@pytest.mark.parametrize(("said", "serial"), [(JAVA, 1), (AVSC, 0)], ids=["Java", "avsc"])
async def test_plain_avro_client_gets_an_error_for_its_call_and_the_end(
    script: Script, said: bytes, serial: int
) -> None:
    with pytest.raises(Refused, match="a plain Avro RPC client"):
        await script.against(Role.SERVER, said)
    text = b"this server speaks avrpc; plain Avro RPC is not supported yet"
    assert script.heard == encode_pack(serial, b"\0\0\0\0" + b"\0\1\0\x7a" + text)


# A server that asks who is there first.


async def ask_for_alice(presented: Presented) -> str | None:
    await trio.sleep(1)
    return "alice" if presented.credentials == b"alice" else None


def asked_first(
    transport: Transport, credentials: bytes | None, hook: Authenticate = ask_for_alice
) -> tuple[bytes, Doorkeeper, Open]:
    """A first pack, who asks about it, and the server that has him ask."""
    client = ClientHandshake(
        QUOTES,
        "",
        address="there",
        limits=Limits(),
        memory=ServerMemory(),
        credentials=credentials,
    )
    keeper = Doorkeeper(hook, transport)
    handshake, connection = server_handshake(), Connection(Role.SERVER)
    return (
        encode_pack(0, client.first()),
        keeper,
        lambda: open_server(transport, connection, handshake, Limits(), keeper),
    )


async def test_server_goes_on_with_a_client_that_is_known(
    script: Script, autojump_clock: MockClock
) -> None:
    said, keeper, open_end = asked_first(script.transport, b"alice")
    await script._theirs.send_all(said)
    agreement, events = await open_end()
    assert (agreement.negotiation.client, events) == (QUOTES, [])
    assert keeper.identity == "alice"
    assert bytes(await script._theirs.receive_some()) == BOTH


@pytest.mark.parametrize("credentials", [None, b"bob"])
async def test_server_turns_a_client_away_that_is_not_known(
    script: Script, autojump_clock: MockClock, credentials: bytes | None
) -> None:
    said, _, open_end = asked_first(script.transport, credentials)
    await script._theirs.send_all(said)
    with pytest.raises(Refused, match=r"^not authenticated$"):
        await open_end()
    with pytest.raises(CredentialsRefused):
        client_handshake().answer(bytes(await script._theirs.receive_some())[12:])


async def test_server_asks_nothing_about_what_is_no_handshake(script: Script) -> None:
    _, keeper, open_end = asked_first(script.transport, None, lambda _: pytest.fail("asked"))
    await script._theirs.send_all(encode_pack(0, b"\7" * 50))
    with pytest.raises(Refused, match="not an Avro handshake"):
        await open_end()
    assert not keeper.asking


@pytest.mark.parametrize("more", [b"", b"\0"])
async def test_server_stops_asking_when_the_client_does_not_wait(
    script: Script, nursery: trio.Nursery, autojump_clock: MockClock, more: bytes
) -> None:
    said, keeper, open_end = asked_first(script.transport, b"alice")
    await script._theirs.send_all(said)

    async def go_on() -> None:
        await trio.sleep(0.5)
        await (script._theirs.send_all(more) if more else script._theirs.send_eof())

    nursery.start_soon(go_on)
    with pytest.raises(Refused if more else trio.BrokenResourceError):
        await open_end()
    assert trio.current_time() == pytest.approx(0.5)
    assert keeper.identity is None


async def test_server_stops_asking_about_a_client_that_is_reset(
    autojump_clock: MockClock,
) -> None:
    class ResetLater(Dribble):
        pack = b""

        async def receive(self) -> bytes:
            pack, self.pack = self.pack, b""
            if not pack:
                await trio.sleep(0.5)
                raise trio.BrokenResourceError("Connection reset by peer")
            return pack

    transport = ResetLater(b"")
    transport.pack, _, open_end = asked_first(transport, b"alice")
    with pytest.raises(trio.BrokenResourceError, match="hung up in the handshake"):
        await open_end()
    assert trio.current_time() == pytest.approx(0.5)


async def test_frames_before_the_answer_are_a_violation_that_the_client_is_told(
    script: Script,
) -> None:
    _, events = await script.against(Role.SERVER, first() + frames(Role.CLIENT))
    assert [type(event) for event in events] == [PeerViolated]
    client = Connection(Role.CLIENT)
    client.receive_data(script.heard)
    (goaway,) = client.native(WireLimits(), [])
    assert isinstance(goaway, GoawayReceived)
    assert goaway.code == GoawayCode.PROTOCOL_ERROR
    assert "before the handshake was answered" in goaway.text


async def test_client_that_says_nothing_is_a_matter_of_the_servers_timeout(
    autojump_clock: MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(first()[:20])
    with pytest.raises(trio.TooSlowError):
        with trio.fail_after(10):
            await opener(Role.SERVER, StreamTransport(ours, "there"))()


class Dribble(Transport):
    """Takes a few bytes on the spot at a time, as a socket that is nearly full does."""

    peer = "there"

    def __init__(self, says: bytes) -> None:
        self.sent = b""
        self._says = says
        self.waits = 0

    def send_now(self, data: bytearray) -> None:
        self.sent += data[:100]
        del data[:100]

    async def wait_send(self, data: bytearray) -> None:
        self.waits += 1
        await trio.lowlevel.checkpoint()

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return self._says

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("role", Role)
async def test_what_the_socket_does_not_take_at_once_is_sent_when_it_has_room(role: Role) -> None:
    transport = Dribble(BOTH if role is Role.CLIENT else first())
    connection = Connection(role)
    await opener(role, transport, QUOTES, connection)()
    assert transport.sent == (first() if role is Role.CLIENT else BOTH)
    assert transport.waits == len(transport.sent) // 100
    assert connection.state is ConnectionState.NATIVE
