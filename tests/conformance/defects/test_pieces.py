from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.wire import Connection, StatusCode, encode_long
from avrpc.wire.calls import Call
from avrpc.wire.frames import MORE, Kind
from avrpc.wire.incoming import Incoming
from tests.conformance.desk import (
    Serve,
    fails,
    mute,
    names,
    sending,
    serving,
    table,
    with_limits,
    with_values_of,
)


@pytest.mark.parametrize("name", names("pieces"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def frames_of_the_default_size() -> Serve:
    return with_limits(max_frame_bytes=65_536)


def any_number_in_pieces() -> Serve:
    return with_limits(max_values_in_pieces=8)


def values_of_any_size() -> Serve:
    return with_limits(max_message_bytes=2**22)


def limits_below_what_is_said() -> Serve:
    """Announces one limit of values, and goes by a lower one."""
    return with_values_of(4_000_000)


def limits_that_nobody_looks_at() -> Serve:
    return with_values_of(2**30)


def half_values_that_keep_their_place() -> Serve:
    class Server(avrpc.Server):
        def connection(self) -> Connection:
            core = super().connection()
            drop = core._calls.drop_assembly

            def keep_place(call: Call) -> None:
                core._calls.assembling += call.assembly is not None
                drop(call)

            core._calls.drop_assembly = keep_place  # type: ignore[method-assign]
            return core

    return serving(Server)


def pieces_out_of_order() -> Serve:
    held: list[Frame] = []

    def change(frame: Frame) -> list[Frame]:
        if frame.kind == Kind.RESULT and frame.flags & MORE and not held:
            held.append(frame)
            return []
        return [frame, held.pop()] if held and frame.flags & MORE else [frame]

    return sending(change)


def started_before_it_was_complete() -> Serve:
    return sending(
        lambda frame: [frame._replace(flags=0x40) if frame.kind == Kind.STATUS else frame]
    )


def too_large_is_no_value() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.STATUS:
            return [frame]
        code = encode_long(StatusCode.INVALID_VALUE)
        return [frame._replace(body=encode_long(frame.longs(1)[0]) + code + b"\0")]

    return sending(change)


@table(
    {
        frames_of_the_default_size: ["answers_fit_the_frame", "one_value_in_pieces_at_a_time"],
        any_number_in_pieces: ["one_value_in_pieces_at_a_time"],
        values_of_any_size: ["values_larger_than_the_client_takes"],
        limits_below_what_is_said: ["largest_value"],
        limits_that_nobody_looks_at: ["value_that_is_too_large"],
        half_values_that_keep_their_place: ["cancel_between_pieces"],
        pieces_out_of_order: ["answers_fit_the_frame", "one_value_in_pieces_at_a_time"],
        started_before_it_was_complete: ["cancel_between_pieces"],
        too_large_is_no_value: ["value_that_is_too_large", "cancel_between_pieces_of_an_item"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


@pytest.mark.parametrize("name", ["short_piece", "empty_last_piece"])
async def test_pieces_of_any_size_are_noticed(
    name: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Incoming, "_require_piece", lambda incoming, flags, size: None)
    await fails(name, ConformanceServer().serve_stream)
