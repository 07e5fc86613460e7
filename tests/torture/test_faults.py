"""Each kind of call through each fault, once; and that a call which goes wrong is noticed."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import avrpc
from avrpc.call import ItemReceiver
from avrpc.reader import Reader
from tests.desk import KINDS
from tests.torture import faults
from tests.torture.cases import (
    LOST,
    NOT_CONNECTED,
    OUT_OF_TIME,
    SIZES,
    SLACK,
    TRANSPORTS,
    WELL,
    Call,
    Case,
    HandlerRun,
    problems_of,
)
from tests.torture.proxy import GENTLE, Fault

SEED = 1


def cases_of(fault: Fault) -> list[Case]:
    """One for each kind and size of call, by turns over TLS and not."""
    pairs = [(kind, size) for kind in KINDS for size in SIZES]
    return [
        Case(fault, kind, size, TRANSPORTS[(at + at // 2) % 2], SEED)
        for at, (kind, size) in enumerate(pairs)
    ]


@pytest.mark.parametrize("fault", Fault)
def test_every_kind_of_call_ends_in_time_with_one_outcome_and_leaves_nothing(fault: Fault) -> None:
    found = faults.run(cases_of(fault))
    assert found.problems == []
    assert found.cases == 10
    assert found.struck >= 5
    assert found.outcomes.total() == 30
    assert found.latest <= SLACK
    assert found.slowest_close <= faults.CLOSED
    assert (found.tasks, found.files) == (0, 0)
    if fault not in GENTLE:
        assert found.outcomes[WELL] < 30


# What would be noticed: by the rules ...


def call(*sizes: int, **seen: Any) -> Call:
    made = Call(number=0, sizes=[*sizes], timeout=1, explicit=True, ended=1.0, sent=len(sizes))
    made.got = list(made.values())
    for name, value in seen.items():
        setattr(made, name, value)
    return made


def handler(made: Call, *, clean_end: bool = True, ended: bool = True) -> HandlerRun:
    return HandlerRun(got=list(made.values()), clean_end=clean_end, ended=ended)


SURE = avrpc.ConnectionLost("x", maybe_executed=False)
UNSURE = avrpc.ConnectionLost("x")

# By the kind of call, what the client saw, how many handlers ran, and what is said of it.
WRONG: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "hung": ("unary", {"ended": None}, 1, "it never ended"),
    "foreign error": ("unary", {"errors": [KeyError("x")]}, 1, "it raised KeyError"),
    "wrong error": ("unary", {"errors": [avrpc.InvalidValue("x")]}, 1, "it raised InvalidValue"),
    "not well": ("unary", {"errors": [UNSURE]}, 1, "it has to be well, and is lost"),
    "twice": ("unary", {}, 2, "it ran 2 times"),
    "never": ("unary", {}, 0, "it is well, and did not run"),
    "ran though": ("unary", {"errors": [SURE]}, 1, "it ran, though not by ConnectionLost"),
    "cut": ("response", {"got": [], "clean_end": True}, 1, "a clean end after 0 of 2 items"),
    "no end": ("response", {}, 1, "its outcome is not that of its items"),
    "other items": ("response", {"got": [b"x"], "clean_end": True}, 1, "not those sent"),
    "gap": ("request", {"sent": 1, "ending": True}, 1, "the server got items that are not those"),
    "end of its own": ("request", {}, 1, "the server saw an end that the client did not make"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_call_that_went_wrong_is_told(wrong: str) -> None:
    kind, seen, runs, told = WRONG[wrong]
    made = call(10, 20, **seen)
    problems = problems_of(made, runs * [handler(made)], kind, must=WELL)
    assert any(told in problem for problem in problems), problems


@pytest.mark.parametrize("kind", KINDS)
def test_call_that_went_well_is_not(kind: str) -> None:
    made = call(10, ending=True, clean_end=True)
    assert problems_of(made, [handler(made)], kind, must=WELL) == []
    for error, outcome in (
        (UNSURE, LOST),
        (avrpc.ConnectTimeout("x"), NOT_CONNECTED),
        (trio.TooSlowError(), OUT_OF_TIME),
    ):
        made = call(10, errors=[error], got=[])
        runs = [] if outcome == NOT_CONNECTED else [handler(made, clean_end=False)]
        assert problems_of(made, runs, kind, must="") == []
        assert made.outcome == outcome


# ... and in the program, of which some part does not do what it should.


def loses_items(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = ItemReceiver.feed

    def feed_every_other(self: ItemReceiver, data: bytes, count: int) -> None:
        self.odd = not getattr(self, "odd", False)  # type: ignore[attr-defined]
        if self.odd:  # type: ignore[attr-defined]
            feed(self, data, count)

    monkeypatch.setattr(ItemReceiver, "feed", feed_every_other)


def ends_streams_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    def finish(self: ItemReceiver, end: Exception) -> None:
        if self._end is None:
            self._end = trio.EndOfChannel()
            self._waiter.wake()

    monkeypatch.setattr(ItemReceiver, "finish", finish)


def is_sure_of_what_it_can_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(error: avrpc.AvrpcError, *, maybe_executed: bool = False) -> avrpc.AvrpcError:
        return error

    monkeypatch.setattr("avrpc.session._mine", mine)


def forgets_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avrpc.Server, "call_ended", lambda self: None)


def fails_where_a_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def eof(self: Reader) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Reader, "_eof", eof)


@pytest.mark.parametrize(
    ("broken", "fault", "kind", "told"),
    [
        (loses_items, Fault.DROP, "response", "items"),
        (ends_streams_cleanly, Fault.DROP, "both", "a clean end after"),
        (is_sure_of_what_it_can_not_know, Fault.DROP, "unary", "it ran, though not by"),
        (forgets_to_count, Fault.RESET, "one-way", "running handlers"),
        (fails_where_a_connection_ends, Fault.HALF_CLOSE, "request", "logged: "),
    ],
)
def test_defect_is_noticed(
    broken: Any, fault: Fault, kind: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    found = faults.run([Case(fault, kind, "pieces", "tcp", seed) for seed in range(20)])
    assert any(told in problem for problem in found.problems)


# One case again.


def test_case_is_known_by_its_name() -> None:
    case = Case(Fault.HALF_CLOSE, "one-way", "pieces", "tls", 17)
    assert str(case) == "half-close/one-way/pieces/tls/17"
    assert Case.parse(str(case)) == case


@pytest.mark.parametrize(
    "name", ["", "drop/unary/small/tcp", "drip/unary/small/tcp/1", "drop/unary/tiny/tcp/1"]
)
def test_name_of_no_case_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no case|unpack|not a valid"):
        Case.parse(name)


def test_case_is_run_again_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main("drop/unary/small/tcp/1") == 0
    assert "held" in capsys.readouterr().out
