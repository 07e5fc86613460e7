"""The properties of the core that `make test` tries with few examples, with 20,000 each.

python -m tests.torture.properties          as many as the profile in tests/conftest.py says
python -m tests.torture.properties quick    as `make test` does it
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.profiles import LONG
from tests.torture.figures import Run

ROOT = Path(__file__).parent.parent.parent
# What one process runs, and the other.
SHARES = [
    ["tests/wire/test_properties.py", "tests/wire/test_no_deadlock.py"],
    ["tests/wire/test_two_cores.py::TestTwoCores"],
]
PASSING = re.compile(r"generate phase.*\n.*Typical.*\n +- (\d+) passing")


def main(profile: str = LONG) -> int:
    """Run them; Hypothesis itself shows what it found."""
    with Run("properties") as run:
        processes = [_start(files, "avrpc" if profile == "quick" else profile) for files in SHARES]
        said = [process.communicate()[0] for process in processes]
        counts = [int(count) for text in said for count in PASSING.findall(text)]
        run.add("properties", len(counts), at_least=5)
        run.add("examples", sum(counts))
        run.add("fewest", min(counts, default=0), at_least=5000 if profile == LONG else 1)
        for process, text in zip(processes, said, strict=True):
            if process.returncode:
                run.problem(f"pytest ended with {process.returncode}")
                print(text)  # noqa: T201 - it talks to a person
    return run.exit_code


def _start(files: list[str], profile: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics", *files]
    # No test may hang: the limit of `make test` is for one that tries few examples.
    options = ["-p", "no:cacheprovider", "--hypothesis-profile", profile]
    limit = ["-o", "faulthandler_timeout=1200"]
    return subprocess.Popen(
        [*command, *options, *limit],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
