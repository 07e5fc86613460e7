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


@pytest.mark.parametrize("name", names("bad_calls"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


async def test_server_with_a_huge_window_is_not_tried_with_that(autojump_clock: MockClock) -> None:
    def server_of(service: Service) -> avrpc.Server:
        return avrpc.Server({Conformance: service}, limits=avrpc.Limits(window_bytes=2**30))

    ending = await try_case("items_without_credit", ConformanceServer(server_of).serve_stream)
    assert (ending.verdict, ending.came) == (
        Verdict.SKIPPED,
        "the server's window is too large to fill: 1073741824 bytes",
    )
