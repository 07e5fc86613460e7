"""Random schemas that pass the gate, each with random payloads; 10,000 if not told otherwise.

Any exception but ours ends it. A crash is seen by whoever started it.
"""

import json
import random
import sys
from functools import partial
from typing import Any

from avrpc.errors import SchemaError
from avrpc.schema import Protocol
from avrpc.schema.codec import Codec, ItemsCodec
from avrpc.schema.fit import At
from avrpc.schema.gate import record_sizes, shallow_order, size_of
from avrpc.schema.types import Type, components, held_records, records_in
from avrpc.schema.varint import write_long
from tests.torture.figures import Run
from tests.torture.targets.script import Script
from tests.torture.watch import Watch

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    ("int", "date"),
    ("int", "time-millis"),
    ("long", "timestamp-micros"),
    ("string", "uuid"),
    ("bytes", "decimal"),
]


class Maker:
    """Makes a protocol; names refer to types made before, and to those that are still open."""

    def __init__(self, chance: random.Random | Script) -> None:
        self.chance = chance
        self.names: list[str] = []

    def type(self, depth: int) -> Any:
        chance = self.chance
        kind = chance.choice("pppplamuurref") if depth else chance.choice("ppl")
        if kind == "l":
            of, name = chance.choice(LOGICAL)
            return {"type": of, "logicalType": name, "precision": chance.choice([1, 9, 1000])}
        if kind == "a":
            return {"type": "array", "items": self.type(depth - 1)}
        if kind == "m":
            return {"type": "map", "values": self.type(depth - 1)}
        if kind == "u":
            return [self.type(depth - 1) for _ in range(chance.randint(1, 5))]
        if kind == "r" and self.names and chance.random() < 0.5:
            return chance.choice(self.names)
        if kind in "ref":
            name = f"N{len(self.names)}"
            self.names.append(name)
            if kind == "e":
                return {"type": "enum", "name": name, "symbols": ["A", "B", "C"]}
            if kind == "f":
                return {"type": "fixed", "name": name, "size": chance.choice([0, 1, 16])}
            count = chance.choice([0, 1, 2, 5, 40])
            inside = depth - 1 if count < 10 else 0
            fields = [{"name": f"f{at}", "type": self.type(inside)} for at in range(count)]
            return {"type": "record", "name": name, "fields": fields}
        return chance.choice(PRIMITIVES)

    def protocol(self) -> str:
        message = {"request": [], "response": self.type(5)}
        return json.dumps({"protocol": "P", "messages": {"m": message}})


def payload(chance: random.Random, last: bytes) -> bytes:
    """Bytes of a length up to 64 KiB: noise, numbers, bombs, or the last ones with a change."""
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.choice([0, 1, 5, 50, 5000]))
        case 1:
            return b"".join(
                write_long(chance.randint(-3, 9)) for _ in range(chance.choice([9, 999]))
            )
        case 2:
            return chance.choice([b"\0", b"\1", b"\2", b"\4", b"\x7f"]) * chance.choice(
                [9, 9, 9, 65536]
            )
        case 3:
            count = chance.choice([100, 1 << 16, 1 << 30, 1 << 62, -1 << 63])
            return write_long(count) + chance.choice([b"\0", b"\2"]) * chance.choice(
                [1, 9, 9, 65536]
            )
        case 4:
            return b"\xff" * chance.choice([1, 9, 10, 10, 60000]) + b"\1"
    changed = bytearray(last or b"\0")
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def main(count: int = 10_000, seed: int = 1) -> int:
    with Run("schemas") as run:
        torture(run, count, seed)
    return run.exit_code


def torture(run: Run, count: int, seed: int) -> None:
    chance = random.Random(seed)
    watch = Watch()
    accepted = tried = 0
    while accepted < count:
        text = Maker(chance).protocol()
        tried += 1
        protocol = read(text)
        if protocol is None:
            continue
        accepted += 1
        of, data = protocol.messages["m"].response_type, b""
        codec = Codec(of, At("m()"))
        items = ItemsCodec(of, At("m()")) if may_be_item(of) else None
        for _ in range(20):
            data = payload(chance, data)
            number = chance.choice([1, 2, 65535])
            named = partial(describe, text, data)
            watch.call(lambda: codec.encode(codec.decode(data)), named)  # noqa: B023 - called at once
            if items is not None:
                watch.call(lambda: items.decode(data, number), named)  # noqa: B023
    run.add("schemas", accepted)
    run.add("of", tried)
    run.add("payloads", 20 * accepted)
    watch.tell(run, count)


def read(text: str) -> Protocol | None:
    """The protocol of a text; None where the gate refuses it."""
    try:
        return Protocol.parse(text)
    except SchemaError:
        return None


def may_be_item(of: Type) -> bool:
    """Whether a protocol may have an array of a type: it takes a byte at least."""
    records = [one for group in components(records_in(of), held_records) for one in group.records]
    return size_of(of, record_sizes(shallow_order(records))).least_bytes > 0


def describe(text: str, data: bytes) -> str:
    return f"{text} with {len(data)} bytes, {data[:50]!r}"


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
