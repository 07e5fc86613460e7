"""What a handler knows of its call."""

from __future__ import annotations

from contextvars import copy_context

import pytest

import avrpc
from avrpc.call_info import Caller, CallInfo, current_call, set_current_call
from avrpc.testing import open_pair
from tests.desk import DESK, desk_server


def test_outside_of_a_handler_there_is_no_call() -> None:
    with pytest.raises(RuntimeError, match="in a handler only"):
        current_call()


def test_caller_gives_its_calls_what_is_known_of_it() -> None:
    class Info(CallInfo):
        def __init__(self) -> None:
            self._caller = Caller("demo.Quotes", "alice")

    def look() -> None:
        info = Info()
        set_current_call(info)
        assert current_call() is info
        assert (info.identity, info.protocol, info.tls) == ("alice", "demo.Quotes", None)

    copy_context().run(look)


async def test_handler_reads_who_calls_what() -> None:
    seen: list[object] = []

    def trade(from_: str, class_: str) -> str:  # in a thread
        info = avrpc.current_call()
        seen.extend([info.protocol, info.message.name, info.identity, info.peer, info.attempt])
        return info.metadata["trace"].decode()

    async with open_pair(desk_server(trade=trade), DESK) as client:
        assert await client.trade.using(metadata={"trace": "7"})(from_="a") == "7"
    assert seen == ["test.Desk", "trade", None, "stream", 0]
