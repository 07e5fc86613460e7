"""fastavro alone, on one core: what encoding costs, whatever carries it.

`watch` encodes one Tick at a time by `schemaless_writer` into a buffer that is used again. Nothing
is sent, and nothing is decoded: the decoding end of a stream has a core of its own.
"""

import importlib.metadata
import io
import json
import pathlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import fastavro
import trio

T = TypeVar("T")

PROTOCOL = json.loads((pathlib.Path(__file__).parent.parent / "bench.avpr").read_text("utf-8"))
BATCH = 1_000
"""Ticks in the buffer before it is used again."""


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are measured."""
    return {"fastavro": importlib.metadata.version("fastavro")}


def serve() -> None:
    """Be there, as the harness wants a server; nobody connects to it."""
    print("tcp://127.0.0.1:0", flush=True)
    trio.run(trio.sleep_forever)


def run(_address: str, work: Callable[["Client"], Awaitable[T]]) -> T:
    """See `benchmarks.peers.Peer`."""
    return trio.run(work, Client())


class Client:
    """No connection at all. See `benchmarks.peers.PeerClient`."""

    def __init__(self) -> None:
        self._schema = fastavro.parse_schema(PROTOCOL["types"][0])

    async def watch(self, count: int) -> None:
        write, schema, buffer = fastavro.schemaless_writer, self._schema, io.BytesIO()
        at = time.time_ns()
        for begin in range(0, count, BATCH):
            buffer.seek(0)
            for i in range(begin, min(begin + BATCH, count)):
                write(
                    buffer, schema, {"symbol": "EURUSD", "price": 1.0825, "size": i & 63, "at": at}
                )
        assert buffer.tell() > 0
