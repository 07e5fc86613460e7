from __future__ import annotations

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.other_texts import version
from avrpc.conformance.runner import Verdict
from avrpc.conformance.serving import ConformanceServer
from tests.conformance.desk import (
    names,
    passes,
    try_case,
)


@pytest.mark.parametrize("name", names("connection"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


DRAINS = ["drain_lets_calls_finish", "drain_runs_no_later_call", "drain_closes"]


@pytest.mark.parametrize("name", DRAINS)
async def test_server_without_drain_is_not_tried_with_that(
    name: str, autojump_clock: MockClock
) -> None:
    without = version(lambda tree: tree["messages"].pop("drain"))
    server = ConformanceServer(lambda service: avrpc.Server({without: service}))
    ending = await try_case(name, server.serve_stream)
    assert ending.verdict is Verdict.SKIPPED
    assert "drain" in ending.came
