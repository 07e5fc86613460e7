"""What reading interfaces costs, and walking over values: `python -m benchmarks.schema_costs`.

Best of many rounds, in microseconds.
"""

import hashlib
import json
import pathlib
import time
from collections.abc import Callable

from avrpc.memory import TextCache
from avrpc.schema import ItemsCodec, Protocol, Registry
from avrpc.schema.fit import At
from avrpc.schema.scan import compile_scan

HERE = pathlib.Path(__file__).parent
VITALS = Registry(HERE.parent / "schemas")["avrpc.vitals.Vitals"]
BENCH = Registry(HERE)["avrpc.bench.Bench"]


def best(call: Callable[[], object], rounds: int = 200) -> float:
    """Time a call, in microseconds."""
    found = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        found = min(found, time.perf_counter() - begin)
    return found * 1e6


def main() -> None:
    """Print the figures."""
    text = VITALS.text
    cache = TextCache()
    cache.learn(text, source="")
    print(f"vitals protocol, {len(text)} bytes")
    print(f"  read and checked     {best(lambda: Protocol.parse(text, verbatim=True)):8.1f}")
    print(f"  json.loads alone     {best(lambda: json.loads(text)):8.1f}")
    print(f"  known already        {best(lambda: cache.learn(text, source='')):8.1f}")
    print(f"  its MD5 and SHA-256  {best(lambda: _hashes(text.encode())):8.1f}")
    tick = BENCH.types["avrpc.bench.Tick"]
    items = ItemsCodec(tick, At("Tick"))
    value = {"symbol": "EURUSD", "price": 1.25, "size": 100, "at": 1_700_000_000_000_000}
    frame = bytes(items.encode(value)) * 512
    scan = compile_scan(tick, At("Tick"))
    print("a Tick, of a frame of 512")
    print(f"  decoded              {best(lambda: items.decode(frame, 512)) / 512:8.2f}")
    print(f"  walked over          {best(lambda: scan(frame, 512)) / 512:8.2f}")


def _hashes(data: bytes) -> tuple[bytes, bytes]:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return md5, hashlib.sha256(data).digest()


if __name__ == "__main__":
    main()
