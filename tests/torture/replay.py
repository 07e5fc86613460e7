"""What once did harm, or was made to, tried again: `python -m tests.torture.replay`.

Each file of corpus/ is an input of one of `targets` or, in corpus/decode/, a schema with bytes, as
JSON. Its name says what it is. `make test` runs this in a process of its own, with little memory.
"""

# ruff: noqa: T201 - it talks to a person, who needs to know where a crash came

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.torture import decode

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 1.0  # seconds of CPU
HEADROOM = 512 << 20  # of address space, above what the program has when it begins


def runner(folder: str) -> Callable[[bytes], None]:
    """What tries the files of a folder."""
    if folder == "decode":
        return lambda data: decode.replay(json.loads(data))
    run: Callable[[bytes], None] = importlib.import_module(f"tests.torture.targets.{folder}").run
    return run


def main(corpus: Path = CORPUS) -> int:
    """Try every file; ends with 1 if one of them does harm that can be seen from here."""
    files = sorted(file for file in corpus.glob("*/*") if file.is_file())
    runners = {folder: runner(folder) for folder in {file.parent.name for file in files}}
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM,) * 2)
    for file in files:
        print(file.relative_to(corpus), flush=True)
        begin = time.process_time()
        runners[file.parent.name](file.read_bytes())
        took = time.process_time() - begin
        if took > LONGEST:
            print(f"took {took:.1f} s of CPU")
            return 1
    print(f"{len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
