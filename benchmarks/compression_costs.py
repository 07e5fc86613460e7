"""What compression costs and wins: `python -m benchmarks.compression_costs` (extra test).

Two cores face to face in one process, with a codec and without, in turns. What compression costs is
the CPU that the two take more, of the end that sends and of the one that receives, over all that a
frame goes through; medians of all rounds. From it and from the bytes that are saved follows the
bandwidth of a network below which a value arrives sooner compressed: there the bytes saved take
longer to travel than both ends take for them.
"""

from __future__ import annotations

import json
import random
import statistics
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from avrpc.wire import CODECS, Codec, Connection, MessageShape, Role, WireLimits, open_codec
from avrpc.wire.packs import encode_pack
from avrpc.wire.primitives import encode_bytes, encode_long

ROUNDS = 5
BYTES = 4_000_000  # of each work, uncompressed, in a round
MOST_FRAMES = 20_000
SIZES = (100, 300, 1024, 4096, 16 * 1024, 64 * 1024, 1024 * 1024)
LIMITS = WireLimits(window_bytes=2**31 - 1)
UNARY, DOWN = MessageShape(False, False, 2**22), MessageShape(False, True, 2**22)


class Work(NamedTuple):
    """What is sent: frames of items, or values of which each is the parameters of a call."""

    name: str
    frames: Sequence[Sequence[bytes]]
    streamed: bool

    @property
    def size(self) -> int:
        """In bytes, uncompressed."""
        return sum(len(item) for frame in self.frames for item in frame)


class Cost(NamedTuple):
    """What one round took: CPU seconds of the sender and of the receiver, and bytes."""

    sender: float
    receiver: float
    travelled: int


# What is sent ...


def ticks(count: int) -> list[bytes]:
    """Records of a symbol, a price that moves by little, a size and a time: 23 bytes each."""
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    price, at = 1.08, 1_700_000_000_000
    made = []
    for _ in range(count):
        price = round(price + chance.choice((-1, 0, 1)) * 1e-4, 4)
        at += chance.randrange(1, 100)
        symbol = chance.choice((b"EURUSD", b"GBPUSD", b"USDJPY", b"AUDUSD"))
        size = encode_long(chance.randrange(1, 1000))
        made.append(encode_bytes(symbol) + struct.pack("<d", price) + size + encode_long(at))
    return made


def orders(chance: random.Random) -> bytes:
    """One entry of an Avro record of orders: numbers, names, and doubles that all differ."""
    return (
        encode_long(chance.randrange(10**6))
        + encode_bytes(chance.choice((b"Alice", b"Bob", b"Carol", b"Dorothy")))
        + encode_bytes(b"user%d@example.com" % chance.randrange(9999))
        + struct.pack("<d", chance.random() * 100)
        + encode_long(chance.randrange(5))
    )


def text(chance: random.Random) -> bytes:
    """One entry of a text in JSON, of the same kind."""
    entry = {
        "id": chance.randrange(10**6),
        "name": chance.choice(("Alice", "Bob", "Carol", "Dorothy")),
        "email": f"user{chance.randrange(9999)}@example.com",
        "score": round(chance.random() * 100, 2),
    }
    return json.dumps(entry).encode() + b",\n"


def noise(chance: random.Random) -> bytes:
    """Bytes that nothing makes smaller."""
    return chance.randbytes(100)


def values(name: str, entry: Callable[[random.Random], bytes], size: int) -> Work:
    """Values of a size, each made of other entries."""
    chance = random.Random(size)  # noqa: S311 - the same ones each time
    count = max(1, min(MOST_FRAMES // 4, BYTES // size))
    made = []
    for _ in range(count):
        value = bytearray()
        while len(value) < size:
            value += entry(chance)
        made.append([bytes(value[:size])])
    return Work(f"{name}, {size:,} bytes", made, streamed=False)


def works() -> list[Work]:
    """All that is measured."""
    made = []
    for per_frame in (1, 3, 10, 100, 2400):
        count = min(MOST_FRAMES * per_frame, BYTES // 23) // per_frame * per_frame
        items = ticks(count)
        frames = [items[at : at + per_frame] for at in range(0, count, per_frame)]
        made.append(Work(f"Ticks, streamed, {per_frame:,} in a frame", frames, streamed=True))
    for name, entry in (("record", orders), ("JSON", text), ("noise", noise)):
        made += [values(name, entry, size) for size in SIZES if name != "noise" or size > 1024]
    return made


# ... and what that takes.


def core(role: Role, codec: Codec | None) -> Connection:
    """One end, its handshake over."""
    made = Connection(role, LIMITS)
    made.receive_data(encode_pack(0, b""))
    made.native(LIMITS, [UNARY, DOWN], codec)
    made.data_to_send().clear()
    return made


def measure(work: Work, codec: Codec | None) -> Cost:
    """Send all of it, the items from the server, the values from the client."""
    ends = {role: core(role, codec) for role in Role}
    client, server = ends[Role.CLIENT], ends[Role.SERVER]
    call_id = client.outgoing.call(int(work.streamed), b"")
    pass_on(client, server)
    sender, receiver = (server, client) if work.streamed else (client, server)
    out, clock = sender.outgoing, time.process_time
    sent = received = 0.0
    travelled = 0
    for frame in work.frames:
        begin = clock()
        if work.streamed:
            for item in frame:
                out.item(call_id, item)
        else:
            call_id = out.call(0, frame[0])
        data = take(sender)
        between = clock()
        receiver.receive_data(data)
        end = clock()
        sent += between - begin
        received += end - between
        travelled += len(data)
        if not work.streamed:
            receiver.outgoing.result(call_id)
            pass_on(receiver, sender)
    return Cost(sent, received, travelled)


def take(end: Connection) -> bytes:
    """All that an end has to send."""
    taken = b""
    while data := bytes(end.data_to_send()):
        end.sent(len(data))
        taken = taken + data if taken else data
    return taken


def pass_on(sender: Connection, receiver: Connection) -> None:
    """Let an end have what the other sends."""
    receiver.receive_data(take(sender))


def added(plain: list[Cost], compressed: list[Cost], end: str) -> float:
    """CPU seconds that one end takes more: the median over the rounds, at least nothing."""
    pairs = zip(plain, compressed, strict=True)
    return max(0.0, statistics.median(getattr(two, end) - getattr(one, end) for one, two in pairs))


def line(work: Work, codec: str, plain: list[Cost], compressed: list[Cost]) -> str:
    """What is told of a work and a codec."""
    megabytes = work.size / 1e6
    sender, receiver = (added(plain, compressed, end) for end in ("sender", "receiver"))
    ratio = plain[0].travelled / compressed[0].travelled
    saved = plain[0].travelled - compressed[0].travelled
    pays = "never"
    if saved > plain[0].travelled / 100:
        pays = f"{saved * 8 / 1e6 / (sender + receiver):,.0f}" if sender + receiver else "always"
    frames = len(work.frames)
    return (
        f"{work.name:34} {codec:7} {ratio:6.2f}"
        f" {sender / megabytes * 1e3:8.2f} {receiver / megabytes * 1e3:8.2f}"
        f" {sender / frames * 1e6:9.1f} {receiver / frames * 1e6:9.1f} {pays:>10}"
    )


def main() -> None:
    """Print the figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print("CPU that compression adds, at the sender and at the receiver; medians of", rounds)
    print(
        f"{'':34} {'':7} {'ratio':>6} {'ms per MB':>17} {'us per frame or value':>19}"
        f" {'pays below':>10}"
    )
    print(f"{'':34} {'':7} {'':6} {'send':>8} {'take':>8} {'send':>9} {'take':>9} {'Mbit/s':>10}")
    codecs: dict[str, Codec | None] = {"": None, **{name: open_codec(name) for name in CODECS}}
    for work in works():
        costs: dict[str, list[Cost]] = {name: [] for name in codecs}
        for _ in range(rounds):
            for name, codec in codecs.items():
                costs[name].append(measure(work, codec))
        for name in CODECS:
            print(line(work, name, costs[""], costs[name]), flush=True)


if __name__ == "__main__":
    main()
