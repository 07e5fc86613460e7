"""The demo's server as a program."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from avrpc.demo import server as module
from avrpc.demo.server import end_with_input, main, say_addresses


class FakeServer:
    """Takes `avrpc.Server.run`'s place: is ready, and then ended at once."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()

    def run(self, *addresses: str, ready: Callable[[list[str]], Any]) -> None:
        self.addresses = addresses
        ready(list(addresses))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    server = FakeServer()
    monkeypatch.setattr(module, "server", server)
    return server


@pytest.mark.parametrize(
    ("arguments", "address"),
    [([], "tcp://127.0.0.1:0"), (["unix:///tmp/vitals"], "unix:///tmp/vitals")],
)
def test_main_serves_and_prints_where(
    arguments: list[str], address: str, fake: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments)
    assert fake.addresses == (address,)
    assert capsys.readouterr().out == f"{address}\n"


def test_main_until_eof_waits_for_the_end_of_its_input(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    monkeypatch.setattr(module, "end_with_input", lambda file: waits.set() if file == 0 else None)
    main(["--until-eof"])
    assert waits.wait(10)


def test_end_of_input_is_a_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    out, into = os.pipe()
    os.write(into, b"not the end yet")
    os.close(into)
    end_with_input(out)
    os.close(out)
    assert raised == [signal.SIGTERM]


def test_say_addresses_prints_all_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say_addresses(["tcp://a:1", "tcp://b:2"])
    assert capsys.readouterr().out == "tcp://a:1 tcp://b:2\n"
