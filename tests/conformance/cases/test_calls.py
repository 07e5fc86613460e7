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


@pytest.mark.parametrize("name", names("calls"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


async def test_server_with_too_many_slots_is_not_tried_with_that(
    autojump_clock: MockClock,
) -> None:
    def server_of(service: Service) -> avrpc.Server:
        return avrpc.Server({Conformance: service}, limits=avrpc.Limits(max_calls=5000))

    ending = await try_case("every_slot", ConformanceServer(server_of).serve_stream)
    assert (ending.verdict, ending.came) == (
        Verdict.SKIPPED,
        "the server announced too many slots to try: 5000",
    )
