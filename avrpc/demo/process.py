"""The demo's server, as a process that is started and ended here."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import trio

import avrpc

COMMAND = (sys.executable, "-m", "avrpc.demo.server", "--until-eof")

# Importing trio and psutil on a slow and busy machine; a drain takes as long as its calls.
_START_SECONDS = 30
_END_SECONDS = 15


class ServerFailed(Exception):
    """The server did not start, or did not end well; the text has what it said."""


class ServerProcess:
    """A server that runs.

    Attributes:
        address: Where clients reach it.
        pid: Its process.
        exit_code: How it ended; None while it runs.
    """

    def __init__(self, process: trio.Process, address: str, log: IO[bytes]) -> None:
        self.address = address
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def log(self) -> str:
        """What it has logged so far."""
        return _text(self._log)


@asynccontextmanager
async def server_process(
    command: Sequence[str] = COMMAND, *, end_seconds: float = _END_SECONDS
) -> AsyncIterator[ServerProcess]:
    """Start the server; it drains and has ended when the block is left.

    Args:
        command: Prints its address as its first line, and drains on SIGTERM.
        end_seconds: How long it may take to drain; then it is killed.

    Raises:
        ServerFailed: It gave no address, or an exit code other than 0.
    """
    # Appended to, so that the server's place in it is not the one that we read from.
    with tempfile.TemporaryFile("a+b") as log:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,  # it ends when this does: no orphan, however we may end
            stdout=subprocess.PIPE,
            stderr=log,
            # Found from any folder, also where avrpc is used from its source; and a file of the
            # user's that is named as a module of ours is none of the server's.
            cwd=Path(avrpc.__file__).parent.parent,
            start_new_session=True,  # Ctrl-C is for us: we let the server drain
        )
        try:
            address = ""
            with trio.move_on_after(_START_SECONDS):
                address = await _first_line(process)
            if not address:
                raise ServerFailed(f"the server gave no address: {_text(log) or 'nor any reason'}")
            yield ServerProcess(process, address, log)
        finally:
            await _end(process, end_seconds)
        if process.returncode != 0:
            raise ServerFailed(f"the server ended with {process.returncode}: {_text(log)}")


async def _first_line(process: trio.Process) -> str:
    """What it prints first; empty if it ends without a word."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        some = await process.stdout.receive_some()
        if not some:
            return ""
        line += some
    return line.decode().strip()


async def _end(process: trio.Process, seconds: float) -> None:
    """End our own process, gently first, also while this task is being cancelled."""
    with trio.CancelScope(shield=True):
        process.terminate()
        with trio.move_on_after(seconds):
            await process.wait()
        process.kill()
        await process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            await pipe.aclose()


def _text(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip()
