"""The README's Python works as pasted.

A block counts that begins with its file's name, ``# server.py``. All of them pass
``mypy --strict``; the server and the client are run, as two programs, from a folder that has the
project's schemas/. A block of another language with ``title="schemas/x.avdl"`` in its fence is
written to that file first.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


def named_blocks(text: str) -> dict[str, str]:
    """Map file names to the blocks of a README that carry one."""
    blocks = {}
    for language, rest, body in _FENCE.findall(text):
        title = re.search(r'title="([^"]+)"', rest)
        first = re.match(r"# (\S+\.py)\n", body) if language == "python" else None
        if found := title or first:
            blocks[found[1]] = body
    return blocks


@pytest.fixture
def pasted(tmp_path: Path) -> Path:
    """A folder with the README's files, on a port that is free."""
    blocks = named_blocks(README.read_text())
    missing = {"server.py", "client.py"} - blocks.keys()
    assert not missing, f"README.md has no block that begins with {', '.join(sorted(missing))}"
    if (ROOT / "schemas").is_dir():
        shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    port = free_port()
    for name, text in blocks.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(_ADDRESS.sub(f"127.0.0.1:{port}", text))
    return tmp_path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_readme_shows_the_interface_files_as_they_are() -> None:
    for name, text in named_blocks(README.read_text()).items():
        if not name.endswith(".py"):
            assert (ROOT / name).read_text() == text


def test_readme_code_passes_mypy_strict(pasted: Path) -> None:
    files = sorted(str(file) for file in pasted.rglob("*.py"))
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-incremental"]
    done = subprocess.run([*mypy, *files], cwd=pasted, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def server(pasted: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "server.py"],
        cwd=pasted,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_readme_server_and_client_run_as_pasted(
    pasted: Path, server: subprocess.Popen[str]
) -> None:
    found = _ADDRESS.search((pasted / "server.py").read_text())
    assert found, "README.md's server.py listens at no 127.0.0.1 address"
    wait_until_listening(int(found[1]), server)
    client = subprocess.run(
        [sys.executable, "client.py"],
        cwd=pasted,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    server.send_signal(signal.SIGINT)
    output, _ = server.communicate(timeout=15)
    assert client.returncode == 0, client.stderr + output
    assert client.stdout, "the README's client shows nothing"
    assert "Traceback" not in output, output


def wait_until_listening(port: int, server: subprocess.Popen[str]) -> None:
    """Knock until the server's port answers; another program's start has no event to wait for."""
    end = time.monotonic() + 20
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    server.kill()
    pytest.fail(f"the README's server does not listen: {server.communicate()[0]}")
