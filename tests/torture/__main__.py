"""`make torture`: every part, one after the other; `make torture-NAME`: that part alone.

    python -m tests.torture                     all parts
    python -m tests.torture flood               one
    python -m tests.torture flood 1000 50       one, with arguments of its own

A part is a module of this folder that can be run by itself (`python -m tests.torture.flood`) and
tells what it found by `figures.Run`. To add one, write that module and its line in `PARTS`.

Each part runs in a process of its own, so that one which crashes or hangs is a finding, and the
others still run. What all of them found stands in build/torture.json, a line for each run.
"""

# ruff: noqa: T201 - it talks to a person

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.torture.figures import FILE_VARIABLE, Run

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "build" / "torture.json"

# By name, how many minutes a part may take on 2 cores with nothing else to do: 60 in all. One that
# has not ended after twice as many is hung.
PARTS = {
    "fuzz": 9,  # the core, handshakes and texts, guided by coverage
    "decode": 3,  # random and changed values of many schemas
    "properties": 6,  # of the core: those of `make test`, with more examples
    "schemas": 3,  # random interfaces with random values
    "versions": 3,  # random interfaces, each with a random later version
    "flood": 3,  # handshakes, each with another protocol
    "faults": 4,  # every kind of call over a network that fails in nine ways
    "hostile": 4,  # a hundred hostile peers beside clients whose calls are timed
    "load": 1,  # 2,000 connections with ten calls each, and other crowds
    "soak": 3,  # a million calls, and a hundred thousand connections
    "cancels": 5,  # calls of every kind, cancelled at random points
}


def run_part(name: str, arguments: list[str], minutes: float, *, file: Path, module: str) -> bool:
    """Run one part; whether it held."""
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {FILE_VARIABLE: str(file)}
    # A session of its own: what it has started ends with it.
    part = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    problem = ""
    try:
        code = part.wait(2 * minutes * 60)
        if code < 0:
            problem = f"it was ended by {signal.Signals(-code).name}"
        elif code:
            problem = f"it ended with {code}"
    except subprocess.TimeoutExpired:
        problem = f"it had not ended after {2 * minutes:g} minutes"
    finally:
        _end(part)
    if problem and not _has_told(name, file):
        with Run(name, file=file) as run:
            run.problem(problem)
    return not problem


def _end(part: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(part.pid, signal.SIGKILL)
    part.wait()


def lines_of(file: Path) -> list[dict[str, object]]:
    """What stands in the file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _has_told(name: str, file: Path) -> bool:
    """Whether the part has told itself what went wrong."""
    return any(line["part"] == name and not line["held"] for line in lines_of(file))


def forget(names: list[str], file: Path) -> None:
    """Drop what earlier runs of these parts found."""
    kept = [line for line in lines_of(file) if line["part"] not in names]
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in kept))


def main(arguments: list[str]) -> int:
    """Run the part named, or all of them."""
    names = arguments[:1] or [*PARTS]
    if names[0] not in PARTS:
        print(f"no part {names[0]!r}; there are {', '.join(PARTS)}")
        return 2
    forget(names, FILE)
    held = [
        run_part(name, arguments[1:], PARTS[name], file=FILE, module=f"tests.torture.{name}")
        for name in names
    ]
    print(f"{sum(held)} of {len(held)} parts held; the figures are in {FILE.relative_to(ROOT)}")
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
