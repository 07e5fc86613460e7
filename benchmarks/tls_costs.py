"""What TLS costs, ours and by trio.SSLStream: `python -m benchmarks.tls_costs` (extra test).

A server and a client, each a process of its own, over loopback. The ways take turns; medians of all
rounds, and CPU of the client alone.
"""

import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
import trustme

import avrpc
from avrpc.tls_transport import TlsTransport
from avrpc.transport import SocketTransport, StreamTransport, Transport

ROUNDS = 5
WAYS = ("plain", "tls", "SSLStream")
WORKS = ("echo", "bulk", "one call", "64 calls", "items")
HOST = "127.0.0.1"
IDLE = 500
BULK = 256 * 1024 * 1024
CHUNK = 32 * 1024

Bench = avrpc.Protocol.parse(
    json.dumps(
        {
            "protocol": "TlsBench",
            "messages": {
                "echo": {"request": [{"name": "data", "type": "bytes"}], "response": "bytes"},
                "items": {
                    "request": [{"name": "count", "type": "int"}],
                    "response": {"type": "array", "items": "string"},
                    "stream": "response",
                },
            },
        }
    )
)


class Service:
    """What is called."""

    async def echo(self, data: bytes) -> bytes:
        """Give it back."""
        return data

    async def items(self, count: int) -> AsyncIterator[str]:
        """Give so many."""
        for _ in range(count):
            yield "EURUSD 1.25 and more"


async def transport_of(
    way: str, sock: socket.socket, context: ssl.SSLContext, host: str | None
) -> Transport:
    """One end, ready."""
    if way == "SSLStream":
        stream = await stream_of(sock, context, host)
        return StreamTransport(stream, "")
    plain = SocketTransport(sock, "")
    if way == "plain":
        return plain
    made = TlsTransport(plain, context, host)
    await made.open()
    return made


async def stream_of(
    sock: socket.socket, context: ssl.SSLContext, host: str | None
) -> trio.SSLStream[trio.SocketStream]:
    """One end by trio."""
    below = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    stream = trio.SSLStream(below, context, server_hostname=host, server_side=host is None)
    await stream.do_handshake()
    return stream


async def send(transport: Transport, data: bytearray) -> None:
    """Send all."""
    while data:
        transport.send_now(data)
        if data:
            await transport.wait_send(data)


# The server ...


async def serve(folder: str) -> None:
    """Serve each way on a port of its own; tell them, and then the memory whenever asked."""
    context = avrpc.server_tls(Path(folder, "server.pem"))
    server = avrpc.Server({Bench: Service()})
    async with trio.open_nursery() as nursery:
        ports = {}
        for way in WAYS:
            for level in ("transport", "avrpc"):
                (listener,) = await trio.open_tcp_listeners(0, host=HOST)
                nursery.start_soon(accept, nursery, listener, way, level, context, server)
                ports[f"{way} {level}"] = listener.socket.getsockname()[1]
        print(json.dumps(ports), flush=True)
        while await trio.to_thread.run_sync(sys.stdin.readline):
            print(memory(), flush=True)
        nursery.cancel_scope.cancel()


async def accept(
    nursery: trio.Nursery,
    listener: trio.SocketListener,
    way: str,
    level: str,
    context: ssl.SSLContext,
    server: avrpc.Server,
) -> None:
    """Take connections."""
    while True:
        stream = await listener.accept()
        sock = socket.socket(fileno=stream.socket.detach())
        nursery.start_soon(handle, way, level, sock, context, server)


async def handle(
    way: str, level: str, sock: socket.socket, context: ssl.SSLContext, server: avrpc.Server
) -> None:
    """Give back what is short, and a byte for every bulk."""
    if level == "avrpc" and way == "SSLStream":
        await server.serve_stream(await stream_of(sock, context, None))
        return
    if level == "avrpc":
        plain = SocketTransport(sock, "")
        await server._door.enter()  # noqa: SLF001 - as its own accept does it
        await server._handle(plain if way == "plain" else TlsTransport(plain, context, None))  # noqa: SLF001
        return
    transport = await transport_of(way, sock, context, None)
    received = 0
    while True:
        try:
            data = await transport.receive()
        except trio.BrokenResourceError:
            break
        if not data:
            break
        received += len(data)
        if received >= BULK:
            await send(transport, bytearray(1))
        elif len(data) <= 64:
            await send(transport, bytearray(data))
    await transport.aclose()


def memory() -> int:
    """Resident KiB of this process."""
    words = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(words[0])


# ... and the client.


async def measure(way: str, work: str, ports: dict[str, int], context: ssl.SSLContext) -> float:
    """One figure; the CPU that it took comes behind, by `time.process_time`."""
    level = "transport" if work in ("echo", "bulk") else "avrpc"
    stream = await trio.open_tcp_stream(HOST, ports[f"{way} {level}"])
    sock = socket.socket(fileno=stream.socket.detach())
    if level == "transport":
        transport = await transport_of(way, sock, context, HOST)
        figure = await (echo if work == "echo" else bulk)(transport)
        await transport.aclose()
        return figure
    if way == "SSLStream":
        made = avrpc.connect_stream(await stream_of(sock, context, HOST), Bench)
    else:
        sock.close()
        scheme, tls = ("tcp", None) if way == "plain" else ("tls", context)
        made = avrpc.connect(f"{scheme}://{HOST}:{ports[f'{way} avrpc']}", Bench, tls=tls)
    async with made as client:
        return await {"one call": one_call, "64 calls": many_calls, "items": items}[work](client)


async def echo(transport: Transport) -> float:
    """Microseconds there and back, the median."""
    times = []
    for _ in range(5000):
        begin = time.perf_counter()
        await send(transport, bytearray(64))
        await transport.receive()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


async def bulk(transport: Transport) -> float:
    """MB a second."""
    begin = time.perf_counter()
    for _ in range(BULK // CHUNK):
        await send(transport, bytearray(CHUNK))
    await transport.receive()
    return BULK / 1e6 / (time.perf_counter() - begin)


async def one_call(client: avrpc.Client) -> float:
    """Microseconds for a call, the median."""
    times = []
    for _ in range(3000):
        begin = time.perf_counter()
        await client.echo(b"x" * 30)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


async def many_calls(client: avrpc.Client) -> float:
    """Calls a second."""

    async def call() -> None:
        for _ in range(200):
            await client.echo(b"x" * 30)

    begin = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(64):
            nursery.start_soon(call)
    return 64 * 200 / (time.perf_counter() - begin)


async def items(client: avrpc.Client) -> float:
    """Items a second."""
    begin = time.perf_counter()
    async with client.items(200_000) as found:
        async for _ in found:
            pass
    return 200_000 / (time.perf_counter() - begin)


async def idle(
    way: str, ports: dict[str, int], context: ssl.SSLContext, server: "subprocess.Popen[str]"
) -> float:
    """KiB of the server's for a connection on which one call was made."""
    tls = None if way == "plain" else context
    address = f"{'tcp' if way == 'plain' else 'tls'}://{HOST}:{ports[f'{way} avrpc']}"
    done = trio.Event()

    async def keep(ready: trio.Event) -> None:
        async with avrpc.connect(address, Bench, tls=tls) as client:
            await client.echo(b"x")
            ready.set()
            await done.wait()

    figures = []
    async with trio.open_nursery() as nursery:
        for count in (20, IDLE):
            for _ in range(count):
                ready = trio.Event()
                nursery.start_soon(keep, ready)
                await ready.wait()
            assert server.stdin
            assert server.stdout
            server.stdin.write("memory\n")
            server.stdin.flush()
            figures.append(int(server.stdout.readline()))
        done.set()
    return (figures[1] - figures[0]) / IDLE


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(f"{folder}/ca.pem")
        made = ca.issue_cert(HOST).private_key_and_cert_chain_pem
        made.write_to_path(f"{folder}/server.pem")
        context = avrpc.client_tls(ca=f"{folder}/ca.pem")
        with serving(folder) as (_, ports):
            print(f"{'':12}" + "".join(f"{way:>22}" for way in WAYS))
            for work in WORKS:
                figures: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
                for _ in range(ROUNDS):
                    for way in WAYS:
                        begin = time.process_time()
                        figure = trio.run(measure, way, work, ports, context)
                        figures[way].append((figure, time.process_time() - begin))
                cells = (
                    f"{statistics.median(one for one, _ in figures[way]):10.0f}"
                    f" {statistics.median(cpu for _, cpu in figures[way]):7.3f} s"
                    for way in WAYS
                )
                print(f"{work:12}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
        for way in ("plain", "tls"):
            with serving(folder) as (server, ports):
                figure = trio.run(idle, way, ports, context, server)
            print(f"idle, {way:10} {figure:6.1f} KiB a connection at the server")


@contextmanager
def serving(folder: str) -> "Iterator[tuple[subprocess.Popen[str], dict[str, int]]]":
    """A server process, and its ports."""
    command = [sys.executable, "-m", "benchmarks.tls_costs", "serve", folder]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as server:
        assert server.stdout
        yield server, json.loads(server.stdout.readline())
        server.communicate(timeout=10)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        trio.run(serve, sys.argv[2])
    else:
        main()
