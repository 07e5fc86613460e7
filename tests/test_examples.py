"""Each example runs as a real program, from another folder, and says what it is there to say.

Their types are checked with all the others'.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import self_signed

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"

# Lines that each prints on standard output, in some order, among others.
SAID = {
    "auth.py": [
        "-- alice",
        "there are . devices",
        "memory: .* bytes",
        "-- guest",
        "there are . devices",
        "PermissionDenied: now: not allowed",
        "-- stranger",
        "CredentialsRefused: .*: the server refused: not authenticated; no credentials were given",
    ],
    "cancel.py": [
        "server: begins to watch cpu",
        "client: .* %, and that is enough",
        "server: nobody watches any more",
        "client: the connection goes on: .* bytes of memory",
    ],
    "deadline.py": [
        "front: asking the server behind",
        r"back: [123]?\d?\d ms left; measuring",
        "back: cancelled",
        "client: the time is up",
    ],
    "errors.py": [
        r"UnknownDevice: .*'toaster'.* \[ran: True\]",
        r"InvalidValue: now\.device: expected string, got int \[ran: False\]",
        r"DeadlineExceeded: .* \[ran: True\]",
        r"InternalError: devices: internal error [0-9a-f]+ \[ran: True\]",
        r"ConnectFailed: .* \[ran: False\]",
    ],
    "many.py": [r"100 readings in [0-4]\.\d\d s"],  # and not in 10
    "threads.py": [
        "server: measuring cpu in a thread",
        "client: meanwhile .* bytes of memory",
        "client: the thread says .* %",
    ],
    "tls.py": [
        r"server: nobody asks, by TLSv1\.3",
        r"client: 6 devices at tls://127\.0\.0\.1:\d+",
        "without a certificate: no-certificate",
    ],
    "two_protocols.py": [
        rf"this file has {(EXAMPLES / 'two_protocols.py').stat().st_size} bytes,",
        "this machine has 6 devices;",
        r"the server has demo\.Files avrpc\.vitals\.Vitals",
    ],
    "unix_socket.py": [
        "serving on unix:///.*/vitals.sock",
        r"the server has avrpc\.vitals\.Vitals",
        "  watch    streamed response  .+",
        "devices: cpu memory .*",
    ],
}

# Two that belong together, and have a test of their own.
SERVER, CLIENT = "vitals_server.py", "vitals_client.py"
CLIENT_SAYS = [
    r"now: \{'at': .*, 'value': .*\}",
    *[r"\d\d:\d\d:\d\d +[\d.]+ %"] * 5,
    r"summary: \{'count': 5, .*\}",
    *[r"converted: [\d.]+"] * 5,
    "no toaster; there are: cpu.*",
]


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *arguments]


def environment() -> dict[str, str]:
    """Ours, in which an avrpc that is not installed is found as well."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        command(name, *arguments),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if name not in ("auth.py", "errors.py", "tls.py"):  # whose servers log what went wrong
        assert done.stderr == ""
    return done.stdout


def assert_says(output: str, expected: list[str]) -> None:
    left = output.splitlines()
    for pattern in expected:
        line = next((line for line in left if re.fullmatch(pattern, line)), None)
        assert line is not None, f"no {pattern!r} in\n{output}"
        left.remove(line)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example server and the address that it prints; it is ended by Ctrl-C."""
    with subprocess.Popen(
        command(SERVER, *arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serving on "), line + process.stdout.read()
            yield process, line.split()[-1]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


@pytest.mark.parametrize("name", SAID)
def test_example_says_what_it_is_there_to_say(name: str, tmp_path: Path) -> None:
    arguments = []
    if name == "tls.py":
        (tmp_path / "me.pem").write_bytes(self_signed())
        arguments.append("me.pem")
    assert_says(run(tmp_path, name, *arguments), SAID[name])


def test_vitals_client_makes_its_calls_at_the_vitals_server(tmp_path: Path) -> None:
    with serving("tcp://127.0.0.1:0") as (server, address):
        assert_says(run(tmp_path, CLIENT, address), CLIENT_SAYS)
        assert server.poll() is None
    assert server.returncode == 0


def test_every_example_is_tested_and_in_the_readme() -> None:
    names = {file.name for file in EXAMPLES.glob("*.py")}
    assert names == {*SAID, SERVER, CLIENT}
    assert names == set(re.findall(r"\((\w+\.py)\)", (EXAMPLES / "README.md").read_text()))


@pytest.mark.parametrize("name", [*SAID, SERVER, CLIENT])
def test_example_is_short_and_begins_with_its_idea(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert text.startswith('"""')
    assert len([line for line in text.splitlines() if line.strip()]) <= 40
