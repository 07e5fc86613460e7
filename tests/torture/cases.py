"""The calls of `faults`: what is asked, what the server writes down, and what must be true of both.

A case is one fault, one kind of message, one size of values, one transport and one seed, which
draws all that is left open. It makes a few calls at once over one connection.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import trio

import avrpc
from avrpc.client import Client
from tests.desk import KINDS, desk_server
from tests.torture.proxy import GENTLE, Fault, Script, Way

SIZES = ("small", "pieces")
TRANSPORTS = ("tcp", "tls")
CALLS = 3

PATIENCE = 0.3  # seconds a call has that a fault may strike
LONG_PATIENCE = 20.0  # and one that has to arrive
CONNECT_TIMEOUT = 0.4
SLACK = 1.0  # how long after its deadline a call may end

# A value above max_frame_bytes less 8 KiB goes in pieces.
LIMITS = avrpc.Limits(
    max_frame_bytes=16 * 1024,
    handshake_timeout=0.6,
    keepalive_interval=0.25,
    keepalive_timeout=0.25,
    write_stall_timeout=0.5,
    close_timeout=0.3,
)

LOST = "lost"
NOT_CONNECTED = "not connected"
OUT_OF_TIME = "out of time"
WELL = "well"

# Every error that a fault may show itself by: no other is documented for it.
_LEGAL: dict[type[BaseException], str] = {
    avrpc.ConnectFailed: NOT_CONNECTED,
    avrpc.ConnectTimeout: NOT_CONNECTED,
    avrpc.ConnectionLost: LOST,
    avrpc.DeadlineExceeded: OUT_OF_TIME,
    trio.TooSlowError: OUT_OF_TIME,  # the caller's own scope
}


class Case(NamedTuple):
    """One case, by name: ``reset/response/pieces/tcp/7``."""

    fault: Fault
    kind: str
    size: str
    transport: str
    seed: int

    def __str__(self) -> str:
        return "/".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The case of that name; ValueError if there is none."""
        fault, kind, size, transport, seed = text.split("/")
        if kind not in KINDS or size not in SIZES or transport not in TRANSPORTS:
            raise ValueError(f"no case {text!r}")
        return cls(Fault(fault), kind, size, transport, int(seed))


@dataclass
class Call:
    """One call of a case, and what the client saw of it."""

    number: int
    sizes: list[int]  # of its items, or of its one value
    timeout: float
    explicit: bool  # the timeout is told to avrpc; else it is a scope of the caller's
    due: float = 0.0
    ended: float | None = None
    sent: int = 0  # items that `send` took
    ending: bool = False  # the client has said, or tried to, that there are no more
    got: list[bytes] = field(default_factory=list)
    clean_end: bool = False  # of the items received
    errors: list[BaseException] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def value(self, at: int) -> bytes:
        """The item at that place: no two are the same, and no part of one is another."""
        seed = self.number << 16 | at
        return (seed.to_bytes(4) + random.Random(seed).randbytes(61)) * (self.sizes[at] // 65 + 1)

    def values(self) -> Iterator[bytes]:
        return (self.value(at) for at in range(len(self.sizes)))

    def using(self, message: Any) -> Any:
        return message.using(
            metadata={"call": str(self.number)}, timeout=self.timeout if self.explicit else None
        )

    @property
    def outcome(self) -> str:
        """How it ended."""
        return _LEGAL.get(type(self.errors[0]), "") if self.errors else WELL


# What the client does ...


async def unary(client: Client, call: Call) -> None:
    if await call.using(client.load)(call.value(0)) != call.value(0):
        call.problems.append("got another value")


async def one_way(client: Client, call: Call) -> None:
    await call.using(client.note)(call.value(0).hex())


async def response(client: Client, call: Call) -> None:
    async with call.using(client.pull)(len(call.sizes)) as blobs:
        await _take(call, blobs)


async def request(client: Client, call: Call) -> None:
    async with call.using(client.push)() as blobs:
        await _give(call, blobs)
        call.ending = True
        expected = sum(len(one) for one in call.values())
        for _ in range(2):  # it has one outcome, however often one looks
            if await blobs.result() != expected:
                call.problems.append("got another result")


async def both(client: Client, call: Call) -> None:
    async with call.using(client.swap)() as blobs, trio.open_nursery() as nursery:

        async def give() -> None:
            await _give(call, blobs)
            call.ending = True
            await blobs.send_eof()

        nursery.start_soon(give)
        await _take(call, blobs)


async def _give(call: Call, blobs: Any) -> None:
    for value in call.values():
        await blobs.send(value)
        call.sent += 1


async def _take(call: Call, blobs: Any) -> None:
    try:
        async for one in blobs:
            call.got.append(one)
        call.clean_end = True
        with _raises(call, trio.EndOfChannel):
            await blobs.receive()
    except avrpc.ConnectionLost as error:
        with _raises(call, type(error)):
            await blobs.receive()
        raise


@contextmanager
def _raises(call: Call, kind: type[Exception]) -> Iterator[None]:
    """A second look finds the same."""
    try:
        yield
    except kind:
        return
    call.problems.append(f"no {kind.__name__} at the second look")


USES: dict[str, Callable[[Client, Call], Awaitable[None]]] = dict(
    zip(KINDS, (unary, one_way, response, request, both), strict=True)
)


# ... what the server writes down ...


@dataclass
class HandlerRun:
    """What one run of a handler saw."""

    got: list[bytes] = field(default_factory=list)
    clean_end: bool = False
    ended: bool = False


class Book:
    """The runs of one server's handlers, by number of the call."""

    def __init__(self, calls: list[Call]) -> None:
        self.runs: defaultdict[int, list[HandlerRun]] = defaultdict(list)
        self._calls = calls

    def server(self) -> avrpc.Server:
        """The server whose runs these are."""
        return desk_server(
            limits=LIMITS,
            load=self.load,
            note=self.note,
            pull=self.pull,
            push=self.push,
            swap=self.swap,
        )

    @contextmanager
    def _run(self) -> Iterator[tuple[HandlerRun, Call]]:
        number = int(avrpc.current_call().metadata["call"])
        run = HandlerRun()
        self.runs[number].append(run)
        try:
            yield run, self._calls[number]
        finally:
            run.ended = True

    async def load(self, data: bytes) -> bytes:
        with self._run():
            return data

    async def note(self, text: str) -> None:
        with self._run() as (run, _):
            run.got.append(bytes.fromhex(text))

    async def pull(self, count: int, size: int) -> AsyncGenerator[bytes]:
        with self._run() as (_, call):
            for value in call.values():
                yield value

    async def push(self, blobs: Any) -> int:
        with self._run() as (run, _):
            async for one in blobs:
                run.got.append(one)
            run.clean_end = True
            return sum(map(len, run.got))

    async def swap(self, blobs: Any) -> AsyncGenerator[bytes]:
        with self._run() as (run, _):
            async for one in blobs:
                run.got.append(one)
                yield one
            run.clean_end = True


# ... and what must be true.


@dataclass(frozen=True)
class Plan:
    """What a case's seed drew."""

    calls: list[Call]
    script: Script
    limits: avrpc.Limits  # the client's
    dynamic: bool  # the client brings no protocol
    must: str  # the outcome that there has to be; empty where a few are right

    @classmethod
    def of(cls, case: Case, handshake: dict[Way, int]) -> Self:
        """Draw it.

        Args:
            case: Which.
            handshake: How many bytes a handshake takes, each way.
        """
        rng = random.Random(str(case))
        gentle = case.fault in GENTLE
        hasty = gentle and rng.random() < 0.25  # a deadline that may pass
        timeout = LONG_PATIENCE if gentle else PATIENCE
        calls = [
            Call(
                number=number,
                sizes=_sizes(case, rng),
                timeout=rng.uniform(0.001, 0.1) if hasty else timeout,
                explicit=rng.random() < 0.5,
            )
            for number in range(CALLS)
        ]
        impatient = not gentle and rng.random() < 0.5  # the client notices silence by itself
        limits = avrpc.Limits(
            max_frame_bytes=16 * 1024,
            window_bytes=rng.choice([1024, 20_000, 262_144]),
            keepalive_interval=0.1 if impatient else 30,
            keepalive_timeout=0.1 if impatient else 30,
            close_timeout=LIMITS.close_timeout if not gentle or hasty else LONG_PATIENCE,
        )
        script = _script(case, calls, handshake, rng)
        must = WELL if gentle and not hasty else ""
        if case.fault is Fault.SLOW_ACCEPT and script.seconds > CONNECT_TIMEOUT:
            must = NOT_CONNECTED
        return cls(
            calls=calls,
            script=script,
            limits=limits,
            dynamic=rng.random() < 0.25,
            must=must,
        )


def _sizes(case: Case, rng: random.Random) -> list[int]:
    streams = case.kind not in ("unary", "one-way")
    if case.size == "small":
        return [rng.randrange(200) for _ in range(rng.randrange(60) if streams else 1)]
    return [rng.randrange(9000, 60_000) for _ in range(rng.randint(1, 6) if streams else 1)]


def _script(case: Case, calls: list[Call], handshake: dict[Way, int], rng: random.Random) -> Script:
    way = rng.choice([*Way])
    if case.fault is Fault.BLACKHOLE_UP:
        way = Way.UP
    elif case.fault is Fault.BLACKHOLE_DOWN:
        way = Way.DOWN
    values = sum(size + 10 for call in calls for size in call.sizes)
    carries = {
        Way.UP: case.kind != "response",
        Way.DOWN: case.kind in ("unary", "response", "both"),
    }
    if rng.random() < 0.2:
        at = rng.randrange(handshake[way])
    else:
        at = handshake[way] + rng.randrange(20 * CALLS + values * carries[way])
    return Script(
        fault=case.fault,
        way=way,
        at=at,
        seconds=rng.choice([0.05, 0.2, 0.8]) if case.fault is Fault.SLOW_ACCEPT else 0.02,
        rate=(8000 + values) / rng.uniform(0.05, 0.2),
        stalls=rng.random() < 0.5,
        seed=rng.randrange(1 << 32),
    )


def problems_of(call: Call, runs: list[HandlerRun], kind: str, *, must: str) -> list[str]:
    """What is wrong with a call, now that all has ended; nothing, if all is well."""
    found = list(call.problems)
    if call.ended is None:
        found.append("it never ended")
    found += [f"it raised {error!r}" for error in call.errors if type(error) not in _LEGAL]
    if must and call.outcome != must:
        found.append(f"it has to be {must}, and is {call.outcome}: {call.errors}")
    if len(runs) > 1:
        found.append(f"it ran {len(runs)} times")
    sure_not = [e for e in call.errors if isinstance(e, avrpc.AvrpcError) and not e.maybe_executed]
    if runs and sure_not:
        found.append(f"it ran, though not by {sure_not[0]!r}")
    if not runs and call.outcome == WELL and (kind != "one-way" or must):
        found.append("it is well, and did not run")
    if not all(run.ended for run in runs):
        found.append("its handler goes on")
    values = list(call.values())
    if kind in ("response", "both"):
        found += _of_items("client", call.got, values, clean_end=call.clean_end)
        if call.clean_end != (call.outcome == WELL):
            found.append("its outcome is not that of its items")
    for run in runs:
        if kind in ("request", "both"):
            found += _of_items("server", run.got, values[: call.sent], clean_end=run.clean_end)
            if run.clean_end and not call.ending:
                found.append("the server saw an end that the client did not make")
        elif kind == "one-way" and run.got not in ([], values):
            found.append("the server got another value")
    return found


def _of_items(where: str, got: list[bytes], expected: list[bytes], *, clean_end: bool) -> list[str]:
    if got != expected[: len(got)]:
        return [f"the {where} got items that are not those sent, in their order"]
    if clean_end and len(got) < len(expected):
        return [f"the {where} saw a clean end after {len(got)} of {len(expected)} items"]
    return []


def outcomes(calls: list[Call]) -> Counter[str]:
    """How many ended how."""
    return Counter(call.outcome for call in calls)
