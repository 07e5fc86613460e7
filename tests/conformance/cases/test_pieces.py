from __future__ import annotations

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import Conformance
from avrpc.conformance.runner import Verdict
from avrpc.conformance.service import Service
from avrpc.conformance.serving import ConformanceServer
from tests.conformance.desk import (
    names,
    passes,
    try_case,
)


@pytest.mark.parametrize("name", names("pieces"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


@pytest.mark.parametrize(
    ("name", "limits", "why"),
    [
        ("largest_value", {"max_message_bytes": 2**30}, "too large to try"),
        ("value_that_is_too_large", {"max_message_bytes": 2**30}, "too large to try"),
        ("pieces_of_two_calls_take_turns", {"max_values_in_pieces": 1}, "one value in pieces"),
        ("too_many_values_in_pieces", {"max_values_in_pieces": 2000}, "to try: 2000"),
    ],
)
async def test_limit_that_can_not_be_tried_is_a_reason_to_skip(
    name: str, limits: dict[str, int], why: str, autojump_clock: MockClock
) -> None:
    def server_of(service: Service) -> avrpc.Server:
        return avrpc.Server({Conformance: service}, limits=avrpc.Limits(**limits))

    ending = await try_case(name, ConformanceServer(server_of).serve_stream)
    assert ending.verdict is Verdict.SKIPPED
    assert why in ending.came
