"""Starts the processes, takes the rounds.

Every measurement has a server and a client process of its own, one at a time, so a peer that
crashes or hangs costs its own row and nothing else. Nothing is waited for without a limit.
"""

import json
import math
import os
import pathlib
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from benchmarks.figures import Measurement, WireCount, rotated
from benchmarks.peers import PeerSpec
from benchmarks.relay import Relay
from benchmarks.workloads import SOME_ROUNDS, Workload

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
        what: What it is called where it fails, such as the server.
        command: What is run.

    Raises:
        ChildFailed: There is no such program.
    """

    def __init__(self, what: str, command: Sequence[str]) -> None:
        self._what = what
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        # A file and not a pipe: nobody reads it until the end, and it must not fill up.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            self._stderr.close()
            name = pathlib.PurePath(command[0]).name
            raise ChildFailed(f"cannot start {name}: {error.strerror}") from error
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
    with Child("client", [*peer.command("client"), "--about"]) as client:
        return About(**json.loads(client.line(START_TIMEOUT)))


def take_rounds(
    peers: Sequence[PeerSpec],
    workloads: Mapping[str, Sequence[Workload]],
    rounds: int,
    seconds: float,
    until: float = math.inf,
) -> Iterator[Measurement]:
    """Measure, and yield each measurement as it is taken.

    Args:
        workloads: What each peer is measured in, by its name, all in the same order.
        seconds: What one measurement is to take, warm-up apart.
        until: No round is begun that would not end by then, by `time.monotonic`, where each
            measurement takes as long as those so far did. The first is always taken.
    """
    by_name = {peer.name: peer for peer in peers}
    order = list(dict.fromkeys(w for peer in peers for w in workloads[peer.name]))
    begin, done = time.monotonic(), 0
    for number in range(1, rounds + 1):
        due = [
            (by_name[name], workload)
            for workload in order
            if not workload.bytes_only and number <= some(rounds, workload)
            for name in rotated([*by_name], number - 1)
            if workload in workloads[name]
        ]
        now = time.monotonic()
        if done and now + (now - begin) / done * len(due) > until:
            return
        for peer, workload in due:
            yield measure(peer, workload, number, seconds)
        done += len(due)


def some(rounds: int, workload: Workload) -> int:
    """Tell in how many of the rounds this one is measured."""
    return math.ceil(rounds * SOME_ROUNDS.get(workload.group, 1))


def measure(peer: PeerSpec, workload: Workload, number: int, seconds: float) -> Measurement:
    """Measure once; a failure is a measurement too."""
    try:
        with _server(peer, workload) as server:
            address = server.line(START_TIMEOUT)
            wanted = seconds * workload.longer
            options = ["--seconds", str(wanted), "--server-pid", str(server.pid)]
            figures = _run_client(
                peer, server, [address, workload.name, *options], WORK_TIMEOUT + 10 * wanted
            )
        return Measurement(round=number, peer=peer.name, workload=workload.name, **figures)
    except ChildFailed as error:
        return Measurement(round=number, peer=peer.name, workload=workload.name, failed=str(error))


def count_bytes(peer: PeerSpec, workload: Workload, counts: tuple[int, int]) -> WireCount:
    """Do the same work twice, each time over one new connection through a relay."""
    sent, received = [], []
    try:
        with _server(peer, workload) as server:
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


def _server(peer: PeerSpec, workload: Workload) -> Child:
    settings = ["--settings", json.dumps(dict(workload.settings))] if workload.settings else []
    return Child("server", [*peer.command("server"), *settings])


def _run_client(
    peer: PeerSpec, server: Child, arguments: Sequence[str], timeout: float
) -> dict[str, Any]:
    with Child("client", [*peer.command("client"), *arguments]) as client:
        try:
            figures: dict[str, Any] = json.loads(client.line(timeout))
        except ChildFailed as error:
            # Where the server died, the client's complaint is only the consequence, and may come
            # before the server has quite ended.
            raise ChildFailed(server.failure(1) or str(error)) from error
        return figures
