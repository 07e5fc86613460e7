"""docs/versions.md is true: its code runs, and each row of its table of changes is tried.

A row is known by its first cell, and has cases here: a message "m" before and after the change.
What the cases come to is what the other two cells say. To add a row to the page, add its cases.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import trio

import avrpc
from avrpc.schema import Protocol
from avrpc.schema.compat import Verdict
from avrpc.schema.negotiation import Negotiation
from avrpc.testing import open_pair

PAGE = (Path(__file__).parent.parent / "docs" / "versions.md").read_text()

WORDS = {
    Verdict.SAME: "safe",
    Verdict.RESOLVABLE: "safe",
    Verdict.PARTIAL: "partial",
    Verdict.INCOMPATIBLE: "breaks",
    Verdict.MISSING: "missing",
}

# What stands between the braces of `protocol P`, before and after.
Case = tuple[str, str]
OLD_NAME = '@aliases(["Old"])'
CASES: dict[str, list[Case]] = {
    "add a message": [("", "void m();")],
    "remove a message": [("void m();", "")],
    "add a parameter, or a field of one, **with a default**": [
        ("void m(int a);", "void m(int a, int b = 1);"),
        ("record R { int a; } void m(R r);", "record R { int a; int b = 1; } void m(R r);"),
    ],
    "add a parameter without a default": [("void m(int a);", "void m(int a, int b);")],
    "remove a parameter": [
        ("void m(int a, int b = 1);", "void m(int a);"),
        ("void m(int a, int b);", "void m(int a);"),
    ],
    "add a field to a response": [
        ("record R { int a; } R m();", "record R { int a; int b = 1; } R m();"),
        ("record R { int a; } R m();", "record R { int a; int b; } R m();"),
    ],
    "remove a field from a response": [
        ("record R { int a; int b = 1; } R m();", "record R { int a; } R m();"),
        ("record R { int a; int b; } R m();", "record R { int a; } R m();"),
    ],
    "rename a parameter, or in parameters a field or type, with the old name as an alias": [
        ("void m(int Old);", f"void m(int {OLD_NAME} a);"),
        ("record R { int Old; } void m(R r);", f"record R {{ int {OLD_NAME} a; }} void m(R r);"),
        ("record Old { int a; } void m(Old r);", f"{OLD_NAME} record R {{ int a; }} void m(R r);"),
        ("enum Old { A } void m(Old e);", f"{OLD_NAME} enum E {{ A }} void m(E e);"),
        ("fixed Old(2); void m(Old f);", f"{OLD_NAME} fixed F(2); void m(F f);"),
    ],
    "rename a field or type of a response, with the old name as an alias": [
        ("record R { int Old; } R m();", f"record R {{ int {OLD_NAME} a; }} R m();"),
        ("record Old { int a; } Old m();", f"{OLD_NAME} record R {{ int a; }} R m();"),
        ("enum Old { A } Old m();", f"{OLD_NAME} enum E {{ A }} E m();"),
        ("fixed Old(2); Old m();", f"{OLD_NAME} fixed F(2); F m();"),
    ],
    "rename an error, with the old name as an alias": [
        (
            "error Old { int a; } void m() throws Old;",
            f"{OLD_NAME} error E {{ int a; }} void m() throws E;",
        )
    ],
    "`int` to `long`, `float` or `double`, and so on, in a parameter": [
        (f"void m({old} a);", f"void m({new} a);")
        for old, new in (("int", "long"), ("int", "float"), ("int", "double"), ("float", "double"))
    ],
    "the same in a response": [
        ("int m();", "long m();"),
        ("int m();", "double m();"),
        ("long m();", "float m();"),
    ],
    "add a symbol to an enum, a branch to a union, or null (`T` to `T?`), in a parameter": [
        ("enum E { A } void m(E e);", "enum E { A, B } void m(E e);"),
        ("void m(union {int, string} u);", "void m(union {int, string, boolean} u);"),
        ("void m(int a);", "void m(int? a);"),
    ],
    "the same in a response, too": [
        ("enum E { A } E m();", "enum E { A, B } E m();"),
        ("union {int, string} m();", "union {int, string, boolean} m();"),
        ("int m();", "int? m();"),
    ],
    "declare another error": [("error E {} void m();", "error E {} void m() throws E;")],
    "declare an error no more": [("error E {} void m() throws E;", "error E {} void m();")],
    "mark a side with `stream`, or take the mark away": [
        (f"{old}array<int> m(array<int> a);", f"{new}array<int> m(array<int> a);")
        for old, new in (
            ("", '@stream("response") '),
            ("", '@stream("request") '),
            ('@stream("both") ', ""),
            ('@stream("both") ', '@stream("response") '),
        )
    ],
    "make a message one-way, or unary again": [
        ("void m();", "void m() oneway;"),
        ("void m() oneway;", "void m();"),
    ],
    (
        "change docs, a default, `idempotent`, or the order of fields, parameters, symbols,"
        " branches or messages"
    ): [
        ("void m();", "/** Does it. */ void m();"),
        ("void m(int a = 1);", "void m(int a = 2);"),
        ("@idempotent(true) void m();", "void m();"),
        ("record R { int a; int b; } R m(R r);", "record R { int b; int a; } R m(R r);"),
        ("void m(int a, string b);", "void m(string b, int a);"),
        ("enum E { A, B } E m(E e);", "enum E { B, A } E m(E e);"),
        ("union {int, string} m();", "union {string, int} m();"),
        ("void m(); void n();", "void n(); void m();"),
    ],
}


def table() -> dict[str, tuple[str, str]]:
    """The rows of "What is safe to change"; what is "the same" again is told apart."""
    _, _, text = PAGE.partition("| change | new server, old clients | new client, old servers |\n")
    rows: dict[str, tuple[str, str]] = {}
    for line in text.splitlines()[1:]:
        if not line.startswith("|"):
            return rows
        change, old, new = line.strip("| ").split(" | ")
        rows[f"{change}, too" if change in rows else change] = old, new
    raise AssertionError("the table has no end")


def read(folder: Path, body: str) -> Protocol:
    folder.mkdir()
    (folder / "p.avdl").write_text(f'@namespace("demo") protocol P {{ {body} }}')
    return avrpc.Registry(folder)["demo.P"]


@pytest.mark.parametrize("change", CASES)
def test_a_change_does_what_its_row_says(change: str, tmp_path: Path) -> None:
    come_to: tuple[set[str], set[str]] = set(), set()
    for number, (before, after) in enumerate(CASES[change]):
        old = read(tmp_path / f"{number}-old", before)
        new = read(tmp_path / f"{number}-new", after)
        for words, client, server in ((come_to[0], old, new), (come_to[1], new, old)):
            # Who does not have the message can't miss it.
            fit = Negotiation(client, server).get("m")
            words.add(WORDS[fit.verdict] if fit else "safe")
    told = tuple(
        {safe or verdict for safe, verdict in re.findall(r"(safe)|\*(\w+)\*", cell)}
        for cell in table()[change]
    )
    assert told == come_to


def test_every_row_has_its_cases() -> None:
    assert [*CASES, "rename the protocol, or move it to another namespace"] == list(table())


@pytest.mark.parametrize("name", ["demo.Q", "more.P"])
async def test_a_protocol_of_another_name_is_refused(name: str) -> None:
    namespace, _, short = name.partition(".")
    mine = Protocol.parse(
        f'{{"protocol": "{short}", "namespace": "{namespace}", "messages": {{}}}}'
    )
    theirs = Protocol.parse('{"protocol": "P", "namespace": "demo", "messages": {}}')
    with pytest.raises(avrpc.ConnectionRefused, match=f"no protocol '{name}' here"):
        async with open_pair(avrpc.Server({theirs: object()}), mine):
            pass


async def test_the_code_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Handlers:
        async def last(self) -> int:
            return 1

    old = read(tmp_path / "old", "int last();")
    new = read(tmp_path / "new", "long last(); array<long> history();")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {"avrpc": avrpc, "Quotes": new}
    exec(f"async def main(address):\n{textwrap.indent(code, '    ')}", names)
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(avrpc.Server({old: Handlers()}).serve, "tcp://127.0.0.1:0")
        await names["main"](address)  # type: ignore[operator]
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().out.splitlines() == [
        "last",
        "  resolvable",
        "  response: last(): int becomes long",
        "history",
        "  missing",
    ]
