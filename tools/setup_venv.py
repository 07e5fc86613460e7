"""Make .venv ready for one extra of the project: ``python3 tools/setup_venv.py EXTRA``.

Started by make with whatever python3 there is, so it needs nothing but the standard library,
and has no syntax that an older Python could not read before it is told that it is too old.

A ready .venv is known by a stamp, which is written last. Its name holds the extra and a
hash of all that the .venv was made from. Whatever has no such stamp was left half made (by
Debian's venv without ensurepip, by a Ctrl-C) or for something else, and is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - being older is what is asked here
    sys.exit(
        f"avrpc needs Python 3.11 or newer, and {sys.executable} is "
        f"{sys.version_info[0]}.{sys.version_info[1]}; name another: make PYTHON=python3.12 ..."
    )

ROOT = Path(__file__).resolve().parent.parent
NO_WAY = (
    "setup: this Python can make no virtual environment; "
    "install its venv package (Debian, Ubuntu: apt-get install python3-venv) and run make again"
)


def main() -> None:
    """Do what the module's first line says; leave with one line if that can't be done."""
    (extra,) = sys.argv[1:]
    # Two makes at once would delete each other's work. The lock goes with the process.
    folder = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    make_ready(ROOT, extra)


def make_ready(root: Path, extra: str) -> None:
    """Install ``extra`` into the .venv below ``root``, beside the extras that are there."""
    venv = root / ".venv"
    basis = fingerprint(root)
    ready = {stamp.name.split("-")[1] for stamp in venv.glob(f".ready-*-{basis}")}
    if extra in ready:
        return
    if not ready:
        say("making .venv")
        make_venv(venv)
    # While pip is at work no extra is known to be whole.
    for stamp in venv.glob(".ready-*"):
        stamp.unlink()
    say(f"installing avrpc[{extra}] into .venv")
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    done = run([*pip, "-c", "constraints.txt", "-e", f".[{extra}]"], root)
    if done.returncode:
        sys.exit(f"{done.stdout}setup: pip could not install avrpc[{extra}]; see above")
    for each in ready | {extra}:
        (venv / f".ready-{each}-{basis}").touch()


def fingerprint(root: Path) -> str:
    """Hash what a .venv is made from: what is declared, the Python, and the place.

    The place, because scripts in a .venv and the editable install hold absolute paths.
    """
    parts = [(root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    parts += [sys.version.encode(), os.fsencode(sys.executable), os.fsencode(root)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def make_venv(venv: Path) -> None:
    """Make a virtual environment that has pip, by the first way that works here."""
    inside = str(venv / "bin" / "python")
    make = [sys.executable, "-m", "venv", str(venv)]
    ways = [
        [make],
        # Debian without python3-venv: no ensurepip, but perhaps the system's pip (22.3 or newer).
        [
            [*make, "--without-pip"],
            [sys.executable, "-m", "pip", "--python", inside, "install", "pip"],
        ],
        [[sys.executable, "-m", "virtualenv", str(venv)]],
        [["virtualenv", "--python", sys.executable, str(venv)]],
    ]
    for commands in ways:
        shutil.rmtree(venv, ignore_errors=True)
        # Asking for pip is the proof: a way may end well and leave none.
        if all(
            succeeds(command, venv.parent)
            for command in [*commands, [inside, "-m", "pip", "--version"]]
        ):
            return
    shutil.rmtree(venv, ignore_errors=True)
    sys.exit(NO_WAY)


def succeeds(command: list[str], folder: Path) -> bool:
    """Run a command and tell whether it ended well; a program that is not there did not."""
    try:
        return run(command, folder).returncode == 0
    except OSError:
        return False


def run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command, keeping its words for the case that it fails."""
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def say(step: str) -> None:
    """Print one line for one step."""
    print(f"setup: {step}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; the next make begins anew")
