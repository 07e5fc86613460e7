"""`make mutants`: seed each defect in a copy of the project, and run its module's own tests there.

    python -m tests.mutants            all
    python -m tests.mutants credit     those with this word in their name or file

A defect is noticed if a test fails. Before, the same tests have to pass without any.
"""

# ruff: noqa: T201 - it talks to a person

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from tests.mutants.defects import DEFECTS, ROOT, Defect
from tests.torture.figures import Run

T = TypeVar("T")

FILE = ROOT / "build" / "mutants.json"
LEAST = 28  # of thirty
PROCESSES = 2
LIMIT = 600  # seconds, for one file of tests on a machine that does other things, too
NOT_COPIED = shutil.ignore_patterns(
    *(".git", ".venv", "build", "dist", "htmlcov", "__pycache__", ".*_cache", ".hypothesis"),
    ".coverage*",
)

# What pytest ends with. With more it could not even begin; a test that hangs is ended by a signal.
PASSED, FAILED = 0, 1
HANGS_AFTER = 30  # seconds


def run_tests(copy: Path, tests: list[str]) -> tuple[int, str]:
    """What pytest ends with in a copy, and what it says."""
    # No bytecode: a file that changes twice in a second would be taken for what it was.
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    options = ["--hypothesis-seed=0", "-o", f"faulthandler_timeout={HANGS_AFTER}"]
    try:
        done = subprocess.run(
            [*command, *options, *tests],
            cwd=copy,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return FAILED, "it did not end"
    return done.returncode, done.stdout


def try_defect(copy: Path, defect: Defect) -> bool:
    """Whether the tests notice it.

    Raises:
        RuntimeError: They did not run at all.
    """
    file = copy / defect.file
    text = file.read_text()
    file.write_text(defect.seeded(text))
    try:
        begun = time.monotonic()
        code, said = run_tests(copy, defect.tests)
    finally:
        file.write_text(text)
    if code > FAILED:
        raise RuntimeError(f"{defect.name}: pytest ended with {code}\n{said[-2000:]}")
    verdict = "SURVIVED" if code == PASSED else "noticed "
    print(f"{verdict} {time.monotonic() - begun:5.1f} s  {defect.file}: {defect.name}", flush=True)
    return code != PASSED


def in_copies(work: Callable[[Path, T], bool], inputs: Iterable[T]) -> list[bool]:
    """Do the work for each input, in as many copies of the project as there are processes."""
    copies: SimpleQueue[Path] = SimpleQueue()

    def one(each: T) -> bool:
        copy = copies.get()
        try:
            return work(copy, each)
        finally:
            copies.put(copy)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(PROCESSES) as threads:
        for number in range(PROCESSES):
            copies.put(shutil.copytree(ROOT, Path(folder) / str(number), ignore=NOT_COPIED))
        return list(threads.map(one, inputs))


def passes(copy: Path, tests: list[str]) -> bool:
    """Whether tests pass where there is no defect."""
    code, said = run_tests(copy, tests)
    if code != PASSED:
        print(f"without any defect, {' '.join(tests)} ended with {code}\n{said[-2000:]}")
    return code == PASSED


def main(word: str = "") -> int:
    """Try all defects, or those with the word; 0 if enough were noticed."""
    defects = [each for each in DEFECTS if word in each.name or word in each.file]
    files = {each.file: each.tests for each in defects}
    if not all(in_copies(passes, files.values())):
        return 2
    FILE.parent.mkdir(exist_ok=True)
    FILE.unlink(missing_ok=True)
    with Run("mutants", file=FILE) as run:
        noticed = in_copies(try_defect, defects)
        run.add("defects", len(noticed))
        least = LEAST if defects == DEFECTS else len(defects)
        run.add("noticed", sum(noticed), at_least=least)
    return run.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
