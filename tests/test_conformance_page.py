"""docs/conformance.md lists the cases that there are, and links to sections that there are.

``python -m tests.test_conformance_page`` prints the list.
"""

import re
from pathlib import Path

import avrpc.conformance.cases
from avrpc.conformance.interface import Conformance
from avrpc.conformance.registry import CASES, GROUPS, chosen

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "conformance.md"


def tables() -> str:
    """Make the list: a heading and a table for each group."""
    lines = []
    for group in GROUPS:
        lines += [f"### {group}", "", "| case | shows | section |", "|---|---|---|"]
        lines += [
            f"| `{one.name}` | {one.shows} | {one.section} |"
            for one in chosen([])
            if one.group == group
        ]
        lines.append("")
    return "\n".join(lines)


def test_page_lists_every_case() -> None:
    _, _, listed = PAGE.read_text().partition("\n### ")
    stale = "the list is stale; python -m tests.test_conformance_page prints it"
    assert ("### " + listed).split("\n") == tables().split("\n"), stale


def test_sections_are_those_of_the_protocol_page() -> None:
    page = (ROOT / "PROTOCOL.md").read_text()
    sections = set(re.findall(r"^#{2,3} ([\d.]+?)\.? ", page, re.MULTILINE))
    assert {one.section for one in CASES.values()} <= sections


def test_page_names_the_protocol_and_its_file() -> None:
    page = PAGE.read_text()
    assert f"`{Conformance.name}`" in page
    linked = re.findall(r"\]\((\.\./[^)#]+)\)", page)
    assert linked
    assert all((PAGE.parent / one).exists() for one in linked)


def test_all_cases_are_registered() -> None:
    assert {one.group for one in CASES.values()} == set(avrpc.conformance.cases.__all__)


if __name__ == "__main__":
    print(tables())  # noqa: T201 - it is what it is for
