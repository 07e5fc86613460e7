from __future__ import annotations

import pytest
from trio.testing import MockClock

from avrpc.conformance.runner import Verdict
from tests.conformance.desk import insisting, names, passes, try_case


@pytest.mark.parametrize("name", names("versions"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


@pytest.mark.parametrize("name", names("versions"))
async def test_server_may_insist_on_its_own_text(name: str, autojump_clock: MockClock) -> None:
    ending = await try_case(name, insisting)
    assert (ending.verdict, ending.came) == (
        Verdict.SKIPPED,
        "the server takes no text but its own",
    )
