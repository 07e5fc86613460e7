import re
from dataclasses import fields
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrpc.limits import Limits, limits_of_peer
from avrpc.wire import WireLimits

PAGE = (Path(__file__).parent.parent / "PROTOCOL.md").read_text()
LARGEST = 2**31 - 1

# Those that the peer is told: PROTOCOL.md's name, ours, the range.
ANNOUNCED = [
    ("maxFrameBytes", "max_frame_bytes", 16_384, 1_048_576),
    ("maxMessageBytes", "max_message_bytes", 16_384, LARGEST),
    ("windowBytes", "window_bytes", 1024, LARGEST),
    ("maxCalls", "max_calls", 1, LARGEST),
    ("maxStreamedCalls", "max_streamed_calls", 0, LARGEST),
    ("maxValuesInPieces", "max_values_in_pieces", 1, LARGEST),
    ("maxMetadataBytes", "max_metadata_bytes", 0, 8192),
    ("maxContexts", "max_contexts", 0, LARGEST),
]
OWN = [
    ("max_pings", 1, LARGEST),
    ("max_running_handlers", 1, LARGEST),
    ("max_assembly_bytes", 1, 2**63 - 1),
    ("max_connections", 1, LARGEST),
    ("max_handshakes", 1, LARGEST),
]
COUNTS = [(ours, lowest, highest) for _, ours, lowest, highest in ANNOUNCED] + OWN
TIMES = {
    "handshake_timeout": 0,
    "keepalive_interval": 0.1,
    "keepalive_timeout": 0.1,
    "write_stall_timeout": 0.1,
    "piece_timeout": 0.1,
    "idle_timeout": 0.1,
    "max_call_time": 0,
    "drain_timeout": 0,
    "cancel_timeout": 0,
    "close_timeout": 0,
}
NO_NUMBERS: list[Any] = [None, "1", True, b"", [], 20_000.0]


def test_tables_above_have_every_limit() -> None:
    assert [each.name for each in fields(Limits)] == [name for name, *_ in COUNTS] + list(TIMES)


def test_page_has_the_same_names_defaults_and_ranges() -> None:
    row = r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| "
    shown = {
        name: [int(number.replace(",", "")) for number in numbers]
        for name, *numbers in re.findall(row, PAGE, re.MULTILINE)
    }
    assert shown == {
        name: [getattr(Limits(), ours), lowest, highest]
        for name, ours, lowest, highest in ANNOUNCED
    }


def test_defaults_are_what_a_peer_is_held_to_that_announces_nothing() -> None:
    assert Limits().wire() == WireLimits()
    assert limits_of_peer({}) == WireLimits()


@pytest.mark.parametrize(("name", "lowest", "highest"), COUNTS)
def test_limit_takes_both_ends_of_its_range_and_nothing_outside(
    name: str, lowest: int, highest: int
) -> None:
    values: Any
    for values in ({name: lowest}, {name: highest}):
        assert getattr(Limits(**values), name) == values[name]
    absurd: list[Any] = [lowest - 1, highest + 1, -1, -(2**70), 2**70, inf, nan, *NO_NUMBERS]
    for value in absurd:
        expected = f"Limits.{name}: expected {lowest} to {highest}, got {value!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            Limits(**{name: value})


@pytest.mark.parametrize("name", TIMES)
def test_time_is_seconds_and_may_be_without_end(name: str) -> None:
    values: Any
    for values in ({name: TIMES[name]}, {name: 0.1}, {name: 3600}, {name: inf}):
        assert getattr(Limits(**values), name) == values[name]
    absurd: list[Any] = [TIMES[name] - 0.001, -inf, nan, None, "1", True]
    for value in absurd:
        expected = f"Limits.{name}: expected {TIMES[name]} or more seconds, got {value!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            Limits(**{name: value})


@given(
    st.fixed_dictionaries(
        {}, optional={ours: st.integers(low, high) for _, ours, low, high in ANNOUNCED}
    )
)
def test_what_one_end_announces_is_what_the_other_keeps_to(chosen: dict[str, Any]) -> None:
    limits = Limits(**chosen)
    announced = limits.announced(["zstd"])
    assert list(announced) == [name for name, *_ in ANNOUNCED]
    assert limits_of_peer(announced) == limits.wire()
    wire = {one.name: getattr(limits.wire(), one.name) for one in fields(WireLimits) if one.init}
    assert wire == {ours: getattr(limits, ours) for _, ours, *_ in ANNOUNCED}


def test_limit_of_a_feature_is_announced_with_it_alone() -> None:
    limits = Limits()
    (of_feature,) = limits.announced(["snappy", "zstd"]).keys() - limits.announced().keys()
    assert of_feature == "maxContexts"
    assert limits.announced(["snappy"]) == limits.announced()


@pytest.mark.parametrize(("name", "ours", "lowest", "highest"), ANNOUNCED)
def test_peer_is_held_to_the_ranges(name: str, ours: str, lowest: int, highest: int) -> None:
    for value in (lowest, highest):
        assert getattr(limits_of_peer({name: value}), ours) == value
    for value in (lowest - 1, highest + 1, -(2**63), 2**63 - 1):
        expected = f"{name}: expected {lowest} to {highest}, got {value}"
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            limits_of_peer({name: value})


def test_limits_that_this_version_does_not_know_are_ignored() -> None:
    announced = {"maxDreams": -1, "max_calls": 0, "": 2**62, "maxCalls": 7}
    assert limits_of_peer(announced) == WireLimits(max_calls=7)
