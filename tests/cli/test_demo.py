"""`avrpc demo`: in process for what it does with its words, and as real programs."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pytest

import avrpc
from avrpc.cli.demo import demo
from avrpc.cli.failures import NoConnection, Remote, Usage
from avrpc.demo import tour
from avrpc.demo.process import ServerFailed
from avrpc.demo.screen import PlainScreen, Screen

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "avrpc.cli", "demo")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Calls(list[tuple[Screen, float, str | None]]):
    """Takes the place of `tour.demo`: notes how it was called, and fails if it is told to."""

    failure: Exception | None = None

    async def __call__(self, screen: Screen, seconds: float, address: str | None) -> None:
        self.append((screen, seconds, address))
        if self.failure:
            raise self.failure


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()
    monkeypatch.setattr(tour, "demo", made)
    return made


def invoke(*words: str) -> Any:
    return demo.main(list(words), standalone_mode=False)


def test_demo_without_words_takes_five_seconds_at_a_server_of_its_own(calls: Calls) -> None:
    invoke()
    [(screen, seconds, address)] = calls
    assert (type(screen), seconds, address) == (PlainScreen, 5.0, None)


def test_demo_passes_on_what_it_was_told(calls: Calls) -> None:
    invoke("--seconds", "1.5", "--address", "tcp://127.0.0.1:7000", "--plain")
    [(screen, seconds, address)] = calls
    assert (type(screen), seconds, address) == (PlainScreen, 1.5, "tcp://127.0.0.1:7000")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9"])
def test_demo_of_no_sensible_length_is_refused(seconds: str, calls: Calls) -> None:
    with pytest.raises(Usage, match=r"--seconds: expected 0\.3 to 3600, got"):
        invoke("--seconds", seconds)
    assert not calls


def test_demo_at_no_address_is_refused(calls: Calls) -> None:
    with pytest.raises(Usage, match="did you mean tcp://there:1"):
        invoke("--address", "there:1")
    assert not calls


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ServerFailed("the server ended with 1"), Remote),
        (avrpc.ConnectFailed("no one there"), NoConnection),
    ],
)
def test_demo_that_fails_says_so_in_a_line(
    failure: Exception, told: type[click.ClickException], calls: Calls
) -> None:
    calls.failure = failure
    with pytest.raises(told, match=str(failure)):
        invoke()


def environment(**variables: str) -> dict[str, str]:
    """A plain one, in which an avrpc that is not installed is found all the same."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    return {**kept, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **variables}


def test_demo_without_a_terminal_prints_plain_lines_and_ends_by_itself(tmp_path: Path) -> None:
    """From a folder of its own, in which a file is named as a module that the server needs."""
    (tmp_path / "trio.py").write_text("raise RuntimeError('not me')")
    done = subprocess.run(
        [sys.executable, "-P", *COMMAND[1:], "--seconds", "1"],
        cwd=tmp_path,
        env=environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not CONTROL.search(done.stdout)
    assert done.stdout.isascii()
    for words in ("streamed response", "net-out", "toaster", "exit code 0", "what travelled"):
        assert words in done.stdout
    [pid] = re.findall(r"process (\d+) at", done.stdout)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_demo_at_nobody_ends_with_3_and_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--address", f"unix://{tmp_path}/nobody"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert "nobody: cannot connect" in line


@contextmanager
def terminal(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """A pseudo-terminal of some size: a person's end, and a program's, which is to be closed."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        yield person, program
    finally:
        os.close(person)


def read_all(person: int) -> str:
    """What programs write until the last one has closed its end; Linux reports that as an error."""
    text = b""
    with suppress(OSError):
        while some := os.read(person, 65536):
            text += some
    return text.decode()


def test_demo_on_a_terminal_draws_a_chart_and_leaves_the_terminal_as_it_was() -> None:
    with terminal(40, 100) as (person, program):
        before = termios.tcgetattr(person)
        with subprocess.Popen(
            [*COMMAND, "--seconds", "1"],
            env=environment(TERM="xterm-256color"),
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
        ) as process:
            os.close(program)
            text = read_all(person)
        assert termios.tcgetattr(person) == before
    assert process.returncode == 0, text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor, gone and back
    shown = CONTROL.sub("", text)
    assert re.search(r"6 streams on one connection, 1\.\d s", shown)
    for line in ("╭", "╰", "▁", "exit code 0", "what travelled"):
        assert line in shown
    assert "Traceback" not in shown


def test_demo_on_a_terminal_ends_with_ctrl_c_and_so_does_its_server() -> None:
    with (
        terminal(40, 100) as (person, program),
        subprocess.Popen(
            [*COMMAND, "--seconds", "60"],
            env=environment(TERM="xterm-256color"),
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
        ) as process,
    ):
        os.close(program)
        text = ""
        while "\N{LOWER ONE EIGHTH BLOCK}" not in text:  # it draws
            text += os.read(person, 65536).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        text += read_all(person)
    assert process.returncode == 130, text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "Traceback" not in text
    [pid] = re.findall(r"process .*?(\d+)\S* at", text)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
