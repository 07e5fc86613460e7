"""What a case ends with, unless it passes."""

from __future__ import annotations

_MOST_SHOWN = 160


class Failed(Exception):
    """The server did something else than PROTOCOL.md says.

    Attributes:
        expected: What should have come.
        came: What did.
    """

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; {came} came")
        self.expected = expected
        self.came = came


class Skipped(Exception):
    """The case does not concern this server; the text says why."""


def expect(what: str, wanted: object, came: object) -> None:
    """Fail unless what came equals what is wanted.

    Args:
        what: What it is that is compared, for people.
        wanted: What it should be.
        came: What it is.
    """
    if came != wanted or type(came) is not type(wanted):
        raise Failed(f"{what}: {shown(wanted)}", shown(came))


def expect_true(what: str, came: object, *, holds: bool) -> None:
    """Fail unless something holds; tell what came instead."""
    if not holds:
        raise Failed(what, shown(came))


def shown(value: object) -> str:
    """A value for people: the repr, cut; of long bytes and texts also how long they are."""
    text = repr(value)
    if len(text) <= _MOST_SHOWN:
        return text
    size = f" ({len(value)} long)" if isinstance(value, bytes | str | list | dict) else ""
    return f"{text[:_MOST_SHOWN]}...{size}"
