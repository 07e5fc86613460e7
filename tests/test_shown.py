"""Texts of others on one line, with nothing in them that does more than be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.shown import MOST, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain, with é and 字 and 🦜", "plain, with é and 字 and 🦜"),
        ("one\r\ntwo", r"one\r\ntwo"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\0\x7f\x85\xa0", r"\x00\x7f\x85\xa0"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("turned \u202e round", r"turned \u202e round"),
        ("half a pair \ud800", r"half a pair \ud800"),
        (r"a \n of its own", r"a \n of its own"),
        (b"\r\n", r"b'\r\n'"),
        (ValueError("a\nb"), r"a\nb"),
        (7, "7"),
    ],
)
def test_what_is_not_printable_is_escaped_and_all_else_stays(text: object, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 197 + "..."),
        ("x" * 1_000_000, "x" * 197 + "..."),
        ("\n" * 100, r"\n" * 100),
        ("\n" * 101, r"\n" * 98 + "\\..."),
        ("\U000e0001" * 1_000_000, r"\U000e0001" * 19 + r"\U000e0..."),
    ],
)
def test_long_text_is_cut(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.text(max_size=300), st.integers(3, 300))
def test_any_text_is_short_printable_and_shown_twice_the_same(text: str, most: int) -> None:
    once = shown(text, most)
    assert once.isprintable()
    assert len(once) <= most
    assert shown(once, most) == once


def test_the_limit_for_logs_is_the_default() -> None:
    assert len(shown("y" * 1000)) == MOST
