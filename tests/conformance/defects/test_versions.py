from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

import avrpc
from avrpc.conformance.interface import SAMPLE, body
from avrpc.conformance.trace import Frame
from avrpc.handlers import Method
from avrpc.schema.negotiation import Negotiation
from avrpc.wire import StatusCode, encode_long
from avrpc.wire.frames import STARTED, Kind
from tests.conformance.desk import (
    Serve,
    fails,
    handling,
    mute,
    names,
    sending,
    serving,
    table,
)


@pytest.mark.parametrize("name", names("versions"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def having(methods: Any) -> Serve:
    """Gives other handlers for the client's numbers; it gets the server and the sound ones."""

    class Server(avrpc.Server):
        def methods(self, negotiation: Negotiation) -> list[Method | None]:
            return methods(self, negotiation, super().methods(negotiation))  # type: ignore[no-any-return]

    return serving(Server)


def values_read_as_the_servers() -> Serve:
    """It has each handler by the client's number, but reads what comes by its own text."""

    def methods(server: Any, negotiation: Negotiation, sound: list[Method | None]) -> Any:
        own = server._methods[negotiation.server.name]
        return [one and own[one.message.name] for one in sound]

    return having(methods)


def numbers_of_the_server() -> Serve:
    def methods(server: Any, negotiation: Negotiation, sound: list[Method | None]) -> Any:
        own = server._methods[negotiation.server.name]
        numbered = [own[message.name] for message in negotiation.server.messages_by_number]
        return (numbered + sound)[: len(sound)]

    return having(methods)


def handlers_for_what_it_has_not() -> Serve:
    """It takes a message that it has not, or not so, for another one."""

    def methods(server: Any, negotiation: Negotiation, sound: list[Method | None]) -> Any:
        own = server._methods[negotiation.server.name]
        return [one or own["empty"] for one in sound]

    return having(methods)


def unimplemented_but_started() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        return [frame._replace(flags=STARTED)] if frame.kind == Kind.STATUS else [frame]

    return sending(change)


def unimplemented_as_unknown() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.STATUS:
            return [frame]
        code = encode_long(StatusCode.UNKNOWN)
        return [frame._replace(body=encode_long(frame.longs(1)[0]) + code + b"\0")]

    return sending(change)


def another_default() -> Serve:
    async def blob(service: Any, payload: bytes, size: int) -> bytes:
        return body(4 if size == 3 else size + 1)

    return handling(blob=blob)


def defaults_whatever_came() -> Serve:
    async def echo(service: Any, value: dict[str, Any]) -> dict[str, Any]:
        return SAMPLE

    return handling(echo=echo)


def branches_by_the_client() -> Serve:
    """An error has the branch that the client's union, turned round, would give it."""

    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.ERROR:
            return [frame]
        call_id, branch = frame.longs(2)
        size = len(encode_long(call_id) + encode_long(branch))
        fields = encode_long(call_id) + encode_long(3 - branch)
        return [frame._replace(body=fields + frame.body[size:])]

    return sending(change)


def unknown_errors_as_status() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind != Kind.ERROR:
            return [frame]
        fields = encode_long(frame.longs(1)[0]) + encode_long(StatusCode.UNKNOWN) + b"\0"
        return [Frame(Kind.STATUS, STARTED, fields)]

    return sending(change)


def unknown_symbols_as_the_first() -> Serve:
    async def check(service: Any, value: dict[str, Any]) -> list[str]:
        return []

    return handling(check=check)


def arrays_of_three() -> Serve:
    """Of an array that came whole, or is to go so, it takes three items."""

    def cut(streamed: Any) -> Any:
        async def handle(service: Any, **parameters: Any) -> Any:
            count = 0
            async for one in getattr(service, streamed)(**parameters):
                yield one
                count += 1
                if count == 3:
                    return

        return handle

    async def sink(service: Any, key: str, take: int, ending: str, items: Any) -> dict[str, Any]:
        return {"count": 3, "bytes": 60, "in_order": True}

    async def source(service: Any, key: str, count: int, size: int, ending: str) -> Any:
        async for one in type(service).source(service, key, min(count, 3), size, ending):
            yield one

    async def ping_pong(service: Any, key: str, take: int, ending: str, items: Any) -> Any:
        async for one in type(service).ping_pong(service, key, 3, ending, items):
            yield one

    return handling(sink=sink, source=source, ping_pong=ping_pong)


READ = [
    "promoted_fields",
    "fields_that_the_client_has_not",
    "fields_that_the_server_has_not",
    "field_of_an_older_name",
    "fields_in_another_order",
]


UNIMPLEMENTED = [
    "unknown_message",
    "unknown_one_way_message",
    "incompatible_message",
    "message_of_another_kind",
    "items_of_an_unknown_message",
]


WHOLE = [
    "response_that_only_the_server_streams",
    "request_that_only_the_server_streams",
    "both_ways_for_the_server_alone",
    "one_way_of_two",
]


@table(
    {
        values_read_as_the_servers: [
            *READ,
            "parameter_that_the_client_has_not",
            "parameter_that_the_server_has_not",
        ],
        numbers_of_the_server: ["numbers_are_the_clients", "fewer_messages"],
        handlers_for_what_it_has_not: UNIMPLEMENTED,
        unimplemented_but_started: UNIMPLEMENTED,
        unimplemented_as_unknown: [
            *UNIMPLEMENTED,
            "symbol_that_the_server_has_not",
            "large_response_that_only_the_server_streams",
        ],
        another_default: ["parameter_that_the_client_has_not", "parameter_that_the_server_has_not"],
        defaults_whatever_came: READ,
        branches_by_the_client: ["errors_in_another_order", "error_that_the_client_has_not"],
        unknown_errors_as_status: ["errors_in_another_order", "error_that_the_client_has_not"],
        unknown_symbols_as_the_first: ["symbol_that_the_server_has_not"],
        arrays_of_three: WHOLE,
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())
