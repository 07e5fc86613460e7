from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.call import ItemReceiver
from avrpc.conformance.serving import ConformanceServer
from tests.conformance.desk import Serve, fails, mute, names, table, with_limits


@pytest.mark.parametrize("name", names("credit"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def windows_that_are_overrun() -> Serve:
    return with_limits(window_bytes=2**30)


def windows_overrun_by_an_item() -> Serve:
    """It sends an item more than it may, as it counts the frame that brings it to 0 wrongly."""
    return with_limits(window_bytes=1024 + 5003)


def windows_half_used() -> Serve:
    return with_limits(window_bytes=512)


@table(
    {
        windows_that_are_overrun: [
            "response_stops_without_credit",
            "response_goes_on_with_credit",
            "credit_of_a_byte",
            "slow_reader_holds_up_no_other",
        ],
        windows_overrun_by_an_item: ["credit_of_a_byte"],
        windows_half_used: ["response_stops_without_credit", "response_goes_on_with_credit"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


async def test_credit_that_never_comes_back_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ItemReceiver, "_taken", lambda receiver: None)
    for name in (
        "request_credit_comes_back",
        "request_credit_is_for_what_was_taken",
        "item_larger_than_the_window",
    ):
        await fails(name, ConformanceServer().serve_stream)


async def test_credit_for_what_has_only_come_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = ItemReceiver.feed

    def feed_and_grant(receiver: ItemReceiver, data: bytes, count: int) -> None:
        feed(receiver, data, count)
        receiver._session.outgoing.credit(receiver.call_id, len(data))

    monkeypatch.setattr(ItemReceiver, "feed", feed_and_grant)
    monkeypatch.setattr(ItemReceiver, "_taken", lambda receiver: None)
    for name in ("request_credit_is_for_what_was_taken", "credit_is_counted_for_each_call"):
        await fails(name, ConformanceServer().serve_stream)
