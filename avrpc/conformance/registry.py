"""The list of all cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from avrpc.conformance.kit import Kit

Test = Callable[[Kit], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a server promises.

    Attributes:
        name: What it is called by.
        group: What it is about: the name of its module.
        section: Where PROTOCOL.md promises it.
        shows: What it shows, in a line.
        run: Passes by returning.
    """

    name: str
    group: str
    section: str
    shows: str
    run: Test


# In the order in which a server learns to pass them: what comes later builds on what is above.
GROUPS = (
    "handshake",
    "unary",
    "values",
    "errors",
    "streams",
    "credit",
    "pieces",
    "deadlines",
    "cancel",
    "calls",
    "connection",
    "credentials",
    "timers",
    "versions",
    "compression",
    "bad_handshakes",
    "bad_frames",
    "bad_calls",
)

CASES: dict[str, Case] = {}


def case(section: str) -> Callable[[Test], Test]:
    """Make an async function a case, which shows what its docstring says.

    Args:
        section: Of PROTOCOL.md.
    """

    def register(test: Test) -> Test:
        name: str = getattr(test, "__name__", "")
        shows = (test.__doc__ or "").strip()
        if name in CASES:
            raise ValueError(f"two cases of the name {name}")
        if not shows or "\n" in shows:
            raise ValueError(f"case {name}: expected a docstring of one line")
        CASES[name] = Case(name, test.__module__.rpartition(".")[2], section, shows, test)
        return test

    return register


def chosen(patterns: Iterable[str]) -> list[Case]:
    """The cases of some names, in the order of the list; all, if no name is given.

    Args:
        patterns: Names of cases or of groups; ``*`` stands for anything.

    Raises:
        LookupError: A pattern fits none.
    """
    wanted = list(patterns)
    for pattern in wanted:
        if not any(_fits(one, pattern) for one in CASES.values()):
            raise LookupError(f"no case or group {pattern!r}; --list shows them")
    found = [
        one
        for one in CASES.values()
        if not wanted or any(_fits(one, pattern) for pattern in wanted)
    ]
    return sorted(found, key=lambda one: GROUPS.index(one.group))


def _fits(one: Case, pattern: str) -> bool:
    return fnmatchcase(one.name, pattern) or fnmatchcase(one.group, pattern)
