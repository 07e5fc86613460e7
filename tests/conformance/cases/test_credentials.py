from __future__ import annotations

import pytest
from trio.testing import MockClock

from avrpc.conformance.kit import Known
from avrpc.conformance.runner import Verdict
from tests.conformance.desk import names, passes, try_case

ASKING = Known(credentials=b"secret")


@pytest.mark.parametrize("name", names("credentials"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name, ASKING)


@pytest.mark.parametrize("group", ["handshake", "bad_handshakes", "connection", "versions"])
async def test_other_cases_show_them_too(group: str, autojump_clock: MockClock) -> None:
    for name in names(group):
        await passes(name, ASKING)


@pytest.mark.parametrize("name", names("credentials"))
async def test_server_that_is_not_known_to_ask_is_not_tried(
    name: str, autojump_clock: MockClock
) -> None:
    ending = await try_case(name)
    assert (ending.verdict, ending.came) == (
        Verdict.SKIPPED,
        "the kit was given no --credentials",
    )


@pytest.mark.parametrize("size", [1, 8 * 1024])
async def test_credentials_may_be_of_any_size(size: int, autojump_clock: MockClock) -> None:
    for name in [*names("credentials"), "handshake_in_many_buffers"]:
        await passes(name, Known(credentials=b"x" * size))
