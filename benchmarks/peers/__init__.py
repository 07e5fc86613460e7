"""Who is measured: one row per peer, and what the harness wants of each.

A peer is a module with the functions of `Peer`. It is imported only in its own client and server
processes, run by its own interpreter, so peers that cannot share an environment can be compared:
besides the peer itself those processes need nothing but the standard library.
"""

import importlib
import pathlib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast, get_args

from benchmarks import environments
from benchmarks.workloads import Group

T = TypeVar("T")

ALL_GROUPS: tuple[Group, ...] = get_args(Group)
LARGE_AT_ONCE = 4
"""So many that each direction always has one under way, while others are encoded and decoded."""
HERE = pathlib.Path(__file__).resolve().parent


class PeerClient(Protocol):
    """One connection to the peer's server. Each method raises if what came back is wrong.

    A peer leaves out what it cannot do; the workloads that need it are then not run for it. The
    optional arguments too are wanted only by the workloads that pass them.
    """

    async def echo(self, count: int, in_flight: int = 1) -> list[float]:
        """Call `echo` `count` times, `in_flight` at once; return each call's seconds."""

    async def last(self, count: int, in_flight: int = 1, within: float = 0) -> None:
        """Call `last("FX", i & 63)` `count` times, `in_flight` at once.

        Not 0, `within` is a timeout in seconds, and so each call tells the server a deadline.
        """

    async def echo_later(self, count: int, in_flight: int = 1) -> list[float]:
        """The same, of handlers that let their event loop turn once."""

    async def blob(self, count: int, size: int, text: bool = False) -> list[float]:
        """Send `size` bytes and get them back, one call at a time; return each call's seconds.

        They are random, which nothing compresses; or text, of which the same is true for all.
        """

    async def watch(self, count: int, streams: int = 1) -> None:
        """Receive `count` ticks, in as many streamed responses at once."""

    async def chunks(self, count: int, size: int) -> None:
        """Receive `count` items of `size` bytes in one streamed response."""

    async def flights(self, count: int) -> None:
        """Receive `count` flights in one streamed response, and look at each field of each."""

    async def record(self, count: int) -> None:
        """Send `count` ticks in one streamed request."""

    async def convert(self, count: int) -> None:
        """Send `count` ticks and receive them, without waiting for one before sending the next."""

    async def connect(self, count: int) -> list[float]:
        """Open `count` connections in turn and make a call on each; return the seconds of both."""

    def connections(self, number: int) -> AbstractAsyncContextManager[None]:
        """Have so many connections, for `spread` and `streams`."""

    async def spread(self, count: int) -> list[float]:
        """Call `echo` one at a time on each of these, `count` times in all."""

    def older(self) -> AbstractAsyncContextManager[None]:
        """Watch by the version before the server's, whose Tick has a field less."""

    def newer(self) -> AbstractAsyncContextManager[None]:
        """Watch by the version after the server's, whose Tick has a field more."""

    def slow_reader(self) -> AbstractAsyncContextManager[None]:
        """Keep one more streamed response open, of which one item is taken now and then."""

    def large_values(self, size: int) -> AbstractAsyncContextManager[None]:
        """Call `blob` with `size` bytes meanwhile, again and again, `LARGE_AT_ONCE`."""

    def idle(self, count: int) -> AbstractAsyncContextManager[None]:
        """Hold so many connections more, on each of which one call was made."""

    def calls(self, count: int) -> AbstractAsyncContextManager[None]:
        """Hold so many unary calls more, all on one connection, which the server has begun."""

    def streams(self, count: int) -> AbstractAsyncContextManager[None]:
        """Hold so many calls of `convert` more, spread over the connections, with no item sent."""


class Peer(Protocol):
    """What a module of this package has."""

    @property
    def Client(self) -> type[Any]:  # noqa: N802 - a class
        """The class of what `run` gives to `work`; a `PeerClient`, save for what it leaves out."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that are measured."""

    def serve(self, **settings: Any) -> None:
        """Serve on a free port of 127.0.0.1, print `tcp://127.0.0.1:PORT`, and never return.

        A setting that it lacks is a layer that this peer is not measured with:

        - `tls`: encrypted, with what `certificates.folder` has; the address begins as it does
          without.
        - `compression`: asked for by both ends, with this codec.
        - `pieces`: False sends large values uncut.
        - `flights`: serve the flights too.
        - `messages`: so many messages in the protocol.
        """

    def run(self, address: str, work: Callable[[PeerClient], Awaitable[T]], **settings: Any) -> T:
        """Connect to what `serve` printed, and return what `work` returns, in a loop of its own."""


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """Where a peer is, and what runs it."""

    name: str
    module: str
    """A module of this package, or a program of node's with the same two command lines."""
    python: str = sys.executable
    on_wire: bool = True
    """False: nothing is sent, so no bytes are counted."""
    floor: bool = False
    """No RPC library, but a part of what every one of them is made of."""
    extra: bool = False
    """Measured only by `--all`: needs more than the extra `bench`."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of workloads that it is measured in, so far as it can."""
        if self.floor:
            return ("rates", "memory", "growth")
        return ("rates", "data", "memory") if self.extra else ALL_GROUPS

    def command(self, role: str) -> list[str]:
        """What starts its "client" or "server"; arguments come after it."""
        if self.module.endswith(".js"):
            return ["node", str(HERE / self.module), role]
        return [self.python, "-m", f"benchmarks.{role}_main", self.module]


PEERS = (
    PeerSpec("avrpc", "benchmarks.peers.avrpc_peer"),
    PeerSpec("grpc.aio", "benchmarks.peers.grpc_peer"),
    PeerSpec("grpclib", "benchmarks.peers.grpclib_peer", extra=True),
    PeerSpec("connect", "benchmarks.peers.connect_peer", extra=True),
    PeerSpec("purerpc", "benchmarks.peers.purerpc_peer", str(environments.PURERPC), extra=True),
    PeerSpec("thriftpy2", "benchmarks.peers.thriftpy_peer", extra=True),
    PeerSpec("pycapnp", "benchmarks.peers.capnp_peer", extra=True),
    PeerSpec("avsc", "avsc_peer.js", extra=True),
    PeerSpec("bare trio", "benchmarks.peers.trio_floor", floor=True),
    PeerSpec("fastavro alone", "benchmarks.peers.fastavro_floor", on_wire=False, floor=True),
)
BASELINE = "grpc.aio"
"""Ratios are to this peer."""


def load(module: str) -> Peer:
    """Import a peer's module."""
    return cast(Peer, importlib.import_module(module))
