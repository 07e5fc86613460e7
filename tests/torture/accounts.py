"""What a program holds: for saying that afterwards it holds no more than before."""

from __future__ import annotations

import gc
import resource
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import trio

import avrpc
from avrpc.client import Client
from avrpc.door import most_connections
from tests.desk import at_rest


class Held(NamedTuple):
    """What there is too much of, or what there was."""

    tasks: int
    files: int


def held() -> Held:
    """How many tasks live in this run of trio, and how many files are open in this process."""
    return Held(trio.lowlevel.current_statistics().tasks_living, psutil.Process().num_fds())


def resident_bytes() -> int:
    """What the process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def resident() -> int:
    """What the process has in memory, in MB."""
    return resident_bytes() >> 20


def account(*ends: Client | avrpc.Server) -> dict[str, Any]:
    """What the process holds, and what quiet ends in it hold that they should not; for JSON."""
    gc.collect()
    return held()._asdict() | {"resident": resident_bytes(), "not_at_rest": at_rest(*ends)}


async def left_at(server: avrpc.Server, seconds: float) -> list[str]:
    """What a server of one address, whose clients have gone, still holds after a while."""
    with trio.move_on_after(seconds):
        await server._wait_gone()
    limits, door = server.limits, server._door
    # A place is taken for the next one who comes.
    counts = {
        "connections": (len(server._connections), 0),
        "places": (door._places.value, most_connections(limits) - 1),
        "places for handshakes": (door._handshakes.value, limits.max_handshakes - 1),
        "room for half values": (server._budget.available, limits.max_assembly_bytes),
        "threads": (server.thread_limiter.borrowed_tokens, 0),
    }
    return at_rest(server) + [
        f"server: {name}: {now}, not {expected}"
        for name, (now, expected) in counts.items()
        if now != expected
    ]
