"""A second implementation of the avrpc protocol: a client and a server on plain sockets.

It was written from PROTOCOL.md alone, without a look at avrpc, and uses nothing but Python's
standard library (and tests/snappy.py, which uses no more). So it shows that the page is enough, and
what a peer in another language takes. Of the codecs it has snappy, which is 100 lines.
Numbers in comments are sections of the page.

From top to bottom: Avro's encoding; the handshake; `Call` and `Peer`, which both ends share;
`Client`; `Server`. A connection lives in one thread. Whatever has to wait is a generator that
yields what it waits for, as a function that says whether it has come; `Peer.step` reads and writes
meanwhile, both at once, since two ends that only write would wait for ever (14). A client does so
while it is asked for something, and answers no PING at other times.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import queue
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple, Self

from tests import snappy

CALL, ITEMS, END, RESULT, ERROR, STATUS, CANCEL, CREDIT, PING, PONG, GOAWAY = range(1, 12)
MORE, METADATA, DEADLINE, STARTED, COMPRESSED = 1, 2, 4, 4, 8
FLAGS = {CALL: 7, ITEMS: 1, RESULT: 3, ERROR: 3, STATUS: 6}  # the other kinds have none
WITH_VALUE = {CALL, ITEMS, RESULT, ERROR}  # these may be compressed, too (15)
LIMITS = {  # default, from, to
    "maxFrameBytes": (65_536, 16_384, 1_048_576),
    "maxMessageBytes": (4_194_304, 16_384, 2**31 - 1),
    "windowBytes": (262_144, 1_024, 2**31 - 1),
    "maxCalls": (1_024, 1, 2**31 - 1),
    "maxStreamedCalls": (100, 0, 2**31 - 1),
    "maxValuesInPieces": (8, 1, 2**31 - 1),
    "maxMetadataBytes": (8_192, 0, 8_192),
}
Hashes = tuple[bytes, bytes]
Limits = Mapping[str, int]
Steps = Generator[Callable[[], object], None, Any]  # a generator as described above


class Malformed(Exception):
    """Bytes that are not what their schema says, or a value that does not fit it."""


class Lost(Exception):
    """The connection ended; whether the calls that were open ran, nobody knows."""


class Coded(Exception):
    """A code of section 13 and a text."""

    def __init__(self, code: int, text: str, *, started: bool = False) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text, self.started = code, text, started


class Refused(Coded): ...


class Violation(Coded): ...


class Status(Coded): ...


class Declared(Exception):
    """An error that the message declares: its branch of the union, and its record."""

    def __init__(self, branch: int, value: Any) -> None:
        super().__init__(branch, value)
        self.branch, self.value = branch, value


# -- Avro ------------------------------------------------------------------------------------------


def long(n: int, bits: int = 64) -> bytes:
    if not -(1 << bits - 1) <= n < 1 << bits - 1:
        raise Malformed(f"{n} does not fit {bits} bits")
    n, out = n << 1 ^ n >> 63, bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def blob(value: bytes) -> bytes:
    return long(len(value)) + value


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        if not 0 <= n <= len(self.data) - self.at:
            raise Malformed(f"{n} bytes wanted, {len(self.data) - self.at} there")
        self.at += n
        return self.data[self.at - n : self.at]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def long(self, bits: int = 64) -> int:
        n = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            n |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        if byte > 0x7F or n >> bits:
            raise Malformed(f"a number beyond {bits} bits")
        return n >> 1 ^ -(n & 1)

    def blob(self) -> bytes:
        return self.take(self.long())

    def string(self) -> str:
        try:
            return self.blob().decode()
        except UnicodeDecodeError as error:
            raise Malformed("a string that is no UTF-8") from error

    def end(self) -> None:
        if self.at < len(self.data):
            raise Malformed("bytes left over")


PRIMITIVES: dict[str, tuple[Callable[[Any], bytes], Callable[[Reader], Any]]] = {
    "null": (lambda _: b"", lambda _: None),
    "boolean": (lambda value: bytes([value]), lambda r: pick((False, True), r.take(1)[0])),
    "int": (lambda value: long(value, 32), lambda r: r.long(32)),
    "long": (long, Reader.long),
    "float": (lambda value: struct.pack("<f", value), lambda r: struct.unpack("<f", r.take(4))[0]),
    "double": (lambda value: struct.pack("<d", value), lambda r: struct.unpack("<d", r.take(8))[0]),
    "bytes": (blob, Reader.blob),
    "string": (lambda value: blob(value.encode()), Reader.string),
}


PYTHON_TYPES = {  # of the values of a union's branches; any other branch holds numbers
    "null": type(None),
    "boolean": bool,
    "bytes": bytes,
    "fixed": bytes,
    "string": str,
    "enum": str,
    "array": list,
    "map": dict,
}


def encode(schema: Any, value: Any) -> bytes:
    """Encode a value whose schema has gone through `link`."""
    if isinstance(schema, str):
        return PRIMITIVES[schema][0](value)
    if isinstance(schema, list):
        branch = next(n for n, of in enumerate(schema) if fits(of, value))
        return long(branch) + encode(schema[branch], value)
    match schema["type"]:
        case "array":
            block = b"".join(encode(schema["of"], item) for item in value)
        case "map":
            block = b"".join(blob(k.encode()) + encode(schema["of"], v) for k, v in value.items())
        case "enum":
            return long(schema["symbols"].index(value))
        case "fixed":
            return bytes(value)
        case _:
            return b"".join(encode(of, value[name]) for name, of in schema["fields"])
    return (long(len(value)) + block if value else b"") + b"\0"


def fits(schema: Any, value: Any) -> bool:
    """Tell whether a value may be of that branch of a union; as much as the examples need."""
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind in {"record", "error"}:
        return isinstance(value, dict) and set(value) == {name for name, _ in schema["fields"]}
    return isinstance(value, PYTHON_TYPES.get(kind, (int, float)))


def decode(schema: Any, r: Reader) -> Any:
    if isinstance(schema, str):
        return PRIMITIVES[schema][1](r)
    if isinstance(schema, list):
        return decode(pick(schema, r.long()), r)
    match schema["type"]:
        case "array":
            return [decode(schema["of"], r) for _ in entries(r)]
        case "map":
            return {r.string(): decode(schema["of"], r) for _ in entries(r)}
        case "enum":
            return pick(schema["symbols"], r.long())
        case "fixed":
            return r.take(schema["size"])
        case _:
            return {name: decode(of, r) for name, of in schema["fields"]}


def entries(r: Reader) -> Iterator[int]:
    while count := r.long():
        if count < 0:  # a block that also says how many bytes it has
            r.long()
        yield from range(abs(count))


def pick(options: Any, number: int) -> Any:
    if not 0 <= number < len(options):
        raise Malformed(f"no branch, symbol or boolean has the number {number}")
    return options[number]


def decode_whole(schema: Any, data: bytes) -> Any:
    r = Reader(data)
    value = decode(schema, r)
    r.end()
    return value


def link(schema: Any, space: str, names: dict[str, Any]) -> Any:
    """Put the type itself where a schema names it, and what an array or map holds under `of`."""
    if isinstance(schema, list):
        return [link(branch, space, names) for branch in schema]
    if isinstance(schema, str):
        return schema if schema in PRIMITIVES else names[full_name(schema, space)]
    kind = schema["type"]
    if not isinstance(kind, str) or kind in PRIMITIVES:
        return link(kind, space, names)
    if kind in {"array", "map"}:
        of = schema["items" if kind == "array" else "values"]
        return {"type": kind, "of": link(of, space, names)}
    name = full_name(schema["name"], schema.get("namespace", space))
    linked = names[name] = {**schema, "fields": []}
    for field in schema.get("fields", ()):
        of = link(field["type"], name.rpartition(".")[0], names)
        linked["fields"].append((field["name"], of))
    return linked


def full_name(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


class Message:
    def __init__(self, name: str, number: int, spec: Any, space: str, names: Any) -> None:
        declared = spec["response"] if isinstance(spec["response"], dict) else {}
        stream = spec.get("stream", declared.get("stream"))
        request = [(param["name"], link(param["type"], space, names)) for param in spec["request"]]
        response = link(spec["response"], space, names)
        self.name, self.number = name, number
        self.up = request.pop()[1]["of"] if stream in {"request", "both"} else None
        self.down = response["of"] if stream in {"response", "both"} else None
        self.params = {"type": "record", "fields": request}
        self.result = "null" if self.down else response
        self.streams = bool(self.up or self.down)
        self.errors = ["string", *(link(error, space, names) for error in spec.get("errors", ()))]


class Protocol:
    """A text, its hashes (4.4) and its messages, in the order of their numbers (5)."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text.encode()) > 256 * 1024:
            raise Malformed("a text of more than 256 KiB")
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).digest()
        self.hashes = md5, hashlib.sha256(text.encode()).digest()
        try:
            tree, names = json.loads(text), dict[str, Any]()
            self.name = full_name(tree["protocol"], tree.get("namespace", ""))
            space = self.name.rpartition(".")[0]
            for schema in tree.get("types", ()):
                link(schema, space, names)
            self.messages = [
                Message(name, number, tree["messages"][name], space, names)
                for number, name in enumerate(sorted(tree.get("messages", {}), key=str.encode))
            ]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise Malformed(f"no valid protocol: {error!r}") from error


# -- The handshake (4) -----------------------------------------------------------------------------


def record(**fields: Any) -> Any:
    return {"type": "record", "fields": list(fields.items())}


TEXT, HASH = ["null", "string"], {"type": "fixed", "size": 16}
BYTES_MAP, STRINGS = {"type": "map", "of": "bytes"}, {"type": "array", "of": "string"}
META, LONGS = ["null", BYTES_MAP], {"type": "map", "of": "long"}
MATCH = {"type": "enum", "symbols": ["BOTH", "CLIENT", "NONE"]}
REQUEST = record(clientHash=HASH, clientProtocol=TEXT, serverHash=HASH, meta=META)
RESPONSE = record(match=MATCH, serverProtocol=TEXT, serverHash=["null", HASH], meta=META)
VERSIONS = {"minVersion": "int", "maxVersion": "int"}
WANTED = {"protocol": "string", "protocols": STRINGS, "sha256": "bytes"}
HELLO = record(**VERSIONS, **WANTED, features=STRINGS, limits=LONGS)
REFUSAL = record(code="int", text="string")
STRANGER = Refused(33, "not authenticated")  # who speaks plain Avro RPC
STRANGERS_WAIT = 0.1  # a fixed time, whatever they sent (4.8)
PLAIN = Refused(1, "this server speaks avrpc; plain Avro RPC is not supported yet")  # 4.7


def make(schema: Any, *values: Any) -> bytes:
    return encode(schema, dict(zip((name for name, _ in schema["fields"]), values, strict=True)))


def read_exactly(sock: socket.socket, n: int) -> bytes:
    data = bytearray()
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise Lost("the other end closed the connection")
        data += part
    return bytes(data)


def read_pack(sock: socket.socket, longest: int) -> tuple[int, bytes]:
    serial, buffers = struct.unpack(">iI", read_exactly(sock, 8))
    content, left = b"", longest - 8
    for _ in range(buffers if 1 <= buffers <= 64 else 0):
        (length,) = struct.unpack(">I", read_exactly(sock, 4))
        left -= 4 + length
        if left < 0:
            raise Lost("a pack that is too long")
        content += read_exactly(sock, length)
    return serial, content


def send_pack(sock: socket.socket, serial: int, content: bytes) -> None:
    sock.sendall(struct.pack(">iII", serial, 1, len(content)) + content)


def limits_of(announced: Limits) -> dict[str, int]:
    limits = {name: announced.get(name, default) for name, (default, _, _) in LIMITS.items()}
    for name, value in limits.items():
        if not LIMITS[name][1] <= value <= LIMITS[name][2]:
            raise Malformed(f"limit {name} out of its range: {value}")
    return limits


class Agreement(NamedTuple):
    protocol: Protocol  # the client's, which numbers the messages
    limits: dict[str, int]  # what the other end accepts
    matches: str  # what the server answered, in one round or two
    codec: str | None = None  # what both ends compress with


def greet_server(
    sock: socket.socket,
    wanted: str,
    own: Protocol | None,
    server: Protocol | None,
    limits: Limits,
    credentials: bytes | None,
    features: list[str],
) -> Agreement:
    """Shake hands as a client (4.6), whose idea of the server's text is `server`."""
    matches = []
    for serial in (0, 1):
        (md5, sha256), (server_md5, server_sha256) = (
            protocol.hashes if protocol else (bytes(16), bytes(32)) for protocol in (own, server)
        )
        hello = make(HELLO, 1, 1, wanted, [], sha256, features, limits)
        text = own.text if own and serial else None
        meta = {"avrpc": hello} | ({} if credentials is None else {"avrpc-auth": credentials})
        send_pack(sock, serial, make(REQUEST, md5, text, server_md5, meta) + b"\0\0")
        answer_serial, pack = read_pack(sock, 288 * 1024)
        answer = decode(RESPONSE, Reader(pack))  # some servers send more behind it
        meta = answer["meta"] or {}
        if "avrpc-refused" in meta:
            raise Refused(**decode_whole(REFUSAL, meta["avrpc-refused"]))
        if "avrpc" not in meta or answer_serial != serial:
            raise Refused(1, "the server speaks plain Avro RPC, or answers something else")
        theirs = decode_whole(HELLO, meta["avrpc"])
        accepted = limits_of(theirs["limits"])
        if not theirs["minVersion"] == theirs["maxVersion"] == 1:
            raise Refused(41, "the server chose a version that was not offered")
        match = answer["match"]
        matches.append(match)
        if match != "BOTH":
            server = Protocol(answer["serverProtocol"] or "")
            server_md5, server_sha256 = server.hashes
            own = own or server if match == "NONE" else own
        if theirs["sha256"] != server_sha256 or answer["serverHash"] not in {None, server_md5}:
            raise Refused(32, "the server's text is another one than its hashes say")
        if match != "NONE" and own:
            codec = next((one for one in features if one in theirs["features"]), None)
            return Agreement(own, accepted, " ".join(matches), codec)
    raise Refused(32, "the server did not take the text")


def greet_client(
    sock: socket.socket,
    own: Protocol,
    known: dict[Hashes, Protocol],
    limits: Limits,
    asked: bytes | None,
    features: list[str],
) -> Agreement:
    """Shake hands as a server (4.5), which learns the texts that are its own in another form.

    Clients have to show the credentials `asked`, if it is not None (4.8).
    """

    def answer(match: str, text: str | None, md5: bytes | None, **meta: bytes) -> None:
        matches.append(match)
        send_pack(sock, serial, make(RESPONSE, match, text, md5, meta))

    matches = list[str]()
    for longest, second in ((16 * 1024, False), (288 * 1024, True)):
        serial, pack = read_pack(sock, longest)
        try:
            request = read_request(pack, own, known, asked, second=second)
        except Malformed as error:
            answer("NONE", None, None, **{"avrpc-refused": make(REFUSAL, 1, str(error))})
            raise
        except Refused as error:
            if error in (PLAIN, STRANGER):
                plain = make(RESPONSE, "BOTH", None, None, None) + b"\0\1\0"
                send_pack(sock, serial, plain + blob(error.text.encode()))
            else:
                refusal = make(REFUSAL, error.code, error.text)
                answer("NONE", None, None, **{"avrpc-refused": refusal})
            raise
        hashes, believed, accepted, theirs = request
        codec = next((one for one in theirs if one in features), None)
        in_use = [codec] if codec else []
        hello = make(HELLO, 1, 1, own.name, [own.name], own.hashes[1], in_use, limits)
        if hashes in known and believed == own.hashes[0]:
            answer("BOTH", None, None, avrpc=hello)
        else:
            match = "CLIENT" if hashes in known else "NONE"
            answer(match, own.text, own.hashes[0], avrpc=hello)
        if hashes in known:
            return Agreement(known[hashes], accepted, " ".join(matches), codec)
    raise AssertionError("the second round always ends")


def read_request(
    pack: bytes,
    own: Protocol,
    known: dict[Hashes, Protocol],
    asked: bytes | None,
    *,
    second: bool,
) -> tuple[Hashes, bytes, dict[str, int], list[str]]:
    """Give the client's hashes, what it takes for the server's MD5, its limits and features."""
    r = Reader(pack)
    request = decode(REQUEST, r)
    if asked is not None and (request["meta"] or {}).get("avrpc-auth") != asked:
        time.sleep(STRANGERS_WAIT)
        raise Refused(33, "not authenticated") if "avrpc" in (request["meta"] or {}) else STRANGER
    if "avrpc" not in (request["meta"] or {}):
        raise PLAIN
    hello = decode_whole(HELLO, request["meta"]["avrpc"])
    text, hashes = request["clientProtocol"], (request["clientHash"], hello["sha256"])
    if not hello["minVersion"] <= 1 <= hello["maxVersion"]:
        raise Refused(41, "this server speaks version 1")
    limits = limits_of(hello["limits"])
    if r.rest() != b"\0\0":
        raise Malformed("no ping, or more than that")
    if hello["protocol"] not in {"", own.name}:
        raise Refused(39, f"no protocol {hello['protocol']!r} here; there is {own.name}")
    if not second and text is not None:
        raise Malformed("a text in the first pack")
    if second:
        try:
            client = Protocol(text or "")
        except Malformed as error:
            raise Refused(32, str(error)) from error
        if client.hashes != hashes:
            raise Refused(32, "the text has other hashes")
        if json.loads(client.text) != json.loads(own.text):
            raise Refused(40, "this server takes only its own text, in whatever form")
        known[hashes] = client
    return hashes, request["serverHash"], limits, hello["features"]


# -- Calls and frames, alike on both ends ----------------------------------------------------------


class Call:
    def __init__(self, peer: Peer, message: Message) -> None:
        self.peer, self.message = peer, message
        self.id = 0  # a client's call gets it when its CALL goes out
        up, down = message.up, message.down  # the schemas of the items, if any
        self.sends, self.takes = (up, down) if peer.is_client else (down, up)
        self.credit = peer.theirs["windowBytes"]  # what this end may still send (8)
        self.granted = peer.mine["windowBytes"]  # what the other end may still send
        self.owed = 0  # what was taken and not yet given back
        self.inbox: deque[tuple[int, Any]] = deque()  # items, each with its size
        self.half: bytearray | None = None  # a value that comes in pieces (9)
        self.half_kind = 0
        self.metadata: dict[str, bytes] = {}  # a server's came with CALL, a client's at the end
        self.done = False  # no more items come: END is here, or the outcome
        self.over = False  # nothing can be sent any more
        self.failed: Exception | None = None
        self.value: Any = None
        # On a server:
        self.steps: Steps | None = None  # the handler, and what it waits for
        self.ready: Callable[[], object] = lambda: True
        self.started = False
        self.answer_metadata: dict[str, bytes] = {}
        self.ms_left = float("inf")
        self.deadline = float("inf")

    def sending(self, *items: Any) -> Steps:
        """Send items: one, or as many as fit a frame. Stops if the call is over."""
        value = b"".join(encode(self.sends, item) for item in items)
        yield lambda: self.credit > 0 or self.over
        self.credit -= len(value)
        yield from self.peer.putting(ITEMS, self, struct.pack(">H", len(items)), value)

    def taking(self, most: int | None = None) -> Steps:
        """Give a list of the items that are here; wait for one; an empty list is the end."""
        yield lambda: self.inbox or self.done
        if self.failed and not self.inbox:
            raise self.failed
        taken = [self.inbox.popleft() for _ in list(self.inbox)[:most]]
        self.owed += sum(size for size, _ in taken)
        items = [item for _, item in taken]
        if self.owed >= self.peer.mine["windowBytes"] // 2 and not self.done and not self.over:
            self.peer.put(CREDIT, long(self.owed), self)
            self.granted += self.owed
            self.owed = 0
        return items

    # For clients, which have a thread to wait in:

    def send(self, *items: Any) -> None:
        self.peer.run(self.sending(*items))

    def __iter__(self) -> Iterator[Any]:
        while items := self.peer.run(self.taking()):
            yield from items

    def result(self) -> Any:
        self.peer.pump(lambda: self.done)
        if self.failed:
            raise self.failed
        return self.value

    def end(self) -> None:
        if not self.over:
            self.peer.put(END, b"", self)
        self.peer.flush()

    def cancel(self) -> None:
        if not self.over:
            self.peer.put(CANCEL, b"", self)
            self.over = True
            self.inbox.clear()
        self.peer.flush()


class Peer:
    is_client = True

    def __init__(self, sock: socket.socket, agreement: Agreement, mine: Limits) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = sock.gettimeout() or float("inf")
        sock.setblocking(False)  # the handshake is done; from now on it is `select` that waits
        self.sock, self.mine = sock, limits_of(mine)
        self.protocol, self.theirs, self.matches, self.codec = agreement
        self.messages = self.protocol.messages
        self.calls: dict[int, Call] = {}  # the open ones
        self.last_call = self.pieces_out = self.pong = 0
        self.goaway: Coded | None = None  # what the other end said
        self.lost = ""  # why the connection ended
        self.came, self.out = bytearray(), bytearray()
        self.log: list[tuple[str, int, int, bytes]] = []  # "sent" or "got", kind, flags, fields

    # Waiting

    def run(self, steps: Steps) -> Any:
        """Go through the steps, and see what was sent on its way."""
        try:
            while True:
                self.pump(next(steps))
        except StopIteration as stop:
            self.flush()
            return stop.value

    def flush(self) -> None:
        self.pump(lambda: not self.out)

    def pump(self, ready: Callable[[], object]) -> None:
        """Read and write until it is ready."""
        until = time.monotonic() + self.timeout
        while not ready():
            if self.lost:
                raise Lost(self.lost)
            if time.monotonic() > until:
                raise TimeoutError("nothing came")
            self.step(until)

    def step(self, until: float, *also: socket.socket) -> None:
        """Wait until the socket takes or gives something, and let it."""
        wait = None if until == float("inf") else max(until - time.monotonic(), 0)
        writing = [self.sock] if self.out else []
        readable, writable, _ = select.select([self.sock, *also], writing, [], wait)
        try:
            if writable:
                del self.out[: self.sock.send(self.out[:65_536])]
            if self.sock in readable:
                came = self.sock.recv(65_536)
                self.came += came
                self.receive_frames()
                if not came or (self.is_client and self.goaway and not self.calls):
                    self.close("the other end closed, or said goodbye")
        except (Violation, Malformed) as error:  # Malformed: fields; values are looked after
            self.put_goaway(error.code if isinstance(error, Violation) else 1, str(error))
            with contextlib.suppress(OSError):
                self.sock.settimeout(1)  # blocking again, for the last time
                self.sock.sendall(self.out)
                self.sock.shutdown(socket.SHUT_WR)
                while self.sock.recv(65_536):  # closing with bytes unread is a reset on TCP,
                    pass  # which can take the GOAWAY from the other end
            self.close(str(error))
        except OSError as error:
            self.close(str(error))

    def close(self, why: str) -> None:
        self.lost = self.lost or why
        self.sock.close()
        for call in list(self.calls.values()):
            self.forget(call)

    def forget(self, call: Call, error: Exception | None = None, value: Any = None) -> None:
        """Take a call from the table: it has ended well, with an error, or with the connection."""
        error = error or (Lost(self.lost) if self.lost else None)
        call.value, call.failed = value, call.failed or error
        call.done = call.over = True
        del self.calls[call.id]
        if call.steps:
            call.steps.close()  # its handler ends here

    # Sending

    def put(self, kind: int, body: bytes, call: Call | None = None, flags: int = 0) -> None:
        if call:
            body = long(call.id) + body
        self.log.append(("sent", kind, flags, body))
        self.out += struct.pack(">I", flags << 28 | kind << 24 | len(body)) + body

    def putting(self, kind: int, call: Call, fields: bytes, value: bytes, flags: int = 0) -> Steps:
        """Send a value behind its fields, in pieces if it has to be (9)."""
        room = self.theirs["maxFrameBytes"] - 10 - len(fields)  # 10: the longest call id
        if len(value) > self.theirs["maxMessageBytes"]:
            raise Status(8, "the value is larger than the other end takes")
        pieces = len(value) > room
        while pieces and self.pieces_out >= self.theirs["maxValuesInPieces"] and not call.over:
            yield lambda: self.pieces_out < self.theirs["maxValuesInPieces"] or call.over
        self.pieces_out += pieces
        try:
            for at in range(0, len(value) or 1, room):
                more = MORE if at + room < len(value) else 0
                if kind == CALL and not call.id:
                    call.id = self.last_call = self.last_call + 1
                    self.calls[call.id] = call
                if not call.over:
                    flags, body = self.squeezed(flags, fields, value[at : at + room])
                    self.put(kind, body, call, flags | more)
                fields, flags = b"", 0
                if more:
                    yield lambda: not self.out  # meanwhile frames of other calls go by
        finally:
            self.pieces_out -= pieces

    def squeezed(self, flags: int, fields: bytes, value: bytes) -> tuple[int, bytes]:
        """Compress the value behind its fields, if that makes it smaller (15)."""
        if self.codec and 256 <= len(value) <= 65_536:
            compressed = long(len(value)) + snappy.compress(value)
            if len(compressed) < len(value):
                return flags | COMPRESSED, fields + compressed
        return flags, fields + value

    def put_goaway(self, code: int, text: str) -> None:
        self.put(GOAWAY, long(self.last_call) + long(code) + blob(text.encode()[:1024]))

    def ping(self, value: int) -> None:
        self.put(PING, long(value))
        self.pump(lambda: self.pong == value)

    # Receiving

    def receive_frames(self) -> None:
        while len(self.came) >= 4 and not self.lost:
            (head,) = struct.unpack_from(">I", self.came)
            length, kind, flags = head & 0xFFFFFF, head >> 24 & 15, head >> 28
            if length > self.mine["maxFrameBytes"]:
                raise Violation(6, f"a frame of {length} bytes")
            if len(self.came) < 4 + length:
                break
            body = bytes(self.came[4 : 4 + length])
            del self.came[: 4 + length]
            self.log.append(("got", kind, flags, body))
            self.receive(kind, flags, Reader(body))

    def receive(self, kind: int, flags: int, r: Reader) -> None:
        from_one = {RESULT, ERROR, STATUS} if self.is_client else {CALL, END, CANCEL}
        from_both = {ITEMS, CREDIT, PING, PONG, GOAWAY}
        legal = FLAGS.get(kind, 0) | (COMPRESSED if self.codec and kind in WITH_VALUE else 0)
        if kind not in from_one | from_both or flags & ~legal:
            raise Violation(1, f"kind {kind} with flags {flags}")
        number = r.long()  # a call's, but for these three
        if kind == PING:
            self.put(PONG, long(number))
        elif kind == PONG:
            self.pong = number
        elif kind == GOAWAY:
            self.goaway = Status(r.long(), r.string())
            for later_call in [n for n in self.calls if self.is_client and n > number]:
                self.forget(self.calls[later_call], Status(14, f"not run: {self.goaway}"))
            if self.goaway.code not in {0, 37}:
                self.close(str(self.goaway))
        elif call := self.calls.get(number) or self.receive_new(number, kind, flags, r):
            later = call.half is not None and kind == call.half_kind
            if later and flags & ~(MORE | COMPRESSED):
                raise Violation(1, f"flags {flags} on a later piece")
            if call.half is not None and not later and kind not in {CREDIT, CANCEL, STATUS}:
                raise Violation(1, "another frame amid the pieces of a value")
            if kind == ITEMS:
                self.receive_items(call, flags, r, later=later)
            elif kind == CREDIT:
                self.receive_credit(call, r.long())
            else:
                self.receive_rest(call, kind, flags, r, later=later)
        else:
            return  # it crossed the end of its call
        r.end()

    def receive_credit(self, call: Call, grant: int) -> None:
        if call.sends is None:
            raise Violation(1, "CREDIT for no items")
        if grant < 1 or call.credit + grant > 2**31 - 1:
            raise Violation(3, f"CREDIT of {grant}")
        call.credit += grant

    def receive_items(self, call: Call, flags: int, r: Reader, *, later: bool) -> None:
        count = 1 if later else int.from_bytes(r.take(2), "big")
        chunk = self.value(flags, r)
        if call.takes is None or (call.done and not call.failed):
            raise Violation(1, "items where none can be")
        if not 1 <= count <= len(chunk) or (flags & MORE and count > 1):
            raise Violation(1, f"a count of {count}")
        if not later and call.granted <= 0:
            raise Violation(3, "items without credit")
        call.granted -= len(chunk)
        value = chunk if count > 1 else self.gather(call, ITEMS, flags, chunk)
        if value is None or call.over:
            return
        items, found = Reader(value), []
        try:
            for _ in range(count):
                start = items.at
                item = decode(call.takes, items)
                found.append((items.at - start, item))
            items.end()
        except Malformed as error:
            self.fail(call, Status(3, str(error)))
        else:
            call.inbox.extend(found)

    def gather(self, call: Call, kind: int, flags: int, chunk: bytes) -> bytes | None:
        """Put the pieces of a value together, and give it when it is whole (9)."""
        value = bytearray() if call.half is None else call.half
        if len(chunk) < (1024 if flags & MORE else call.half is not None):
            raise Violation(1, f"a piece of {len(chunk)} bytes")
        if flags & MORE and call.half is None:
            halves = sum(other.half is not None for other in self.calls.values())
            if halves >= self.mine["maxValuesInPieces"]:
                raise Violation(1, "too many values in pieces")
        if not call.over:  # what comes after is for nobody
            value += chunk
        call.half, call.half_kind = (value if flags & MORE else None), kind
        if len(value) > self.mine["maxMessageBytes"]:
            self.fail(call, Status(8, "the value is too large"))
            value.clear()
        return None if flags & MORE else bytes(value)

    def value(self, flags: int, r: Reader) -> bytes:
        """What follows the fields, as it was before it was compressed (15)."""
        if not flags & COMPRESSED:
            return r.rest()
        size = r.long()
        if size > min(65_536, self.mine["maxFrameBytes"]):
            raise Violation(6, f"a frame that inflates to {size} bytes")
        try:
            return snappy.inflate(r.rest(), max(size, 1))
        except snappy.Garbled as error:
            raise Violation(1, str(error)) from error

    def read_metadata(self, flags: int, r: Reader) -> dict[str, bytes]:
        if not flags & METADATA:
            return {}
        start, metadata = r.at, dict(decode(BYTES_MAP, r))
        if len(metadata) > 64 or r.at - start > self.mine["maxMetadataBytes"]:
            raise Violation(1, "too much metadata")
        return metadata

    # What the two ends do in their own ways

    def receive_new(self, number: int, kind: int, flags: int, r: Reader) -> Call | None:
        """What comes for a call that is not open: a new call, None to drop it, or a violation."""
        raise Violation(1, f"kind {kind} for call {number}, which is not open")

    def receive_rest(self, call: Call, kind: int, flags: int, r: Reader, *, later: bool) -> None:
        """Take any other frame of a call."""
        raise NotImplementedError

    def fail(self, call: Call, error: Status) -> None:
        """End a call from this end."""
        raise NotImplementedError


# -- A client and a server -------------------------------------------------------------------------


class Client(Peer):
    """Connects, and takes the server's text if it is given none.

    `server_text` is what it takes the server's text to be, by default its own.
    """

    def __init__(
        self,
        address: tuple[str, int],
        text: str | None = None,
        *,
        server_text: str | None = None,
        wanted: str = "",
        limits: Limits | None = None,
        timeout: float | None = None,
        credentials: bytes | None = None,
        features: list[str] | None = None,
    ) -> None:
        own = Protocol(text) if text else None
        server = Protocol(server_text) if server_text else own
        sock = socket.create_connection(address, timeout)
        try:
            agreement = greet_server(
                sock, wanted, own, server, limits or {}, credentials, features or []
            )
        except BaseException:
            sock.close()
            raise
        super().__init__(sock, agreement, limits or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.lost:
            self.put_goaway(0, "goodbye")
            with contextlib.suppress(Lost, TimeoutError):
                self.flush()
            self.close("closed here")

    def opening(
        self, name: str, ms_left: int | None = None, metadata: Any = None, **params: Any
    ) -> Steps:
        """Begin a call when there is a slot for it, and give it."""
        call = Call(self, next(message for message in self.messages if message.name == name))
        flags, fields = 0, long(call.message.number)
        if ms_left is not None:
            flags, fields = DEADLINE, fields + long(ms_left)
        if metadata:
            flags, fields = flags | METADATA, fields + encode(BYTES_MAP, metadata)
        value = encode(call.message.params, params)

        def free() -> bool:
            streams = sum(call.message.streams for call in self.calls.values())
            return (
                len(self.calls) < self.theirs["maxCalls"]
                and (not call.message.streams or streams < self.theirs["maxStreamedCalls"])
                and self.pieces_out < self.theirs["maxValuesInPieces"]
            )

        while not free():
            yield free
        if self.goaway:
            raise Status(14, f"the server said goodbye: {self.goaway}")
        yield from self.putting(CALL, call, fields, value, flags)
        return call

    def open(self, name: str, **params: Any) -> Call:
        call: Call = self.run(self.opening(name, **params))
        return call

    def call(self, name: str, **params: Any) -> Any:
        return self.open(name, **params).result()

    def receive_rest(self, call: Call, kind: int, flags: int, r: Reader, *, later: bool) -> None:
        if not later:
            call.metadata = self.read_metadata(flags, r)
        if kind == STATUS:
            code, text = r.long(), r.string()
            self.forget(call, Status(code, text, started=bool(flags & STARTED)))
        elif (value := self.gather(call, kind, flags, self.value(flags, r))) is not None:
            try:
                if call.over:
                    self.forget(call, Status(1, "cancelled here"))
                elif kind == RESULT:
                    self.forget(call, None, decode_whole(call.message.result, value))
                else:
                    branch = (fields := Reader(value)).long()
                    error = decode_whole(pick(call.message.errors, branch), fields.rest())
                    self.forget(call, Declared(branch, error))
            except Malformed as error:
                self.forget(call, error)

    def fail(self, call: Call, error: Status) -> None:
        if not call.over:
            call.failed, call.done, call.over = error, True, True
            call.inbox.clear()
            self.put(CANCEL, b"", call)


class Connection(Peer):
    """What a server has for each client.

    A handler is called with the call and its parameters. If it streams, or waits, it is a
    generator: `yield from call.sending(item)`, `items = yield from call.taking()`. A CANCEL or
    the deadline closes the generator where it waits.
    """

    is_client = False
    handlers: Mapping[str, Callable[..., Any]]
    last_said: int | None = None  # the last call of the GOAWAY that was sent

    def live(self, stop: socket.socket) -> None:
        """Serve until the client leaves, or until `stop` can be read and the calls have ended."""
        self.unfinished: set[int] = set()  # calls that ended before their CALL was complete
        self.errors: list[Exception] = []  # what handlers failed with
        while not self.lost:
            also = [stop] if self.last_said is None else []
            if also and select.select(also, [], [], 0)[0]:
                self.drain()
            if (self.goaway or self.last_said is not None) and not self.calls and not self.out:
                self.close("goodbye")
                break
            self.step(
                min((call.deadline for call in self.calls.values()), default=float("inf")), *also
            )
            while sum(self.advance(call) for call in list(self.calls.values())):
                pass

    def drain(self) -> None:
        """Take no more calls, and leave when those that are open have ended."""
        self.last_said = self.last_call
        self.put_goaway(37, "this server closes")

    def advance(self, call: Call) -> bool:
        """Let a handler go on, if what it waits for is there."""
        if time.monotonic() >= call.deadline:
            self.fail(call, Status(4, "the time is up"))
        elif call.steps and call.ready():
            call.ready = next(call.steps, lambda: False)
            return True
        return False

    def receive_new(self, number: int, kind: int, flags: int, r: Reader) -> Call | None:
        if self.last_said is not None and number > self.last_said:
            return None  # GOAWAY said that it is not run
        if kind == CALL and self.goaway and number > self.last_call:
            raise Violation(1, "a call after the client's goodbye")
        if kind == CALL and number == self.last_call + 1:
            call = Call(self, pick(self.messages, r.long()))
            call.id = self.last_call = number
            call.ms_left = r.long() if flags & DEADLINE else call.ms_left
            call.metadata = self.read_metadata(flags, r)
            self.calls[number] = call
            streams = sum(call.message.streams for call in self.calls.values())
            if len(self.calls) > self.mine["maxCalls"] or (
                call.message.streams and streams > self.mine["maxStreamedCalls"]
            ):
                raise Violation(1, "more calls than there are slots")
            return call
        late = number in self.unfinished if kind == CALL else kind in {ITEMS, END, CANCEL, CREDIT}
        if not late or not 0 < number <= self.last_call:
            raise Violation(1, f"kind {kind} for call {number}; {self.last_call} was the last")
        if kind == CANCEL or not flags & MORE:
            self.unfinished.discard(number)
        return None

    def receive_rest(self, call: Call, kind: int, flags: int, r: Reader, *, later: bool) -> None:
        if kind == CALL:
            value = self.gather(call, CALL, flags, self.value(flags, r))
            if call.steps:
                raise Violation(1, f"call {call.id} again")
            if value is not None and not call.over:
                call.deadline = time.monotonic() + call.ms_left / 1000
                call.steps = self.handle(call, value)
        elif kind == CANCEL:
            self.fail(call, Status(1, "cancelled"))
        elif call.takes and not call.done:
            call.done = True
        else:
            raise Violation(1, "END where it can't be")

    def handle(self, call: Call, value: bytes) -> Steps:
        """Run the handler, and send the outcome of its call."""
        try:
            try:
                params = decode_whole(call.message.params, value)
            except (Malformed, RecursionError) as error:
                raise Status(3, str(error)) from error
            if call.message.name not in self.handlers:
                raise Status(12, f"no handler for {call.message.name}")
            call.started = True
            try:
                result = self.handlers[call.message.name](call, **params)
                if inspect.isgenerator(result):
                    result = yield from result
                kind, value = RESULT, encode(call.message.result, result)
            except Declared as error:
                value = encode(call.message.errors[error.branch], error.value)
                kind, value = ERROR, long(error.branch) + value
            flags, fields = 0, b""
            if call.answer_metadata:
                flags, fields = METADATA, encode(BYTES_MAP, call.answer_metadata)
            yield from self.putting(kind, call, fields, value, flags)
            call.steps = None  # not to be closed by `forget`, as it runs
            self.forget(call)
        except Exception as error:  # noqa: BLE001 - whatever a handler does, its call has an outcome
            call.steps = None
            self.fail(call, error if isinstance(error, Status) else Status(2, self.noted(error)))

    def noted(self, error: Exception) -> str:
        """Keep an error for whoever looks after the server; the caller learns its number."""
        self.errors.append(error)
        return f"error {len(self.errors)} of this connection"

    def fail(self, call: Call, error: Status) -> None:
        if call.half is not None and call.half_kind == CALL and error.code != 1:
            self.unfinished.add(call.id)
        self.forget(call)
        flags = STARTED if call.started else 0
        self.put(STATUS, long(error.code) + blob(error.text.encode()[:1024]), call, flags)


class Server:
    """Serves on a port of 127.0.0.1."""

    connection_type: type[Connection] = Connection

    def __init__(
        self,
        text: str,
        handlers: Mapping[str, Callable[..., Any]],
        *,
        limits: Limits | None = None,
        timeout: float | None = None,
        credentials: bytes | None = None,
        features: list[str] | None = None,
    ) -> None:
        self.credentials, self.features = credentials, features or []
        self.own, self.handlers = Protocol(text), handlers
        self.known = {self.own.hashes: self.own}
        self.limits, self.timeout = limits or {}, timeout
        self.connections: queue.SimpleQueue[Connection] = queue.SimpleQueue()  # as they come
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.listener.getsockname()
        self.stop, self.stopped = socket.socketpair()
        self.threads = [threading.Thread(target=self.accept_all, daemon=True)]
        self.threads[0].start()

    def accept_all(self) -> None:
        while True:
            readable, _, _ = select.select([self.listener, self.stopped], [], [])
            if self.stopped in readable:
                return
            sock, _ = self.listener.accept()
            sock.settimeout(self.timeout)
            self.threads.append(threading.Thread(target=self.serve, args=(sock,), daemon=True))
            self.threads[-1].start()

    def serve(self, sock: socket.socket) -> None:
        try:
            agreement = greet_client(
                sock, self.own, self.known, self.limits, self.credentials, self.features
            )
        except (Refused, Malformed, Lost, OSError):
            sock.close()
            return
        connection = self.connection_type(sock, agreement, self.limits)
        connection.handlers = self.handlers
        self.connections.put(connection)
        connection.live(self.stopped)

    def close(self) -> None:
        """Say goodbye, finish what is open, and close."""
        self.stop.close()
        for thread in self.threads:
            thread.join(self.timeout)
        self.listener.close()
        self.stopped.close()
