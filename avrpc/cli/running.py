"""Running a command on trio: until it is done, or a signal comes, or nobody reads its output."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable

import click
import trio

from avrpc import AvrpcError
from avrpc.cli.failures import Failure, failure_of
from avrpc.cli.output import give_up_stdout

# What a shell reports for a program that a signal ended.
_SIGNALLED = 128
INTERRUPTED = _SIGNALLED + signal.SIGINT

Work = Callable[[], Awaitable[None]]


def run(work: Work) -> None:
    """Run an async function; SIGINT and SIGTERM cancel it.

    Raises:
        Failure: What went wrong, in words.
        click.exceptions.Exit: A signal came, or standard output was closed at its other end:
            that is no failure, since `| head` does it.
    """
    try:
        signalled = trio.run(_until_signal, work)
    except BrokenPipeError:
        give_up_stdout()
        raise click.exceptions.Exit(0) from None
    except AvrpcError as error:
        raise failure_of(error) from error
    if signalled:
        raise click.exceptions.Exit(_SIGNALLED + signalled)


async def _until_signal(work: Work) -> int:
    """Give the number of the signal that ended it; 0 if none did."""
    came = 0
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def watch() -> None:
            nonlocal came
            came = await anext(signals)
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                await work()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise foremost(group) from None
    return came


def foremost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Choose the one exception of a group that is worth telling: one with words for it, if any."""
    leaves = list(_leaves(group))
    return next((one for one in leaves if isinstance(one, Failure)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for one in error.exceptions for leaf in _leaves(one)]
