from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from avrpc.conformance.interface import Conformance
from avrpc.conformance.serving import ConformanceServer
from avrpc.conformance.trace import Frame
from avrpc.server_call import ServerCall
from avrpc.wire import CallReceived, Event, GoawayCode, StatusCode, encode_long
from avrpc.wire.frames import STARTED, Kind
from tests.conformance.desk import (
    Serve,
    fails,
    handling,
    mute,
    names,
    sending,
    table,
    telling,
)


@pytest.mark.parametrize("name", names("errors"))
async def test_case_fails_with_a_mute_server(name: str, autojump_clock: MockClock) -> None:
    await fails(name, mute)


def errors_of_the_other_branch() -> Serve:
    async def fail(service: Any, how: str, reason: str) -> None:
        if how == "OTHER":
            raise Conformance.errors.Refused(reason=reason)
        raise Conformance.errors.Unlucky(color="BLUE", number=13)

    return handling(fail=fail)


def errors_cut_short() -> Serve:
    async def fail(service: Any, how: str, reason: str) -> None:
        raise Conformance.errors.Refused(reason=reason[:1000] + "...")

    return handling(fail=fail)


def declared_errors_as_status() -> Serve:
    async def fail(service: Any, how: str, reason: str) -> None:
        raise RuntimeError(reason)

    return handling(fail=fail)


def items_dropped_before_an_error() -> Serve:
    return sending(lambda frame: [] if frame.kind == Kind.ITEMS else [frame])


def statuses_never_started() -> Serve:
    return sending(lambda frame: [frame._replace(flags=frame.flags & ~STARTED)])


def failures_that_end_the_connection() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind not in (Kind.ERROR, Kind.STATUS):
            return [frame]
        fields = encode_long(0) + encode_long(GoawayCode.INTERNAL_ERROR) + b"\0"
        return [Frame(Kind.GOAWAY, 0, fields)]

    return sending(change)


def endings_that_wait_for_end() -> Serve:
    async def sink(service: Any, key: str, take: int, ending: str, items: Any) -> dict[str, Any]:
        async for _ in items:
            pass
        raise Conformance.errors.Refused(reason="as asked for")

    return handling(sink=sink)


def failures_that_end_all_calls() -> Serve:
    """After the first failure nothing is answered any more."""
    failed = False

    def change(frame: Frame) -> list[Frame]:
        nonlocal failed
        passed = [] if failed and frame.kind == Kind.RESULT else [frame]
        failed = failed or frame.kind in (Kind.ERROR, Kind.STATUS)
        return passed

    return sending(change)


def invalid_values_as_unknown() -> Serve:
    def change(frame: Frame) -> list[Frame]:
        if frame.kind == Kind.STATUS and frame.status().code == StatusCode.INVALID_VALUE:
            return [frame._replace(body=encode_long(1) + encode_long(StatusCode.UNKNOWN) + b"\0")]
        return [frame]

    return sending(change)


INVALID = [name for name in names("errors") if "failed" not in name and "error" not in name]


@table(
    {
        errors_of_the_other_branch: ["declared_error", "second_declared_error"],
        errors_cut_short: ["large_error"],
        declared_errors_as_status: ["declared_error", "large_error"],
        items_dropped_before_an_error: ["error_after_items", "status_after_items"],
        statuses_never_started: ["undeclared_error", "status_after_items"],
        failures_that_end_the_connection: names("errors"),
        endings_that_wait_for_end: ["error_before_end"],
        failures_that_end_all_calls: ["failed_calls_leave_others_alone", "truncated_parameters"],
        invalid_values_as_unknown: [name for name in INVALID if name != "status_after_items"],
    }
)
async def test_defect_is_noticed(defect: Any, name: str, autojump_clock: MockClock) -> None:
    await fails(name, defect())


async def test_failure_that_tells_its_reason_is_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(call: Any, error: BaseException) -> None:
        call._status(StatusCode.UNKNOWN, str(error))

    monkeypatch.setattr(ServerCall, "_answer_failure", tell)
    ending = await fails("undeclared_error", ConformanceServer().serve_stream)
    assert "secret" in ending.came


async def test_parameters_that_are_not_looked_at_are_noticed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(event: Event) -> list[Event]:
        if isinstance(event, CallReceived) and event.number == Conformance.messages["empty"].number:
            return [event._replace(parameters=b"")]
        return [event]

    await fails("parameters_of_none_with_bytes_over", telling(change))
