"""The peers of the benchmarks that need nothing but avrpc's own dependencies do what they say.

Each workload is done once, by a few calls; rates are none of it.
"""

import argparse
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import avrpc
from benchmarks import protocols
from benchmarks.client_main import measure_memory, neighbour, supports
from benchmarks.peers import PEERS, avrpc_peer, fastavro_floor, load, trio_floor
from benchmarks.workloads import BESIDE_BUSY, WORKLOADS, Workload


def modules() -> list[str]:
    """Name the modules of the peers that are not extra, but for grpc's, which is not installed."""
    return [p.module for p in PEERS if not p.extra and p.name != "grpc.aio"]


def workloads(module: str) -> Sequence[Workload]:
    """Give one workload for each way of calling a peer's client, of plain settings."""
    peer = load(module)
    found: dict[tuple[str | None, ...], Workload] = {}
    for workload in WORKLOADS:
        if not workload.settings and not workload.neighbour and supports(peer, workload):
            found.setdefault((workload.method, workload.beside, *workload.arguments), workload)
    return [*found.values()]


async def work(client: Any, workload: Workload) -> None:
    """Do a little of it."""
    arguments = {name: min(value, 3) for name, value in workload.arguments.items()}
    method = getattr(client, workload.method)
    if workload.held:
        async with method(2), method(1):
            return
    await method(6, **arguments)


@asynccontextmanager
async def beside(client: Any, workload: Workload) -> AsyncIterator[None]:
    if workload.beside is None:
        yield
        return
    few = {"number": 2, "size": 100_000}
    arguments = {name: few[name] for name in workload.beside_arguments}
    async with getattr(client, workload.beside)(**arguments):
        yield


async def test_avrpc_does_every_workload() -> None:
    server = avrpc.Server(avrpc_peer.services())
    done = workloads(avrpc_peer.__name__)
    assert len(done) >= 20
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")

        def connect(protocol: avrpc.Protocol = protocols.Bench) -> Any:
            return avrpc.connect(address, protocol)

        async with connect() as connected:
            client = avrpc_peer.Client(connected, connect)
            for workload in done:
                async with beside(client, workload):
                    await work(client, workload)
        nursery.cancel_scope.cancel()


async def test_avrpc_serves_protocols_of_any_size() -> None:
    served = avrpc_peer.services(messages=3)
    ((protocol, _),) = served.items()
    assert len(protocol.messages) == 3
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(avrpc.Server(served).serve, "tcp://127.0.0.1:0")
        async with avrpc.connect(address, protocols.of_messages(3)) as connected:
            client = avrpc_peer.Client(connected, lambda: avrpc.connect(address, protocol))
            assert len(await client.echo(4)) == 4
        nursery.cancel_scope.cancel()


async def test_bare_trio_does_every_workload() -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, trio_floor.handle, [listener])

        async def connect() -> trio_floor.Frames:
            return trio_floor.Frames(await trio.open_tcp_stream("127.0.0.1", port))

        frames = await connect()
        async with frames.stream:
            client = trio_floor.Client(frames, connect)
            for workload in workloads(trio_floor.__name__):
                async with beside(client, workload):
                    await work(client, workload)
            await client.blob(2, 300_000)  # more than is received at once
            await client.chunks(5, 100_000)
        nursery.cancel_scope.cancel()


def test_fastavro_alone_encodes() -> None:
    assert [w.method for w in workloads(fastavro_floor.__name__)] == ["watch"]
    trio.run(fastavro_floor.Client().watch, 2_500)


def test_peers_tell_their_versions() -> None:
    for module in modules():
        assert all(load(module).versions().values())


async def test_memory_is_read_at_each_number_while_more_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gc.collect", lambda: 0)  # it takes long where there are many tests
    held: list[int] = []

    @asynccontextmanager
    async def hold(count: int) -> AsyncIterator[None]:
        held.append(count)
        yield
        held.append(-count)

    found = await measure_memory(hold, (10, 100, 300), os.getpid())
    assert held == [10, 90, 200, -200, -90, -10]
    assert [number for number, _, _ in found["held"]] == [10, 100, 300]
    assert all(client > 1_000_000 for _, client, _ in found["held"])


def test_neighbour_that_does_not_begin_is_told() -> None:
    options = argparse.Namespace(module="benchmarks.peers.none", address="tcp://127.0.0.1:1")
    with (
        pytest.raises(RuntimeError, match="the neighbour did not begin"),
        neighbour(options, BESIDE_BUSY),
    ):
        pytest.fail("it began")
