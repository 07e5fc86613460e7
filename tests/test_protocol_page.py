"""PROTOCOL.md is true: each of its examples and tables is held against the real code.

An example is a fenced block, ```` ```example its-name ````. It is read into packs or frames, each
with who sent it, a headline, and its fields, which are bytes and a note. A line may hold several
fields, with ``|`` between them; a line without a note goes on with the bytes of the one above.
Of every pack and frame the tests hold that

- the code at the sender, told to do what the headline says, makes exactly these bytes;
- the code at the receiver makes of them the event that the headline tells;
- every note is what fastavro and the schemas on the page make of the bytes beside it.

So the page is the only place where these bytes are pinned, and a note can't go stale. To add an
example write a block: nothing here needs to change. Where a test fails, it shows what was expected.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import pytest

from avrpc.errors import ConnectionRefused, CredentialsRefused, NotAvrpc
from avrpc.handshake import ClientHandshake, ServerHandshake
from avrpc.limits import Limits, limits_of_peer
from avrpc.memory import ServerMemory, TextCache
from avrpc.replies import Agreement, Request
from avrpc.schema import Protocol
from avrpc.wire import (
    CallReceived,
    Connection,
    CreditReceived,
    ErrorReceived,
    Event,
    GoawayCode,
    GoawayReceived,
    ItemsReceived,
    MessageShape,
    PackReceived,
    PongReceived,
    ResultReceived,
    Role,
    StatusCode,
    StatusReceived,
    WireLimits,
    open_codec,
)
from avrpc.wire.compression import Codec, Zstd
from avrpc.wire.credit import Credit
from avrpc.wire.frames import LEGAL_FLAGS, Kind
from avrpc.wire.states import CALL_TRANSITIONS, CallState

PAGE = Path(__file__).parent.parent / "PROTOCOL.md"
TEXT = PAGE.read_text()

Lines = list[tuple[bytes, str]]  # fields: what they are made of, and what they mean

BLOCK = re.compile(r"^```(\w+) ([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMES = "\N{MULTIPLICATION SIGN}"
SHOWN_IN_FULL = 60  # characters of a string in a note


def blocks(language: str) -> dict[str, str]:
    return {name: body for found, name, body in BLOCK.findall(TEXT) if found == language}


# The page's protocol and schemas.

PROTOCOL_TEXT = blocks("text")["the-text"].replace("\n", "")
PROTOCOL = json.loads(PROTOCOL_TEXT)
NUMBERED = sorted(PROTOCOL["messages"])
SCHEMAS = {name: json.loads(body) for name, body in blocks("json").items()}
STREAMS = {
    name: MessageShape(mark in ("request", "both"), mark in ("response", "both"), 4 * 1024 * 1024)
    for name in NUMBERED
    for mark in [PROTOCOL["messages"][name].get("stream")]
}
REFERENCES = {"text": PROTOCOL_TEXT.encode()}  # what [text] in an example stands for
METADATA_SCHEMA = {"type": "map", "values": "bytes"}


def with_types(schema: Any) -> Any:
    """A type of the protocol, with the named types that it refers to written out."""
    if isinstance(schema, list):
        return [with_types(branch) for branch in schema]
    if isinstance(schema, dict):
        return {**schema, "items": with_types(schema["items"])} if "items" in schema else schema
    return next((each for each in PROTOCOL["types"] if each["name"] == schema), schema)


def request_fields(message: str) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = PROTOCOL["messages"][message]["request"]
    return fields[:-1] if STREAMS[message].streams_request else fields


def value_schema(kind: Kind, message: str, sender: Role) -> Any:
    """What a frame of this kind carries: for ITEMS, the schema of one item."""
    declared = PROTOCOL["messages"][message]
    if kind is Kind.CALL:
        return {"type": "record", "name": "Request", "fields": request_fields(message)}
    if kind is Kind.ERROR:
        return ["string", *with_types(declared.get("errors", []))]
    if kind is Kind.RESULT:
        return "null" if STREAMS[message].streams_response else with_types(declared["response"])
    array = declared["request"][-1]["type"] if sender is Role.CLIENT else declared["response"]
    return with_types(array["items"])


# From the page: examples as packs and frames.


class Part(NamedTuple):
    """One pack or frame of an example, as the page shows it."""

    sender: Role
    headline: str
    lines: Lines

    @property
    def data(self) -> bytes:
        return b"".join(line for line, _ in self.lines)


def read_bytes(shown: str) -> bytes:
    """The bytes shown: in hex, with a count for one that repeats, or by the [name] of a block."""
    data = bytearray()
    for token in shown.split():
        if token[0] == TIMES:
            data += data[-1:] * (int(token[1:].replace(",", "")) - 1)
        elif token[0] == "[":
            data += reference(token[1:-1])
        else:
            data += bytes.fromhex(token)
    return bytes(data)


@cache
def reference(name: str) -> bytes:
    if name in REFERENCES:
        return REFERENCES[name]
    return b"".join(line for line, _ in read_lines(blocks("part")[name]))


def read_lines(body: str) -> Lines:
    lines: Lines = []
    for line in body.splitlines():
        shown, gap, notes = line.strip().partition("  ")
        if gap:
            parts = zip(shown.split(" | "), notes.strip().split(" | "), strict=True)
            lines += [(read_bytes(part), note) for part, note in parts]
        else:
            data, note = lines.pop()
            lines.append((data + read_bytes(shown), note))
    return lines


def read_example(name: str) -> list[Part]:
    parts = []
    for sender, headline, body in re.findall(
        r"^(client|server)  (.*)\n((?:  .*\n)*)", blocks("example")[name], re.MULTILINE
    ):
        parts.append(Part(Role[sender.upper()], headline.strip(), read_lines(body)))
    return parts


# From bytes: what they are, said by fastavro and the page's schemas.


class Annotator:
    """Walks Avro data, and gives each of its smallest parts a note."""

    def __init__(self, data: bytes) -> None:
        self._from = io.BytesIO(data)
        self._data = data
        self._named: dict[str, Any] = {}
        self.lines: Lines = []

    @property
    def position(self) -> int:
        return self._from.tell()

    @property
    def rest(self) -> bytes:
        return self._data[self.position :]

    def read(self, schema: Any, note: Callable[[Any], str]) -> Any:
        start = self.position
        value = fastavro.schemaless_reader(self._from, schema, None)
        self.lines.append((self._data[start : self.position], note(value)))
        return value

    def raw(self, size: int, note: str) -> bytes:
        data = self._from.read(size)
        self.lines.append((data, note))
        return data

    def long(self, name: str) -> int:
        value: int = self.read("long", lambda value: f"{name}: {value}")
        return value

    def walk(self, schema: Any, path: str) -> None:
        if isinstance(schema, list):
            branch = schema[decode("long", self.rest[:1])]
            name = branch if isinstance(branch, str) else branch.get("name", branch["type"])
            self.raw(1, colon(path) + ("null" if branch == "null" else f"branch {name}"))
            if branch != "null":
                self.walk(branch, path)
            return
        if isinstance(schema, str):
            schema = self._named.get(schema, {"type": schema})
        elif "name" in schema:
            self._named[schema["name"]] = schema
        kind = schema["type"]
        if kind in ("record", "error"):
            for field in schema["fields"]:
                self.walk(field["type"], f"{path}.{field['name']}" if path else field["name"])
        elif kind == "map":
            self._blocks(path, lambda _: self._entry(schema["values"]))
        elif kind == "array":
            self._blocks(path, lambda index: self.walk(schema["items"], f"{path}[{index}]"))
        elif isinstance(kind, dict | list):
            self.walk(kind, path)
        elif kind != "null":
            show = str if kind == "enum" else show_simple
            self.read(schema, lambda value: colon(path) + show(value))

    def _blocks(self, path: str, one: Callable[[int], None]) -> None:
        while count := self.read("long", lambda count: colon(path) + show_count(count)):
            for index in range(count):
                one(index)

    def _entry(self, values: str) -> None:
        start = self.position
        key: Any = fastavro.schemaless_reader(self._from, "string", None)
        value = fastavro.schemaless_reader(self._from, values, None)
        self.lines.append((self._data[start : self.position], f"{key}: {show_simple(value)}"))


def colon(path: str) -> str:
    return f"{path}: " if path else ""


def show_count(count: int) -> str:
    return {0: "end", 1: "1 entry"}.get(count, f"{count} entries")


def sized(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"


def show_simple(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex(" ") if len(value) <= 4 else sized(len(value))
    if isinstance(value, str) and len(value) > SHOWN_IN_FULL:
        return f"a string of {sized(len(value.encode()))}"
    return json.dumps(value)


class Frame(NamedTuple):
    """A frame, taken apart without the code under test."""

    kind: Kind
    flags: int
    call_id: int
    fields: dict[str, Any]
    value: bytes
    lines: Lines


Inflate = Callable[[bytes, int], bytes]


def read_frame(
    part: Part, message: str, *, later_piece: bool, inflate: Inflate | None = None
) -> Frame:
    """Take a frame apart.

    Args:
        part: The frame.
        message: Name of the call's message; for a CALL, found in it.
        later_piece: Whether it goes on with a value that began in a frame before.
        inflate: Gives back what was compressed, of a size.
    """
    data = Annotator(part.data)
    first = part.data[0]
    kind, flags = Kind(first & 0x0F), first & 0xF0
    named = [name for name, bit in flag_bits(kind).items() if flags & bit]
    shown_flags = f" + {' + '.join(named)}" if named else ""
    data.raw(4, f"{kind.name}{shown_flags}, {sized(len(part.data) - 4)}")
    assert int.from_bytes(part.data[1:4]) == len(part.data) - 4
    fields: dict[str, Any] = {}
    call_id = 0
    if kind in (Kind.PING, Kind.PONG):
        fields["value"] = data.long("value")
    elif kind is Kind.GOAWAY:
        fields["last"] = data.long("last call")
    else:
        call_id = data.long("call")
    if not later_piece:
        if kind is Kind.CALL:
            number = data.read("long", lambda number: f"message {number}: {NUMBERED[number]}")
            fields["number"] = number
            message = NUMBERED[number]
        if kind is Kind.CALL and "DEADLINE" in named:
            fields["time_left"] = data.long("ms left")
        if "METADATA" in named:
            start = data.position
            data.walk(METADATA_SCHEMA, "metadata")
            fields["metadata"] = decode(METADATA_SCHEMA, part.data[start : data.position])
        if kind is Kind.ITEMS:
            fields["count"] = int.from_bytes(data.rest[:2])
            data.raw(2, f"count: {fields['count']}")
        if kind is Kind.CREDIT:
            fields["size"] = data.long("bytes")
        if kind in (Kind.STATUS, Kind.GOAWAY):
            codes = StatusCode if kind is Kind.STATUS else GoawayCode
            fields["code"] = data.read("long", lambda code: f"code {code}: {codes(code).name}")
            fields["text"] = data.read("string", lambda text: f"text: {show_simple(text)}")
    if "COMPRESSED" in named:
        assert inflate is not None
        size = data.long("size")
        value = inflate(data.rest, size)
        data.raw(len(data.rest), f"{size} bytes in {len(data.rest)}")
        return Frame(kind, flags, call_id, fields, value, data.lines)
    value = data.rest
    if later_piece or "MORE" in named:
        data.raw(len(value), f"{'the next' if later_piece else 'the first'} {sized(len(value))}")
    elif kind is Kind.ITEMS:
        for index in range(fields["count"]):
            start = len(data.lines)
            data.walk(value_schema(kind, message, part.sender), "")
            first_bytes, note = data.lines[start]
            data.lines[start] = (first_bytes, f"item {index + 1}, {note}")
    elif kind in (Kind.CALL, Kind.RESULT, Kind.ERROR) and value:
        data.walk(value_schema(kind, message, part.sender), "")
    assert not data.rest, f"{part.headline}: bytes left over"
    return Frame(kind, flags, call_id, fields, value, data.lines)


def decode(schema: Any, data: bytes) -> Any:
    source = io.BytesIO(data)
    value = fastavro.schemaless_reader(source, schema, None)
    assert not source.read(), "bytes left over"
    return value


def flag_bits(kind: Kind) -> dict[str, int]:
    names = {"MORE": 0x10, "METADATA": 0x20, "COMPRESSED": 0x80}
    return names | ({"DEADLINE": 0x40} if kind is Kind.CALL else {"STARTED": 0x40})


# Two ends of the code under test, face to face.


class Ends:
    """A client and a server between which an example is played.

    Every part is made by its sender's end, and then *the page's* bytes are given to the other, so
    that both directions of the code are held to the page.
    """

    def __init__(self) -> None:
        self.at = {role: Connection(role) for role in Role}
        self.made = {role: bytearray() for role in Role}
        self.shown = {role: bytearray() for role in Role}

    def pull(self, sender: Role) -> None:
        """Let what is queued leave, as one send of a socket would."""
        data = self.at[sender].data_to_send()
        self.made[sender] += data
        self.at[sender].sent(len(data))

    def deliver(self, part: Part) -> list[Event]:
        sender = part.sender
        self.shown[sender] += part.data
        if len(self.made[sender]) < len(self.shown[sender]):
            self.pull(sender)
        return self.at[sender.other].receive_data(part.data)

    def shake_hands(self, codec: Codec | None = None) -> None:
        for sender in Role:
            self.at[sender].send_pack(0, b"any")
            self.pull(sender)
            self.at[sender.other].receive_data(bytes(self.made[sender]))
            self.made[sender].clear()
        for connection in self.at.values():
            connection.native(WireLimits(), [STREAMS[name] for name in NUMBERED], codec)


def send(connection: Connection, frame: Frame, value: bytes, item: Any) -> None:
    """Have the code under test send what a frame of the page holds."""
    out, fields, call_id = connection.outgoing, frame.fields, frame.call_id
    metadata = fields.get("metadata")
    match frame.kind:
        case Kind.CALL:
            time_left = fields.get("time_left")
            number = fields["number"]
            assert call_id == out.call(number, value, time_left=time_left, metadata=metadata)
        case Kind.ITEMS:
            for each in split(item, value, fields["count"]):
                assert out.may_start_item(call_id)
                out.item(call_id, each)
        case Kind.END:
            out.end(call_id)
        case Kind.RESULT:
            out.result(call_id, value, metadata)
        case Kind.ERROR:
            out.error(call_id, value, metadata)
        case Kind.STATUS:
            started = bool(frame.flags & 0x40)
            code = StatusCode(fields["code"])
            out.status(call_id, code, fields["text"], started=started, metadata=metadata)
        case Kind.CANCEL:
            out.cancel(call_id)
        case Kind.CREDIT:
            out.credit(call_id, fields["size"])
        case Kind.PING:
            out.ping(fields["value"])
        case Kind.PONG:
            pass  # sent by itself, for the PING before
        case Kind.GOAWAY:
            connection.goaway(GoawayCode(fields["code"]), fields["text"])


def split(schema: Any, data: bytes, count: int) -> Iterator[bytes]:
    source = io.BytesIO(data)
    for _ in range(count):
        start = source.tell()
        fastavro.schemaless_reader(source, schema, None)
        yield data[start : source.tell()]


def headline(frame: Frame, events: list[Event], message: str) -> str:
    """What the page says above a frame, told from the event that the receiver made of it."""
    kind = frame.kind
    if not events:
        of_call = f"{kind.name} {frame.fields['value'] if kind is Kind.PING else frame.call_id}"
        return f"{of_call}, a piece" if frame.flags & 0x10 else of_call
    (event,) = events
    match event:
        case CallReceived():
            name = NUMBERED[event.number]
            arguments = decode(value_schema(Kind.CALL, name, Role.CLIENT), event.parameters)
            said = f"{name}({', '.join(map(show_value, arguments.values()))})"
            said += f", {event.time_left} ms left" if event.time_left is not None else ""
            said += with_metadata(event.metadata)
        case ItemsReceived():
            said = f"{event.item_count} item{'s' * (event.item_count > 1)}"
        case ResultReceived():
            result = decode(value_schema(kind, message, Role.SERVER), event.data)
            said = "" if result is None else show_value(result)
            said += with_metadata(event.metadata)
        case ErrorReceived():
            branches = value_schema(kind, message, Role.SERVER)
            branch = branches[decode("long", event.data[:1])]
            said = f"{branch['name']} {show_value(decode(branch, event.data[1:]))}"
        case StatusReceived():
            said = StatusCode(event.code).name + (", started" if event.started else ", not started")
        case CreditReceived():
            said = sized(frame.fields["size"])
        case PongReceived():
            return f"PONG {event.value}"
        case GoawayReceived():
            return f"GOAWAY: {GoawayCode(event.code).name}, last call {event.last_call}"
        case _:
            said = ""
    return f"{kind.name} {frame.call_id}" + (f": {said}" if said else "")


def with_metadata(metadata: dict[str, bytes] | None) -> str:
    return f", with metadata for {', '.join(metadata)}" if metadata else ""


def show_value(value: Any) -> str:
    return "a Tick" if isinstance(value, dict) and len(value) > 1 else show_simple(value)


# The examples ...

HANDSHAKES = [name for name in blocks("example") if name.startswith("handshake")]
CALLS = [name for name in blocks("example") if not name.startswith("handshake")]


@pytest.mark.parametrize("name", CALLS)
def test_frames_of_an_example_are_made_and_understood_by_the_code(name: str) -> None:
    codec = open_codec(name.partition("-")[2]) if name.startswith("compressed-") else None
    inflate: Inflate | None = codec.inflate if codec is not None else None
    if isinstance(codec, Zstd):
        inflate = codec.decoder()
    ends = Ends()
    ends.shake_hands(codec)
    parts = read_example(name)
    messages: dict[int, str] = {}
    unfinished: set[tuple[Kind, int]] = set()
    for index, part in enumerate(parts):
        message = messages.get(read_call_id(part), "")
        key = (Kind(part.data[0] & 0x0F), read_call_id(part))
        frame = read_frame(part, message, later_piece=key in unfinished, inflate=inflate)
        if frame.kind is Kind.CALL and key not in unfinished:
            message = messages[frame.call_id] = NUMBERED[frame.fields["number"]]
        assert part.lines == frame.lines, f"{name}: the notes of {part.headline!r}"
        if key not in unfinished:
            value = whole_value(frame, parts[index + 1 :])
            item = value_schema(frame.kind, message, part.sender) if "count" in frame.fields else 0
            send(ends.at[part.sender], frame, value, item)
        (unfinished.add if frame.flags & 0x10 else unfinished.discard)(key)
        events = ends.deliver(part)
        assert part.headline == headline(frame, events, message)
    assert ends.made == ends.shown


def read_call_id(part: Part) -> int:
    call_id = fastavro.schemaless_reader(io.BytesIO(part.data[4:]), "long", None)
    assert isinstance(call_id, int)
    return call_id


def whole_value(frame: Frame, after: list[Part]) -> bytes:
    """The value that begins in a frame, with its later pieces."""
    value, more = frame.value, bool(frame.flags & 0x10)
    for part in after:
        first, call_id = part.data[0], read_call_id(part)
        if more and (first & 0x0F, call_id) == (frame.kind, frame.call_id):
            value += read_frame(part, "", later_piece=True).value
            more = bool(first & 0x10)
    assert not more
    return value


@pytest.mark.parametrize("name", HANDSHAKES)
def test_packs_of_an_example_are_made_and_understood_by_the_code(name: str) -> None:
    ends = Ends()
    for index, part in enumerate(read_example(name)):
        serial, content, lines = read_pack(part)
        assert part.lines == lines, f"{name}: the notes of {part.headline!r}"
        if index == 2:
            for connection in ends.at.values():
                connection.again()
        ends.at[part.sender].send_pack(serial, content)
        assert ends.deliver(part) == [PackReceived(serial, content)]
    assert ends.made == ends.shown


@pytest.mark.parametrize("name", HANDSHAKES)
def test_handshake_of_an_example_is_what_client_and_server_say(name: str) -> None:
    quotes = Protocol.parse(PROTOCOL_TEXT)
    server = ServerHandshake({quotes.name: quotes}, limits=Limits(), texts=TextCache())
    client = ClientHandshake(
        quotes if name in ("handshake-both", "handshake-stranger") else None,
        "demo.Quote" if name == "handshake-refused" else "demo.Quotes",
        address="page",
        limits=Limits(),
        memory=ServerMemory(),
        credentials=b"open sesame" if name == "handshake-stranger" else None,
    )
    if name in GIVING_UP:
        said = PLAIN_REQUEST if name == "handshake-plain" else client.first()
        *shown, (_, content, _) = map(read_pack, read_example(name))
        if name == "handshake-stranger":
            assert [one[1] for one in shown] == [said]
            request = server.read(said)
            assert isinstance(request, Request)
            assert request.credentials == b"open sesame"
            assert server.turn_away(request).content == content
        else:
            assert shown == []
            assert server.request(said).content == content
        with pytest.raises(GIVING_UP[name]):
            client.answer(content)
        return
    answer: Agreement | bytes = client.first()
    for part in read_example(name):
        content = read_pack(part)[1]
        if part.sender is Role.CLIENT:
            assert answer == content
        else:
            assert isinstance(answer, bytes)
            assert server.request(answer).content == content
            answer = client.answer(content)
    assert isinstance(answer, Agreement)


GIVING_UP = {
    "handshake-refused": ConnectionRefused,
    "handshake-stranger": CredentialsRefused,
    "handshake-plain": NotAvrpc,
}

# add(2, 3), as Apache Avro Java 1.8.2 was seen to open a connection with it.
PLAIN_REQUEST = bytes.fromhex(
    "c981deac1d18f9339fe055a29b5113b0 00 c981deac1d18f9339fe055a29b5113b0 0200 00 06616464 04 06"
)


def read_pack(part: Part) -> tuple[int, bytes, Lines]:
    data = Annotator(part.data)
    serial = int.from_bytes(data.raw(4, f"serial {int.from_bytes(part.data[:4])}"))
    data.raw(4, "1 buffer")
    data.raw(4, f"of {sized(len(part.data) - 12)}")
    content = data.rest
    schema = SCHEMAS["handshake-request" if part.sender is Role.CLIENT else "handshake-response"]
    data.walk(schema, "")
    if part.sender is Role.CLIENT:
        assert data.rest == b"\0\0"
        data.raw(2, "the ping")
    elif data.rest:
        data.raw(1, "response metadata: end")
        data.raw(1, "error flag: true")
        data.walk(["string"], "error")
    return serial, content, data.lines


@pytest.mark.parametrize("name", blocks("part"))
def test_notes_of_a_part_are_what_its_bytes_say(name: str) -> None:
    lines = read_lines(blocks("part")[name])
    data = Annotator(b"".join(line for line, _ in lines))
    if name == "limits":
        data.walk({"type": "map", "values": "long"}, "limits")
    else:
        data.walk(SCHEMAS["refusal" if "refusal" in name else "hello"], "")
        if "hello" in name:
            at = next(at for at, (_, note) in enumerate(data.lines) if note.startswith("limits"))
            data.lines[at:] = [(reference("limits"), "limits, all seven")]
    assert lines == data.lines
    assert not data.rest


def test_hashes_in_the_examples_are_those_of_the_text() -> None:
    md5 = hashlib.md5(PROTOCOL_TEXT.encode(), usedforsecurity=False)
    sha256 = hashlib.sha256(PROTOCOL_TEXT.encode())
    hashes = dict(re.findall(r"^(MD5|SHA-256) +([0-9a-f]+)$", TEXT, re.MULTILINE))
    assert hashes == {"MD5": md5.hexdigest(), "SHA-256": sha256.hexdigest()}
    assert f"{len(PROTOCOL_TEXT.encode()):,} bytes" in TEXT
    assert decode(SCHEMAS["hello"], reference("client-hello"))["sha256"] == sha256.digest()
    assert decode(SCHEMAS["hello"], reference("server-hello"))["sha256"] == sha256.digest()
    client = read_pack(read_example("handshake-both")[0])[1]
    assert client[:16] == md5.digest() == client[17:33]


def test_every_kind_of_frame_and_every_message_has_an_example() -> None:
    headlines = [part.headline for name in CALLS for part in read_example(name)]
    assert {line.split(" ")[0].rstrip(":") for line in headlines} == {kind.name for kind in Kind}
    called = {found[1] for line in headlines if (found := re.search(r": (\w+)\(", line))}
    assert called == set(NUMBERED)


# ... and the tables.


def table(*columns: str) -> list[tuple[str, ...]]:
    """The rows of the table with these columns, without back quotes."""
    head = re.escape("| " + " | ".join(columns) + " |")
    found = re.search(rf"^{head}\n\|[-|: ]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found, f"no table with the columns {columns}"
    rows = [line.strip("|").split("|") for line in found[1].splitlines()]
    return [tuple(cell.strip().strip("`") for cell in row) for row in rows]


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def test_table_of_limits_has_the_defaults() -> None:
    rows = table("limit", "default", "from", "to", "what it bounds")
    defaults = WireLimits()
    told = {re.sub("(?=[A-Z])", "_", row[0]).lower(): number(row[1]) for row in rows}
    assert told == {
        each.name: getattr(defaults, each.name) for each in fields(WireLimits) if each.init
    }
    assert decode({"type": "map", "values": "long"}, reference("limits")) == {
        row[0]: number(row[1]) for row in rows if row[0] != "maxContexts"
    }
    announced = Limits().announced(["zstd"])
    assert announced == {row[0]: number(row[1]) for row in rows}


def test_table_of_limits_has_the_ranges() -> None:
    for name, _, lowest, highest, _ in table("limit", "default", "from", "to", "what it bounds"):
        for legal in (number(lowest), number(highest)):
            limits_of_peer({name: legal})
        for illegal in (number(lowest) - 1, number(highest) + 1):
            with pytest.raises(ValueError, match=name):
                limits_of_peer({name: illegal})


def test_table_of_frames_has_the_kinds_and_flags() -> None:
    rows = table("kind", "number", "sent by", "flags", "fields, in this order")
    assert {row[0]: number(row[1]) for row in rows} == {kind.name: kind for kind in Kind}
    for row in rows:
        flags = sum(flag_bits(Kind[row[0]])[flag] for flag in re.findall("[A-Z]+", row[3]))
        assert flags == LEGAL_FLAGS[Kind[row[0]]], row[0]


def test_table_of_a_call_is_the_one_in_the_code() -> None:
    told: dict[tuple[CallState, Role, Kind], CallState] = {}
    for state, sender, kinds, after in table("state", "sent by", "frame", "then"):
        for kind in kinds.split(", "):
            told[CallState[state], Role[sender.upper()], Kind[kind]] = CallState[after]
    assert told == CALL_TRANSITIONS


@pytest.mark.parametrize("codes", [StatusCode, GoawayCode])
def test_tables_of_codes_are_those_in_the_code(codes: type[StatusCode | GoawayCode]) -> None:
    column = "STATUS code" if codes is StatusCode else "GOAWAY code"
    rows = table(column, "name", "meaning")
    assert {row[1]: number(row[0]) for row in rows} == {code.name: code for code in codes}


def test_table_of_credit_is_what_the_code_counts() -> None:
    (_, _, window), *rows = table("what happens", "change", "credit after")
    credit = Credit(number(window))
    for what, change, after in rows:
        size = number(change or "0")
        if size > 0:
            credit.grant(size)
        else:
            assert credit.may_start == (size < 0), what
            credit.take(-size)
        assert credit.available == number(after), what
