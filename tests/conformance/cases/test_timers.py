from __future__ import annotations

import pytest
from trio.testing import MockClock

from avrpc.conformance.kit import Known
from avrpc.conformance.runner import Verdict
from tests.conformance.desk import names, passes, try_case

TIMES = Known(handshake_seconds=10, silence_seconds=50)


@pytest.mark.parametrize("name", names("timers"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name, TIMES)


@pytest.mark.parametrize("name", names("timers"))
async def test_server_whose_times_are_not_known_is_not_tried(
    name: str, autojump_clock: MockClock
) -> None:
    ending = await try_case(name)
    assert ending.verdict is Verdict.SKIPPED
    assert ending.came.startswith("the kit was given no --")
