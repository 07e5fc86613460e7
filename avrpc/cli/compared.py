"""How two versions of some interfaces fit, as data: what `avrpc check` and `describe` show.

Two questions are asked of every message. Old clients at a new server: does it still work for who is
out there? New clients at an old server: can clients go first? What does not fit wholly breaks
something: a message that is partial, incompatible or missing. Of what is only added nothing breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from avrpc import Protocol
from avrpc.schema.changes import Change
from avrpc.schema.compat import Verdict
from avrpc.schema.negotiation import MessageFit, Negotiation

BOTH, ADDED, REMOVED = "both", "added", "removed"


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        name: Its name.
        status: Whether both versions have it; or it was added, so that only the new one has it; or
            removed.
        old_clients: How clients of the old version fit a new server; None if that was not asked,
            or they do not have it.
        new_clients: How clients of the new version fit an old server, likewise.
        breaks: Whether something no longer works.
    """

    name: str
    status: str
    old_clients: MessageFit | None
    new_clients: MessageFit | None
    breaks: bool

    def json(self) -> dict[str, Any]:
        """Give what the json module writes."""
        return {
            "name": self.name,
            "status": self.status,
            "breaks": self.breaks,
            "old_clients": _fit_json(self.old_clients),
            "new_clients": _fit_json(self.new_clients),
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """One protocol; its messages are compared where both versions have it."""

    name: str
    status: str
    breaks: bool
    messages: tuple[Message, ...] = ()

    def json(self) -> dict[str, Any]:
        """Give what the json module writes."""
        return {
            "name": self.name,
            "status": self.status,
            "breaks": self.breaks,
            "messages": [message.json() for message in self.messages],
        }


def compare_versions(
    new: Mapping[str, Protocol], old: Mapping[str, Protocol]
) -> Iterator[Compared]:
    """Compare two versions of a folder, both ways."""
    for name in sorted({*new, *old}):
        if name not in old:
            yield Compared(name, ADDED, breaks=False)
        elif name not in new:
            yield Compared(name, REMOVED, breaks=True)
        else:
            messages = tuple(_both_ways(new[name], old[name]))
            yield Compared(name, BOTH, any(one.breaks for one in messages), messages)


def _both_ways(new: Protocol, old: Protocol) -> Iterator[Message]:
    at_new, at_old = Negotiation(old, new), Negotiation(new, old)
    for name, fit in at_old.items():
        other = at_new.get(name)
        if other is None:
            yield Message(name, ADDED, None, fit, breaks=False)
        else:
            yield Message(name, BOTH, other, fit, _breaks(other) or _breaks(fit))
    for name in at_new:
        if name not in at_old:
            yield Message(name, REMOVED, at_new[name], None, breaks=True)


def compare_with_server(
    new: Iterable[str], offered: Iterable[str], negotiations: Mapping[str, Negotiation]
) -> Iterator[Compared]:
    """Tell whether clients can call a server: one way only.

    Args:
        new: Names of the clients' protocols.
        offered: Names of the server's.
        negotiations: Of those that both have.
    """
    for name in sorted({*new, *offered}):
        if name in negotiations:
            messages = tuple(_at_server(negotiations[name]))
            yield Compared(name, BOTH, any(one.breaks for one in messages), messages)
        elif name in offered:
            yield Compared(name, REMOVED, breaks=False)
        else:
            yield Compared(name, ADDED, breaks=True)


def _at_server(negotiation: Negotiation) -> Iterator[Message]:
    for name, fit in negotiation.items():
        status = ADDED if fit.verdict is Verdict.MISSING else BOTH
        yield Message(name, status, None, fit, _breaks(fit))
    for name in negotiation.only_at_server:
        yield Message(name, REMOVED, None, None, breaks=False)


def report(
    folder: str,
    against: str | None,
    protocols: Iterable[dict[str, Any]],
    problems: Iterable[dict[str, Any]] = (),
    *,
    ok: bool,
) -> dict[str, Any]:
    """Give what ``--json`` prints. docs/check.md has its keys, which stay as they are."""
    return {
        "folder": folder,
        "against": against,
        "ok": ok,
        "problems": list(problems),
        "protocols": list(protocols),
    }


def _breaks(fit: MessageFit) -> bool:
    return fit.verdict > Verdict.RESOLVABLE


def changes_of(fit: MessageFit) -> Iterator[tuple[str, Change]]:
    """Give all that differs, each with the part of the message that it is of."""
    for part, one in ("request", fit.request), ("response", fit.response), ("errors", fit.errors):
        for change in one.changes:
            yield part, change


def _fit_json(fit: MessageFit | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    return {
        "verdict": str(fit.verdict),
        "changes": [
            {"part": part, "path": change.path, "kind": change.kind, "text": change.text}
            for part, change in changes_of(fit)
        ],
    }
