from __future__ import annotations

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.cases import compression
from avrpc.conformance.interface import Conformance
from avrpc.conformance.runner import Verdict
from avrpc.conformance.serving import ConformanceServer
from tests.conformance.desk import names, passes, try_case


@pytest.mark.parametrize("name", names("compression"))
async def test_case_passes_with_a_sound_server(name: str, autojump_clock: MockClock) -> None:
    await passes(name)


@pytest.mark.parametrize("name", names("compression"))
async def test_case_is_skipped_by_the_name_of_the_codec_where_the_server_offers_none(
    name: str, autojump_clock: MockClock
) -> None:
    server = ConformanceServer(lambda service: avrpc.Server({Conformance: service}))
    ending = await try_case(name, server.serve_stream)
    assert ending.verdict is Verdict.SKIPPED
    codec = "snappy" if "snappy" in ending.came else "zstd"
    assert ending.came == f"the server does not offer {codec}"


async def test_case_is_skipped_where_the_kit_has_not_the_codec(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(compression, "is_available", lambda name: False)
    ending = await try_case("zstd_values")
    assert ending.verdict is Verdict.SKIPPED
    assert "pip install 'avrpc[compression]'" in ending.came


async def test_contexts_are_not_counted_up_to_any_number(autojump_clock: MockClock) -> None:
    limits = avrpc.Limits(max_contexts=500, max_streamed_calls=1000)
    server = ConformanceServer(
        lambda service: avrpc.Server({Conformance: service}, limits=limits, compression="zstd")
    )
    ending = await try_case("too_many_contexts", server.serve_stream)
    assert (ending.verdict, ending.came) == (
        Verdict.SKIPPED,
        "the server takes no 501 calls that stream, or more than 200",
    )
