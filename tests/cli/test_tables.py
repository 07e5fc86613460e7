import json
import os
import pty
import re
from types import SimpleNamespace

import pytest

from avrpc import Protocol
from avrpc.cli.compared import Compared, compare_versions, compare_with_server
from avrpc.cli.output import Output
from avrpc.cli.tables import show_compared
from avrpc.schema.negotiation import Negotiation
from tests.cli.versions import New, Old, message, protocol

Capture = pytest.CaptureFixture[bytes]


def lines(capture: Capture) -> list[str]:
    return capture.readouterr().out.decode().splitlines()


async def test_lines_are_aligned_and_changes_stand_below(capfdbinary: Capture) -> None:
    (shop,) = compare_versions({"demo.Shop": New}, {"demo.Shop": Old})
    await show_compared(shop, Output())
    text = lines(capfdbinary)
    assert [re.sub(r"(^  [ !] .*: \S+): .*", r"\1", line) for line in text] == [
        "protocol demo.Shop",
        "  message  old clients, new server  new clients, old server",
        "  same     same                     same",
        "  wider    resolvable               resolvable",
        "    old clients, response: Item.note",
        "    new clients, response: Item.note",
        "  partial  resolvable               partial (breaks)",
        "    old clients, request: partial.side",
        "  ! new clients, request: partial.side",
        "  broken   incompatible (breaks)    incompatible (breaks)",
        "  ! old clients, request: broken.count",
        "  ! new clients, request: broken.count",
        "  fresh    -                        missing",
        "    added",
        "  gone     missing (breaks)         -",
        "  ! removed",
    ]


async def test_of_a_messages_changes_those_that_break_stand_first(capfdbinary: Capture) -> None:
    old = Protocol.parse(json.dumps(protocol("P", {"m": message(a="int", b="string", c="long")})))
    new = Protocol.parse(json.dumps(protocol("P", {"m": message(a="long", b="int", c="int")})))
    (compared,) = compare_versions({"demo.P": new}, {"demo.P": old})
    await show_compared(compared, Output())
    assert [line.split(": ")[:2] for line in lines(capfdbinary)[3:]] == [
        ["  ! old clients, request", "m.b"],
        ["  ! old clients, request", "m.c"],
        ["    old clients, request", "m.a"],
        ["  ! new clients, request", "m.a"],
        ["  ! new clients, request", "m.b"],
        ["    new clients, request", "m.c"],
    ]


async def test_a_server_has_one_column(capfdbinary: Capture) -> None:
    (shop,) = compare_with_server(["s"], ["s"], {"s": Negotiation(New, Old)})
    await show_compared(shop, Output(), at_server=True)
    text = lines(capfdbinary)
    assert text[1:4] == [
        "  message  verdict",
        "  same     same",
        "  wider    resolvable",
    ]
    assert text[4].startswith("    response: Item.note: ")
    assert text[-4:] == [
        "  fresh    missing (breaks)",
        "  ! the server does not have it",
        "  gone     -",
        "    only the server has it",
    ]


@pytest.mark.parametrize(
    ("compared", "at_server", "text"),
    [
        (Compared("P", "added", breaks=False), False, "protocol P: added"),
        (Compared("P", "removed", breaks=True), False, "protocol P: removed (breaks)"),
        (
            Compared("P", "added", breaks=True),
            True,
            "protocol P: the server does not have it (breaks)",
        ),
        (Compared("P", "removed", breaks=False), True, "protocol P: only the server has it"),
        (Compared("P", "both", breaks=False), True, "protocol P\n  no messages"),
    ],
)
async def test_what_one_side_has_alone_is_a_line(
    compared: Compared, at_server: bool, text: str, capfdbinary: Capture
) -> None:
    await show_compared(compared, Output(), at_server=at_server)
    assert capfdbinary.readouterr().out.decode() == f"{text}\n"


async def test_on_a_terminal_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stdout, os.fdopen(master, "rb", buffering=0) as screen:
        monkeypatch.setattr("avrpc.cli.output.sys", SimpleNamespace(stdout=stdout))
        (shop,) = compare_with_server(["s"], ["s"], {"s": Negotiation(New, Old)})
        await show_compared(shop, Output(), at_server=True)
        drawn = b""
        while b"gone" not in drawn:
            drawn += screen.read(65536)
    text = drawn.decode(errors="replace")
    assert "\x1b[1;31mincompatible" in text
    assert "│" in text
    assert "changes" in text
