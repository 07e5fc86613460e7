from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from avrpc.conformance.app import main
from avrpc.conformance.interface import Conformance
from avrpc.conformance.registry import CASES
from avrpc.conformance.serving import ConformanceServer
from tests.conformance.desk import Serve, handling

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 10


@contextmanager
def served(serve: Serve | None = None) -> Iterator[str]:
    """A server in a thread, and its address."""
    started: queue.Queue[tuple[str, Callable[[], None]]] = queue.Queue()
    server = ConformanceServer()
    if serve is not None:
        server.serve_stream = serve  # type: ignore[assignment]

    async def run() -> None:
        token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(server.serve, "tcp://127.0.0.1:0")
            started.put((address, lambda: token.run_sync_soon(nursery.cancel_scope.cancel)))

    thread = threading.Thread(target=trio.run, args=[run])
    thread.start()
    address, stop = started.get(timeout=PATIENCE)
    try:
        yield address
    finally:
        stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def usage(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as exit_:
        main(words)
    return exit_.value.code


def test_sound_server_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with served() as address:
        assert main(["--address", address, "--case", "unary", "--case", "ping_pong"]) == 0
    *lines, summary = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines][:1] == [["pass", "empty_unary"]]
    assert {line.split()[0] for line in lines} == {"pass"}
    assert summary.startswith("8 passed, 0 failed, 0 skipped; ")


def test_defect_fails_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async def empty(service: object) -> None:
        raise RuntimeError

    with served(handling(empty=empty)) as address:
        assert main(["--address", address, "--case", "*_unary"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  empty_unary" in out
    assert "expected: RESULT for call 1 (empty)" in out
    assert "came:     STATUS UNKNOWN, STARTED" in out
    assert "1 passed, 1 failed, 0 skipped" in out


def test_report_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    with served() as address:
        assert main(["--address", address, "--case", "empty_unary", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["address"], report["passed"]) == (address, 1)
    assert [one["name"] for one in report["cases"]] == ["empty_unary"]


def test_server_that_can_not_be_reached_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    address = f"unix://{tmp_path / 'nothing'}"
    assert main(["--address", address]) == 1
    assert capsys.readouterr().err == f"cannot connect to {address}: No such file or directory\n"


def test_refused_connection_is_told_with_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    with served() as address:
        pass
    assert main(["--address", address]) == 1
    assert capsys.readouterr().err == f"cannot connect to {address}: Connection refused\n"


def test_list_shows_all_cases_or_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("  ") for line in lines) == len(CASES)
    assert main(["--list", "--case", "credit", "--json"]) == 0
    assert {one["group"] for one in json.loads(capsys.readouterr().out)} == {"credit"}


def test_text_is_printed_as_it_is_hashed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--text"]) == 0
    assert capsys.readouterr().out == Conformance.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "one of the arguments --address --serve --list --text is required"),
        (["--list", "--case", "nothing"], "no case or group 'nothing'"),
        (["--address", "nowhere"], "address 'nowhere'"),
        (["--serve", "nowhere"], "address 'nowhere'"),
        (["--serve", "tls://127.0.0.1:0"], "expected tcp:// or unix:// to serve at"),
        (["--address", "tls://a:1", "--tls-ca", "no/such.pem"], "No such file"),
        (["--address", "tcp://a:1", "--timeout", "0"], "invalid"),
        (["--address", "tcp://a:1", "--timeout", "x"], "invalid"),
        (["--address", "tcp://a:1", "--list"], "not allowed with"),
        (["--address", "tcp://a:1", "--credentials", ""], "invalid"),
        (["--address", "tcp://a:1", "--credentials", 8193 * "x"], "invalid"),
        (["--address", "tcp://a:1", "--keepalive", "0"], "invalid"),
    ],
)
def test_usage(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert usage(*words) == 2
    assert told in capsys.readouterr().err


def test_address_that_can_not_be_served_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--serve", "unix:///nowhere/at/all"]) == 1
    assert "cannot serve at unix:///nowhere/at/all: " in capsys.readouterr().err


def test_program_serves_until_a_signal() -> None:
    known = ["--credentials=secret", "--handshake-timeout=0.5", "--keepalive=50"]
    words = [sys.executable, "-m", "avrpc.conformance", "--serve", "tcp://127.0.0.1:0", *known]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        try:
            address = program.stdout.readline().strip()
            words = [sys.executable, "-m", "avrpc.conformance", "--address", address, *known]
            cases = ["--case=cancel", "--case=right_credentials", "--case=no_second_pack"]
            tried = subprocess.run([*words, *cases], cwd=ROOT, check=False, capture_output=True)
            assert tried.returncode == 0
            assert b", 0 skipped" in tried.stdout
            program.send_signal(signal.SIGTERM)
            assert program.wait(PATIENCE) == 0
        finally:
            program.kill()


def test_signal_ends_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, which is measured."""

    class Signals:
        async def __anext__(self) -> int:
            return signal.SIGTERM

    @contextmanager
    def receiver(*signals: int) -> Iterator[Signals]:
        yield Signals()

    monkeypatch.setattr(trio, "open_signal_receiver", receiver)
    assert main(["--serve", "tcp://127.0.0.1:0"]) == 0
