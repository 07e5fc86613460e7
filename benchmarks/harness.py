"""Starts the processes, takes the rounds.

Every measurement has a server and a client process of its own, one at a time, so a peer that
crashes or hangs costs its own row and nothing else. Nothing is waited for without a limit.
"""

import json
import os
import pathlib
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from benchmarks.figures import Measurement, WireCount, rotated
from benchmarks.peers import PeerSpec
from benchmarks.relay import Relay
from benchmarks.workloads import Workload

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_TIMEOUT = 30.0
"""Seconds for a process to start, import and answer; takes under 1 on an idle machine."""
WORK_TIMEOUT = 30.0
"""Seconds for a client beyond what warm-up and measurement are meant to take, some four times
the seconds asked for."""


class ChildFailed(Exception):
    """A child process ended or went silent before it said what was wanted; the text says why."""


class Child:
    """A process of a peer that says one line; leaving the block ends it.

    Args:
        module: `benchmarks.client_main` or `benchmarks.server_main`.
    """

    def __init__(self, peer: PeerSpec, module: str, *arguments: str) -> None:
        self._what = module.rpartition(".")[2].removesuffix("_main")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        # A file and not a pipe: nobody reads it until the end, and it must not fill up.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self._process = subprocess.Popen(
            [peer.python, "-m", module, peer.module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.pid = self._process.pid
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self, timeout: float) -> str:
        """Wait for the line that it prints.

        Raises:
            ChildFailed: It ended without one, or printed none within `timeout` seconds.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise ChildFailed(f"the {self._what} was silent for {timeout:.0f} s") from None
        if not line:
            raise ChildFailed(self.failure(5) or f"the {self._what} closed its output")
        return line.decode().strip()

    def failure(self, timeout: float) -> str | None:
        """Say how it ended, by its code and the last line of its errors.

        None if it still runs after `timeout` seconds.
        """
        if not self._wait(timeout):
            return None
        code = self._process.returncode
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        text = f": {lines[-1].replace(str(ROOT), '.')}" if lines else ""
        return f"the {self._what} exited with {code}{text}"

    def end(self) -> None:
        """End the process, kindly at first, and wait until it has ended."""
        self._process.terminate()
        if not self._wait(5):
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._stderr.close()

    def _wait(self, timeout: float) -> bool:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._lines.put(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()


@dataclass(frozen=True, slots=True)
class About:
    """What a peer says of itself."""

    versions: Mapping[str, str]
    workloads: Sequence[str]


def ask(peer: PeerSpec) -> About:
    """Ask a peer for its versions and for what it can do.

    Raises:
        ChildFailed: It does not start, such as for want of a package.
    """
    with Child(peer, "benchmarks.client_main", "--about") as client:
        return About(**json.loads(client.line(START_TIMEOUT)))


def take_rounds(
    peers: Sequence[PeerSpec],
    workloads: Mapping[str, Sequence[Workload]],
    rounds: int,
    seconds: float,
) -> Iterator[Measurement]:
    """Measure, and yield each measurement as it is taken.

    Args:
        workloads: What each peer is measured in, by its name, all in the same order.
        seconds: What one measurement is to take, warm-up apart.
    """
    by_name = {peer.name: peer for peer in peers}
    order = list(dict.fromkeys(w for peer in peers for w in workloads[peer.name]))
    for number in range(1, rounds + 1):
        for workload in order:
            for name in rotated([*by_name], number - 1):
                if workload in workloads[name]:
                    yield measure(by_name[name], workload, number, seconds)


def measure(peer: PeerSpec, workload: Workload, number: int, seconds: float) -> Measurement:
    """Measure once; a failure is a measurement too."""
    try:
        with Child(peer, "benchmarks.server_main") as server:
            address = server.line(START_TIMEOUT)
            options = ["--seconds", str(seconds), "--server-pid", str(server.pid)]
            figures = _run_client(
                peer, server, [address, workload.name, *options], WORK_TIMEOUT + 10 * seconds
            )
        return Measurement(round=number, peer=peer.name, workload=workload.name, **figures)
    except ChildFailed as error:
        return Measurement(round=number, peer=peer.name, workload=workload.name, failed=str(error))


def count_bytes(peer: PeerSpec, workload: Workload, counts: tuple[int, int]) -> WireCount:
    """Do the same work twice, each time over one new connection through a relay."""
    sent, received = [], []
    try:
        with Child(peer, "benchmarks.server_main") as server:
            address = server.line(START_TIMEOUT)
            for count in counts:
                with Relay(address) as relay:
                    arguments = [relay.address, workload.name, "--count", str(count)]
                    _run_client(peer, server, arguments, WORK_TIMEOUT)
                    relay.wait_idle(5)
                    up, down = relay.counts()
                sent.append(up)
                received.append(down)
    except ChildFailed as error:
        return WireCount(peer=peer.name, workload=workload.name, failed=str(error))
    return WireCount(
        peer=peer.name,
        workload=workload.name,
        counts=counts,
        sent=(sent[0], sent[1]),
        received=(received[0], received[1]),
    )


def _run_client(
    peer: PeerSpec, server: Child, arguments: Sequence[str], timeout: float
) -> dict[str, Any]:
    with Child(peer, "benchmarks.client_main", *arguments) as client:
        try:
            figures: dict[str, Any] = json.loads(client.line(timeout))
        except ChildFailed as error:
            # Where the server died, the client's complaint is only the consequence, and may come
            # before the server has quite ended.
            raise ChildFailed(server.failure(1) or str(error)) from error
        return figures
