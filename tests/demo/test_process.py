"""The server's process: real ones, most of them little scripts that behave in some way."""

import os
import signal
import sys

import pytest
import trio

import avrpc
from avrpc.demo import process as module
from avrpc.demo.interface import Vitals
from avrpc.demo.process import ServerFailed, server_process

# Not all that a Python has at its start: these are started for each test.
PYTHON = (sys.executable, "-S", "-c")

OBEDIENT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
print("a word", file=sys.stderr, flush=True)
print("tcp://x:1", flush=True)
signal.pause()
"""

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("tcp://x:1", flush=True)
signal.pause()
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_real_server_serves_drains_and_ends_with_0() -> None:
    async with server_process() as server:
        before = server.exit_code
        async with avrpc.connect(server.address, Vitals) as vitals:
            assert await vitals.devices()
            await vitals.note("here")
        assert is_running(server.pid)
    assert (before, server.exit_code) == (None, 0)
    assert not is_running(server.pid)


async def test_real_server_ends_when_whoever_started_it_is_gone() -> None:
    """Its standard input ends then; here it is just closed."""
    async with server_process() as server:
        assert server._process.stdin is not None
        await server._process.stdin.aclose()
        await server._process.wait()
        assert server.exit_code == 0


async def test_address_and_log_are_what_it_says() -> None:
    async with server_process([*PYTHON, OBEDIENT.format(code=0)]) as server:
        assert server.address == "tcp://x:1"
        assert server.log() == "a word"


async def test_exit_code_other_than_0_is_a_failure_that_has_the_log() -> None:
    with pytest.raises(ServerFailed, match="the server ended with 3: a word"):
        async with server_process([*PYTHON, OBEDIENT.format(code=3)]):
            pass


async def test_exit_code_does_not_hide_what_the_block_raised() -> None:
    with pytest.raises(KeyError):
        async with server_process([*PYTHON, OBEDIENT.format(code=3)]) as server:
            raise KeyError
    assert server.exit_code == 3


async def test_server_that_does_not_drain_in_time_is_killed() -> None:
    with pytest.raises(ServerFailed, match=f"ended with -{signal.SIGKILL:d}"):
        async with server_process([*PYTHON, DEAF], end_seconds=0.05) as server:
            pass
    assert not is_running(server.pid)


async def test_server_is_ended_also_when_its_user_is_cancelled() -> None:
    with trio.CancelScope() as scope:
        async with server_process([*PYTHON, OBEDIENT.format(code=0)]) as server:
            scope.cancel()
            await trio.sleep_forever()
    assert server.exit_code == 0


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; sys.exit('no such port')", "no such port"),
        ("pass", "nor any reason"),
    ],
)
async def test_server_that_ends_without_an_address_has_failed(script: str, reason: str) -> None:
    with pytest.raises(ServerFailed, match=f"the server gave no address: {reason}"):
        async with server_process([*PYTHON, script]):
            pytest.fail("there is no server")


async def test_server_that_says_nothing_in_time_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 0.05)
    with pytest.raises(ServerFailed, match="gave no address"):
        async with server_process([*PYTHON, "import signal; signal.pause()"]):
            pytest.fail("there is no server")
