"""Hostile schemas and values, each over a connection to a server that others use meanwhile."""

import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio

import avrpc
from avrpc.schema.varint import write_long
from avrpc.testing import open_pair
from tests.desk import DESK, desk_server, disguised
from tests.schema.build import record_json
from tests.torture.flood import MAX_GROWTH, in_memory, over_sockets


def text_of(*types: Any, **more: Any) -> str:
    return json.dumps(
        {"protocol": "Desk", "namespace": "test", "types": types, "messages": {}} | more
    )


def holding(inner: Any) -> str:
    return text_of(record_json(("f", inner), name="R"))


MARKED = {"type": "A", "__fastavro_parsed": 1, "__named_schemas": {"A": "A"}}
FIXED = {"type": "fixed", "name": "F", "size": 0}

HOSTILE_TEXTS = {
    "fastavro's own marks": (text_of(MARKED), "expected the definition"),
    "the marks inside": (holding(MARKED), "no type 'A'"),
    "a record in itself": (holding("R"), "hold itself without end"),
    "an array of nulls": (holding({"type": "array", "items": "null"}), "no bytes at all"),
    "an array of nothing": (holding({"type": "array", "items": FIXED}), "no bytes at all"),
    "deep": ("[" * 200_000, "64 brackets"),
    "long": (" " * 262_145, "262144 bytes"),
    "doubling": (
        text_of(
            record_json(name="R0"),
            *(record_json(("a", f"R{n}"), ("b", f"R{n}"), name=f"R{n + 1}") for n in range(22)),
        ),
        "more than 10000 values",
    ),
    "a chain": (
        text_of(*(record_json(("a", f"R{n + 1}"), name=f"R{n}") for n in range(998)),
                record_json(name="R998")),
        "levels deep",
    ),
    "a name of quotes": (text_of(record_json(name='a"b')), "expected a name"),
    "an enum called null": (text_of({"type": "enum", "name": "null", "symbols": []}), "primitive"),
    "a field that is a list": (text_of(record_json(([], "int"))), "expected a name"),  # type: ignore[arg-type]
    "a field twice": (text_of(record_json(("a", "int"), ("a", "int"))), "there twice"),
    "a union in a union": (holding([["null"], "int"]), "directly in a union"),
    "a branch twice": (holding(["int", "int"]), "already"),
    "fixed of -1": (text_of(FIXED | {"size": -1}), "number of bytes"),
    "a wrong default": (text_of(record_json(("a", "int", 1 << 80))), "expected a default"),
    "a key twice": ('{"protocol": "P", "protocol": "Q"}', "there twice"),
    "NaN": ('{"protocol": NaN}', "NaN"),
    "a long decimal": (
        holding({"type": "bytes", "logicalType": "decimal", "precision": 10**30}),
        "precision",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
async def test_hostile_text_is_refused_and_others_go_on(name: str) -> None:
    text, problem = HOSTILE_TEXTS[name]
    server = desk_server()
    async with open_pair(server, DESK) as other:
        with pytest.raises(avrpc.ConnectFailed) as caught:
            async with open_pair(server, disguised(text)):
                pass
        assert problem in str(caught.value)
        assert (await other.last("EURUSD"))["symbol"] == "EURUSD"


async def test_a_hash_that_is_not_the_texts_is_refused() -> None:
    server = desk_server()
    for claim in ("md5", "sha256"):
        mine = disguised(DESK.text + " ")
        setattr(mine, claim, bytes(len(getattr(mine, claim))))
        with pytest.raises(avrpc.ConnectFailed, match="not that of its hashes"):
            async with open_pair(server, mine):
                pass


LIST = record_json(("next", ["null", "L"]), name="L")
WIDE = record_json(("a", "boolean"), *((f"n{n}", "null") for n in range(50)), name="W")
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}

# The type of the one parameter, and the bytes that are sent for it.
HOSTILE_VALUES: dict[str, tuple[Any, bytes]] = {
    "a deep list": (LIST, b"\2" * 6000 + b"\0"),
    "a very deep list": (LIST, b"\2" * 1_000_000 + b"\0"),
    "many booleans": ({"type": "array", "items": "boolean"}, write_long(1 << 20) + bytes(1 << 20)),
    "many empty arrays": (
        {"type": "array", "items": {"type": "array", "items": "int"}},
        write_long(1 << 20) + bytes(1 << 20),
    ),
    "many wide records": ({"type": "array", "items": WIDE}, write_long(65_000) + bytes(65_000)),
    "a count of 2**40": ({"type": "array", "items": "int"}, write_long(1 << 40) + b"\0"),
    "a map of empty keys": (
        {"type": "map", "values": "null"},
        write_long(1 << 20) + bytes(1 << 20),
    ),
    "a long string of 3 bytes": ("string", write_long(1 << 40) + b"a"),
    "a negative length": ("bytes", b"\1abc"),
    "an endless number": ("long", b"\xff" * 100),
    "a number of 1 MiB": ("long", b"\x80" * (1 << 20) + b"\1"),
    "branch -1": (["null", "int"], b"\1\0"),
    "symbol -1": ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\1"),
    "no UTF-8": ("string", b"\x04\xed\xa0"),
    "a decimal of 256 KiB": (DECIMAL, write_long(1 << 18) + b"\x7f" * (1 << 18)),
    "a date far off": ({"type": "int", "logicalType": "date"}, write_long(1 << 30)),
    "nothing": ("int", b""),
    "too much": ("int", b"\0\0"),
}


@pytest.mark.parametrize("name", HOSTILE_VALUES)
async def test_hostile_value_is_an_error_of_its_call(name: str) -> None:
    of, data = HOSTILE_VALUES[name]
    text = json.dumps(
        {
            "protocol": "P",
            "messages": {
                "take": {"request": [{"name": "value", "type": of}], "response": "null"},
                "give": {"request": [], "response": "int"},
            },
        }
    )

    async def take(value: Any) -> None:
        pytest.fail("the handler was called")

    async def give() -> int:
        return 5

    server = avrpc.Server({avrpc.Protocol.parse(text): {"take": take, "give": give}})
    mine = avrpc.Protocol.parse(text)
    mine.messages["take"].request.encode = lambda value: bytearray(data)
    async with open_pair(server, mine) as client:
        with pytest.raises(avrpc.InvalidValue):
            await client.take(None)
        assert await client.give() == 5


SMALL = record_json(("a", "int"), name="S")
LARGE = record_json(("a", "int"), *((f"b{n}", "int", n) for n in range(500)), name="S")
COUNT = 20_000  # of bytes, from which 10 million values would be made


def of_records(record: Any) -> avrpc.Protocol:
    records = {"type": "array", "items": record}
    again = {"type": "array", "items": "S"}
    give = {"request": [], "response": records}
    take = {"request": [{"name": "some", "type": again}], "response": "long"}
    messages = {
        "give": give,
        "take": take,
        "stream": give | {"response": again, "stream": "response"},
        "send": take | {"stream": "request"},
    }
    return avrpc.Protocol.parse(json.dumps({"protocol": "P", "messages": messages}))


class Many:
    async def give(self) -> Any:
        return [{"a": 1}] * COUNT

    async def take(self, some: list[Any]) -> int:
        return len(some)

    async def stream(self) -> AsyncGenerator[Any]:
        for number in range(COUNT):
            yield {"a": number & 31}

    async def send(self, some: Any) -> int:
        return sum([len(one) async for one in some])


async def test_what_our_defaults_add_to_a_strangers_values_is_bounded() -> None:
    """Over TCP, and either end is the one with many defaults."""
    small, large = of_records(SMALL), of_records(LARGE)
    async with trio.open_nursery() as nursery:
        serve = avrpc.Server({small: Many()}).serve
        (address,) = await nursery.start(serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, large) as client:
            with pytest.raises(avrpc.InvalidValue, match="more than 250000 values in one message"):
                await client.give()
            # Items are made as they are taken, however many of them are in a frame.
            async with client.stream() as stream:
                got = [(item["a"], item["b499"], len(item)) async for item in stream]
            assert got == [(number & 31, 499, 501) for number in range(COUNT)]
            assert await client.take([{"a": 1}] * 5) == 5
        serve = avrpc.Server({large: Many()}).serve
        (address,) = await nursery.start(serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, small) as client:
            with pytest.raises(avrpc.InvalidValue, match="more than 250000 values in one message"):
                await client.take([{"a": 1}] * COUNT)
            async with client.send() as call:
                for number in range(COUNT):
                    await call.send({"a": number & 31})
                assert await call.result() == 501 * COUNT
            assert await client.take([{"a": 1}] * 5) == 5
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("part", "count", "told"),
    [("schemas", 500, "schemas: schemas 500;"), ("versions", 200, "versions: pairs 20")],
)
def test_random_schemas_and_payloads_hurt_nobody(part: str, count: int, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.torture.{part}", str(count)],
        capture_output=True, text=True, check=False,
        timeout=50,  # less than pytest gives a test (faulthandler_timeout), so that it is told why
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.startswith(told)


async def test_a_flood_of_protocols_leaves_memory_flat() -> None:
    assert in_memory(2000) <= MAX_GROWTH
    assert await over_sockets(500) <= MAX_GROWTH
