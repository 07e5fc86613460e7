"""Verdicts as tables: aligned lines for programs, drawn by rich on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from avrpc.cli.compared import BOTH, REMOVED, Compared, Message, changes_of
from avrpc.cli.output import Output, printable
from avrpc.schema.compat import Verdict
from avrpc.schema.negotiation import MessageFit

_OLD, _NEW = "old clients, new server", "new clients, old server"
_BREAKING = ("partial", "incompatible")  # kinds of a `Change`
_STYLES = {
    Verdict.SAME: "green",
    Verdict.RESOLVABLE: "cyan",
    Verdict.PARTIAL: "bold yellow",
    Verdict.INCOMPATIBLE: "bold red",
    Verdict.MISSING: "bold red",
}


class _Note(NamedTuple):
    """Something that differs, and whether it is what breaks."""

    text: str
    breaks: bool


@dataclass(frozen=True, slots=True)
class _Row:
    cells: Sequence[tuple[str, str]]  # each with its style for rich
    notes: Sequence[_Note]


async def show_compared(compared: Compared, output: Output, *, at_server: bool = False) -> None:
    """Show how the versions of a protocol fit.

    Args:
        compared: How.
        output: Where.
        at_server: The one version is that of a server, and the other its clients'.
    """
    title: list[str | tuple[str, str]] = ["protocol ", (compared.name, "bold")]
    if compared.status != BOTH:
        words = _only(compared.status, at_server=at_server)
        style = "bold red" if compared.breaks else "dim"
        await output.put_line(*title, ": ", (f"{words}{_mark(compared.breaks)}", style))
        return
    await output.put_line(*title)
    if not compared.messages:
        await output.put_line("  no messages")
        return
    heads = ["message", *(["verdict"] if at_server else [_OLD, _NEW])]
    rows = [_row(message, at_server=at_server) for message in compared.messages]
    if output.fancy:
        await output.put_drawn(_drawn(heads, rows))
    else:
        await _put_plain(heads, rows, output)


def _only(status: str, *, at_server: bool) -> str:
    if at_server:
        return "only the server has it" if status == REMOVED else "the server does not have it"
    return status


def _mark(breaks: bool) -> str:
    return " (breaks)" if breaks else ""


def _row(message: Message, *, at_server: bool) -> _Row:
    fits = [message.new_clients] if at_server else [message.old_clients, message.new_clients]
    cells = [(message.name, "bold"), *(_cell(fit, message) for fit in fits)]
    return _Row(cells, list(_notes(message, at_server=at_server)))


def _cell(fit: MessageFit | None, message: Message) -> tuple[str, str]:
    if fit is None:
        return "-", "dim"
    harmless = fit.verdict is Verdict.MISSING and not message.breaks
    breaks = fit.verdict > Verdict.RESOLVABLE and not harmless
    return f"{fit.verdict}{_mark(breaks)}", "dim" if harmless else _STYLES[fit.verdict]


def _notes(message: Message, *, at_server: bool) -> Iterator[_Note]:
    if message.status != BOTH:
        yield _Note(_only(message.status, at_server=at_server), message.breaks)
        return
    for word, fit in (
        ("old clients, ", message.old_clients),
        ("new clients, ", message.new_clients),
    ):
        notes = [
            _Note(f"{'' if at_server else word}{part}: {change}", change.kind in _BREAKING)
            for part, change in (changes_of(fit) if fit else ())
        ]
        yield from sorted(notes, key=lambda note: not note.breaks)


async def _put_plain(heads: Sequence[str], rows: Sequence[_Row], output: Output) -> None:
    lines = [heads, *([printable(text) for text, _ in row.cells] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    notes = [[], *(row.notes for row in rows)]
    for line, below in zip(lines, notes, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        await output.put_line(f"  {'  '.join(cells)}".rstrip())
        for note in below:
            await output.put_line(f"  {'!' if note.breaks else ' '} {note.text}")


def _drawn(heads: Sequence[str], rows: Sequence[_Row]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for head in (*heads, "changes"):
        table.add_column(head, overflow="fold")
    for row in rows:
        cells = [Text(printable(text), style) for text, style in row.cells]
        notes = [
            Text(printable(note.text), _STYLES[Verdict.INCOMPATIBLE] if note.breaks else "")
            for note in row.notes
        ]
        table.add_row(*cells, Text("\n").join(notes))
    return table
