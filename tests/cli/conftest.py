"""A server of `tests.cli.desk` in a thread, and commands run against it in this process."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from avrpc.cli.app import group
from tests.cli.desk import make

PATIENCE = 10  # seconds until something that should happen counts as not happening


@dataclass
class Served:
    """A running server.

    Attributes:
        address: Where it is.
        notes: What its handlers noted.
    """

    address: str
    notes: "queue.Queue[str]"

    def next_note(self) -> str:
        return self.notes.get(timeout=PATIENCE)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    notes: queue.Queue[str] = queue.Queue()
    started: queue.Queue[tuple[str, Callable[[], None]]] = queue.Queue()

    async def serve() -> None:
        token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(make(notes.put).serve, f"unix://{tmp_path}/socket")
            started.put((address, lambda: token.run_sync_soon(nursery.cancel_scope.cancel)))

    thread = threading.Thread(target=trio.run, args=[serve])
    thread.start()
    address, stop = started.get(timeout=PATIENCE)
    yield Served(address, notes)
    stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the token of whoever runs the tests out of them."""
    monkeypatch.delenv("AVRPC_TOKEN", raising=False)


@pytest.fixture
def avrpc_cli() -> Callable[..., Result]:
    """Run a command line, with what its standard input holds."""

    def run(*words: str, stdin: str | bytes = "") -> Result:
        result = CliRunner().invoke(group, words, input=stdin, prog_name="avrpc")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
