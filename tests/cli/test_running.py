import os
import signal

import click
import pytest
import trio

from avrpc import AvrpcError, ConnectionLost
from avrpc.cli import running
from avrpc.cli.failures import NoConnection, Usage
from avrpc.cli.running import foremost, run


def test_run_ends_with_its_work() -> None:
    done = []

    async def work() -> None:
        await trio.lowlevel.checkpoint()
        done.append(1)

    run(work)
    assert done == [1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_work_and_is_the_exit_code(number: int, code: int) -> None:
    ended = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_effective_deadline())

    with pytest.raises(click.exceptions.Exit) as caught:
        run(work)
    assert caught.value.exit_code == code
    assert ended == [-float("inf")]


def test_an_error_of_ours_becomes_a_failure() -> None:
    async def work() -> None:
        raise ConnectionLost("it went away")

    with pytest.raises(NoConnection, match="it went away") as caught:
        run(work)
    assert isinstance(caught.value.__cause__, AvrpcError)


def test_output_that_nobody_reads_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = []
    monkeypatch.setattr(running, "give_up_stdout", lambda: given_up.append(1))

    async def work() -> None:
        raise BrokenPipeError

    with pytest.raises(click.exceptions.Exit) as caught:
        run(work)
    assert caught.value.exit_code == 0
    assert given_up == [1]


def test_an_error_that_is_a_bug_is_shown_as_one() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work)


def test_foremost_takes_what_has_words_out_of_a_group() -> None:
    usage, lost = Usage("line 3"), ConnectionLost("gone")
    assert foremost(BaseExceptionGroup("", [lost, ExceptionGroup("", [usage])])) is usage
    assert foremost(BaseExceptionGroup("", [lost, ZeroDivisionError()])) is lost
