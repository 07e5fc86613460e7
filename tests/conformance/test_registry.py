from __future__ import annotations

import pytest

import avrpc.conformance.cases
from avrpc.conformance import registry
from avrpc.conformance.kit import Kit
from avrpc.conformance.registry import CASES, GROUPS, case, chosen


def test_cases_have_names_sections_and_one_line() -> None:
    for name, one in CASES.items():
        assert one.name == name
        assert one.group in GROUPS
        assert one.section
        assert one.shows.endswith(".")
        assert len(one.shows) <= 96


def test_groups_are_the_modules_of_the_cases() -> None:
    assert set(avrpc.conformance.cases.__all__) == set(GROUPS)


def test_all_are_chosen_in_the_order_of_the_groups() -> None:
    found = chosen([])
    assert len(found) == len(CASES)
    assert list(dict.fromkeys(one.group for one in found)) == list(GROUPS)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["ping_pong"], {"ping_pong"}),
        (["ping_pong", "empty_stream"], {"ping_pong", "empty_stream"}),
        (["*_unary"], {"empty_unary", "large_unary"}),
    ],
)
def test_cases_are_chosen_by_name(patterns: list[str], names: set[str]) -> None:
    assert {one.name for one in chosen(patterns)} == names


def test_cases_are_chosen_by_group() -> None:
    groups = [one.group for one in chosen(["bad_*", "credit"])]
    assert list(dict.fromkeys(groups)) == ["credit", "bad_handshakes", "bad_frames", "bad_calls"]


def test_pattern_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(LookupError, match="'pingpong'"):
        chosen(["ping_pong", "pingpong"])


def test_case_needs_a_name_of_its_own_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "CASES", {})

    @case("1")
    async def new(kit: Kit) -> None:
        """It is new."""

    assert registry.CASES["new"].shows == "It is new."
    with pytest.raises(ValueError, match="two cases"):
        case("1")(new)

    async def silent(kit: Kit) -> None: ...

    with pytest.raises(ValueError, match="docstring"):
        case("1")(silent)

    async def talkative(kit: Kit) -> None:
        """Two.

        Lines.
        """

    with pytest.raises(ValueError, match="docstring"):
        case("1")(talkative)
