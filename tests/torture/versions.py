"""Random schemas, each with a random later version, and random payloads; 5,000 pairs if not told.

What the one version writes is read as the other, both ways. Any exception but ours ends it, and so
does a value that arrives and is none of the reader's.
"""

import json
import random
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from avrpc.schema import Branch
from avrpc.schema.codec import Codec, ItemsCodec
from avrpc.schema.compat import Verdict
from avrpc.schema.fit import At
from avrpc.schema.negotiation import Negotiation
from avrpc.schema.types import (
    NAMED,
    Array,
    Enum,
    Fixed,
    Map,
    Record,
    Type,
    Union,
    records_in,
)
from tests.schema.build import same
from tests.torture.figures import Run
from tests.torture.schemas import Maker, describe, may_be_item, payload, read
from tests.torture.watch import Watch

PROMOTED = {
    "int": ["long", "float", "double"],
    "long": ["float", "double"],
    "float": ["double"],
    "string": ["bytes"],
    "bytes": ["string"],
}
DEFAULTS: list[tuple[Any, Any]] = [
    ("int", 7),
    ("double", 1),
    ("string", "ÿ"),
    ("bytes", "ÿ"),
    (["null", "int"], None),
    ({"type": "array", "items": "int"}, [1, 2]),
    ({"type": "map", "values": "double"}, {"k": 1}),
    ({"type": "int", "logicalType": "date"}, 3),
]


class Later:
    """Makes a later version of a type's JSON: most of it stays, so that most of it fits."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.new = 0

    def often(self, share: float = 0.15) -> bool:
        return self.chance.random() < share

    def of(self, json: Any, depth: int = 0) -> Any:
        made = self._changed(json, depth)
        if not isinstance(made, list) and depth and self.often(0.05):
            made = self.chance.sample([made, "null"], 2) if made != "null" else ["null", "int"]
        return made

    def _changed(self, json: Any, depth: int) -> Any:
        chance = self.chance
        if isinstance(json, str):
            return chance.choice(PROMOTED[json]) if json in PROMOTED and self.often() else json
        if isinstance(json, list):
            branches = [self._changed(one, depth + 1) for one in json]
            if self.often():
                chance.shuffle(branches)
            if self.often() and len(branches) > 1:
                branches.pop()
            if self.often():
                branches.append(chance.choice(["null", "double", "boolean"]))
            return branches[0] if self.often(0.05) else branches
        made = dict(json)
        match json["type"]:
            case "array":
                made["items"] = self.of(json["items"], depth + 1)
            case "map":
                made["values"] = self.of(json["values"], depth + 1)
            case "record":
                made["fields"] = self._fields(json["fields"], depth)
            case "enum":
                made["symbols"] = chance.sample(["A", "B", "C", "D"], chance.randint(1, 4))
                if self.often(0.5):
                    made["default"] = made["symbols"][0]
            case _ if "logicalType" in json and self.often():
                return json["type"]
        return made

    def _fields(self, json: list[Any], depth: int) -> list[Any]:
        fields = [{**one, "type": self.of(one["type"], depth + 1)} for one in json]
        if self.often():
            self.chance.shuffle(fields)
        if fields and self.often():
            fields.pop()
        if fields and self.often():
            old = fields[0]["name"]
            fields[0] |= {"name": f"{old}_new", "aliases": [old]}
        if self.often(0.3):
            for _ in range(self.chance.choice([1, 1, 3, 60])):
                of, default = self.chance.choice(DEFAULTS)
                self.new += 1
                fields.append({"name": f"new{self.new}", "type": of, "default": default})
        return fields


LEAVES: dict[str, list[Any]] = {
    "null": [None],
    "boolean": [True, False],
    "int": [0, -1, (1 << 31) - 1],
    "long": [0, 5, -(1 << 63)],
    "float": [0.5, -0.0],
    "double": [1e300, 0.1],
    "bytes": [b"", b"\xff\x00"],
    "string": ["", "ÿ" * 9],
    "date": [date(2020, 1, 1)],
    "time-millis": [time(1, 2, 3)],
    "timestamp-micros": [datetime(2020, 1, 1, tzinfo=UTC)],
    "uuid": [UUID(int=5)],
    "decimal": [Decimal(7)],
}


def value(chance: random.Random, of: Type, depth: int = 0) -> Any:
    """A value of a type; nothing is in what is deep."""
    some = chance.choice([0, 1, 3]) if depth < 6 else 0
    match of:
        case Array():
            return [value(chance, of.items, depth + 1) for _ in range(some)]
        case Map():
            return {f"k{number}": value(chance, of.values, depth + 1) for number in range(some)}
        case Enum():
            return chance.choice(of.symbols)
        case Record():
            return {one.name: value(chance, one.type, depth + 1) for one in of.fields}
        case Union():
            ends = [branch for branch in of.branches if not records_in(branch)]
            branch = chance.choice(ends if ends and depth > 3 else of.branches)
            made = value(chance, branch, depth + 1)
            return Branch(branch.name, made) if of.tagged and isinstance(branch, NAMED) else made
        case Fixed():
            return bytes(of.size)
    return chance.choice(LEAVES[of.logical.name if of.logical else of.kind])


def main(count: int = 5_000, seed: int = 1) -> int:
    with Run("versions") as run:
        torture(run, count, seed)
    return run.exit_code


def torture(run: Run, count: int, seed: int) -> None:
    chance = random.Random(seed)
    watch = Watch()
    pairs = tried = arrived = 0
    while pairs < count:
        tried += 1
        json_of = json.loads(Maker(chance).protocol())
        response = json_of["messages"]["m"]["response"]
        texts = [
            json.dumps({**json_of, "messages": {"m": {"request": [], "response": one}}})
            for one in (response, Later(chance).of(response))
        ]
        versions = [*map(read, texts)]
        for writer, reader in ((0, 1), (1, 0)):
            server, client = versions[writer], versions[reader]
            if server is None or client is None:
                continue
            named = partial(describe, f"{texts[writer]} read as {texts[reader]}")
            fits = watch.call(partial(Negotiation, client, server), partial(named, b""))
            if Verdict.SAME < fits["m"].response.verdict < Verdict.INCOMPATIBLE:
                pairs += 1
                arrived += arriving(chance, watch, fits, named)
    run.add("pairs", pairs)
    run.add("of", tried)
    run.add("payloads", 20 * pairs)
    run.add("arrived", arrived)
    watch.tell(run, count)


def arriving(chance: random.Random, watch: Watch, fits: Negotiation, named: Any) -> int:
    """Send 20 payloads from the server to the client; count the values that arrive."""
    of, as_what = (end.messages["m"].response_type for end in (fits.server, fits.client))
    at = At("m()")
    writer, plain = Codec(of, at), Codec(as_what, at)
    reader = fits.at_client("m").response
    assert reader is not None
    items = ItemsCodec(as_what, at).reading(of, at, fits.comparison) if may_be_item(of) else None
    data, arrived = b"", 0
    for _ in range(20):
        data = payload(chance, data)
        sent = chance.random() < 0.5
        if sent:
            try:
                data = bytes(writer.encode(value(chance, of)))
            except RecursionError:  # a record that is only ever in itself
                sent = False
        got = watch.call(partial(read_as, reader, data), partial(named, data))
        if got is not None and sent:
            arrived += 1
            again = plain.decode(plain.encode(got[0]))  # so it is a value of the reader's
            assert same(again, got[0]), named(data)
        if items is not None:
            number = chance.choice([1, 2, 65535])
            watch.call(partial(in_portions, items, data, number), partial(named, data))
    return arrived


def read_as(codec: Codec, data: bytes) -> list[Any]:
    return [codec.decode(data)]


def in_portions(items: ItemsCodec, data: bytes, number: int) -> None:
    """Take the first portion of a frame, as a receiver does."""
    size, some = items.portion(data, number)
    items.decode(data[:size], some)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
