"""Processes that a part of `make torture` starts: servers, hostile peers, good clients.

One that is started (`Child`) says a line of JSON when it is ready, is asked for things by lines of
JSON, and answers each with one; it serves (`obey`) until its input ends, which is also what happens
when the one who started it is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import trio

from tests.torture.figures import Run

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60  # takes under 1 where nothing else runs


class ChildFailed(Exception):
    """A process ended or was silent when it should have answered; the text says how."""


class Child:
    """A process; leaving the block ends it.

    Args:
        module: What it runs, such as ``tests.torture.server``.
        arguments: For the module.
        open_files: How many descriptors it may have, if not as many as this process.

    Attributes:
        told: What it said when it was ready.
    """

    def __init__(self, module: str, *arguments: object, open_files: int | None = None) -> None:
        self.module = module
        # A file and not a pipe: nobody reads it until the end, and it must not fill up.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        command = [sys.executable, "-m", module, *map(str, arguments)]
        if open_files is not None:
            command = ["/bin/sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh", *command]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self.pid = self._process.pid
        self._received = b""
        try:
            self.told = self._answer(START_SECONDS)
        except BaseException:
            self.end()
            raise

    def ask(self, what: str, *arguments: object, seconds: float = 60) -> Any:
        """Have something done, and wait for the answer."""
        self.tell(what, *arguments)
        return self._answer(seconds)

    def tell(self, what: str, *arguments: object) -> None:
        """Have something done; `wait` waits for the answer."""
        line = json.dumps([what, *arguments]) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError as error:
            raise self._failure(5) from error

    def wait(self, seconds: float = 60) -> Any:
        """The answer to what was told."""
        return self._answer(seconds)

    def _answer(self, seconds: float) -> Any:
        output = self._process.stdout
        assert output is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._received:
            left = until - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                raise ChildFailed(f"{self.module} was silent for {seconds:g} s")
            more = os.read(output.fileno(), 1 << 16)
            if not more:
                raise self._failure(10)
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def _failure(self, seconds: float) -> ChildFailed:
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return ChildFailed(f"{self.module} closed its output")
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        said = self.errors().strip().splitlines()
        return ChildFailed(": ".join([f"{self.module} {how}", *said[-1:]]))

    def errors(self) -> str:
        """What it has written to its standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def complain(self, run: Run) -> None:
        """Note the last that it wrote there, if it wrote anything."""
        if said := self.errors().strip():
            run.problem(f"{self.module}: {said.splitlines()[-1]}")

    def end(self) -> None:
        """End the process, kindly at first, and wait until it has ended."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


async def obey(commands: Mapping[str, Callable[..., Awaitable[Any]]], ready: object) -> None:
    """Say that this process is ready, and do what it is asked for, until its input ends."""
    _say(ready)
    received = b""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as orders:
        async for more in orders:
            received += more
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                what, *arguments = json.loads(line)
                _say(await commands[what](*arguments))


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - to the process that started this one
