"""Every kind of call over a network that fails, in nine ways.

    python -m tests.torture.faults                              20 seeds of each case
    python -m tests.torture.faults 100                          more of them
    python -m tests.torture.faults reset/response/pieces/tcp/7  one case again, and how it went

`proxy` has the faults and `cases` the calls. Each case has a server and a proxy of its own; all
seeds of one run at once. A seed draws everything but the order in which the system wakes tasks.

Time is that of `WaitingClock`, so what is late is not late because the machine is slow. A program
that does nothing but spin lets no time pass; it shows by never ending.
"""

# ruff: noqa: T201 - it talks to a person

from __future__ import annotations

import gc
import logging
import ssl
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import trio

import avrpc
from avrpc.client import Client
from avrpc.log import logger as avrpc_logger
from tests.certificates import client_context, server_context
from tests.desk import DESK, KINDS, at_rest, tick
from tests.torture.accounts import held, left_at
from tests.torture.cases import (
    CONNECT_TIMEOUT,
    LIMITS,
    LOST,
    NOT_CONNECTED,
    OUT_OF_TIME,
    SIZES,
    SLACK,
    TRANSPORTS,
    USES,
    WELL,
    Book,
    Call,
    Case,
    Plan,
    problems_of,
)
from tests.torture.clock import WaitingClock
from tests.torture.figures import Run
from tests.torture.proxy import Fault, Proxy, Script, Way

logger = logging.getLogger("faults")

SEEDS = 20
GIVEN_UP = 10.0  # seconds after which a call, or a server, counts as hung
QUIET = 3.0  # seconds in which a server notices that a client is gone
CLOSED = LIMITS.close_timeout + 1 + SLACK  # seconds in which a client's block is left


@dataclass
class Found:
    """What came of some cases."""

    cases: int = 0
    struck: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    latest: float = 0.0  # seconds after a deadline, of a call
    slowest_close: float = 0.0
    tasks: int = 0  # that were left
    files: int = 0
    problems: list[str] = field(default_factory=list)


class Trouble(logging.Handler):
    """Notes what avrpc logs as an error: no fault of a network is one."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._problems.append(f"logged: {record.getMessage()}: {error!r}")


@contextmanager
def noted_trouble(problems: list[str]) -> Iterator[None]:
    """Note errors that are logged, and those that have nowhere to go, such as a socket's left open.

    (In the tests, pytest takes those.)
    """
    trouble, hook = Trouble(problems), sys.unraisablehook
    if hook is sys.__unraisablehook__:
        sys.unraisablehook = lambda what: problems.append(f"unraisable: {what.exc_value!r}")
    avrpc_logger.addHandler(trouble)
    try:
        yield
    finally:
        avrpc_logger.removeHandler(trouble)
        sys.unraisablehook = hook


async def run_cases(cases: list[Case]) -> Found:
    """Run them, all at once."""
    found = Found()
    handshakes = {each: await handshake_bytes(each) for each in {case.transport for case in cases}}
    before = held()
    async with trio.open_nursery() as nursery:
        for case in cases:
            nursery.start_soon(run_case, case, Plan.of(case, handshakes[case.transport]), found)
    after = held()
    found.tasks, found.files = after.tasks - before.tasks, after.files - before.files
    return found


async def handshake_bytes(transport: str) -> dict[Way, int]:
    """How many bytes a handshake takes, each way; over TLS, both of them."""
    proxy = Proxy(Script(fault=Fault.DELAY))
    async with trio.open_nursery() as nursery:
        _, through = await serve(nursery, Book([]).server(), proxy, transport)
        async with connect(through, DESK):
            carried = dict(proxy.carried)
        nursery.cancel_scope.cancel()
    return carried


@cache
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, and the client's."""
    return server_context(), client_context()


async def serve(
    nursery: trio.Nursery, server: avrpc.Server, proxy: Proxy, transport: str
) -> tuple[str, str]:
    """Have a server served; its address, and that of the proxy before it."""
    context = tls()[0] if transport == "tls" else None
    serve = partial(server.serve, f"{transport}://127.0.0.1:0", tls=context)
    (address,) = await nursery.start(serve)
    port = await nursery.start(proxy.run, int(address.rpartition(":")[2]))
    return address, f"{transport}://127.0.0.1:{port}"


def connect(
    address: str, protocol: avrpc.Protocol | None, **options: Any
) -> AbstractAsyncContextManager[Client]:
    """Connect, over TLS where the address says so."""
    context = tls()[1] if address.startswith("tls:") else None
    return avrpc.connect(address, protocol, tls=context, **options)


async def run_case(case: Case, plan: Plan, found: Found) -> None:
    """Run one case, and look at what it has left."""
    logger.info("%s: %s", case, plan.script)
    book = Book(plan.calls)
    server, proxy = book.server(), Proxy(plan.script)
    problems: list[str] = []
    async with trio.open_nursery() as nursery:
        address, through = await serve(nursery, server, proxy, case.transport)
        with trio.move_on_after(CONNECT_TIMEOUT + 60) as hung:
            await use(through, case, plan, found, problems)
        if hung.cancelled_caught:
            problems.append("the client hung")
        problems += await left_at(server, QUIET)
        try:
            with trio.fail_after(GIVEN_UP):
                async with connect(address, DESK) as good:
                    assert await good.last("EURUSD") == tick()
        except (avrpc.AvrpcError, trio.TooSlowError) as error:
            problems.append(f"the server does not serve a good client: {error!r}")
        problems += await left_at(server, QUIET)
        nursery.cancel_scope.cancel()
    for call in plan.calls:
        logger.info("call %d: %s %s", call.number, call.outcome, call.errors)
        problems += [
            f"call {call.number}: {problem}"
            for problem in problems_of(
                call,
                book.runs[call.number],
                case.kind,
                must=plan.must or ("" if proxy.struck else WELL),
            )
        ]
        if call.ended is not None:
            found.latest = max(found.latest, call.ended - call.due)
    found.cases += 1
    found.struck += proxy.struck
    found.outcomes.update(call.outcome for call in plan.calls)
    found.problems += [f"{case}: {problem}" for problem in problems]


async def use(address: str, case: Case, plan: Plan, found: Found, problems: list[str]) -> None:
    """Connect, and make the calls."""
    due = trio.current_time() + CONNECT_TIMEOUT
    done = 0.0
    try:
        protocol = None if plan.dynamic else DESK
        async with connect(
            address, protocol, limits=plan.limits, timeout=CONNECT_TIMEOUT
        ) as client:
            async with trio.open_nursery() as nursery:
                for call in plan.calls:
                    nursery.start_soon(make, client, case, call)
            if plan.must == WELL:
                await client._session.wait_idle()
                await client._session.flush()  # such as an answer to a PING
                problems += at_rest(client)
            done = trio.current_time()
    except Exception as error:  # noqa: BLE001 - as in `make`
        if done:
            problems.append(f"leaving the client raised {error!r}")
        for call in plan.calls:
            call.due, call.ended = due, trio.current_time()
            call.errors.append(error)
    else:
        found.slowest_close = max(found.slowest_close, trio.current_time() - done)


async def make(client: Client, case: Case, call: Call) -> None:
    """Make one call, within its time, and note how it ended."""
    call.due = trio.current_time() + call.timeout
    with trio.move_on_at(call.due + GIVEN_UP):
        try:
            with trio.fail_after(float("inf") if call.explicit else call.timeout):
                await USES[case.kind](client, call)
        except* Exception as group:  # noqa: BLE001 - which are right is what is asked
            call.errors += leaves(group)
        call.ended = trio.current_time()


def leaves(group: BaseExceptionGroup[Any]) -> Iterable[BaseException]:
    """The exceptions in a group, at any depth."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


# The long run ...


def run(cases: list[Case]) -> Found:
    """Run cases in a trio of their own."""
    clock = WaitingClock()
    problems: list[str] = []
    with noted_trouble(problems):
        found = trio.run(run_cases, cases, clock=clock, instruments=[clock])
        gc.collect()
    found.problems += problems
    return found


def cases_of(fault: Fault, seeds: int) -> Iterable[list[Case]]:
    """Every case of a fault, those that run at once together."""
    for transport in TRANSPORTS:
        for kind in KINDS:
            for size in SIZES:
                yield [Case(fault, kind, size, transport, seed) for seed in range(seeds)]


def torture(fault: Fault, seeds: int) -> int:
    """All cases of one fault; the exit code."""
    with Run("faults", fault) as told:
        all_found = [run(cases) for cases in cases_of(fault, seeds)]
        counts: Counter[str] = sum((found.outcomes for found in all_found), Counter())
        cases = sum(found.cases for found in all_found)
        told.add("cases", cases)
        # Slow acceptance shows in each; some of the others are drawn to strike after the last byte.
        told.add("struck", sum(found.struck for found in all_found), at_least=cases // 2)
        told.add("calls", counts.total())
        for outcome in (WELL, LOST, OUT_OF_TIME, NOT_CONNECTED):
            told.add(outcome, counts[outcome])
        latest = max(found.latest for found in all_found)
        told.add("latest after its deadline", round(latest, 3), "s", at_most=SLACK)
        slowest = max(found.slowest_close for found in all_found)
        told.add("slowest close", round(slowest, 3), "s", at_most=CLOSED)
        told.add("tasks left", max(found.tasks for found in all_found), at_most=0)
        told.add("files left", max(found.files for found in all_found), at_most=0)
        problems = [problem for found in all_found for problem in found.problems]
        told.add("problems", len(problems), at_most=0)
        for problem in problems[:10]:
            told.problem(problem)
        if problems:
            print("once more: make torture-faults ARGS=" + problems[0].partition(":")[0])
    return told.exit_code


# ... and one case again.


def replay(case: Case) -> int:
    """Run one case, and say all there is to say."""
    logging.basicConfig(level=logging.DEBUG)
    found = run([case])
    print(*found.problems or ["held"], sep="\n")
    return int(bool(found.problems))


def main(what: str = str(SEEDS)) -> int:
    """As the module says."""
    warnings.simplefilter("error", ResourceWarning)
    if not what.isdigit():
        return replay(Case.parse(what))
    avrpc_logger.propagate = False
    return max(torture(fault, int(what)) for fault in Fault)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
