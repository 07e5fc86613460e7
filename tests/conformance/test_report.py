from __future__ import annotations

import json

from avrpc.conformance.kit import Kit
from avrpc.conformance.registry import Case
from avrpc.conformance.report import (
    ending_lines,
    list_json,
    list_lines,
    report_json,
    summary_line,
)
from avrpc.conformance.runner import Ending, Verdict


async def nothing(kit: Kit) -> None: ...


ONE = Case("one", "streams", "8", "It is one.", nothing)
TWO = Case("two", "streams", "9", "It is two.", nothing)
THREE = Case("three", "credit", "8", "It is three.", nothing)
PASSED = Ending(ONE, Verdict.PASSED, 0.0123)
SKIPPED = Ending(TWO, Verdict.SKIPPED, 0.001, came="too large")
FAILED = Ending(THREE, Verdict.FAILED, 1.5, "five", "six", ["kit: PING 1", "the end"])


def test_case_that_passed_takes_a_line() -> None:
    (line,) = ending_lines(PASSED)
    assert line.split() == ["pass", "one", "0.012", "s"]


def test_case_that_was_skipped_tells_why() -> None:
    (line,) = ending_lines(SKIPPED)
    assert line.split() == ["skip", "two", "0.001", "s", "too", "large"]


def test_case_that_failed_tells_what_was_expected_what_came_and_what_went_before() -> None:
    assert [" ".join(line.split()) for line in ending_lines(FAILED)] == [
        "FAIL three 1.500 s PROTOCOL.md, section 8",
        "shows: It is three.",
        "expected: five",
        "came: six",
        "before: kit: PING 1",
        "the end",
    ]


def test_summary_counts_each_verdict() -> None:
    told = summary_line([PASSED, PASSED, FAILED, SKIPPED], 2.04)
    assert told == "2 passed, 1 failed, 1 skipped; 2.0 s"


def test_json_says_the_same() -> None:
    report = json.loads(report_json("tcp://a:1", [PASSED, FAILED], 2.04))
    assert {key: report[key] for key in ("address", "passed", "failed", "skipped")} == {
        "address": "tcp://a:1",
        "passed": 1,
        "failed": 1,
        "skipped": 0,
    }
    assert report["cases"][1] == {
        "name": "three",
        "group": "credit",
        "section": "8",
        "shows": "It is three.",
        "verdict": "failed",
        "seconds": 1.5,
        "expected": "five",
        "came": "six",
        "trace": ["kit: PING 1", "the end"],
    }


def test_list_has_groups_and_sections() -> None:
    assert [" ".join(line.split()) for line in list_lines([ONE, TWO, THREE])] == [
        "streams:",
        "one It is one. (8)",
        "two It is two. (9)",
        "credit:",
        "three It is three. (8)",
    ]
    assert [one["name"] for one in json.loads(list_json([ONE, THREE]))] == ["one", "three"]
