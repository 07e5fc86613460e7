"""avrpc against tests/independent_peer.py, which was written from PROTOCOL.md alone.

Over real sockets on 127.0.0.1, first avrpc's server with the peer's client, then the peer's server
with avrpc's client. Both serve demo.Quotes, the protocol of the page, whose text is read from it.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

import avrpc
from tests.independent_peer import (
    CALL,
    CANCEL,
    COMPRESSED,
    CREDIT,
    DEADLINE,
    END,
    GOAWAY,
    ITEMS,
    METADATA,
    MORE,
    PING,
    PONG,
    RESULT,
    STARTED,
    STATUS,
    Call,
    Client,
    Connection,
    Declared,
    Lost,
    Peer,
    Reader,
    Refused,
    Server,
    Status,
    Steps,
    long,
    record,
)

T = TypeVar("T")
PAGE = Path(__file__).parent.parent / "PROTOCOL.md"
TEXT = re.findall(r"```text the-text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0].replace(
    "\n", ""
)
SPACED = TEXT.replace(",", ", ")  # the same protocol in other bytes
OTHER = TEXT.replace('"response":"int"', '"response":"long"')  # another protocol
TICK = {"symbol": "EUR", "price": 1.0842, "size": 500, "at": 1_700_000_000_000}
TICK_BYTES = 20
SMALL_WINDOW = 1_024
BIG = "A" * 300_000  # in pieces, as a frame holds 65,536 bytes
LARGE = "A" * 150_000
HUGE = "A" * 16_000_000  # more than the buffers of a socket hold
HUGE_MESSAGES = {"maxMessageBytes": 20_000_000}
TIMEOUT = 5.0

Quotes = avrpc.Protocol.parse(TEXT)


def ticks(count: int) -> list[dict[str, Any]]:
    return [{**TICK, "size": 500 + n} for n in range(count)]


def frames(peer: Peer, call_id: int | None = None) -> list[tuple[str, int, int]]:
    """Who sent what, of one call or of all: direction, kind, flags."""
    return [
        (direction, kind, flags)
        for direction, kind, flags, fields in list(peer.log)
        if call_id is None or (kind < PING and Reader(fields).long() == call_id)
    ]


def account(peer: Peer, call_id: int, direction: str, window: int) -> list[int]:
    """What the credit for the items of that direction was, after each frame that changed it."""
    credit, later = [window], False
    for way, kind, flags, fields in list(peer.log):
        r = Reader(fields)
        if kind not in {ITEMS, CREDIT} or r.long() != call_id:
            continue
        if kind == CREDIT and way != direction:
            credit.append(credit[-1] + r.long())
        elif kind == ITEMS and way == direction:
            assert later or credit[-1] > 0, "items started without credit"
            credit.append(credit[-1] - len(fields) + r.at + (0 if later else 2))
            later = bool(flags & MORE)
    return credit


# -- avrpc's server, the peer's client -------------------------------------------------------------


class Desk:
    """What avrpc serves."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.metadata: Mapping[str, bytes] = {}
        self.may_take = trio.Event()
        self.ended = trio.Event()
        self.both_big = 0
        self.both_here = trio.Event()

    async def last(self, symbol: str) -> dict[str, Any]:
        self.metadata = avrpc.current_call().metadata
        if symbol == "???":
            raise Quotes.errors["UnknownSymbol"](symbol=symbol)
        if symbol == "bug":
            raise RuntimeError("a bug")
        if symbol == "slow":
            try:
                await trio.sleep_forever()
            finally:
                self.ended.set()
        if symbol.startswith("both"):
            self.both_big += 1
            if self.both_big == 2:
                self.both_here.set()
            await self.both_here.wait()
            symbol = BIG
        return {**TICK, "symbol": symbol}

    async def watch(self, symbol: str) -> AsyncIterator[dict[str, Any]]:
        try:
            for tick in ticks(5_000) if symbol == "EUR" else [{**TICK, "symbol": symbol}]:
                yield tick
            if symbol == "endless":
                await trio.sleep_forever()
            if symbol == "fails":
                raise Quotes.errors["UnknownSymbol"](symbol=symbol)
        finally:
            self.ended.set()

    async def record(self, symbol: str, ticks: trio.abc.ReceiveChannel[dict[str, Any]]) -> int:
        if symbol == "wait":
            await self.may_take.wait()
        if symbol == "no":
            return -1
        return len([tick async for tick in ticks])

    async def convert(
        self, ticks: trio.abc.ReceiveChannel[dict[str, Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        async for tick in ticks:
            yield {**tick, "symbol": "USD"}

    async def note(self, line: str) -> None:
        self.notes.append(line)


class Served:
    def __init__(self, desk: Desk, server: avrpc.Server, address: tuple[str, int]) -> None:
        self.desk, self.server, self.address = desk, server, address

    async def with_client(
        self, story: Callable[[Client], T], text: str | None = TEXT, **options: Any
    ) -> T:
        """Tell a story in a thread, with a client that is connected."""

        def tell() -> T:
            with Client(self.address, text, timeout=TIMEOUT, **options) as client:
                return story(client)

        with trio.fail_after(2 * TIMEOUT):
            return await trio.to_thread.run_sync(tell, abandon_on_cancel=True)


@asynccontextmanager
async def serving(
    authenticate: Any = None, compression: str | None = None, **limits: Any
) -> AsyncIterator[Served]:
    desk = Desk()
    server = avrpc.Server(
        {Quotes: desk},
        limits=avrpc.Limits(**limits),
        authenticate=authenticate,
        compression=compression,
    )
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
        yield Served(desk, server, ("127.0.0.1", int(address.rpartition(":")[2])))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("text", "options", "matches"),
    [
        pytest.param(TEXT, {}, "BOTH", id="both know the text"),
        pytest.param(TEXT, {"server_text": OTHER}, "CLIENT", id="it remembers an old text"),
        pytest.param(SPACED, {}, "NONE BOTH", id="a text of its own"),
        pytest.param(None, {}, "NONE BOTH", id="no text"),
        pytest.param(None, {"wanted": "demo.Quotes"}, "NONE BOTH", id="no text but a name"),
    ],
)
async def test_avrpcs_server_shakes_hands_with_a_client(
    text: str | None, options: Any, matches: str
) -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            assert client.matches == matches
            assert client.protocol.text == (text or TEXT)
            assert client.call("last", symbol="EUR") == TICK

        await served.with_client(story, text, **options)


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (None, {"wanted": "demo.Nothing"}, 39),
        (TEXT, {"limits": {"windowBytes": 1}}, 1),
    ],
    ids=["of an unknown protocol", "with a limit out of range"],
)
async def test_avrpcs_server_refuses_a_client(text: str | None, options: Any, code: int) -> None:
    async with serving() as served:
        with pytest.raises(Refused) as refused:
            await served.with_client(lambda client: None, text, **options)
        assert refused.value.code == code


@pytest.mark.parametrize(("text", "matches"), [(TEXT, "BOTH"), (SPACED, "NONE BOTH")])
async def test_avrpcs_server_lets_in_who_it_knows(text: str, matches: str) -> None:
    async with serving(authenticate=avrpc.BearerTokens({"alice": "open sesame"})) as served:

        def story(client: Client) -> None:
            assert client.matches == matches
            assert client.call("last", symbol="EUR") == TICK

        await served.with_client(story, text, credentials=b"open sesame")
        for credentials in (None, b"open says me"):
            with pytest.raises(Refused) as refused:
                await served.with_client(lambda client: None, text, credentials=credentials)
            assert (refused.value.code, refused.value.text) == (33, "not authenticated")


async def test_avrpcs_server_answers_every_kind_of_call() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            assert client.call("last", symbol="EUR") == TICK
            assert client.call("note", line="lunch") is None
            watch = client.open("watch", symbol="EUR")
            assert list(watch) == ticks(5_000)
            assert watch.result() is None
            record = client.open("record", symbol="EUR")
            for tick in ticks(3):
                record.send(tick)
            record.end()
            assert record.result() == 3
            convert = client.open("convert")
            convert.send(*ticks(2))
            convert.end()
            assert list(convert) == [{**tick, "symbol": "USD"} for tick in ticks(2)]

        await served.with_client(story)
        assert served.desk.notes == ["lunch"]


def compressed(peer: Peer) -> set[tuple[str, int]]:
    """Who sent which kinds of frames compressed."""
    return {(way, kind) for way, kind, flags in frames(peer) if flags & COMPRESSED}


@pytest.mark.parametrize("features", [["snappy"], ["lz99", "snappy"]])
async def test_avrpcs_server_speaks_snappy_with_a_client(features: list[str]) -> None:
    async with serving(compression="auto") as served:

        def story(client: Client) -> None:
            assert client.codec == "snappy"
            assert client.call("last", symbol="EUR") == TICK
            assert client.call("last", symbol=BIG) == {**TICK, "symbol": BIG}
            assert list(client.open("watch", symbol="EUR")) == ticks(5_000)
            convert = client.open("convert")
            convert.send({**TICK, "symbol": BIG})
            convert.send(*ticks(50))
            convert.end()
            assert list(convert) == [{**tick, "symbol": "USD"} for tick in [TICK, *ticks(50)]]
            kinds = {("sent", CALL), ("sent", ITEMS), ("got", RESULT), ("got", ITEMS)}
            assert compressed(client) == kinds

        await served.with_client(story, features=features)


@pytest.mark.parametrize(
    ("compression", "features"), [("zstd", ["snappy"]), (None, ["snappy"]), ("auto", [])]
)
async def test_avrpcs_server_compresses_nothing_where_one_end_does_not_ask(
    compression: str | None, features: list[str]
) -> None:
    async with serving(compression=compression) as served:

        def story(client: Client) -> None:
            assert client.codec is None
            assert client.call("last", symbol=BIG) == {**TICK, "symbol": BIG}
            assert compressed(client) == set()

        await served.with_client(story, features=features)


@pytest.mark.parametrize(
    ("size", "block", "code"), [(3, b"\3\x08ab", 1), (4, b"\3\x08abc", 1), (65_537, b"", 6)]
)
async def test_avrpcs_server_ends_the_connection_over_what_does_not_inflate(
    size: int, block: bytes, code: int
) -> None:
    async with serving(compression="snappy") as served:

        def story(client: Client) -> None:
            client.put(CALL, long(1) + long(1) + long(size) + block, flags=COMPRESSED)
            with pytest.raises(Lost):
                client.pump(lambda: False)
            assert client.goaway is not None
            assert client.goaway.code == code

        await served.with_client(story, features=["snappy"])


async def test_avrpcs_server_sends_a_declared_error_also_behind_items() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            with pytest.raises(Declared) as error:
                client.call("last", symbol="???")
            assert (error.value.branch, error.value.value) == (1, {"symbol": "???"})
            watch = client.open("watch", symbol="fails")
            items = iter(watch)
            assert next(items)["symbol"] == "fails"
            with pytest.raises(Declared):
                next(items)

        await served.with_client(story)


async def test_avrpcs_server_sends_a_status_for_a_bug_and_for_a_value_that_does_not_decode() -> (
    None
):
    async with serving() as served:

        def story(client: Client) -> None:
            with pytest.raises(Status) as status:
                client.call("last", symbol="bug")
            assert (status.value.code, status.value.started) == (2, True)
            client.messages[1].params = record(symbol="double")
            with pytest.raises(Status) as status:
                client.call("last", symbol=1.0)
            assert (status.value.code, status.value.started) == (3, False)

        await served.with_client(story)


async def test_avrpcs_server_ends_a_streamed_request_before_its_end_and_drops_what_crosses() -> (
    None
):
    async with serving() as served:

        def story(client: Client) -> None:
            record = client.open("record", symbol="no")
            assert record.result() == -1
            fields = long(record.id)
            client.put(ITEMS, fields + b"\0\1" + bytes(12))
            client.put(CREDIT, fields + long(1))
            client.put(END, fields)
            client.put(CANCEL, fields)
            client.ping(1)
            assert client.call("last", symbol="EUR") == TICK

        await served.with_client(story)


async def test_avrpcs_server_ends_a_handler_at_its_deadline_and_runs_none_without_time() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            for ms_left, started in ((30, True), (0, False), (-5, False)):
                with pytest.raises(Status) as status:
                    client.open("last", symbol="slow", ms_left=ms_left).result()
                assert (status.value.code, status.value.started) == (4, started)

        await served.with_client(story)
        assert served.desk.ended.is_set()


async def test_avrpcs_server_reads_metadata() -> None:
    async with serving() as served:
        sent = {"trace": b"\x07\x1f", "empty": b""}

        def story(client: Client) -> None:
            assert client.open("last", symbol="EUR", metadata=sent, ms_left=5000).result() == TICK

        await served.with_client(story)
        assert served.desk.metadata == sent


async def test_avrpcs_server_ends_a_cancelled_call_once_its_handler_has_ended() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            watch = client.open("watch", symbol="endless")
            assert next(iter(watch))["symbol"] == "endless"
            watch.cancel()
            with pytest.raises(Status) as status:
                watch.result()
            assert (status.value.code, status.value.started) == (1, True)
            assert served.desk.ended.is_set()

        await served.with_client(story)


async def test_avrpcs_server_answers_a_cancel_amid_the_pieces_of_a_call() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            steps = client.opening("last", symbol=BIG)
            next(steps)  # one piece is on its way
            call = client.calls[1]
            call.cancel()
            with pytest.raises(Status) as status:
                call.result()
            assert (status.value.code, status.value.started) == (1, False)
            assert client.call("last", symbol="EUR") == TICK

        await served.with_client(story)


async def test_peers_client_waits_for_credit_and_the_accounts_agree() -> None:
    async with serving(window_bytes=SMALL_WINDOW) as served:

        def story(client: Client) -> None:
            record = client.open("record", symbol="wait")
            for _ in range(5):  # 1024, 824, 624, 424, 224, 24
                record.send(*ticks(10))
            record.send(*ticks(10))
            assert record.credit == 24 - 200
            waiting = record.sending(*ticks(10))
            has_credit = next(waiting)
            client.ping(1)  # all that was sent is there; but nobody takes it
            assert not has_credit()
            trio.from_thread.run_sync(served.desk.may_take.set)
            client.pump(has_credit)
            client.run(waiting)
            for _ in range(20):
                record.send(*ticks(10))
            record.end()
            assert record.result() == 270
            credit = account(client, record.id, "sent", SMALL_WINDOW)
            assert credit[:7] == [1024, 824, 624, 424, 224, 24, -176]
            assert credit[-1] == record.credit
            grants = [after - before for before, after in pairwise(credit) if after > before]
            # Half a window may be kept back, and whole items are what was taken.
            assert all(grant % TICK_BYTES == 0 and grant >= SMALL_WINDOW / 2 for grant in grants)
            assert sum(grants) <= 270 * TICK_BYTES

        await served.with_client(story)


async def test_avrpcs_server_waits_for_credit_and_the_accounts_agree() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            watch = client.open("watch", symbol="EUR")
            client.pump(lambda: watch.granted <= 0)
            came = len(watch.inbox)
            client.ping(1)
            assert len(watch.inbox) == came < 5_000  # so it waits
            assert list(watch) == ticks(5_000)
            credit = account(client, watch.id, "got", SMALL_WINDOW)
            assert credit[-1] == watch.granted
            assert min(credit) <= 0  # and `account` has seen that none started there

        await served.with_client(story, limits={"windowBytes": SMALL_WINDOW})


async def test_peers_client_sends_a_value_in_pieces_around_another_call() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            opening = client.opening("last", symbol=BIG)
            ready = next(opening)
            client.call("note", line="between")
            client.pump(ready)
            assert client.run(opening).result()["symbol"] == BIG
            sent = [(kind, flags) for way, kind, flags in frames(client) if way == "sent"]
            assert sent[:3] == [(CALL, MORE), (CALL, 0), (CALL, MORE)]  # the second is the note's
            record = client.open("record", symbol="EUR")
            record.send({**TICK, "symbol": BIG})
            record.end()
            assert record.result() == 1
            assert ("sent", ITEMS, MORE) in frames(client, record.id)

        await served.with_client(story)


async def test_avrpcs_server_sends_values_in_pieces_that_take_turns() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            calls = [client.open("last", symbol=f"both {n}") for n in (1, 2)]
            assert [call.result()["symbol"] for call in calls] == [BIG, BIG]
            ids = [Reader(f).long() for way, kind, _, f in client.log if way == "got"]
            assert ids != sorted(ids), "the pieces of one went before those of the other"
            watch = client.open("watch", symbol=BIG)
            assert [tick["symbol"] for tick in watch] == [BIG]
            assert ("got", ITEMS, MORE) in frames(client, watch.id)

        await served.with_client(story)


async def test_avrpcs_server_refuses_a_value_that_is_too_large_and_the_connection_stands() -> None:
    async with serving(max_message_bytes=100_000) as served:

        def story(client: Client) -> None:
            with pytest.raises(Status, match="larger than the other end takes"):
                client.call("last", symbol=BIG)
            client.theirs["maxMessageBytes"] = 2**31 - 1  # and now send one all the same
            with pytest.raises(Status) as status:
                client.call("last", symbol=LARGE)
            assert (status.value.code, status.value.started) == (8, False)
            assert client.call("last", symbol="EUR") == TICK

        await served.with_client(story)


async def test_avrpcs_server_answers_a_ping() -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            client.ping(-(2**63))
            client.ping(7)
            assert frames(client)[-1] == ("got", PONG, 0)

        await served.with_client(story)


async def test_avrpcs_server_says_goaway_when_it_closes_and_finishes_what_is_open() -> None:
    async with serving() as served, trio.open_nursery() as nursery:

        def story(client: Client) -> None:
            record = client.open("record", symbol="wait")
            client.ping(1)
            trio.from_thread.run_sync(nursery.start_soon, served.server.aclose)
            client.pump(lambda: client.goaway)
            assert client.goaway
            assert client.goaway.code == 37
            client.put(CALL, long(2) + long(1) + b"\x06EUR")  # it crossed the GOAWAY: dropped
            record.send(TICK)
            record.end()
            trio.from_thread.run_sync(served.desk.may_take.set)
            assert record.result() == 1
            with pytest.raises((Status, Lost)):
                client.call("last", symbol="EUR")

        await served.with_client(story)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(struct.pack(">I", 15 << 24), 1, id="no such kind"),
        pytest.param(b"\x01\0\0\2\x06\2", 1, id="a gap in call ids"),
        pytest.param(b"\x01\0\0\2\x02\x0a", 1, id="no such message"),
        pytest.param(b"\x09\x01\0\1", 6, id="a frame too long"),
        pytest.param(b"\x01\0\0\2\2\0" + b"\x08\0\0\2\2\0", 3, id="a CREDIT of nothing"),
    ],
)
async def test_avrpcs_server_ends_the_connection_over_a_violation(frame: bytes, code: int) -> None:
    async with serving() as served:

        def story(client: Client) -> None:
            client.out += frame
            client.pump(lambda: client.lost)
            assert client.goaway
            assert client.goaway.code == code

        await served.with_client(story)


async def test_avrpcs_server_ends_the_connection_when_items_come_without_credit() -> None:
    async with serving(window_bytes=SMALL_WINDOW) as served:

        def story(client: Client) -> None:
            record = client.open("record", symbol="wait")
            record.credit = 10**6
            record.send(*ticks(52))
            record.send(TICK)
            client.pump(lambda: client.lost)
            assert client.goaway
            assert client.goaway.code == 3
            with pytest.raises(Lost):
                record.result()

        await served.with_client(story)


async def test_avrpcs_server_turns_away_plain_avro_rpc() -> None:
    async with serving() as served:

        def story() -> bytes:
            with socket.create_connection(served.address, TIMEOUT) as sock:
                pack = bytes(16) + b"\0" + bytes(16) + b"\0" + b"\0\6addXY"
                sock.sendall(struct.pack(">iII", 1, 1, len(pack)) + pack)
                data = b""
                while part := sock.recv(4096):
                    data += part
            return data

        answer = await trio.to_thread.run_sync(story)
        assert answer[:4] == b"\0\0\0\1"
        assert answer[12:19] == b"\0\0\0\0\0\1\0"


# -- the peer's server, avrpc's client -------------------------------------------------------------


class Story:
    """Handlers of the peer's server, and what they have seen."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.metadata: dict[str, bytes] = {}
        self.closed: list[str] = []
        self.both = 0
        self.stalled: list[int] = []
        self.release, self.out_of_credit = threading.Event(), threading.Event()

    def last(self, call: Call, symbol: str) -> Steps:
        self.metadata = call.metadata
        call.answer_metadata = {"host": b"a"}
        if symbol == "???":
            raise Declared(1, {"symbol": symbol})
        if symbol == "bug":
            raise RuntimeError("a bug")
        if symbol == "ping":
            call.peer.put(PING, long(99))
            yield lambda: call.peer.pong == 99
        if symbol == "slow":
            try:
                yield lambda: False
            finally:
                self.closed.append(symbol)
        if symbol.startswith("both"):
            self.both += 1
            yield lambda: self.both == 2
            symbol = BIG
        return {**TICK, "symbol": symbol if symbol != HUGE else "huge"}

    def watch(self, call: Call, symbol: str) -> Steps:
        try:
            if symbol == "EUR":
                for at in range(0, 200, 10):
                    if call.credit <= 0:
                        self.out_of_credit.set()
                    yield from call.sending(*ticks(200)[at : at + 10])
            else:
                yield from call.sending({**TICK, "symbol": symbol})
            if symbol == "fails":
                raise Declared(1, {"symbol": symbol})
            if symbol in {"endless", LARGE}:
                yield lambda: False
        finally:
            self.closed.append(symbol)

    def record(self, call: Call, symbol: str) -> Steps:
        if symbol == "no":
            return -1
        if symbol == "wait":
            yield lambda: call.granted <= 0
            call.peer.put(PING, long(call.id))  # what the client sent before its PONG is here
            yield lambda: call.peer.pong == call.id
            self.stalled = [call.granted, len(call.inbox)]
        count = 0
        while items := (yield from call.taking()):
            count += len(items)
        return count

    def convert(self, call: Call) -> Steps:
        while items := (yield from call.taking()):
            for item in items:
                yield from call.sending({**item, "symbol": "USD"})

    def note(self, call: Call, line: str) -> None:
        if line == "hold":
            self.release.wait(TIMEOUT)  # and with it all that this connection does
        self.notes.append(line)


@contextmanager
def peer_serving(text: str = TEXT, **options: Any) -> Iterator[tuple[Story, Server, str]]:
    story = Story()
    names = ("last", "watch", "record", "convert", "note")
    handlers = {name: getattr(story, name) for name in names}
    server = Server(text, handlers, timeout=TIMEOUT, **options)
    try:
        yield story, server, f"tcp://127.0.0.1:{server.address[1]}"
    finally:
        server.close()


@asynccontextmanager
async def connected(
    protocol: avrpc.Protocol | str | None = Quotes,
    *,
    limits: avrpc.Limits | None = None,
    limits_of_server: Any = None,
    text: str = TEXT,
) -> AsyncIterator[tuple[avrpc.Client, Story, Connection]]:
    with (
        peer_serving(text, limits=limits_of_server) as (story, server, address),
        trio.fail_after(TIMEOUT),
    ):
        async with avrpc.connect(address, protocol, limits=limits) as quotes:
            yield quotes, story, server.connections.get(timeout=TIMEOUT)


async def test_avrpcs_client_shakes_hands_with_a_server_that_has_its_text() -> None:
    async with connected() as (quotes, _, connection):
        assert connection.matches == "BOTH"
        assert await quotes.last("EUR") == TICK


async def test_avrpcs_client_shakes_hands_with_a_server_that_learns_its_text() -> None:
    with peer_serving(SPACED) as (_, server, address), trio.fail_after(TIMEOUT):
        for _ in range(2):
            async with avrpc.connect(address, Quotes) as quotes:
                assert await quotes.last("EUR") == TICK
        matches = [server.connections.get(timeout=TIMEOUT).matches for _ in range(2)]
        assert matches[0] == "NONE BOTH"
        assert matches[1] in {"CLIENT", "BOTH"}  # BOTH if it remembers the server's text


@pytest.mark.parametrize("name", [None, "demo.Quotes"])
async def test_avrpcs_client_without_a_protocol_takes_that_of_the_server(name: str | None) -> None:
    async with connected(name, text=SPACED) as (quotes, _, connection):
        assert connection.matches == "NONE BOTH"
        assert quotes.protocol.text == SPACED
        assert await quotes.last("EUR") == TICK


@pytest.mark.parametrize("protocol", [Quotes, None])
async def test_avrpcs_client_shows_its_credentials(protocol: avrpc.Protocol | None) -> None:
    with peer_serving(credentials=b"open sesame") as (_, _, address), trio.fail_after(TIMEOUT):
        async with avrpc.connect(address, protocol, credentials="open sesame") as quotes:
            assert await quotes.last("EUR") == TICK
        for credentials in (None, "open says me"):
            with pytest.raises(avrpc.CredentialsRefused, match="not authenticated"):
                async with avrpc.connect(address, protocol, credentials=credentials):
                    pass


async def test_avrpcs_client_reports_a_refusal() -> None:
    with peer_serving() as (_, _, address), trio.fail_after(TIMEOUT):
        with pytest.raises(avrpc.ConnectFailed, match="demo"):
            async with avrpc.connect(address, "demo.Nothing"):
                pass
        with pytest.raises(avrpc.IncompatibleProtocol):
            async with avrpc.connect(address, avrpc.Protocol.parse(OTHER)):
                pass


async def test_avrpcs_client_makes_every_kind_of_call() -> None:
    async with connected() as (quotes, story, connection):
        assert await quotes.last("EUR") == TICK
        await quotes.note("lunch")
        async with quotes.watch("EUR") as watch:
            assert [tick async for tick in watch] == ticks(200)
        async with quotes.record("EUR") as record:
            for tick in ticks(3):
                await record.send(tick)
            assert await record.result() == 3
        async with quotes.convert() as convert:
            for tick in ticks(2):
                await convert.send(tick)
            await convert.send_eof()
            assert [tick["symbol"] async for tick in convert] == ["USD", "USD"]
        assert story.notes == ["lunch"]
        assert connection.matches == "BOTH"


async def test_avrpcs_client_speaks_snappy_with_a_server() -> None:
    with (
        peer_serving(features=["snappy"]) as (_, server, address),
        trio.fail_after(TIMEOUT),
    ):
        async with avrpc.connect(address, Quotes, compression=("zstd", "snappy")) as quotes:
            assert quotes.compression == "snappy"
            connection = server.connections.get(timeout=TIMEOUT)
            assert await quotes.last("EUR") == TICK
            assert await quotes.last(LARGE) == {**TICK, "symbol": LARGE}
            async with quotes.watch("EUR") as watch:
                assert [tick async for tick in watch] == ticks(200)
            async with quotes.record("EUR") as record:
                for tick in [*ticks(300), {**TICK, "symbol": LARGE}]:
                    await record.send(tick)
                assert await record.result() == 301
            kinds = {("sent", RESULT), ("got", CALL), ("got", ITEMS)}
            assert compressed(connection) == kinds


@pytest.mark.parametrize("asked", [None, "zstd"])
async def test_avrpcs_client_compresses_nothing_where_one_end_does_not_ask(
    asked: str | None,
) -> None:
    with peer_serving(features=["snappy"]) as (_, server, address), trio.fail_after(TIMEOUT):
        async with avrpc.connect(address, Quotes, compression=asked) as quotes:
            assert quotes.compression is None
            assert await quotes.last(LARGE) == {**TICK, "symbol": LARGE}
            assert compressed(server.connections.get(timeout=TIMEOUT)) == set()


async def test_avrpcs_client_raises_a_declared_error_also_behind_items() -> None:
    async with connected() as (quotes, _, _):
        with pytest.raises(avrpc.DeclaredError) as error:
            await quotes.last("???")
        assert error.value.fields == {"symbol": "???"}
        async with quotes.watch("fails") as watch:
            assert (await watch.receive())["symbol"] == "fails"
            with pytest.raises(avrpc.DeclaredError):
                await watch.receive()


async def test_avrpcs_client_raises_what_a_status_says() -> None:
    async with connected() as (quotes, _, connection):
        with pytest.raises(avrpc.RemoteError):
            await quotes.last("bug")
        connection.handlers = {}
        with pytest.raises(avrpc.AvrpcError, match="no handler for last"):
            await quotes.last("EUR")


async def test_avrpcs_client_fails_a_call_for_a_bad_value_and_the_connection_stands() -> None:
    async with connected() as (quotes, _, connection):
        connection.messages[1].result = "double"
        connection.handlers = {**connection.handlers, "last": lambda call, symbol: 1.0}
        with pytest.raises(avrpc.InvalidValue):
            await quotes.last("EUR")
        await quotes.note("it stands")


async def test_avrpcs_client_takes_an_outcome_before_it_has_ended_its_items() -> None:
    async with connected() as (quotes, _, _):
        async with quotes.record("no") as record:
            assert await record.result() == -1
        assert await quotes.last("EUR") == TICK


async def test_avrpcs_client_sends_its_deadline_and_metadata_and_takes_metadata() -> None:
    async with connected() as (quotes, story, connection):
        call = quotes.last.using(timeout=0.05, metadata={"trace": b"\x07\x1f"})
        with pytest.raises(avrpc.DeadlineExceeded):
            await call("slow")
        assert story.metadata == {"trace": b"\x07\x1f"}
        assert connection.log[0][2] == DEADLINE | METADATA
        assert await quotes.last.using(timeout=TIMEOUT)("EUR") == TICK  # its RESULT has metadata
        assert ("sent", RESULT, METADATA) in frames(connection)
        assert story.closed == ["slow"]


async def test_avrpcs_client_cancels_a_stream_that_it_leaves() -> None:
    async with connected() as (quotes, story, connection):
        async with quotes.watch("endless") as watch:
            await watch.receive()
        assert await quotes.last("EUR") == TICK
        assert story.closed == ["endless"]
        assert frames(connection, 1)[-2:] == [("got", CANCEL, 0), ("sent", STATUS, STARTED)]


async def test_avrpcs_client_cancels_a_call_amid_its_pieces() -> None:
    async with connected(limits_of_server=HUGE_MESSAGES) as (quotes, story, connection):
        await quotes.note("hold")  # the server reads nothing more
        async with trio.open_nursery() as nursery:
            nursery.start_soon(quotes.last, HUGE)
            await trio.testing.wait_all_tasks_blocked()  # the socket takes no more
            nursery.cancel_scope.cancel()
            story.release.set()
        assert await quotes.last("EUR") == TICK
        seen = [(way, kind, flags & MORE) for way, kind, flags in frames(connection, 2)]
        assert set(seen[:-2]) == {("got", CALL, MORE)}
        assert seen[-2:] == [("got", CANCEL, 0), ("sent", STATUS, 0)]


async def test_avrpcs_client_waits_for_credit_and_the_accounts_agree() -> None:
    limits = {"windowBytes": SMALL_WINDOW}
    async with connected(limits_of_server=limits) as (quotes, story, connection):
        async with quotes.record("wait") as record:
            for tick in ticks(5_000):
                await record.send(tick)
            assert await record.result() == 5_000
        credit = account(connection, 1, "got", SMALL_WINDOW)
        granted, stalled_at = story.stalled
        assert granted <= 0
        assert stalled_at < 5_000  # so it waits
        assert stalled_at * TICK_BYTES == SMALL_WINDOW - granted
        assert sum(a - b for a, b in pairwise(credit) if b < a) == 5_000 * TICK_BYTES
        assert credit[-1] > 0


async def test_peers_server_waits_for_credit_and_the_accounts_agree() -> None:
    limits = avrpc.Limits(window_bytes=SMALL_WINDOW)
    async with connected(limits=limits) as (quotes, story, connection):
        async with quotes.watch("EUR") as watch:
            await trio.to_thread.run_sync(story.out_of_credit.wait, TIMEOUT)
            assert [tick async for tick in watch] == ticks(200)
        credit = account(connection, 1, "sent", SMALL_WINDOW)
        assert credit[:7] == [1024, 824, 624, 424, 224, 24, -176]
        assert credit[7] > credit[6]  # a CREDIT was waited for
        grants = [b - a for a, b in pairwise(credit) if b > a]
        assert all(grant % TICK_BYTES == 0 for grant in grants)
        assert sum(grants) <= 200 * TICK_BYTES


async def test_avrpcs_client_sends_a_value_in_pieces_around_another_call() -> None:
    async with connected(limits_of_server=HUGE_MESSAGES) as (quotes, story, connection):
        await quotes.note("hold")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(quotes.last, HUGE)
            await trio.testing.wait_all_tasks_blocked()
            await quotes.note("between")
            story.release.set()
        ids = [
            Reader(fields).long()
            for way, kind, _, fields in connection.log
            if (way, kind) == ("got", CALL)
        ]
        assert ids[:2] == [1, 2]
        assert 3 in ids[2:-1]
        assert ids[-1] == 2
        async with quotes.record("EUR") as record:
            await record.send({**TICK, "symbol": BIG})
            assert await record.result() == 1
        assert ("got", ITEMS, MORE) in frames(connection, 4)


async def test_avrpcs_client_takes_values_in_pieces_that_take_turns() -> None:
    async with connected() as (quotes, _, connection):
        got: list[str] = []

        async def last(symbol: str) -> None:
            got.append((await quotes.last(symbol))["symbol"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(last, "both 1")
            nursery.start_soon(last, "both 2")
        assert got == [BIG, BIG]
        ids = [Reader(f).long() for way, kind, _, f in connection.log if kind == RESULT]
        assert ids != sorted(ids)
        async with quotes.watch(BIG) as watch:
            assert [tick["symbol"] async for tick in watch] == [BIG]
        assert ("sent", ITEMS, MORE) in frames(connection, 3)


async def test_avrpcs_client_cancels_a_call_whose_item_is_too_large() -> None:
    limits = avrpc.Limits(max_message_bytes=100_000)
    async with connected(limits=limits) as (quotes, _, connection):
        with pytest.raises(avrpc.LimitExceeded):  # the peer looks before it sends
            async with quotes.watch(LARGE) as watch:
                await watch.receive()
        connection.theirs["maxMessageBytes"] = 2**31 - 1  # and now it does not
        with pytest.raises(avrpc.LimitExceeded):
            async with quotes.watch(LARGE) as watch:
                await watch.receive()
        assert await quotes.last("EUR") == TICK
        assert ("got", CANCEL, 0) in frames(connection, 2)


async def test_avrpcs_client_answers_a_ping() -> None:
    async with connected() as (quotes, _, connection):
        assert (await quotes.last("ping"))["symbol"] == "ping"
        assert ("got", PONG, 0) in frames(connection)


async def test_avrpcs_client_opens_no_call_after_goaway_but_finishes_those_open() -> None:
    with peer_serving() as (_, server, address), trio.fail_after(TIMEOUT):
        async with avrpc.connect(address, Quotes) as quotes, quotes.record("EUR") as record:
            await record.send(TICK)
            await quotes.last("EUR")  # so the server has seen the call before it
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, server.close)
                with pytest.raises(avrpc.Unavailable):
                    while True:
                        await quotes.last("EUR")
                await record.send(TICK)
                assert await record.result() == 2
        assert ("sent", GOAWAY, 0) in frames(server.connections.get(timeout=TIMEOUT))


async def test_avrpcs_client_says_goodbye() -> None:
    with peer_serving() as (_, server, address), trio.fail_after(TIMEOUT):
        async with avrpc.connect(address, Quotes) as quotes:
            await quotes.last("EUR")
        await trio.to_thread.run_sync(server.close)
        goaway = server.connections.get(timeout=TIMEOUT).goaway
        assert goaway
        assert goaway.code == 0


async def test_avrpcs_client_ends_the_connection_over_a_violation() -> None:
    async with connected() as (quotes, _, connection):
        connection.handlers = {"last": lambda call, symbol: call.peer.put(END, long(1))}
        with pytest.raises(avrpc.ConnectionLost):
            await quotes.last("EUR")
    assert connection.goaway
    assert connection.goaway.code == 1


async def test_avrpcs_client_loses_its_calls_with_the_connection() -> None:
    async with connected() as (quotes, _, connection):

        def cut(call: Call, symbol: str) -> Steps:
            yield from call.sending(TICK)
            call.peer.flush()
            call.peer.sock.shutdown(socket.SHUT_RDWR)

        connection.handlers = {"watch": cut}
        async with quotes.watch("EUR") as watch:
            assert await watch.receive() == TICK
            with pytest.raises(avrpc.ConnectionLost):
                await watch.receive()
