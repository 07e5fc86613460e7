from __future__ import annotations

import pytest
from trio.testing import MockClock

from avrpc.conformance.runner import Verdict
from tests.conformance.desk import insisting, names, passes, try_case


@pytest.mark.parametrize("name", names("bad_handshakes"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


OTHER_TEXTS = [
    "second_pack_without_text",
    "text_of_other_hashes",
    "text_of_another_sha256",
    "text_that_is_no_protocol",
    "text_with_an_unknown_type",
    "text_with_an_array_of_null",
    "text_with_an_endless_record",
    "text_that_is_too_long",
]


@pytest.mark.parametrize("name", OTHER_TEXTS)
async def test_server_may_insist_on_its_own_text(name: str, autojump_clock: MockClock) -> None:
    ending = await try_case(name, insisting)
    assert (ending.verdict, ending.came) == (
        Verdict.SKIPPED,
        "the server takes no text but its own",
    )
