"""``avrpc demo``: watch this machine through avrpc, for a few seconds."""

from __future__ import annotations

import sys

import click
import psutil  # noqa: F401 - the server's; whoever lacks it learns here which extra has it

from avrpc.cli.failures import Remote, Usage
from avrpc.cli.options import SETTINGS, check_address
from avrpc.cli.running import run
from avrpc.demo import tour
from avrpc.demo.process import ServerFailed
from avrpc.demo.screen import choose_screen

# A few readings at least; and all of them are kept.
_SHORTEST, _LONGEST = 0.3, 3600


@click.command(context_settings=SETTINGS)
@click.option(
    "--seconds",
    type=float,
    metavar="SECONDS",
    default=5.0,
    show_default=True,
    help="How long to watch.",
)
@click.option(
    "--address", metavar="ADDRESS", help="A server of avrpc.vitals.Vitals; else one is started."
)
@click.option("--plain", is_flag=True, help="Print lines, also where a chart could be drawn.")
def demo(*, seconds: float, address: str | None, plain: bool) -> None:
    """Watch this machine through avrpc: a call of each kind, and what travelled.

    The server is a process of its own, which is started first and ended last.
    """
    if not _SHORTEST <= seconds <= _LONGEST:
        raise Usage(f"--seconds: expected {_SHORTEST} to {_LONGEST}, got {seconds:g}")
    if address is not None:
        check_address(address)
    screen = choose_screen(sys.stdout, plain=plain)

    async def work() -> None:
        try:
            await tour.demo(screen, seconds, address)
        except ServerFailed as failed:
            raise Remote(str(failed)) from failed

    run(work)
