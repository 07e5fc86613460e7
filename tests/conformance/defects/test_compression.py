from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.wire import Codec, Connection, ProtocolError
from avrpc.wire.contexts import Contexts
from avrpc.wire.frames import Kind
from avrpc.wire.inflating import Inflater
from tests.conformance.desk import Serve, fails, mute, names, ruled_by, table


@pytest.mark.parametrize("name", names("compression"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


Plain = Callable[[Inflater, int, int, bytes, int, int], bytes]


def inflating(plain: Plain) -> Serve:
    """With something else for what inflates frames."""

    class Other(Inflater):
        def plain_body(self, kind: int, flags: int, data: bytes, start: int, end: int) -> bytes:
            return plain(self, kind, flags, data, start, end)

    class Core(Connection):
        def _compress(self, codec: Codec, max_sent: int) -> None:
            super()._compress(codec, max_sent)
            assert self._incoming.inflater is not None
            self._incoming.inflater.__class__ = Other

    return ruled_by(Core)


def values_left_as_they_came() -> Serve:
    return inflating(lambda self, kind, flags, data, start, end: data[start:end])


def anything_taken() -> Serve:
    def plain(self: Inflater, *frame: Any) -> bytes:
        _, _, data, start, end = frame
        try:
            return Inflater.plain_body(self, *frame)
        except ProtocolError:
            return bytes(data[start:end])

    return inflating(plain)


def only_calls_compressed() -> Serve:
    def plain(self: Inflater, *frame: Any) -> bytes:
        if frame[0] != Kind.CALL:
            raise ProtocolError("not of this kind")
        return Inflater.plain_body(self, *frame)

    return inflating(plain)


def only_whole_values_compressed() -> Serve:
    def plain(self: Inflater, *frame: Any) -> bytes:
        if self._calls.assembling:
            raise ProtocolError("not in pieces")
        return Inflater.plain_body(self, *frame)

    return inflating(plain)


def items_of_ended_calls_inflated() -> Serve:
    def plain(self: Inflater, *frame: Any) -> bytes:
        if frame[0] == Kind.ITEMS and not len(self._calls):
            raise ProtocolError("no zstd")
        return Inflater.plain_body(self, *frame)

    return inflating(plain)


def one_context_for_all_calls() -> Serve:
    class Shared(Contexts):
        def inflate(self, call_id: int, data: Any, size: int) -> bytes:
            return super().inflate(0, data, size)

    class Core(Connection):
        def _compress(self, codec: Codec, max_sent: int) -> None:
            super()._compress(codec, max_sent)
            if self._calls.contexts is not None:
                self._calls.contexts.__class__ = Shared

    return ruled_by(Core)


UNREAD = [
    "zstd_values",
    "snappy_values",
    "zstd_streams",
    "snappy_streams",
    "zstd_streams_side_by_side",
    "compressed_call",
    "piece_by_piece",
]
BROKEN = [
    "size_of_nothing",
    "size_that_is_too_large",
    "zstd_of_another_size",
    "snappy_of_another_size",
    "zstd_that_is_cut",
    "snappy_that_is_cut",
    "compressed_ping",
    "context_that_ends",
    "too_many_contexts",
]


@table(
    {
        values_left_as_they_came: UNREAD,
        anything_taken: BROKEN,
        only_calls_compressed: ["zstd_streams", "snappy_streams"],
        only_whole_values_compressed: ["zstd_values", "snappy_values", "piece_by_piece"],
        items_of_ended_calls_inflated: ["compressed_items_of_an_ended_call"],
        one_context_for_all_calls: ["zstd_streams_side_by_side"],
    }
)
async def test_defect_is_noticed(
    defect: Callable[[], Serve], name: str, autojump_clock: MockClock
) -> None:
    await fails(name, defect())


def test_every_case_notices_a_defect() -> None:
    noticed = {*UNREAD, *BROKEN, "compressed_items_of_an_ended_call"}
    assert noticed == set(names("compression"))
