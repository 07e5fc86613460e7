"""Coverage-guided fuzzing, by atheris, of what reads a stranger's bytes: see `targets`.

    python -m tests.torture.fuzz               all targets
    python -m tests.torture.fuzz core 5000     one, with so many inputs

Each runs in two processes of its own, with little memory, and shares what it finds to be new with
the other. Whatever a target raises is a finding, and so are a crash, more than a second of CPU and
more memory than there is. The input that did it stands in build/torture/; kept in corpus/ it is
tried again by each `make test`. What led somewhere new is kept in build/torture/, too, for the
next run to begin with.
"""

from __future__ import annotations

import importlib
import re
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tests.torture.figures import Run

ROOT = Path(__file__).parent.parent.parent
WORK = ROOT / "build" / "torture"
CORPUS = Path(__file__).parent / "corpus"

INPUTS = {"core": 1_000_000, "handshake": 200_000, "text": 100_000}
PROCESSES = 2
LONGEST = 1.0  # seconds of CPU that an input may take
HEADROOM = 512 << 20  # bytes of address space beyond what the program has when it begins
MAX_LENGTH = {"core": 400, "handshake": 400, "text": 3000}


class TooSlowError(Exception):
    """An input took longer than `LONGEST`."""


# The child: one process of a target ...


def child(name: str, options: list[str]) -> None:
    """Try inputs until it is told to stop; does not return."""
    atheris = importlib.import_module("atheris")  # an import would need its types, or its absence
    with atheris.instrument_imports(include=["avrpc"], enable_loader_override=False):
        target = importlib.import_module(f"tests.torture.targets.{name}")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM,) * 2)
    clock = time.thread_time

    def try_one(data: bytes) -> None:
        begin = clock()
        target.run(data)
        took = clock() - begin
        if took > LONGEST:
            raise TooSlowError(f"{took:.1f} s of CPU")

    atheris.Setup([name, *options], try_one)
    atheris.Fuzz()


# ... and the parent.


def fuzz(name: str, inputs: int) -> Run:
    """Fuzz one target and tell what was found."""
    folder = WORK / name
    corpus, seeds, found = (folder / part for part in ("corpus", "seeds", "found"))
    for each in (corpus, seeds, found):
        each.mkdir(parents=True, exist_ok=True)
    for old in [*seeds.iterdir(), *found.iterdir()]:
        old.unlink()
    target = importlib.import_module(f"tests.torture.targets.{name}")
    for number, data in enumerate(target.seeds()):
        (seeds / f"{number:03}").write_bytes(data)
    with Run("fuzz", name) as run:
        logs = [folder / f"log-{number}" for number in range(PROCESSES)]
        children = [
            _start(name, inputs // PROCESSES, number, log, [corpus, seeds, CORPUS / name])
            for number, log in enumerate(logs)
        ]
        codes = [each.wait() for each in children]
        said = [log.read_text(errors="replace") for log in logs]
        tried = sum(_last(r"stat::number_of_executed_units: (\d+)", text) for text in said)
        run.add("inputs", tried, at_least=inputs)
        run.add("edges", max(_last(r" cov: (\d+)", text) for text in said))
        run.add("kept", len([*corpus.iterdir()]))
        run.add("findings", sum(code != 0 for code in codes), at_most=0)
        for file in found.iterdir():
            run.problem(f"{file.relative_to(ROOT)}: {_why(said)}")
    return run


def _start(
    name: str, inputs: int, number: int, log: Path, folders: list[Path]
) -> subprocess.Popen[bytes]:
    options = [
        f"-runs={inputs}",
        f"-seed={number + 1}",
        f"-max_len={MAX_LENGTH[name]}",
        f"-artifact_prefix={WORK / name / 'found'}/",
        "-timeout=30",  # of wall time, for what does not end at all
        "-rss_limit_mb=0",  # RLIMIT_AS is there
        "-print_final_stats=1",
        "-reload=10",
        *(str(folder) for folder in folders if folder.is_dir()),
    ]
    command = [sys.executable, "-m", "tests.torture.fuzz", "--child", name, *options]
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _why(said: list[str]) -> str:
    """The line that names an exception or a signal, of what libFuzzer and Python print."""
    lines = [line for text in said for line in text.splitlines()]
    wanted = re.compile(r"^(\w+(\.\w+)*(Error|Exception|Interrupt)\b|==\d+== ?ERROR)")
    return next((line[:300] for line in lines if wanted.match(line)), "see its log")


def main(*arguments: str) -> int:
    """Fuzz the target named, or all."""
    inputs = INPUTS
    if arguments:
        inputs = {arguments[0]: int(arguments[1]) if arguments[1:] else INPUTS[arguments[0]]}
    if find_spec("atheris") is None:
        with Run("fuzz") as run:
            run.problem("atheris is not installed: there is none for this Python")
        return run.exit_code
    return max(fuzz(*each).exit_code for each in inputs.items())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    sys.exit(main(*sys.argv[1:]))
