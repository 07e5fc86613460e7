from __future__ import annotations

import pytest

from avrpc.conformance.verdict import Failed, expect, expect_true, shown
from avrpc.wire import StatusCode


def test_equal_values_pass() -> None:
    expect("a number", 1, 1)
    expect("bytes", b"x", b"x")
    expect_true("more than none", 3, holds=True)


@pytest.mark.parametrize(
    ("wanted", "came", "expected", "told"),
    [
        (1, 2, "it: 1", "2"),
        (1, True, "it: 1", "True"),
        (1, 1.0, "it: 1", "1.0"),
        (1, StatusCode.CANCELLED, "it: 1", "<StatusCode.CANCELLED: 1>"),
        ("a", None, "it: 'a'", "None"),
    ],
)
def test_other_values_fail_with_both(
    wanted: object, came: object, expected: str, told: str
) -> None:
    with pytest.raises(Failed) as failed:
        expect("it", wanted, came)
    assert (failed.value.expected, failed.value.came) == (expected, told)
    assert str(failed.value) == f"expected {expected}; {told} came"


def test_what_does_not_hold_fails_with_what_came() -> None:
    with pytest.raises(Failed) as failed:
        expect_true("more than 3", 2, holds=False)
    assert (failed.value.expected, failed.value.came) == ("more than 3", "2")


def test_long_values_are_cut_and_their_length_told() -> None:
    assert shown(bytes(1000)).endswith("... (1000 long)")
    assert shown(range(10**100)).count("0") > 50
    assert len(shown(tuple(range(1000)))) == 163
