"""What reading and comparing interfaces costs: `python -m benchmarks.schema_costs`.

CPU time, best of many rounds. Also what walking over values costs.
"""

import contextlib
import hashlib
import json
import pathlib
import time
from collections.abc import Callable

from avrpc.errors import SchemaError
from avrpc.memory import TextCache
from avrpc.schema import ItemsCodec, Protocol, Registry
from avrpc.schema.fit import At
from avrpc.schema.negotiation import Negotiation
from avrpc.schema.scan import compile_scan
from benchmarks import strangers

HERE = pathlib.Path(__file__).parent
VITALS = Registry(HERE.parent / "schemas")["avrpc.vitals.Vitals"]
BENCH = Registry(HERE)["avrpc.bench.Bench"]


def best(call: Callable[[], object], rounds: int = 200) -> float:
    """Time a call, in microseconds of CPU."""
    found = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        call()
        found = min(found, time.process_time() - begin)
    return found * 1e6


def main() -> None:
    """Print the figures."""
    vitals_costs()
    item_costs()
    for size in (16 * 1024, 256 * 1024):
        print(f"texts of {size // 1024} KiB that mean harm, read and checked: ms")
        for name, text in strangers.texts(size - 100):
            print(f"  {name:22} {len(text):7} bytes {read_cost(text):8.2f}")
    print("two versions: bytes of both, ms to read and check the second, and to compare them")
    for name, pair in {
        "1,000 changed records": strangers.changed_records(940),
        "crossed, 16 KiB": strangers.crossed(16 * 1024, 30),
        "crossed, 256 KiB": strangers.crossed(256 * 1024, 99),
        "wide, 16 KiB": strangers.wide(180),
        "wide, 150 KiB": strangers.wide(990),
    }.items():
        read, compared, verdict = comparison_cost(*pair)
        sizes = f"{len(pair[0]):7} {len(pair[1]):7}"
        print(f"  {name:22} {sizes} {read:8.2f} {compared:8.2f}   {verdict}")


def vitals_costs() -> None:
    """Print what a small protocol costs."""
    text = VITALS.text
    other = text.replace('"int"', '"long"', 1)
    cache = TextCache()
    cache.learn(text, source="")
    print(f"vitals protocol, {len(text)} bytes: us")
    print(f"  read and checked     {best(lambda: Protocol.parse(text, verbatim=True)):8.1f}")
    print(f"  json.loads alone     {best(lambda: json.loads(text)):8.1f}")
    print(f"  known already        {best(lambda: cache.learn(text, source='')):8.1f}")
    print(f"  its MD5 and SHA-256  {best(lambda: _hashes(text.encode())):8.1f}")
    pair = Protocol.parse(text), Protocol.parse(other)
    print(f"  compared             {best(lambda: Negotiation(*pair)):8.1f}")


def item_costs() -> None:
    """Print what an item of a stream costs."""
    tick = BENCH.types["avrpc.bench.Tick"]
    items = ItemsCodec(tick, At("Tick"))
    value = {"symbol": "EURUSD", "price": 1.25, "size": 100, "at": 1_700_000_000_000_000}
    frame = bytes(items.encode(value)) * 512
    scan = compile_scan(tick, At("Tick"))
    print("a Tick, of a frame of 512: us")
    print(f"  decoded              {best(lambda: items.decode(frame, 512)) / 512:8.2f}")
    print(f"  walked over          {best(lambda: scan(frame, 512)) / 512:8.2f}")


def read_cost(text: str) -> float:
    """Time reading a text that may be refused, in milliseconds."""

    def read() -> None:
        with contextlib.suppress(SchemaError):
            Protocol.parse(text, verbatim=True)

    return best(read, 12) / 1000


def comparison_cost(client: str, server: str) -> tuple[float, float, str]:
    """Time reading the second of two texts, and comparing them, in ms; give the verdict, too."""
    ends = Protocol.parse(client), Protocol.parse(server)
    compared = best(lambda: Negotiation(*ends), 12) / 1000
    return read_cost(server), compared, str(Negotiation(*ends).verdict)


def _hashes(data: bytes) -> tuple[bytes, bytes]:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return md5, hashlib.sha256(data).digest()


if __name__ == "__main__":
    main()
