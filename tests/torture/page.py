"""Puts the figures of `make torture` into docs/security.md: `python -m tests.torture.page`.

Reads build/torture.json and replaces what stands in the page between these two lines; with
`--print`, prints that instead.

    <!-- torture -->
    <!-- torture end -->

Parts that were not run are told, and have no row: take figures for the page from a whole run, on a
machine with nothing else to do.
"""

# ruff: noqa: T201 - it talks to a person

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from tests.torture.__main__ import FILE, PARTS, ROOT, lines_of
from tests.torture.figures import said

PAGE = ROOT / "docs" / "security.md"
BLOCK = re.compile(r"(<!-- torture -->\n).*?(<!-- torture end -->)", re.DOTALL)


def table(lines: list[dict[str, Any]]) -> str:
    """The figures of all runs, in the order of the parts."""
    order = [*PARTS]
    known = [line for line in lines if line["part"] in PARTS]
    known.sort(key=lambda line: order.index(line["part"]))
    minutes = sum(line["seconds"] for line in known) / 60
    broken = [name for name in order if any(_is(line, name, held=False) for line in known)]
    held = f"not held: {', '.join(broken)}" if broken else "all held"
    rows = [_row(line) for line in known]
    head = f"{len({line['part'] for line in known})} parts in {minutes:.0f} minutes; {held}."
    return "\n".join([head, "", "| part | run | figures | |", "|---|---|---|---|", *rows, ""])


def _is(line: dict[str, Any], part: str, *, held: bool) -> bool:
    return bool(line["part"] == part and line["held"] is held)


def _row(line: dict[str, Any]) -> str:
    figures = [said(name, figure) for name, figure in line["figures"].items()]
    figures += line.get("problems", [])
    cells = (
        line["part"],
        line["run"],
        "; ".join(figures),
        "held" if line["held"] else "**not held**",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def fill(page: str, text: str) -> str:
    """Put the table into the page. ValueError if it has no place for it."""
    if not BLOCK.search(page):
        raise ValueError("the page has no <!-- torture --> and <!-- torture end -->")
    return BLOCK.sub(lambda found: f"{found[1]}{text}{found[2]}", page)


def main(arguments: list[str], *, file: Path = FILE, page: Path = PAGE) -> int:
    """Fill the page, or print; 1 where there is nothing to tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.page")
    parser.add_argument("--print", action="store_true", help="print the table, and fill no page")
    options = parser.parse_args(arguments)
    lines: list[dict[str, Any]] = lines_of(file)
    if not lines:
        print(f"{file} has nothing: run `make torture` first", file=sys.stderr)
        return 1
    missing = [name for name in PARTS if all(line["part"] != name for line in lines)]
    if missing:
        print(f"not run: {', '.join(missing)}", file=sys.stderr)
    if options.print:
        print(table(lines), end="")
    else:
        page.write_text(fill(page.read_text(), table(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
