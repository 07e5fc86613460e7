"""The client process; it prints one line of JSON.

    python -m benchmarks.client_main MODULE --about
    python -m benchmarks.client_main MODULE ADDRESS WORKLOAD --seconds 1 --server-pid PID
    python -m benchmarks.client_main MODULE ADDRESS WORKLOAD --count 200
    python -m benchmarks.client_main MODULE ADDRESS WORKLOAD --forever

The first tells the peer's versions and which workloads it can do. The second warms up, finds the
count that takes about so many seconds, and measures that. The third does so many and no more, for
counting bytes. The fourth is another client's neighbour: it works until it is ended, and prints its
line when it has begun.
"""

import argparse
import gc
import inspect
import json
import math
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext
from typing import Any

from benchmarks.children import (
    allow_connections,
    end_with_parent,
    last_words,
    machine_cpu,
    process_cpu,
    resident,
)
from benchmarks.figures import percentile
from benchmarks.peers import Peer, PeerClient, load
from benchmarks.workloads import WORKLOADS, Workload

WARM_UP_SHARE = 0.4
"""Warm-up goes on until one run takes this share of the wanted seconds: at 1.0 s, what notes on
other peers took as the time after which their rates no longer rise."""

Work = Callable[[int], Awaitable[list[float] | None]]


def supports(peer: Peer, workload: Workload) -> bool:
    """Tell whether a peer has the settings, and its client the methods that the workload needs."""

    def takes(function: Any, names: Sequence[str]) -> bool:
        return function is not None and set(names) <= set(inspect.signature(function).parameters)

    return (
        takes(peer.serve, [*workload.settings])
        and takes(getattr(peer.Client, workload.method, None), [*workload.arguments])
        and (
            workload.beside is None
            or takes(getattr(peer.Client, workload.beside, None), [*workload.beside_arguments])
        )
    )


async def warm_up(work: Work, workload: Workload, seconds: float) -> int:
    """Work ever longer, and return the count that takes about `seconds`."""
    count = workload.step
    while True:
        start = time.perf_counter()
        await work(count)
        took = time.perf_counter() - start
        if took >= seconds * WARM_UP_SHARE:
            growth = seconds / took
        else:
            growth = min(max(seconds / took / 2, 2), 8)
        count = max(1, round(count * growth / workload.step)) * workload.step
        if took >= seconds * WARM_UP_SHARE:
            return count


async def measure(
    work: Work, workload: Workload, seconds: float, server_pid: int
) -> dict[str, float | None]:
    """Warm up, measure once, and return the raw figures: totals, not yet per call."""
    count = await warm_up(work, workload, seconds)
    machine, server, client = machine_cpu(), process_cpu(server_pid), time.process_time()
    start = time.perf_counter()
    latencies = await work(count)
    took = time.perf_counter() - start
    client_cpu = time.process_time() - client
    server_cpu = difference(process_cpu(server_pid), server)
    busy = difference(machine_cpu(), machine)
    others = None
    if busy is not None and server_cpu is not None:
        others = max(0.0, busy - client_cpu - server_cpu) / took
    figures = {
        "count": count,
        "seconds": took,
        "client_cpu": client_cpu,
        "server_cpu": server_cpu,
        "others_cores": others,
    }
    if latencies:
        latencies.sort()
        figures["p50"] = percentile(latencies, 50)
        figures["p99"] = percentile(latencies, 99)
    return figures


async def measure_memory(
    hold: Callable[[int], AbstractAsyncContextManager[None]], held: Sequence[int], server_pid: int
) -> dict[str, Any]:
    """Hold ever more, and read what both processes have in memory at each number."""
    found = []
    start = time.perf_counter()
    async with AsyncExitStack() as stack:
        holding = 0
        for number in held:
            await stack.enter_async_context(hold(number - holding))
            holding = number
            gc.collect()
            found.append((number, resident(os.getpid()), resident(server_pid)))
    return {"count": held[-1], "seconds": time.perf_counter() - start, "held": found}


def difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


@contextmanager
def neighbour(options: argparse.Namespace, workload: Workload) -> Iterator[None]:
    """Have another process work at the same server meanwhile.

    Raises:
        RuntimeError: It ended instead.
    """
    assert workload.neighbour
    command = [sys.executable, "-m", "benchmarks.client_main", options.module, options.address]
    with subprocess.Popen(
        [*command, workload.neighbour, "--forever"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        try:
            if not process.stdout.readline():
                raise RuntimeError("the neighbour did not begin")
            yield
            if process.poll() is not None:
                raise RuntimeError(f"the neighbour exited with {process.returncode}")
        finally:
            process.kill()


def run(options: argparse.Namespace) -> dict[str, Any]:
    peer = load(options.module)
    if options.about:
        doable = [w.name for w in WORKLOADS if supports(peer, w)]
        return {"versions": peer.versions(), "workloads": doable}
    workload = next(w for w in WORKLOADS if w.name == options.workload)

    async def main(client: PeerClient) -> dict[str, Any]:
        method = getattr(client, workload.method)
        beside: AbstractAsyncContextManager[None] = nullcontext()
        if workload.beside:
            beside = getattr(client, workload.beside)(**workload.beside_arguments)

        def work(count: int) -> Awaitable[list[float] | None]:
            done: Awaitable[list[float] | None] = method(count, **workload.arguments)
            return done

        async with beside:
            if workload.held:
                return await measure_memory(method, workload.held, options.server_pid)
            if options.count:
                await work(options.count)
                return {"count": options.count}
            if options.forever:
                count = await warm_up(work, workload, options.seconds)
                print("{}", flush=True)
                while True:
                    await work(count)
            with neighbour(options, workload) if workload.neighbour else nullcontext():
                return await measure(work, workload, options.seconds, options.server_pid)

    return peer.run(options.address, main, **workload.settings)


def positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("module")
    parser.add_argument("address", nargs="?")
    parser.add_argument("workload", nargs="?")
    parser.add_argument("--about", action="store_true")
    parser.add_argument("--seconds", type=positive, default=1.0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--forever", action="store_true")
    parser.add_argument("--server-pid", type=int, default=0)
    options = parser.parse_args()
    end_with_parent()
    allow_connections()
    try:
        print(json.dumps(run(options)), flush=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, the harness is told
        traceback.print_exc()
        sys.exit(last_words(error))


if __name__ == "__main__":
    main()
