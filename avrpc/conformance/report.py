"""What the command prints: lines for people, or JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from avrpc.conformance.registry import Case
from avrpc.conformance.runner import Ending, Verdict

_WORDS = {Verdict.PASSED: "pass", Verdict.FAILED: "FAIL", Verdict.SKIPPED: "skip"}


def ending_lines(ending: Ending) -> Iterator[str]:
    """A line for one case; more for one that did not pass."""
    one = ending.case
    line = f"{_WORDS[ending.verdict]}  {one.name:<46} {ending.seconds:7.3f} s"
    if ending.verdict is not Verdict.FAILED:
        yield f"{line}  {ending.came}".rstrip()
        return
    yield f"{line}  PROTOCOL.md, section {one.section}"
    yield f"      shows:    {one.shows}"
    yield f"      expected: {ending.expected}"
    yield f"      came:     {ending.came}"
    for number, text in enumerate(ending.trace):
        yield f"      {'before:   ' if number == 0 else '          '}{text}"


def summary_line(endings: Sequence[Ending], seconds: float) -> str:
    """How many cases passed, failed and were skipped."""
    counts = Counter(ending.verdict for ending in endings)
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    return f"{told}; {seconds:.1f} s"


def report_json(address: str, endings: Sequence[Ending], seconds: float) -> str:
    """All of that as one JSON object."""
    counts = Counter(ending.verdict for ending in endings)
    report: dict[str, Any] = {"address": address, "seconds": round(seconds, 3)}
    report |= {verdict.value: counts[verdict] for verdict in Verdict}
    report["cases"] = [
        case_fields(ending.case)
        | {
            "verdict": ending.verdict.value,
            "seconds": round(ending.seconds, 4),
            "expected": ending.expected,
            "came": ending.came,
            "trace": ending.trace,
        }
        for ending in endings
    ]
    return json.dumps(report, indent=2)


def list_lines(cases: Iterable[Case]) -> Iterator[str]:
    """A line for each case, below the name of its group."""
    group = ""
    for one in cases:
        if one.group != group:
            group = one.group
            yield f"{group}:"
        yield f"  {one.name:<46} {one.shows} ({one.section})"


def list_json(cases: Iterable[Case]) -> str:
    """The cases as a JSON array."""
    return json.dumps([case_fields(one) for one in cases], indent=2)


def case_fields(one: Case) -> dict[str, str]:
    """What is told of a case in JSON."""
    return {"name": one.name, "group": one.group, "section": one.section, "shows": one.shows}
