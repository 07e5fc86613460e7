"""Many connections, many calls, much memory: what a server takes for them.

    python -m tests.torture.load [PARKED] [AT_ONCE] [HALVES]

PARKED connections with ten calls each that do not end; AT_ONCE that are made at the same moment;
HALVES calls that stop before the last piece of a large value.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import avrpc
from tests.torture.figures import Run
from tests.torture.processes import Child
from tests.torture.served import Served

KIB, MIB = 1024, 1024 * 1024
IDLE, IDLE_TLS = 14, 45  # KiB that a connection may take
PARKED_EACH = 10
LIMITS = avrpc.Limits()
WARM_UP = 10  # connections, for what a server allocates once
FILES = 100  # that a process may open, where they are few
ENOUGH = 10_000  # where there is a crowd


def main(parked: int = 2000, at_once: int = 5000, halves: int = 100) -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(ENOUGH, most), most))  # our children's, too
    with Served() as server, peers_of(server) as peers:
        with Run("load", "idle and parked") as first:
            before = idle(first, server, peers, parked, IDLE)
            parked_calls(first, server, peers, before)
        with Run("load", "at once") as second:
            connect_at_once(second, server, peers, at_once)
    with (
        Run("load", "idle, TLS") as third,
        Served(tls=True) as server,
        peers_of(server) as peers,
    ):
        idle(third, server, peers, parked, IDLE_TLS)
    with Run("load", "half values") as fourth:
        half_values(fourth, halves)
    with Run("load", "few files") as fifth:
        few_files(fifth)
    return int(not all(run.held for run in (first, second, third, fourth, fifth)))


def idle(run: Run, server: Served, peers: Child, connections: int, most: float) -> dict[str, Any]:
    """Connections that do nothing; the server is a new one. Gives its account before them."""
    peers.ask("open", WARM_UP)
    peers.ask("close")
    before = server.at_rest(0)
    peers.ask("open", connections, seconds=120)
    each = (server.at_rest(connections)["resident"] - before["resident"]) / connections / KIB
    run.add("connections", connections)
    run.add("each", round(each, 1), "KiB", at_most=most)
    peers.ask("call", seconds=120)
    each = (server.at_rest(connections)["resident"] - before["resident"]) / connections / KIB
    run.add("each after a call", round(each, 1), "KiB")
    return before


def parked_calls(run: Run, server: Served, peers: Child, before: dict[str, Any]) -> None:
    """Calls on all connections that do not end, until they are cancelled."""
    idle = server.ask("account")
    calls = idle["connections"] * PARKED_EACH
    peers.ask("park", PARKED_EACH, seconds=120)
    parked = server.until("running", calls)
    each = (parked["resident"] - idle["resident"]) / calls / KIB
    run.add("parked calls", parked["running"], at_least=calls)
    run.add("each call", round(each, 1), "KiB")
    run.add("the server with all of them", parked["resident"] // MIB, "MiB", at_most=320)
    run.add("cancelled", peers.ask("cancel", seconds=120), at_least=calls)
    peers.ask("close")
    after = server.at_rest(0)
    run.add("files lost", after["files"] - before["files"], at_most=0)
    run.add("tasks left", after["tasks"] - before["tasks"], at_most=0)
    server.complain(run)


def connect_at_once(run: Run, server: Served, peers: Child, count: int) -> None:
    """Clients that connect at the same moment, each for a call."""
    before = server.at_rest(0)
    begin = time.monotonic()
    run.add("connections", count)
    run.add("answered", peers.ask("at_once", count, seconds=120), at_least=count)
    run.add("in", round(time.monotonic() - begin, 1), "s", at_most=30)
    after = server.at_rest(0)
    run.add("files lost", after["files"] - before["files"], at_most=0)
    server.complain(run)


def half_values(run: Run, calls: int, limits: avrpc.Limits = LIMITS) -> None:
    """Calls that stop before the last piece of the largest value."""
    value, most = limits.max_message_bytes, limits.max_assembly_bytes
    given = {"max_message_bytes": value, "max_assembly_bytes": most}
    with Served(given) as server, peers_of(server) as peers:
        peers.ask("open", -(-calls // limits.max_values_in_pieces))
        before = server.ask("account")
        told = peers.ask("halves", calls, value, seconds=120)
        held = server.ask("account")
        run.add("calls", calls)
        run.add("of", value, "bytes")
        run.add("held", held["half_values"] / MIB, "MiB", at_most=most / MIB)
        grown = (held["resident"] - before["resident"]) / MIB
        run.add("growth", round(grown), "MiB", at_most=round(1.05 * most / MIB) + 4)
        refused = max(0, calls - most // value)
        run.add("refused", told["refused"], at_least=refused, at_most=refused)
        for text in told["texts"]:
            if "Limits.max_assembly_bytes" not in text:
                run.problem(f"refused with {text!r}")
        peers.ask("close")
        after = server.at_rest(0)
        run.add("held after", after["half_values"], "bytes", at_most=0)
        server.complain(run)


def few_files(run: Run) -> None:
    """More clients at once than the process may have files; then when it may have none at all."""
    with (
        Served(open_files=FILES) as server,
        peers_of(server) as peers,
    ):
        before = server.at_rest(0)
        run.add("files", FILES)
        run.add("answered", peers.ask("at_once", 3 * FILES), at_least=3 * FILES)
        run.add("errors logged", server.ask("lines").get("ERROR", 0), at_most=0)
        server.ask("hoard")
        peers.tell("at_once", FILES)
        end = time.monotonic() + 30
        while not server.ask("lines").get("ERROR") and time.monotonic() < end:
            time.sleep(0.05)
        errors = server.ask("lines").get("ERROR", 0)
        run.add("errors logged while there is no file", errors, at_least=1)
        server.ask("release")
        run.add("answered after", peers.wait(), at_least=FILES)
        after = server.at_rest(0)
        run.add("files lost", after["files"] - before["files"], at_most=0)
        server.complain(run)


def peers_of(server: Served) -> Child:
    """The process that connects to a server."""
    return Child("tests.torture.load_peers", server.address)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
