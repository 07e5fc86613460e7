"""Who is measured: one row per peer, and what the harness wants of each.

A peer is a module with the functions of `Peer`. It is imported only in its own client and server
processes, run by its own interpreter, so peers that cannot share an environment can be compared:
besides the peer itself those processes need nothing but the standard library.
"""

import importlib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

T = TypeVar("T")


class PeerClient(Protocol):
    """One connection to the peer's server. Each method raises if what came back is wrong.

    A peer leaves out what it cannot do; the workloads that need it are then not run for it. The
    optional arguments too are wanted only by the workloads that pass them.
    """

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        """Call `echo` `count` times, `in_flight` at once; return each call's seconds."""

    async def blob(self, count: int, size: int) -> list[float]:
        """Send `size` bytes and get them back, one call at a time; return each call's seconds."""

    async def watch(self, count: int, streams: int = 1) -> None:
        """Receive `count` ticks, in as many streamed responses at once."""

    async def record(self, count: int) -> None:
        """Send `count` ticks in one streamed request."""

    async def convert(self, count: int) -> None:
        """Send `count` ticks and receive them, without waiting for one before sending the next."""

    def older(self) -> AbstractAsyncContextManager[None]:
        """Watch by the version before the server's, whose Tick has a field less."""

    def newer(self) -> AbstractAsyncContextManager[None]:
        """Watch by the version after the server's, whose Tick has a field more."""

    def slow_reader(self) -> AbstractAsyncContextManager[None]:
        """Keep one more streamed response open, of which one item is taken now and then."""


class Peer(Protocol):
    """What a module of this package has."""

    @property
    def Client(self) -> type[Any]:  # noqa: N802 - a class
        """The class of what `run` gives to `work`; a `PeerClient`, save for what it leaves out."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that are measured."""

    def serve(self) -> None:
        """Serve on a free port of 127.0.0.1, print `tcp://127.0.0.1:PORT`, and never return."""

    def run(self, address: str, work: Callable[[PeerClient], Awaitable[T]]) -> T:
        """Connect to what `serve` printed, and return what `work` returns, in a loop of its own."""


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """Where a peer is, and what runs it."""

    name: str
    module: str
    python: str = sys.executable


PEERS = (
    PeerSpec("avrpc", "benchmarks.peers.avrpc_peer"),
    PeerSpec("grpc.aio", "benchmarks.peers.grpc_peer"),
)
BASELINE = "grpc.aio"
"""Ratios are to this peer."""


def load(module: str) -> Peer:
    """Import a peer's module."""
    return cast(Peer, importlib.import_module(module))
